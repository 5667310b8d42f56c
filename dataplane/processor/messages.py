"""The messages between the NIC front end and the processors of a simulated host, on every transport (EPO-05).

Messages to one host keep their order, and so do the messages from one host. Equal results need no other order. Frames
and work columns are not messages: they lie in the buffer that `Work` names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.switch.change import SteeringChange

#: A processor's answer about the frames of a group that it took before an adoption: when the last one completes.
ANSWER_ROW = np.dtype(
    [
        ("processor", np.uint16),
        ("group", np.uint32),
        ("completion_ns", np.int64),  # of the last one; a lower bound unless `known`
        ("known", np.bool_),  # false while the processor itself holds frames of the group
    ]
)

#: What one processor has done since the tick before, and what waits in its queue at the tick.
PROCESSOR_LOAD_ROW = np.dtype(
    [
        ("processor", np.int64),  # row of the snapshot's processors
        ("packets", np.int64),  # arrivals, dropped ones included
        ("dropped", np.int64),
        ("busy_ns", np.int64),  # between the two ticks (PRC-04)
        ("queue_depth", np.int64),  # items in the DPC queue, held frames included
    ]
)

#: Work of one steering parameter since the tick before.
ENTRY_LOAD_ROW = np.dtype(
    [
        ("slot", np.int64),
        ("packets", np.int64),  # arrivals, dropped ones included
        ("busy_ns", np.int64),  # service cost of those that were not dropped
    ]
)


class Marker(NamedTuple):
    """The boundary between two epochs, after the last work of the old one."""

    epoch: int  # the new one
    adopted_at_ns: int
    first_frame: int  # number of the first frame that arrives after it
    targets: int  # of the new snapshot
    change: SteeringChange


class Segment(NamedTuple):
    """Consecutive rows of a batch that one snapshot has steered, with the marks in front of them."""

    first_row: int
    end_row: int
    marks: tuple[Marker, ...]


class Work(NamedTuple):
    """A batch in a buffer; the offsets of segment s give the rows of each processor."""

    number: int  # counts the works of one host from 0
    buffer: int
    rows: int  # frames of the batch
    first_frame: int  # number of row 0
    segments: tuple[Segment, ...]  # at least one
    settled: tuple[Settle, ...] = ()  # news that could wait for this work


class Settle(NamedTuple):
    """The combined answers of all processors about the old frames of an update."""

    epoch: int
    retired_ns: int | None  # when the last of them completes; None while that is not known
    answers: npt.NDArray[Any]  # ANSWER_ROW


class Tick(NamedTuple):
    """Asks for the loads at a moment behind all work so far (POL-02); no more work comes before the answer."""

    at_ns: int


class End(NamedTuple):
    """No more work."""

    number: int  # works that came before


#: The completion of a frame that was held when its work was acknowledged.
LATE_ROW = np.dtype([("frame", np.int64), ("completion_ns", np.int64)])


class Answer(NamedTuple):
    """The answer of a host's processors about an update, when all of them have reached it.

    While something is not known, further answers follow; each replaces the previous one.
    """

    epoch: int
    drained_ns: int | None  # when their last older frame completes (EPO-04); None while that is not known
    answers: npt.NDArray[Any]  # ANSWER_ROW: only groups with frames that complete after the adoption


def latest(moments_ns: Iterable[int | None]) -> int | None:
    """The latest of some moments; None if one of them is not known."""
    latest_ns: int | None = None
    for moment_ns in moments_ns:
        if moment_ns is None:
            return None
        latest_ns = moment_ns if latest_ns is None else max(latest_ns, moment_ns)
    return latest_ns


class Acknowledge(NamedTuple):
    """All rows of one `Work` are served, held or dropped, and the host does not need the buffer any more.

    A held row has HELD_NS in the buffer's `completion_ns`; its completion comes in `late`, of this message or a later
    one.
    """

    number: int
    late: npt.NDArray[Any]  # LATE_ROW
    answers: tuple[Answer, ...] = ()  # for which no processor waits


class Loads(NamedTuple):
    """The loads at a tick: of the processors of one host, or of several hosts one behind the other."""

    processors: npt.NDArray[Any]  # PROCESSOR_LOAD_ROW
    entries: npt.NDArray[Any]  # ENTRY_LOAD_ROW: for each host ascending by slot, without empty ones


class Ended(NamedTuple):
    """Everything is complete; the last message of a host."""

    late: npt.NDArray[Any]  # LATE_ROW


ToHost = Work | Settle | Tick | End
FromHost = Acknowledge | Answer | Loads | Ended
