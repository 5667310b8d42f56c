"""One simulated processor, event by event in virtual time (`PRC` rules, INT-05, INT-06).

The machine has an explicit queue and an explicit state, and takes one event after another: interrupt delivered,
overhead done, service done, item arrives. At one instant everything the processor has to do comes before arrivals: an
item that completes at t has left the queue for an arrival at t, and a DPC whose queue is empty at t is over, so that an
arrival at t raises a new interrupt. Arrivals of one instant come in frame order (TIM-03).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ProcessorCosts:
    """The cost model of a processor; defaults as in the table of PRC."""

    dpc_queue_depth: int = 1024  # items, the one in service included; 0 = unbounded
    receive_cost_ns: int = 500
    receive_cost_per_byte_ps: int = 0
    completion_cost_ns: int = 200
    interrupt_moderation_ns: int = 0
    interrupt_latency_ns: int = 0
    dpc_overhead_ns: int = 0
    max_nbls_to_indicate: int = 0  # 0 = no limit

    def receive_cost(self, wire_length: int) -> int:
        """Work to indicate one received frame, ns; the part per byte is rounded to the nearest ns, halves up."""
        return self.receive_cost_ns + math.floor(
            Fraction(wire_length * self.receive_cost_per_byte_ps, 1000) + Fraction(1, 2)
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One received frame or transmit completion on its way to a processor."""

    arrival_ns: int
    cost_ns: int


@dataclass(slots=True)
class Outcome:
    """What became of an item; `start_ns` and `completion_ns` stay None when it was dropped (PRC-01)."""

    arrival_ns: int
    start_ns: int | None = None
    completion_ns: int | None = None
    dropped: bool = False

    @property
    def latency_ns(self) -> int:
        """Completion minus arrival (PRC-02); ValueError for a dropped item."""
        if self.completion_ns is None:
            raise ValueError("a dropped item has no latency")
        return self.completion_ns - self.arrival_ns


class State(Enum):
    """The activity of the processor, which its next event ends."""

    IDLE = "idle"  # nothing queued, interrupt enabled
    INTERRUPTED = "interrupted"  # interrupt raised (or held back by moderation), DPC not started
    OVERHEAD = "overhead"  # DPC started, not yet at its first item
    SERVICE = "service"  # item at the head of the queue in service


@dataclass(slots=True)
class Processor:
    """The machine; feed it with `arrive` in arrival order, then call `finish`."""

    costs: ProcessorCosts
    outcomes: list[Outcome] = field(default_factory=list)  # by item, in arrival order
    interrupts_ns: list[int] = field(default_factory=list)  # when each interrupt was raised
    dpcs_ns: list[int] = field(default_factory=list)  # when each DPC run started
    busy: list[tuple[int, int]] = field(default_factory=list)  # from the start of a DPC until the processor is idle

    state: State = State.IDLE
    event_ns: int = 0  # when `state` ends, unless idle
    queue: deque[tuple[int, Item]] = field(default_factory=deque)  # item number and item, the one in service first
    handled: int = 0  # items this DPC run has completed
    busy_since_ns: int = 0

    def arrive(self, item: Item) -> None:
        """Queue or drop an item (PRC-01) and raise the interrupt if the processor is idle (PRC-03)."""
        now = item.arrival_ns
        self._run_until(now)
        number = len(self.outcomes)
        self.outcomes.append(Outcome(now))
        if self.costs.dpc_queue_depth and len(self.queue) >= self.costs.dpc_queue_depth:
            self.outcomes[number].dropped = True
            return
        self.queue.append((number, item))
        if self.state is State.IDLE:
            earliest = self.interrupts_ns[-1] + self.costs.interrupt_moderation_ns if self.interrupts_ns else now
            raised_at = max(now, earliest)
            self.interrupts_ns.append(raised_at)
            self.state, self.event_ns = State.INTERRUPTED, raised_at + self.costs.interrupt_latency_ns

    def finish(self) -> None:
        """Let everything that is queued complete."""
        while self.state is not State.IDLE:
            self._event()

    def _run_until(self, now: int) -> None:
        while self.state is not State.IDLE and self.event_ns <= now:
            self._event()

    def _event(self) -> None:
        now = self.event_ns
        if self.state is State.INTERRUPTED:
            self.busy_since_ns = now
            self._start_dpc(now)
        elif self.state is State.OVERHEAD:
            self._start_service(now)
        else:
            number, _ = self.queue.popleft()
            self.outcomes[number].completion_ns = now
            self.handled += 1
            if not self.queue:
                self.state = State.IDLE  # the interrupt is enabled again (INT-06)
                self.busy.append((self.busy_since_ns, now))
            elif self.handled == self.costs.max_nbls_to_indicate:
                self._start_dpc(now)  # more pending: queued again at once, without an interrupt
            else:
                self._start_service(now)

    def _start_dpc(self, now: int) -> None:
        self.dpcs_ns.append(now)
        self.handled = 0
        self.state, self.event_ns = State.OVERHEAD, now + self.costs.dpc_overhead_ns

    def _start_service(self, now: int) -> None:
        number, item = self.queue[0]
        self.outcomes[number].start_ns = now
        self.state, self.event_ns = State.SERVICE, now + item.cost_ns


def simulate(costs: ProcessorCosts, items: Iterable[Item]) -> Processor:
    """A processor that has served `items` (nondecreasing arrivals, in frame order) to the end."""
    processor = Processor(costs)
    for item in items:
        processor.arrive(item)
    processor.finish()
    return processor


def busy_ns(busy: Iterable[tuple[int, int]], start_ns: int, end_ns: int) -> int:
    """Busy time inside the window `start_ns <= t < end_ns` (PRC-04)."""
    return sum(max(0, min(end, end_ns) - max(start, start_ns)) for start, end in busy)


def busy_by_window(busy: Sequence[tuple[int, int]], origin_ns: int, window_ns: int, windows: int) -> list[int]:
    """Busy time of `windows` consecutive windows of `window_ns` from `origin_ns` on (BAL-01)."""
    starts = [origin_ns + i * window_ns for i in range(windows)]
    return [busy_ns(busy, start, start + window_ns) for start in starts]


def latencies_ns(processor: Processor) -> list[int]:
    """Latencies of all completed items, ascending."""
    return sorted(outcome.latency_ns for outcome in processor.outcomes if not outcome.dropped)


def percentile(ascending: Sequence[int], share: Fraction) -> int:
    """The exact percentile by nearest rank: the smallest value that at least `share` (0 < share <= 1) do not exceed."""
    rank = -(-share.numerator * len(ascending) // share.denominator)  # rounded up
    return ascending[max(rank, 1) - 1]
