"""Messages of `dataplane.processor.messages` as bytes; frames and work columns never travel this way.

A message is a msgpack array of its kind and its fields; arrays of rows travel as their bytes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack
import numpy as np

from dataplane.processor.messages import (
    ANSWER_ROW,
    ENTRY_LOAD_ROW,
    LATE_ROW,
    PROCESSOR_LOAD_ROW,
    Acknowledge,
    Answer,
    End,
    Ended,
    Loads,
    Marker,
    Segment,
    Settle,
    Tick,
    Work,
)
from dataplane.switch.change import SteeringChange


class Hello(NamedTuple):
    """The first message of a processor host: its number."""

    host: int


class Welcome(NamedTuple):
    """The NIC's answer; the descriptor of the ring's memory travels with it."""

    buffers: int
    batch_frames: int  # rows of a buffer
    processors: int  # of the whole simulated host; a segment has one more offset than that
    rows_wanted: bool  # there is a reader of rows: the buffers have all columns


class Start(NamedTuple):
    """Sent before the first work, or before the end if nothing arrived."""

    start_ns: int  # first arrival of the run, 0 when nothing arrived


Message = Hello | Welcome | Start | Work | Settle | Tick | End | Acknowledge | Answer | Loads | Ended


def encode(message: Message) -> bytes:
    """A message as bytes."""
    fields: tuple[Any, ...]
    if isinstance(message, Hello | Welcome | Start | Tick | End):
        fields = tuple(message)
    elif isinstance(message, Work):
        segments = [(s.first_row, s.end_row, [_mark(mark) for mark in s.marks]) for s in message.segments]
        settled = [_settle(news) for news in message.settled]
        fields = (message.number, message.buffer, message.rows, message.first_frame, segments, settled)
    elif isinstance(message, Settle):
        fields = _settle(message)
    elif isinstance(message, Answer):
        fields = _answer(message)
    elif isinstance(message, Acknowledge):
        fields = (message.number, message.late.tobytes(), [_answer(answer) for answer in message.answers])
    elif isinstance(message, Loads):
        fields = (message.processors.tobytes(), message.entries.tobytes())
    else:
        fields = (message.late.tobytes(),)
    data: bytes = msgpack.packb((type(message).__name__, *fields))
    return data


def decode(data: bytes) -> Message:
    """The message that `encode` was given; ValueError or TypeError for anything else."""
    kind, *fields = msgpack.unpackb(data)
    if kind not in _DECODERS:
        raise ValueError(f"message kind {kind} is unknown")
    message: Message = _DECODERS[kind](*fields)
    return message


def encode_report(report: Any) -> bytes:
    """A report of many small objects, for `pickle.loads`: Ray's own pickler looks at each of them in Python."""
    return pickle.dumps(report, protocol=5)


def sent_bytes(value: Any) -> int:
    """The size of a value between processes of Ray, which pickles it with the bytes of arrays out of band."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return len(pickled) + sum(buffer.raw().nbytes for buffer in buffers)


def _mark(mark: Marker) -> tuple[Any, ...]:
    return (*mark[:-1], mark.change.packed())


def _read_mark(fields: list[Any]) -> Marker:
    *members, change = fields
    return Marker._make((*members, SteeringChange.unpacked(*change)))


def _settle(news: Settle) -> tuple[Any, ...]:
    return (news.epoch, news.retired_ns, news.answers.tobytes())


def _read_settle(epoch: int, retired_ns: int | None, answers: bytes) -> Settle:
    return Settle(epoch, retired_ns, _rows(answers, ANSWER_ROW))


def _answer(answer: Answer) -> tuple[Any, ...]:
    return (answer.epoch, answer.drained_ns, answer.answers.tobytes())


def _read_answer(epoch: int, drained_ns: int | None, answers: bytes) -> Answer:
    return Answer(epoch, drained_ns, _rows(answers, ANSWER_ROW))


def _read_work(
    number: int, buffer: int, rows: int, first_frame: int, segments: list[list[Any]], settled: list[list[Any]]
) -> Work:
    cut = tuple(Segment(first, end, tuple(_read_mark(mark) for mark in marks)) for first, end, marks in segments)
    return Work(number, buffer, rows, first_frame, cut, tuple(_read_settle(*news) for news in settled))


def _read_acknowledge(number: int, late: bytes, answers: list[list[Any]]) -> Acknowledge:
    return Acknowledge(number, _rows(late, LATE_ROW), tuple(_read_answer(*answer) for answer in answers))


def _read_loads(processors: bytes, entries: bytes) -> Loads:
    return Loads(_rows(processors, PROCESSOR_LOAD_ROW), _rows(entries, ENTRY_LOAD_ROW))


def _read_ended(late: bytes) -> Ended:
    return Ended(_rows(late, LATE_ROW))


def _rows(data: bytes, dtype: np.dtype[Any]) -> Any:
    return np.frombuffer(data, dtype)


_DECODERS: dict[str, Callable[..., Message]] = {
    "Hello": Hello,
    "Welcome": Welcome,
    "Start": Start,
    "Tick": Tick,
    "End": End,
    "Work": _read_work,
    "Settle": _read_settle,
    "Answer": _read_answer,
    "Acknowledge": _read_acknowledge,
    "Loads": _read_loads,
    "Ended": _read_ended,
}
