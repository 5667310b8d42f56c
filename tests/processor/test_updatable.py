"""The state that a processor of a run with updates keeps outside the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from dataplane.kernels import tracking as tracks
from dataplane.processor import updatable
from dataplane.processor.costs import CostModel
from dataplane.processor.flows import FlowTable
from dataplane.processor.processor import Windows
from dataplane.processor.updatable import UpdatableProcessor, Watch


def processor(*, depth: int) -> UpdatableProcessor:
    """A processor with a queue of that depth (0: unbounded)."""
    made = UpdatableProcessor(
        0, CostModel(dpc_queue_depth=depth), Windows(0, 10), 1, FlowTable(), Watch.new(1), ordered=True
    )
    made.write_addresses()
    return made


def test_frames_dropped_behind_holds_belong_to_the_epoch_of_their_time() -> None:
    """Drops count for the epoch before the next mark; those after the last mark for the last epoch (EPO-09)."""
    one = processor(depth=4)
    tracking = one._tracking
    for row, (epoch, before) in enumerate(((1, 0), (2, 7), (3, 0))):
        tracking.marks[row]["epoch"], tracking.marks[row]["dropped_behind"] = epoch, before
    tracking.counts[tracks.MARKS], tracking.counts[tracks.DROPPED_BEHIND] = 3, 5
    log = one.report().updates
    assert log is not None
    assert log.dropped_behind_holds.tolist() == [(1, 7), (3, 5)]


def test_a_queue_that_grows_keeps_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """After growth item n lies at n modulo the size, however many items came and went before (PRC-01)."""
    monkeypatch.setattr(updatable, "LOG_ROWS", 2)
    one = processor(depth=0)
    one._service.state["accepted"] = 5
    for number in (3, 4):  # those that are in the queue
        one._service.ring[number % 2] = 100 + number
    one._enlarge()
    assert len(one._service.ring) == len(one._tracking.items) == 4
    assert [int(one._service.ring[number % 4]) for number in (3, 4)] == [103, 104]
    assert np.count_nonzero(one._service.ring != tracks.NEVER) == 2
