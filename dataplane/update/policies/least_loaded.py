"""Greedy: moves one entry after the other from the most to the least loaded processor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, validate_call

from dataplane.update.policies.placement import STRICT, Measure, Placement, Share
from dataplane.update.policy import LoadWindow, Move, Policy, Table


class LeastLoaded(Policy):
    """Moves entries from the most to the least loaded processor as long as this lowers the maximum.

    Each step chooses the entry that makes the higher load of the two processors as low as possible. It stops after
    `moves_max` entries in a tick, or when the maximum is not more than `threshold` above the mean. After every step
    both processors have less load than the higher one had before: with constant loads it stops moving.
    """

    @validate_call(config=STRICT)
    def __init__(
        self, *, moves_max: Annotated[int, Field(ge=1)] = 16, threshold: Share = 0.05, measure: Measure = "work"
    ) -> None:
        self._moves_max = moves_max
        self._threshold = threshold
        self._measure: Measure = measure

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The moves of this tick."""
        placement = Placement(window, self._measure)
        for _ in range(self._moves_max):
            if not self._improve(placement):
                break
        return placement.moves()

    def _improve(self, placement: Placement) -> bool:
        """One step; False if there is none."""
        ranked = sorted((load, processor) for processor, load in placement.load.items())
        highest = ranked[-1][0] if ranked else 0
        if highest * len(ranked) <= (1 + self._threshold) * sum(placement.load.values()):
            return False
        source = min(processor for load, processor in ranked if load == highest)
        entries = placement.busy[source]
        targets = {
            vport_id: next((load, target) for load, target in ranked if placement.may_use(vport_id, target))
            for vport_id in {entry.vport_id for entry in entries}
        }
        steps = ((max(highest - entry.work, targets[entry.vport_id][0] + entry.work), entry) for entry in entries)
        reached, best = min(steps, default=(highest, None))
        if best is None or reached >= highest:
            return False
        placement.move(best, targets[best.vport_id][1])
        return True
