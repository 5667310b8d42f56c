"""What goes over a doorbell: small msgpack messages; frames and work columns never travel this way.

A message is a msgpack array of its kind and its fields. Order is that of the socket; numbers count the doorbells of one
host from 0, so that a gap or a repeat is seen at once.
"""

from __future__ import annotations

from typing import NamedTuple

import msgpack


class Hello(NamedTuple):
    """The first message of a processor host: who it is."""

    host: int


class Welcome(NamedTuple):
    """The NIC's answer; the descriptor of the ring's memory travels with it."""

    slots: int
    batch_frames: int  # rows of a slot
    processors: int  # of the whole simulated host: a slot has one offset more


class Start(NamedTuple):
    """Comes before the first work, or before the end when nothing arrived."""

    start_ns: int  # first arrival of the run, 0 when nothing arrived


class Work(NamedTuple):
    """A batch lies in a slot; `selection[offsets[p]:offsets[p + 1]]` are the rows of processor p."""

    number: int
    epoch: int  # of the snapshot that steered the batch; never decreases
    slot: int
    rows: int  # frames of the batch
    first_frame: int  # number of row 0


class Acknowledge(NamedTuple):
    """All rows of one `Work` are served and complete in the slot."""

    number: int


class End(NamedTuple):
    """No more work."""

    number: int  # doorbells with work that came before


Message = Hello | Welcome | Start | Work | Acknowledge | End

_KINDS: tuple[type[Message], ...] = (Hello, Welcome, Start, Work, Acknowledge, End)

#: No message is longer.
MESSAGE_BYTES_MAX = 64


def encode(message: Message) -> bytes:
    """A message as bytes."""
    data: bytes = msgpack.packb((_KINDS.index(type(message)), *message))
    return data


def decode(data: bytes) -> Message:
    """The message that `encode` was given; ValueError or TypeError for anything else."""
    kind, *fields = msgpack.unpackb(data)
    if not 0 <= kind < len(_KINDS):
        raise ValueError(f"message kind {kind} is unknown")
    message: Message = _KINDS[kind](*fields)
    return message
