"""What the NIC front end and the processors of a simulated host tell each other, on every transport (EPO-05).

Messages to one host keep their order; so do those that one host sends. No other order is needed for equal results.
Frames and work columns are no message: they lie in the slot that `Work` names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.switch.change import SteeringChange

#: What a processor says of the frames of a group it took before an adoption: when the last one completes.
ANSWER_ROW = np.dtype(
    [
        ("processor", np.uint16),
        ("group", np.uint32),
        ("completion_ns", np.int64),  # of the last one; a lower bound unless `known`
        ("known", np.bool_),  # false while frames of the group are held there themselves
    ]
)

#: Work of one steering parameter on one processor since the tick before.
ENTRY_LOAD_ROW = np.dtype(
    [
        ("slot", np.uint32),
        ("received", np.int64),
        ("completions", np.int64),
        ("bytes", np.int64),
        ("dropped", np.int64),
        ("busy_ns", np.int64),  # service cost of what arrived
    ]
)


class Marker(NamedTuple):
    """The boundary between two epochs, behind the last work of the old one."""

    epoch: int  # the new one
    adopted_at_ns: int
    first_frame: int  # number of the first frame that arrives after it
    targets: int  # of the new snapshot
    change: SteeringChange


class Tick(NamedTuple):
    """Asks for the loads at a moment (POL-02)."""

    at_ns: int


class Segment(NamedTuple):
    """Consecutive rows of a batch that one snapshot has steered, behind what separates them from those before."""

    first_row: int
    end_row: int
    marks: tuple[Marker | Tick, ...]


class Work(NamedTuple):
    """A batch lies in a slot; the offsets of segment s say where the rows of each processor are."""

    number: int  # counts the works of one host from 0
    slot: int
    rows: int  # frames of the batch
    first_frame: int  # number of row 0
    segments: tuple[Segment, ...]  # at least one
    settled: tuple[Settle, ...] = ()  # news that were not urgent


class Settle(NamedTuple):
    """Everything that is known of the old frames of an update, from all processors."""

    epoch: int
    retired_ns: int | None  # when the last of them completes; None while that is not known
    answers: npt.NDArray[Any]  # ANSWER_ROW


class End(NamedTuple):
    """No more work."""

    number: int  # works that came before


#: The completion of a frame that was held when its work was acknowledged.
LATE_ROW = np.dtype([("frame", np.int64), ("completion_ns", np.int64)])


class Answer(NamedTuple):
    """What the processors of a host say about an update, when all of them have reached it.

    While something is not known, more follow; each replaces the one before.
    """

    epoch: int
    drained_ns: int | None  # when their last older frame completes (EPO-04); None while that is not known
    answers: npt.NDArray[Any]  # ANSWER_ROW: only groups with frames that complete after the adoption


def latest(moments_ns: Iterable[int | None]) -> int | None:
    """The latest of some moments; None when one of them is not known."""
    latest_ns: int | None = None
    for moment_ns in moments_ns:
        if moment_ns is None:
            return None
        latest_ns = moment_ns if latest_ns is None else max(latest_ns, moment_ns)
    return latest_ns


class Acknowledge(NamedTuple):
    """All rows of one `Work` are served, held or dropped, and nothing in the slot is needed any more.

    A row that is held has HELD_NS in the slot's `completion_ns`; its completion comes in `late` of this message or of a
    later one.
    """

    number: int
    late: npt.NDArray[Any]  # LATE_ROW
    answers: tuple[Answer, ...] = ()  # that nobody waits for


class ProcessorLoad(NamedTuple):
    """What one processor has done since the tick before, and what waits in its queue."""

    processor: int  # row of the snapshot's processors
    received: int  # arrivals by kind, dropped ones apart
    completions: int
    bytes: int
    dropped: int
    busy_ns: int  # inside the window (PRC-04)
    queue_depth: int  # items in the DPC queue, held frames included
    entries: npt.NDArray[Any]  # ENTRY_LOAD_ROW, ascending by slot, without empty ones


class Loads(NamedTuple):
    """The loads of all processors of a host at a tick."""

    processors: tuple[ProcessorLoad, ...]


class Ended(NamedTuple):
    """Everything is complete; the last message of a host."""

    late: npt.NDArray[Any]  # LATE_ROW


ToHost = Work | Settle | End
FromHost = Acknowledge | Answer | Loads | Ended
