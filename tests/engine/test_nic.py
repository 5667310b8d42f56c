"""The rows desk: whoever wants the rows of a run gets them whole and in order, whatever becomes of their slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dataplane.engine.experiment import CompleteRows, EpochSpan
from dataplane.engine.nic import RowsDesk
from dataplane.engine.transport import Sent
from dataplane.kernels.serve import HELD_NS
from dataplane.processor.messages import LATE_ROW, Segment
from dataplane.processor.slot import slot_of
from dataplane.receive.work import new_work_columns

ROWS = 3


def batch(number: int, completions_ns: list[int]) -> Sent:
    """A batch that is back, in a slot of its own."""
    work = new_work_columns(ROWS)
    work.filter_id[:] = number
    work.completion_ns[:] = completions_ns
    slot = slot_of(work, np.zeros((1, 2), np.int64), np.zeros(ROWS, np.uint32))
    return Sent(slot, ROWS, number * ROWS, (Segment(0, ROWS, ()),))


def late(*rows: tuple[int, int]) -> Any:
    """Frames that were held, and when they have completed."""
    return np.array(list(rows), LATE_ROW)


@pytest.mark.parametrize("early", [False, True])
def test_rows_outlive_their_slots(early: bool) -> None:
    """A batch with held frames, and one that has to wait for it, keep their rows when their slots are used again.

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
        for column in one.slot.work:
            column.fill(0)  # the next batch lies there
    if not early:
        desk.late(late((8, 38), (2, 12)))
    assert not given
    desk.late(late((1, 11)))
    assert given == [(0, [0] * 3, [10, 11, 12]), (3, [1] * 3, [20, 21, 22]), (6, [2] * 3, [30, 31, 38])]
