"""The processors of one host, apart from what `tests/engine` shows of them in runs."""

from __future__ import annotations

import numpy as np
import pytest

from dataplane.processor.costs import CostModel
from dataplane.processor.host import HostPlan, ProcessorHost
from dataplane.processor.messages import ANSWER_ROW, Acknowledge, End, Loads, Marker, Segment, Settle, Tick, Work
from dataplane.processor.work_buffer import work_buffer
from dataplane.receive.work import new_work_columns
from dataplane.switch.change import GROUP_ROW, HEIR_ROW, MOVED_ROW, SteeringChange


def test_time_comes_as_far_as_a_tick_without_frames() -> None:
    """Statistics after a tick are those of its moment (PRC-04), although no frame has arrived since."""
    host = ProcessorHost(HostPlan(0, 0, (CostModel(),), 1, 1000, 1, updates=True, ticks=True))
    host.start(0)
    [loads] = host.receive(Tick(500))
    assert isinstance(loads, Loads)
    assert (loads.processors.tolist(), loads.entries.tolist()) == ([(0, 0, 0, 0, 0)], [])
    [statistics] = host.statistics()
    assert (statistics.now_ns, statistics.queue_depth, statistics.busy_ns) == (500, 0, 0)


def test_a_tick_waits_for_a_release_that_is_not_known() -> None:
    """The frame is held by the tick, and the other processor's answers tell when it is released (POL-02)."""
    costs = (CostModel(receive_cost_ns=100),)
    host = ProcessorHost(HostPlan(1, 1, costs, 2, 10**9, 1, updates=True, ordered=True, ticks=True))
    host.start(0)
    work = new_work_columns(1, rows_wanted=False)
    work.timestamp_ns[:], work.entry_slot[:], work.wire_length[:] = 30, 5, 64
    buffer = work_buffer(work, np.array([[0, 0, 0], [0, 0, 1]]), np.zeros(1, np.uint32))
    change = SteeringChange(
        np.array([(0, 5, 0, 1)], MOVED_ROW), np.array([(5, 0)], GROUP_ROW), np.array([(5, 0, 1)], HEIR_ROW), 1
    )
    host.receive(Work(0, 0, 1, 0, (Segment(0, 0, ()), Segment(0, 1, (Marker(1, 25, 0, 1, change),)))), buffer)
    at_least, exact = np.array([(0, 0, 120, False)], ANSWER_ROW), np.array([(0, 0, 150, True)], ANSWER_ROW)
    assert any(isinstance(message, Acknowledge) for message in host.receive(Settle(1, None, at_least)))
    assert not any(isinstance(message, Loads) for message in host.receive(Tick(200)))
    [loads] = [message for message in host.receive(Settle(1, 150, exact)) if isinstance(message, Loads)]
    assert loads.processors.tolist() == [(1, 1, 0, 50, 1)]


def test_dropped_frames_cost_an_entry_nothing() -> None:
    """They count as packets of the entry, but their service is no work (POL-01); a window begins at the last tick."""
    costs = (CostModel(receive_cost_ns=1000, dpc_queue_depth=1),)
    host = ProcessorHost(HostPlan(0, 0, costs, 1, 10**9, 1, updates=True, ticks=True))
    host.start(0)
    work = new_work_columns(2, rows_wanted=False)
    work.timestamp_ns[:], work.entry_slot[:], work.wire_length[:] = [10, 20], 5, 64
    host.receive(
        Work(0, 0, 2, 0, (Segment(0, 2, ()),)), work_buffer(work, np.array([[0, 2]]), np.arange(2, dtype=np.uint32))
    )
    told = [loads for moment_ns in (50, 2000) for loads in host.receive(Tick(moment_ns)) if isinstance(loads, Loads)]
    assert [loads.processors.tolist() for loads in told] == [[(0, 2, 1, 40, 1)], [(0, 0, 0, 960, 0)]]
    assert [loads.entries.tolist() for loads in told] == [[(5, 2, 1000)], []]


@pytest.mark.parametrize(("drain_ns_max", "followers"), [(10**6, [2, 3]), (1006, [2]), (1005, [])])
def test_who_may_overtake(drain_ns_max: int, followers: list[int]) -> None:
    """Frames after an update are logged if older frames may be incomplete at their completion (EPO-09, ORD-02)."""
    costs = (CostModel(receive_cost_ns=1000),) * 2
    host = ProcessorHost(HostPlan(0, 0, costs, 2, 10**9, 1, updates=True, drain_ns_max=drain_ns_max))
    host.start(0)
    work = new_work_columns(4, rows_wanted=False)
    work.timestamp_ns[:] = [10, 20, 30, 40]
    work.entry_slot[:], work.wire_length[:], work.flow_key[:] = 5, 64, 1
    buffer = work_buffer(work, np.array([[0, 0, 2], [2, 4, 4]]), np.arange(4, dtype=np.uint32))  # entry 5: from 1 to 0
    change = SteeringChange(
        np.array([(0, 5, 1, 0)], MOVED_ROW), np.array([(5, 0)], GROUP_ROW), np.array([(5, 0, 0)], HEIR_ROW), 1
    )
    segments = (Segment(0, 2, ()), Segment(2, 4, (Marker(1, 25, 2, 1, change),)))
    host.receive(Work(0, 0, 4, 0, segments), buffer)
    host.receive(End(1))
    new, old = [processor.updates for processor in host.report().processors]
    assert new is not None
    assert old is not None
    assert new.followers["frame"].tolist() == followers  # they complete at 1030 and 2030 ns
    assert old.overtakable["frame"].tolist() == [0, 1]
    assert len(old.followers) == 0
