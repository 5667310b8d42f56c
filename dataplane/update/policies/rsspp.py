"""RSS++: moves as few entries as necessary from overloaded to underloaded processors."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import Field, validate_call

from dataplane.ids import ProcessorNumber
from dataplane.update.policies.placement import STRICT, Duration, Entry, Placement, Share
from dataplane.update.policy import LoadWindow, Move, Policy, Table

CLOSE = 0.01  # load: a processor that is this close to the mean gets no more buckets


class RssPlusPlus(Policy):
    """The balancing of RSS++ (Barbette et al., CoNEXT 2019) on the entries of all VPorts.

    The load of an entry, a *bucket* there, is its share of its processor's frames times that processor's load. The
    imbalance of a processor is the mean load minus its own; beyond `threshold` it is over- or underloaded. Buckets go
    from the former to the latter in up to `runs_max` greedy attempts with different tolerances, until the squares of
    the imbalances add up to less than `good_enough`. The best attempt counts, if it is better than nothing. No bucket
    goes where it would raise the highest load. A processor that was given buckets is left alone at the next tick.

    If the remaining imbalances add up to more than 0.4, the next tick follows after `tick_min_ns`; if they add up to
    more than 0.2, after half the previous time. If nothing was moved, it follows after twice the previous time, up to
    `tick_max_ns`.
    """

    @validate_call(config=STRICT)
    def __init__(
        self,
        *,
        threshold: Share = 0.02,
        runs_max: Annotated[int, Field(ge=1, le=100)] = 10,
        good_enough: Share = 0.01,
        tick_min_ns: Duration | None = None,
        tick_max_ns: Duration | None = None,
    ) -> None:
        if tick_min_ns is not None and tick_max_ns is not None and tick_max_ns < tick_min_ns:
            raise ValueError(f"tick_max_ns {tick_max_ns} must not be below tick_min_ns {tick_min_ns}")
        self._threshold = threshold
        self._runs_max = runs_max
        self._good_enough = good_enough
        self._tick_min_ns = tick_min_ns
        self._tick_max_ns = tick_max_ns
        self._settling: set[ProcessorNumber] = set()

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The moves of this tick; sets `next_tick_ns`."""
        load = {row.processor: row.load for row in window.processors}
        mean = sum(load.values()) / len(load) if load else 0.0
        imbalance = {processor: 0.0 if processor in self._settling else mean - load[processor] for processor in load}
        self._settling = set()

        placement = Placement(window, "packets")
        buckets: dict[ProcessorNumber, list[Bucket]] = {processor: [] for processor in load}
        for processor, entries in placement.busy.items():
            for entry in entries:
                share = entry.work / placement.load[processor]
                buckets[processor].append(Bucket(-share * load[processor], entry))
        problem = Problem(
            placement,
            {processor: sorted(buckets[processor]) for processor in load},
            # a processor with one bucket cannot be relieved
            {p: -value for p, value in imbalance.items() if value < -self._threshold and len(buckets[p]) > 1},
            {p: value for p, value in imbalance.items() if value > self._threshold},
        )
        transfer = problem.solve(self._runs_max, self._good_enough)
        for bucket, target in transfer.items():
            imbalance[placement.place(bucket.entry)] -= bucket.negative_load
            imbalance[target] += bucket.negative_load
            placement.move(bucket.entry, target)
            self._settling.add(target)
        self._adapt(window, sum(abs(value) for value in imbalance.values()), bool(transfer))
        return placement.moves()

    def _adapt(self, window: LoadWindow, total_imbalance: float, moved: bool) -> None:
        tick_ns = self.next_tick_ns or window.end_ns - window.start_ns
        if self._tick_min_ns is None:
            self._tick_min_ns = tick_ns if self._tick_max_ns is None else min(tick_ns, self._tick_max_ns)
        if self._tick_max_ns is None:
            self._tick_max_ns = 10 * self._tick_min_ns
        if total_imbalance > 0.4:
            tick_ns = self._tick_min_ns
        elif total_imbalance > 0.2:
            tick_ns //= 2
        elif not moved:
            tick_ns *= 2
        self.next_tick_ns = min(max(tick_ns, self._tick_min_ns), self._tick_max_ns)


class Bucket(NamedTuple):
    """An entry with traffic; sorts the largest load first."""

    negative_load: float
    entry: Entry


class Attempt(NamedTuple):
    """The result of one greedy attempt."""

    square: float  # sum of the squares of the remaining imbalances
    left_over: float  # sums of the remaining imbalances at the overloaded and at the underloaded processors
    left_under: float
    transfer: dict[Bucket, ProcessorNumber]


@dataclass(frozen=True, slots=True)
class Problem:
    """Find the buckets of overloaded processors that fill underloaded ones, as Algorithm 1 of the paper does.

    An attempt may take too much from the overloaded processors and give too much to the underloaded ones, up to a
    tolerance. The first attempt stays a little short of the aim on both sides; what it leaves becomes the tolerance of
    the second one. From then on the tolerance grows by half until that does not help any more, and is bisected after
    that, turning round whenever an attempt is worse than the one before.
    """

    placement: Placement
    buckets: dict[ProcessorNumber, list[Bucket]]  # largest first
    excess: dict[ProcessorNumber, float]  # of the overloaded processors, above 0
    room: dict[ProcessorNumber, float]  # of the underloaded ones, above 0

    def solve(self, runs_max: int, good_enough: float) -> dict[Bucket, ProcessorNumber]:
        """The best of up to `runs_max` attempts: where to move which bucket; empty when nothing helps."""
        if not self.excess or not self.room:
            return {}
        nothing = Attempt(_squares(self.excess, self.room), 0.0, 0.0, {})
        first = last = self._attempt(-CLOSE, -CLOSE)
        best = _better(nothing, first)
        low, factor, high = 0.0, 1.0, math.inf
        leftwards = False
        for _ in range(runs_max - 1):
            if best.transfer and best.square < good_enough:
                break
            attempt = self._attempt(first.left_over * factor, first.left_under * factor)
            best = _better(best, attempt)
            # better: continue in the same direction; worse: turn back
            leftwards = leftwards if attempt.square <= last.square else not leftwards
            if leftwards:
                high = factor
            elif high < math.inf:
                low = factor
            factor = 1.5 * factor if high == math.inf else (low + high) / 2
            last = attempt
        return best.transfer

    def _attempt(self, tolerance_over: float, tolerance_under: float) -> Attempt:
        """Greedy: the most overloaded processor gives its largest bucket to the one with most room if it fits."""
        used: dict[int, set[ProcessorNumber]] = {}  # new processors of a VPort; the placement knows the others
        excess, room, transfer = self.excess.copy(), self.room.copy(), {}
        highest = max(excess.values())
        waiting = [(-value, processor, 0) for processor, value in excess.items()]
        heapq.heapify(waiting)
        open_to_more = set(room)
        while waiting and open_to_more:
            _, source, position = heapq.heappop(waiting)
            bucket = self.buckets[source][position]
            load, vport_id = -bucket.negative_load, bucket.entry.vport_id
            new = used.setdefault(vport_id, set())
            candidates = [
                (-room[target], target)
                for target in open_to_more
                if load < room[target] + tolerance_under
                and load - room[target] <= highest
                and self.placement.may_use(vport_id, target, new)
            ]
            if candidates:
                _, target = min(candidates)
                transfer[bucket] = target
                new.add(target)
                room[target] -= load
                excess[source] -= load
                if room[target] <= CLOSE:
                    open_to_more.discard(target)
            if excess[source] > -tolerance_over and position + 1 < len(self.buckets[source]):
                heapq.heappush(waiting, (-excess[source], source, position + 1))
        return Attempt(
            _squares(excess, room),
            sum(map(abs, excess.values())),
            sum(map(abs, room.values())),
            transfer,
        )


def _squares(excess: dict[ProcessorNumber, float], room: dict[ProcessorNumber, float]) -> float:
    return sum(value * value for value in (*excess.values(), *room.values()))


def _better(best: Attempt, attempt: Attempt) -> Attempt:
    """The attempt if its squares are really smaller, not by rounding."""
    return attempt if attempt.square < best.square * (1 - 1e-9) else best
