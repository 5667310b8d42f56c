"""The reference processor against examples worked out by hand and against what must hold for any input."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.processor import (
    Item,
    Processor,
    ProcessorCosts,
    busy_by_window,
    busy_ns,
    latencies_ns,
    percentile,
    simulate,
)


def served(costs: ProcessorCosts, cost_ns: int, *arrivals_ns: int) -> Processor:
    """A processor that has served items of equal cost."""
    return simulate(costs, [Item(arrival_ns, cost_ns) for arrival_ns in arrivals_ns])


def spans(processor: Processor) -> list[tuple[int | None, int | None]]:
    """Start and completion of every item; None, None for a dropped one."""
    return [(outcome.start_ns, outcome.completion_ns) for outcome in processor.outcomes]


def test_one_after_another() -> None:
    """Items are served in order, one at a time; an idle processor takes a new interrupt (PRC-02, PRC-03)."""
    processor = served(ProcessorCosts(), 500, 0, 100, 2000)
    assert spans(processor) == [(0, 500), (500, 1000), (2000, 2500)]
    assert processor.interrupts_ns == processor.dpcs_ns == [0, 2000]
    assert processor.busy == [(0, 1000), (2000, 2500)]
    assert latencies_ns(processor) == [500, 500, 900]


def test_completion_comes_before_arrival() -> None:
    """An item completed at t has left the queue at t and its DPC is over (PRC-01, PRC-03)."""
    processor = served(ProcessorCosts(dpc_queue_depth=1), 500, 0, 500)
    assert spans(processor) == [(0, 500), (500, 1000)]
    assert processor.interrupts_ns == [0, 500]


def test_items_without_cost() -> None:
    """Without any cost each arrival of one instant finds the processor idle again (PRC-03)."""
    processor = served(ProcessorCosts(dpc_queue_depth=1), 0, 5, 5, 5)
    assert spans(processor) == [(5, 5)] * 3
    assert processor.interrupts_ns == [5, 5, 5]


def test_full_queue_drops() -> None:
    """The item in service counts against the depth; a drop changes nothing for the others (PRC-01)."""
    processor = served(ProcessorCosts(dpc_queue_depth=2), 500, 0, 0, 0, 499, 500)
    assert spans(processor) == [(0, 500), (500, 1000), (None, None), (None, None), (1000, 1500)]
    assert [outcome.dropped for outcome in processor.outcomes] == [False, False, True, True, False]


def test_depth_counts_items_waiting_for_the_interrupt() -> None:
    """Items wait in the queue also before the DPC starts (PRC-01, PRC-03)."""
    processor = served(ProcessorCosts(dpc_queue_depth=1, interrupt_latency_ns=100), 10, 0, 99, 110)
    assert spans(processor) == [(100, 110), (None, None), (210, 220)]


def test_unbounded_queue() -> None:
    """Depth 0 drops nothing (PRC-01)."""
    processor = served(ProcessorCosts(dpc_queue_depth=0), 1, *[0] * 2000)
    assert processor.outcomes[-1].completion_ns == 2000


def test_moderation_latency_and_overhead() -> None:
    """Interrupts keep their distance, the DPC follows after the latency and starts with its overhead (PRC-03)."""
    costs = ProcessorCosts(interrupt_moderation_ns=1000, interrupt_latency_ns=50, dpc_overhead_ns=10)
    processor = served(costs, 100, 0, 700, 800, 2500)
    assert spans(processor) == [(60, 160), (1060, 1160), (1160, 1260), (2560, 2660)]
    assert processor.interrupts_ns == [0, 1000, 2500]
    assert processor.dpcs_ns == [50, 1050, 2550]
    assert processor.busy == [(50, 160), (1050, 1260), (2550, 2660)]


def test_limit_of_one_dpc_run() -> None:
    """A DPC at its limit with more pending runs again at once, pays again and raises no interrupt (PRC, INT-05)."""
    processor = served(ProcessorCosts(dpc_overhead_ns=10, max_nbls_to_indicate=2), 100, 0, 0, 0, 0, 0)
    assert spans(processor) == [(10, 110), (110, 210), (220, 320), (320, 420), (430, 530)]
    assert (processor.interrupts_ns, processor.dpcs_ns) == ([0], [0, 210, 420])
    assert processor.busy == [(0, 530)]


def test_limit_reached_with_an_empty_queue() -> None:
    """Nothing more pending: the processor is idle, and an arrival at that instant interrupts it (INT-06)."""
    processor = served(ProcessorCosts(dpc_overhead_ns=10, max_nbls_to_indicate=2), 100, 0, 0, 210)
    assert spans(processor) == [(10, 110), (110, 210), (220, 320)]
    assert (processor.interrupts_ns, processor.dpcs_ns) == ([0, 210], [0, 210])


def test_cost_per_byte() -> None:
    """Picoseconds per byte add up over the frame before they are rounded to nanoseconds, halves up (PRC)."""
    costs = ProcessorCosts(receive_cost_ns=500, receive_cost_per_byte_ps=50)
    assert [costs.receive_cost(length) for length in (9, 10, 29, 30, 1500)] == [500, 501, 501, 502, 575]


def test_busy_time_in_windows() -> None:
    """Windows cut busy intervals, ends excluded (PRC-04, BAL-01)."""
    busy = [(50, 160), (1050, 1260)]
    assert busy_ns(busy, 100, 1100) == 110
    assert busy_by_window(busy, 50, 100, 13) == [100, 10, 0, 0, 0, 0, 0, 0, 0, 0, 100, 100, 10]


def test_percentiles() -> None:
    """Nearest rank, without rounding errors (PRC-06)."""
    values = list(range(1, 1001))
    shares = [Fraction(1, 1000), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000), Fraction(1)]
    assert [percentile(values, share) for share in shares] == [1, 500, 900, 990, 999, 1000]
    assert percentile([7], Fraction(1, 2)) == 7
    assert percentile([1, 2, 3], Fraction(1, 2)) == 2


COSTS = st.builds(
    ProcessorCosts,
    dpc_queue_depth=st.integers(0, 4),
    interrupt_moderation_ns=st.sampled_from((0, 7, 40)),
    interrupt_latency_ns=st.sampled_from((0, 5)),
    dpc_overhead_ns=st.sampled_from((0, 3)),
    max_nbls_to_indicate=st.integers(0, 3),
)
ITEMS = st.lists(st.builds(Item, st.integers(0, 100), st.integers(0, 12)), max_size=30).map(
    lambda items: sorted(items, key=lambda item: item.arrival_ns)
)


@settings(max_examples=200, deadline=None)
@given(COSTS, ITEMS)
def test_what_holds_for_any_input(costs: ProcessorCosts, items: list[Item]) -> None:
    """Order, depth, work, interrupts and DPCs agree with their rules, counted in another way.

    PRC-01 to PRC-04, INT-05, INT-11, MOD-11.
    """
    processor = simulate(costs, items)
    pairs = list(zip(items, processor.outcomes, strict=True))
    done = [(item, outcome) for item, outcome in pairs if not outcome.dropped]

    previous_end = 0
    for item, outcome in done:
        assert outcome.start_ns is not None
        assert outcome.completion_ns is not None
        assert outcome.start_ns >= max(previous_end, item.arrival_ns)
        assert outcome.completion_ns == outcome.start_ns + item.cost_ns
        previous_end = outcome.completion_ns

    for place, (item, outcome) in enumerate(pairs):
        ahead = [other.completion_ns for _, other in pairs[:place]]
        queued = sum(completion is not None and completion > item.arrival_ns for completion in ahead)
        assert outcome.dropped == bool(costs.dpc_queue_depth and queued >= costs.dpc_queue_depth)

    work = sum(item.cost_ns for item, _ in done) + len(processor.dpcs_ns) * costs.dpc_overhead_ns
    assert work == busy_ns(processor.busy, 0, 10**9)

    interrupts = processor.interrupts_ns
    assert all(later - earlier >= costs.interrupt_moderation_ns for earlier, later in pairwise(interrupts))
    assert [at + costs.interrupt_latency_ns for at in interrupts] == [start for start, _ in processor.busy]
    assert len(interrupts) <= len(processor.dpcs_ns) <= len(done)
    if not costs.max_nbls_to_indicate:
        assert len(interrupts) == len(processor.dpcs_ns)


@settings(max_examples=100, deadline=None)
@given(ITEMS)
def test_plain_queue_is_lindley(items: list[Item]) -> None:
    """Without interrupt costs an item completes a service time after its arrival or its predecessor (PRC-02)."""
    processor = simulate(ProcessorCosts(dpc_queue_depth=0), items)
    previous = 0
    for item, outcome in zip(items, processor.outcomes, strict=True):
        previous = max(previous, item.arrival_ns) + item.cost_ns
        assert outcome.completion_ns == previous


def test_mean_wait_of_a_poisson_stream() -> None:
    """M/D/1 at 70 % load waits rho D / (2 (1 - rho)) on average (PRC-05)."""
    generator = random.Random(1)
    cost_ns, load, now = 10_000, 0.7, 0.0
    items = []
    for _ in range(60_000):
        now += generator.expovariate(load / cost_ns)
        items.append(Item(round(now), cost_ns))
    processor = simulate(ProcessorCosts(dpc_queue_depth=0), items)
    waits = [latency - cost_ns for latency in latencies_ns(processor)]
    assert sum(waits) / len(waits) == pytest.approx(load * cost_ns / (2 * (1 - load)), rel=0.05)
