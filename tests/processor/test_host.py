"""The processors of one host, apart from what `tests/engine` shows of them in runs."""

from __future__ import annotations

import numpy as np

from dataplane.processor.costs import CostModel
from dataplane.processor.host import HostPlan, ProcessorHost
from dataplane.processor.messages import Acknowledge, Segment, Tick, Work
from dataplane.processor.slot import slot_of
from dataplane.receive.work import new_work_columns


def test_time_comes_as_far_as_a_tick_without_frames() -> None:
    """Statistics behind a work that has nothing but a tick are those of its moment (PRC-04)."""
    host = ProcessorHost(HostPlan(0, 0, (CostModel(),), 1, 1000, 1, updates=True, ticks=True))
    host.start(0)
    slot = slot_of(new_work_columns(1), np.zeros((1, 2), np.int64), np.zeros(1, np.uint32))
    answers = host.receive(Work(0, 0, 0, 0, (Segment(0, 0, (Tick(500),)),)), slot)
    assert any(isinstance(answer, Acknowledge) for answer in answers)
    [statistics] = host.statistics()
    assert (statistics.now_ns, statistics.queue_depth, statistics.busy_ns) == (500, 0, 0)
