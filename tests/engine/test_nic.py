"""The NIC of a run alone: what it sends, and that a reader of rows gets all of them in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataplane.engine.experiment import CompleteRows, EpochSpan
from dataplane.engine.nic import Nic, RowsDesk
from dataplane.engine.transport import Sent
from dataplane.kernels.serve import HELD_NS
from dataplane.processor.messages import (
    ANSWER_ROW,
    ENTRY_LOAD_ROW,
    LATE_ROW,
    PROCESSOR_LOAD_ROW,
    Answer,
    Ended,
    FromHost,
    Loads,
    Segment,
    Settle,
    Tick,
)
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer, work_buffer
from dataplane.receive.work import new_work_columns
from dataplane.traffic.batch import FrameBatch
from tests.batches import batch_of
from tests.engine.updates import Planned, planned_updates
from tests.kernels.snapshots import four_vports

ROWS = 3


def batch(number: int, completions_ns: list[int]) -> Sent:
    """A finished batch, in its own buffer."""
    work = new_work_columns(ROWS)
    work.filter_id[:] = number
    work.completion_ns[:] = completions_ns
    buffer = work_buffer(work, np.zeros((1, 2), np.int64), np.zeros(ROWS, np.uint32))
    return Sent(buffer, ROWS, number * ROWS, (Segment(0, ROWS, ()),))


def late(*rows: tuple[int, int]) -> Any:
    """Held frames, and their completions."""
    return np.array(list(rows), LATE_ROW)


@pytest.mark.parametrize("early", [False, True])
def test_rows_outlive_their_buffers(early: bool) -> None:
    """A batch with held frames, and a batch that waits for it, keep their rows when their buffers are reused.

    Completions of held frames may come before their batch does.
    """
    given: list[tuple[int, list[int], list[int]]] = []

    def deliver(rows: CompleteRows) -> None:
        given.append((rows.first_frame, rows.work.filter_id.tolist(), rows.work.completion_ns.tolist()))

    desk = RowsDesk(deliver)
    batches = [batch(0, [10, HELD_NS, HELD_NS]), batch(1, [20, 21, 22]), batch(2, [30, 31, HELD_NS])]
    for one in batches:
        desk.sent(one, (EpochSpan(ROWS, 0, [0]),))
    if early:
        desk.late(late((8, 38), (2, 12)))
    for one in batches:
        desk.back(one)
        assert not given
        for column in one.buffer.work:
            column.fill(0)  # the next batch lies there
    if not early:
        desk.late(late((8, 38), (2, 12)))
    assert not given
    desk.late(late((1, 11)))
    assert given == [(0, [0] * 3, [10, 11, 12]), (3, [1] * 3, [20, 21, 22]), (6, [2] * 3, [30, 31, 38])]


class QuietTransport:
    """Two hosts that do nothing by themselves; keeps the messages to them."""

    hosts = 2

    def __init__(self) -> None:
        self.sent: list[tuple[Sent, bool]] = []
        self.messages: list[tuple[int, FromHost]] = []

    def start(self, start_ns: int) -> None:
        """Do nothing."""

    def has_buffer(self) -> bool:
        """Always."""
        return True

    def next_buffer(self, rows: int) -> WorkBuffer:
        """A new one."""
        return work_buffer(new_work_columns(rows), np.zeros((SEGMENTS_MAX, 5), np.int64), np.zeros(rows, np.uint32))

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """Keep it."""
        self.sent.append((batch, everywhere))

    def tell(self, message: Settle | Tick) -> None:
        """A tick is answered at once."""
        if isinstance(message, Tick):
            idle = np.zeros(4, PROCESSOR_LOAD_ROW)
            idle["processor"] = range(4)
            nothing = np.zeros(0, ENTRY_LOAD_ROW)
            self.messages += [(0, Loads(idle[:2], nothing)), (1, Loads(idle[2:], nothing))]

    def receive(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """What the test says for them."""
        messages, self.messages = self.messages, []
        assert messages or not wait
        return messages

    def settle(self) -> list[Sent]:
        """None comes back."""
        return []

    def end(self) -> None:
        """Both have done everything."""
        self.messages += [(host, Ended(late())) for host in range(self.hosts)]


def nic_with_an_update(transport: QuietTransport, *, ticks_ns: Sequence[int] = ()) -> Nic:
    """A NIC whose steering changes at 25 ns."""
    first, second = four_vports(), four_vports(1)
    updates = planned_updates([(None, first.configuration), (25, second.configuration)], first.processors)
    return Nic(first, transport, Planned(updates, ticks_ns=ticks_ns), ordered=True)


def frames(*times_ns: int, first_frame: int = 0) -> FrameBatch:
    """A batch of frames with those arrivals."""
    return batch_of([bytes(60)] * len(times_ns), timestamps_ns=times_ns, first_frame=first_frame)


def test_a_marker_says_which_frames_came_before_it() -> None:
    """An update adopted at a tick, between two frames of a batch, has no segment of its own (EPO-04)."""
    transport = QuietTransport()
    nic_with_an_update(transport, ticks_ns=[30]).take(frames(10, 20, 40, 50))
    [marker] = [mark for batch, _ in transport.sent for segment in batch.segments for mark in segment.marks]
    assert (marker.adopted_at_ns, marker.first_frame) == (25, 2)
    assert [(batch.first_frame, batch.rows) for batch, _ in transport.sent] == [(0, 2), (2, 0), (2, 2)]


def test_everybody_hears_of_time_while_an_update_is_open() -> None:
    """Others may wait for a host without rows: all hosts get all batches until the update is over (EPO-07)."""
    transport = QuietTransport()
    nic = nic_with_an_update(transport)
    nic.take(frames(10, 20))
    nic.take(frames(30, 40, first_frame=2))
    nothing = np.zeros(0, ANSWER_ROW)
    transport.messages = [(0, Answer(1, 25, nothing)), (1, Answer(1, None, nothing))]
    nic.take(frames(50, first_frame=4))
    nic.take(frames(60, first_frame=5))
    transport.messages = [(1, Answer(1, 55, nothing))]
    nic.listen()
    nic.take(frames(70, first_frame=6))
    assert [everywhere for _, everywhere in transport.sent] == [False, True, True, True, False]


def test_what_was_requested_before_the_last_frame_is_adopted() -> None:
    """A request before the last arrival is adopted, even after it; a request after the last arrival is not (EPO-03)."""
    first, second, third = (four_vports(n) for n in range(3))
    updates = planned_updates(
        [(None, first.configuration), (25, second.configuration), (31, third.configuration)], first.processors
    )
    late_ones = [replace(one, adopted_at_ns=one.adopted_at_ns + 100) for one in updates]
    nic = Nic(first, QuietTransport(), Planned(late_ones), ordered=True)
    nic.take(frames(10, 30))
    nic.finish()
    assert [(one.epoch, one.adopted_at_ns) for one in nic.result().updates] == [(1, 125)]
