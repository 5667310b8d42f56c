"""The processors of one host, apart from what `tests/engine` shows of them in runs."""

from __future__ import annotations

import numpy as np
import pytest

from dataplane.processor.costs import CostModel
from dataplane.processor.host import HostPlan, ProcessorHost
from dataplane.processor.messages import End, Loads, Marker, Segment, Tick, Work
from dataplane.processor.slot import slot_of
from dataplane.receive.work import new_work_columns
from dataplane.switch.change import GROUP_ROW, HEIR_ROW, MOVED_ROW, SteeringChange


def test_time_comes_as_far_as_a_tick_without_frames() -> None:
    """Statistics behind a tick are those of its moment (PRC-04), although no frame has come."""
    host = ProcessorHost(HostPlan(0, 0, (CostModel(),), 1, 1000, 1, updates=True, ticks=True))
    host.start(0)
    [loads] = host.receive(Tick(500))
    assert isinstance(loads, Loads)
    assert (loads.processors.tolist(), loads.entries.tolist()) == ([(0, 0, 0, 0, 0)], [])
    [statistics] = host.statistics()
    assert (statistics.now_ns, statistics.queue_depth, statistics.busy_ns) == (500, 0, 0)


@pytest.mark.parametrize(("drain_ns_max", "followers"), [(10**6, [2, 3]), (1006, [2]), (1005, [])])
def test_who_may_overtake(drain_ns_max: int, followers: list[int]) -> None:
    """Logged is what arrives behind an update and completes before all older frames must have (EPO-09, ORD-02)."""
    costs = (CostModel(receive_cost_ns=1000),) * 2
    host = ProcessorHost(HostPlan(0, 0, costs, 2, 10**9, 1, updates=True, drain_ns_max=drain_ns_max))
    host.start(0)
    work = new_work_columns(4, rows_wanted=False)
    work.timestamp_ns[:] = [10, 20, 30, 40]
    work.entry_slot[:], work.wire_length[:], work.flow_key[:] = 5, 64, 1
    slot = slot_of(work, np.array([[0, 0, 2], [2, 4, 4]]), np.arange(4, dtype=np.uint32))  # entry 5: from 1 to 0
    change = SteeringChange(
        np.array([(0, 5, 1, 0)], MOVED_ROW), np.array([(5, 0)], GROUP_ROW), np.array([(5, 0, 0)], HEIR_ROW), 1
    )
    segments = (Segment(0, 2, ()), Segment(2, 4, (Marker(1, 25, 2, 1, change),)))
    host.receive(Work(0, 0, 4, 0, segments), slot)
    host.receive(End(1))
    new, old = [processor.updates for processor in host.report().processors]
    assert new is not None
    assert old is not None
    assert new.followers["frame"].tolist() == followers  # they complete at 1030 and 2030 ns
    assert old.overtakable["frame"].tolist() == [0, 1]
    assert len(old.followers) == 0
