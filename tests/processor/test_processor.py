"""The processor's kernels against the event-by-event reference, and against queueing theory."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.kernels.flows import ORDER_ROW, follow
from dataplane.kernels.serve import bucket_of
from dataplane.kernels.work import TRANSMIT
from dataplane.processor.costs import CostModel
from dataplane.processor.histogram import LatencyHistogram
from dataplane.processor.host import HostPlan, HostReport, ProcessorHost
from dataplane.processor.messages import Segment, Work
from dataplane.processor.work_buffer import work_buffer
from dataplane.receive.work import WorkColumns, new_work_columns
from tests.reference import processor as reference
from tests.reference.order import measure_order

COSTS = st.builds(
    CostModel,
    dpc_queue_depth=st.sampled_from([0, 1, 2, 3, 8]),
    receive_cost_ns=st.sampled_from([0, 1, 7, 50]),
    receive_cost_per_byte_ps=st.sampled_from([0, 0, 333, 1500]),
    completion_cost_ns=st.sampled_from([0, 3, 20]),
    interrupt_moderation_ns=st.sampled_from([0, 0, 10, 100]),
    interrupt_latency_ns=st.sampled_from([0, 0, 5, 40]),
    dpc_overhead_ns=st.sampled_from([0, 0, 2, 30]),
    max_nbls_to_indicate=st.sampled_from([0, 0, 1, 2, 5]),
)
#: (gap to the previous arrival, wire length, is a send, flow)
ITEMS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 5, 20, 60, 300]), st.integers(14, 100), st.booleans(), st.integers(1, 3)),
    max_size=40,
)
WINDOW_NS = st.sampled_from([1000, 37, 7])


def work_of(items: list[tuple[int, int, bool, int]]) -> WorkColumns:
    """Work columns of items for one processor; the flow doubles as steering parameter and target."""
    work = new_work_columns(len(items))
    work.timestamp_ns[:] = np.cumsum([gap for gap, _, _, _ in items]) + 1000
    work.wire_length[:] = [length for _, length, _, _ in items]
    work.flags[:] = [TRANSMIT if is_send else 0 for _, _, is_send, _ in items]
    work.flow_key[:] = [flow for _, _, _, flow in items]
    work.entry_slot[:] = [flow for _, _, _, flow in items]
    work.target[:] = [flow for _, _, _, flow in items]
    return work


def served(costs: CostModel, work: WorkColumns, window_ns: int, cuts: list[int] | None = None) -> HostReport:
    """The report of a host with one processor that has served all rows, in one call or cut at the given places."""
    count = len(work.timestamp_ns)
    host = ProcessorHost(HostPlan(0, 0, (costs,), 1, window_ns, targets=4))
    host.start(1000)
    places = sorted({0, count, *(cut % (count + 1) for cut in cuts or [])})
    offsets = np.zeros((1, 2), np.int64)
    buffer = work_buffer(work, offsets, np.arange(count, dtype=np.uint32))
    for number, (low, high) in enumerate(pairwise(places)):
        offsets[0] = low, high
        host.receive(Work(number, 0, count, 0, (Segment(low, high, ()),)), buffer)
    return host.report()


def reference_of(costs: CostModel, work: WorkColumns) -> reference.Processor:
    """The event-by-event machine over the same items."""
    model = reference.ProcessorCosts(**asdict(costs))
    items = [
        reference.Item(int(at), costs.completion_cost_ns if is_send else model.receive_cost(int(length)))
        for at, length, is_send in zip(work.timestamp_ns, work.wire_length, work.flags & TRANSMIT, strict=True)
    ]
    return reference.simulate(model, items)


def facts(told: HostReport) -> dict[str, Any]:
    """A report as comparable values."""
    report = told.processors[0]
    histogram = report.histogram
    return {
        "counters": report.counters,
        "histogram": (histogram.buckets.tolist(), histogram.sum_ns, histogram.min_ns, histogram.max_ns),
        "by_target": report.by_target.tolist(),
        "busy": report.busy_windows.tolist(),
        "entries": report.entry_windows.tolist(),
        "flows": [column.tolist() for column in told.flows],
    }


@given(COSTS, ITEMS, WINDOW_NS)
def test_service_equals_the_event_by_event_machine(
    costs: CostModel, items: list[tuple[int, int, bool, int]], window_ns: int
) -> None:
    """Completions, drops, interrupts, DPC runs and busy time are those of PRC-01 to PRC-04, INT-05 and INT-06.

    An item is in the DPC queue from its arrival on: steering has taken no model time (TIM-04).
    """
    work = work_of(items)
    report = served(costs, work, window_ns).processors[0]
    machine = reference_of(costs, work)
    expected = [-1 if outcome.completion_ns is None else outcome.completion_ns for outcome in machine.outcomes]
    assert work.completion_ns.tolist() == expected
    assert work.drop.tolist() == [3 if outcome.dropped else 0 for outcome in machine.outcomes]
    assert report.counters["interrupts"] == len(machine.interrupts_ns)
    assert report.counters["dpcs"] == len(machine.dpcs_ns)
    latencies = reference.latencies_ns(machine)
    assert report.histogram.count == len(latencies)
    assert report.histogram.sum_ns == sum(latencies)
    assert report.counters["dropped"] == sum(outcome.dropped for outcome in machine.outcomes)
    busy = {int(window): int(ns) for window, ns in report.busy_windows.tolist()}
    assert len(busy) == len(report.busy_windows)
    windows = 1 + max(busy, default=0)
    assert [busy.get(w, 0) for w in range(windows)] == reference.busy_by_window(machine.busy, 1000, window_ns, windows)
    assert report.counters["busy_ns"] == sum(end - start for start, end in machine.busy)


@given(COSTS, ITEMS, WINDOW_NS, st.lists(st.integers(0, 40), max_size=5))
def test_cuts_do_not_matter(
    costs: CostModel, items: list[tuple[int, int, bool, int]], window_ns: int, cuts: list[int]
) -> None:
    """Everything reported is the same however rows are cut into calls (TIM-01)."""
    whole, parts = work_of(items), work_of(items)
    assert facts(served(costs, whole, window_ns)) == facts(served(costs, parts, window_ns, cuts))
    assert whole.completion_ns.tolist() == parts.completion_ns.tolist()


@given(COSTS, ITEMS, WINDOW_NS)
def test_books_balance(costs: CostModel, items: list[tuple[int, int, bool, int]], window_ns: int) -> None:
    """Counts by target, by steering parameter and window, by flow and in total agree (MOD-11, BAL-01, PRC-01)."""
    work = work_of(items)
    told = served(costs, work, window_ns)
    report = told.processors[0]
    counters = report.counters
    assert counters["received"] + counters["completions"] + counters["dropped"] == len(items)
    received, octets, _, completions, dropped = report.by_target.sum(axis=0).tolist()
    assert (received, octets, completions, dropped) == (
        counters["received"], counters["bytes"], counters["completions"], counters["dropped"],
    )  # fmt: skip
    accepted = work.flow_key[work.drop == 0].tolist()
    assert dict(zip(*(column.tolist() for column in told.flows), strict=True)) == Counter(accepted)
    for name in ("received", "completions", "bytes", "dropped"):
        assert report.entry_windows[name].sum() == counters[name]
    for row in report.entry_windows:
        inside = (work.timestamp_ns - 1000) // window_ns == row["window"]
        mine = inside & (work.entry_slot == row["slot"])
        assert row["received"] + row["completions"] + row["dropped"] == mine.sum()


@given(COSTS, ITEMS)
def test_first_in_first_out_never_reorders(costs: CostModel, items: list[tuple[int, int, bool, int]]) -> None:
    """A processor completes frames in the order of arrival (PRC-02, ORD-03)."""
    work = work_of(items)
    served(costs, work, 1000)
    completed = work.completion_ns[work.drop == 0]
    assert (np.diff(completed) >= 0).all()


@pytest.mark.parametrize("cuts", [[], [1, 60, 61]])
def test_latencies_beyond_64_bits_are_added_exactly(cuts: list[int]) -> None:
    """The sum of latencies is exact however long the frames wait (PRC-06): here some weeks each."""
    costs = CostModel(dpc_queue_depth=0, receive_cost_per_byte_ps=10**9)
    work = work_of([(0, 2**32 - 1, False, 1)] * 100)
    report = served(costs, work, 10**15, cuts).processors[0]
    latencies = reference.latencies_ns(reference_of(costs, work))
    assert sum(latencies) > 2**64
    assert report.histogram.sum_ns == sum(latencies)
    assert report.histogram.max_ns == latencies[-1]


def test_frames_out_of_order_are_a_defect() -> None:
    """A processor reports frames that do not come in arrival order (ORD-03)."""
    work = work_of([(5, 64, False, 1)] * 3)
    host = ProcessorHost(HostPlan(0, 0, (CostModel(),), 1, 1000, targets=4))
    host.start(1000)
    buffer = work_buffer(work, np.array([[0, 3]]), np.array([0, 2, 1], np.uint32))
    with pytest.raises(AssertionError, match="not in the order of their arrival"):
        host.receive(Work(0, 0, 3, 0, (Segment(0, 3, ()),)), buffer)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), max_size=12))
def test_order_measure_sees_reordering(completions: list[tuple[int, int]]) -> None:
    """Completions that overtake within a flow are counted as RFC 4737 says, others are not (ORD-02, ORD-03, ORD-04)."""
    table, reordered, used = np.zeros(64, ORDER_ROW), 0, 0
    for frame in sorted(range(len(completions)), key=lambda row: (completions[row][1], row)):
        flow, completion_ns = completions[frame]
        used, late_ns = follow(table, used, np.uint64(flow), frame, completion_ns)
        reordered += late_ns > 0
    assert reordered == len(measure_order(completions).reordered)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), st.integers(1, 59))
def test_histogram_is_exact_where_it_says(values: list[int], cut: int) -> None:
    """Quantiles are within 1 % of the exact ones, the rest is exact, and merging is plain addition (PRC-06)."""

    def histogram(part: list[int]) -> LatencyHistogram:

        buckets = LatencyHistogram.empty().buckets
        for value in part:
            buckets[bucket_of(value)] += 1
        return LatencyHistogram(buckets, sum(part), min(part), max(part)) if part else LatencyHistogram.empty()

    whole = histogram(values)
    merged = histogram(values[:cut]).merge(histogram(values[cut:]))
    assert facts_of(merged) == facts_of(whole)
    for share in (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000)):
        exact = reference.percentile(sorted(values), share)
        assert abs(whole.quantile_ns(float(share)) - exact) <= 0.01 * exact


def test_nothing_served_has_no_latency() -> None:
    """All figures of a processor without items are 0."""
    assert set(LatencyHistogram.empty().summary().values()) == {0}


def facts_of(histogram: LatencyHistogram) -> tuple[Any, ...]:
    """A histogram as comparable values."""
    return histogram.buckets.tolist(), histogram.sum_ns, histogram.min_ns, histogram.max_ns


def poisson_arrivals(count: int, mean_ns: float, seed: int) -> np.ndarray:
    """Arrival times of a Poisson process."""
    return np.cumsum(np.random.default_rng(seed).exponential(mean_ns, count)).astype(np.int64)


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
def test_m_d_1(load: float) -> None:
    """Mean waiting time of M/D/1 is rho D / (2 (1 - rho)) within the confidence interval of the run (PRC-05)."""
    service_ns, count, batches = 1000, 2_000_000, 40
    work = new_work_columns(count)
    work.timestamp_ns[:] = poisson_arrivals(count, service_ns / load, seed=7)
    work.wire_length[:] = 64
    served(CostModel(dpc_queue_depth=0, receive_cost_ns=service_ns), work, 1 << 40)
    assert_mean(work.completion_ns - work.timestamp_ns - service_ns, load * service_ns / (2 * (1 - load)), batches)


def test_m_m_1() -> None:
    """Mean waiting time of M/M/1, service by exponential lengths, is rho D / (1 - rho) (PRC-05)."""
    load, mean_ns, count = 0.7, 1000.0, 2_000_000
    work = new_work_columns(count)
    work.timestamp_ns[:] = poisson_arrivals(count, mean_ns / load, seed=11)
    work.wire_length[:] = np.random.default_rng(12).exponential(mean_ns, count)
    costs = CostModel(dpc_queue_depth=0, receive_cost_ns=0, receive_cost_per_byte_ps=1000)
    served(costs, work, 1 << 40)
    waiting = work.completion_ns - work.timestamp_ns - work.wire_length.astype(np.int64)
    assert_mean(waiting, load * mean_ns / (1 - load), 40)


@pytest.mark.parametrize(("load", "depth"), [(0.9, 4), (1.2, 8)])
def test_m_d_1_k_loss(load: float, depth: int) -> None:
    """The share of items lost by M/D/1/K equals the one of its embedded Markov chain (PRC-05, PRC-01)."""
    service_ns, count = 1000, 2_000_000
    work = new_work_columns(count)
    work.timestamp_ns[:] = poisson_arrivals(count, service_ns / load, seed=5)
    work.wire_length[:] = 64
    served(CostModel(dpc_queue_depth=depth, receive_cost_ns=service_ns), work, 1 << 40)
    lost = (work.completion_ns < 0).astype(float)
    assert_mean(lost, loss_of_m_d_1_k(load, depth), 40)


def loss_of_m_d_1_k(load: float, depth: int) -> float:
    """Blocking probability of M/D/1/K with K = depth items in the system, from its chain at departures.

    pi_j, j items left behind at a departure, solves pi = pi P with Poisson(load) arrivals per service, cut at K - 1;
    then P(blocked) = 1 - 1 / (pi_0 + load) (Gross and Harris, Fundamentals of Queueing Theory, section 5.1.8).
    """
    arrivals = [np.exp(-load)]
    for k in range(1, depth + 1):
        arrivals.append(arrivals[-1] * load / k)
    chain = np.zeros((depth, depth))
    for i in range(depth):
        start = max(i - 1, 0)
        for j in range(start, depth - 1):
            chain[i, j] = arrivals[j - start]
        chain[i, depth - 1] = 1 - chain[i, : depth - 1].sum()
    system = np.vstack([chain.T - np.eye(depth), np.ones(depth)])
    stationary = np.linalg.lstsq(system, np.array([*np.zeros(depth), 1.0]), rcond=None)[0]
    return float(1 - 1 / (stationary[0] + load))


def assert_mean(values: np.ndarray, expected: float, batches: int) -> None:
    """The mean of a correlated sequence is as expected within 4 standard errors of its batch means."""
    means = values[: len(values) // batches * batches].reshape(batches, -1).mean(axis=1)
    error = means.std(ddof=1) / batches**0.5
    assert abs(means.mean() - expected) < 4 * error
    assert error < 0.05 * expected, "too few items to tell"
