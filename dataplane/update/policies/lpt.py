"""Longest processing time first: the classical way to distribute jobs over machines."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import validate_call

from dataplane.update.policies.placement import STRICT, Measure, Placement, Share, by_work
from dataplane.update.policy import LoadWindow, Move, Policy, Table


class LongestProcessingTime(Policy):
    """Rebuilds all tables: takes entries by decreasing load, each to the processor with the least load so far.

    R. L. Graham, "Bounds on Multiprocessing Timing Anomalies" (1969): the maximum is at most 4/3 - 1/(3n) of the best
    possible one on n processors, as long as queues do not restrict the VPorts and all load belongs to entries. The
    tables stay as they are unless the maximum falls by at least `threshold`, so theirs can be 1 / (1 - `threshold`)
    times as high. Entries without load never move.
    """

    @validate_call(config=STRICT)
    def __init__(self, *, threshold: Share = 0.05, measure: Measure = "work") -> None:
        self._threshold = threshold
        self._measure: Measure = measure

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The tables that change."""
        placement = Placement(window, self._measure)
        highest = max(placement.load.values(), default=0)
        filled = placement.load.copy()  # like placement.load, without the entries that are yet to be placed
        entries = by_work(entry for of_processor in placement.busy.values() for entry in of_processor)
        for entry in entries:
            filled[placement.place(entry)] -= entry.work
        for entry in entries:
            place = placement.place(entry)
            *_, target = min(
                (filled[processor], processor != place, processor)
                for processor in placement.processors
                if placement.may_use(entry.vport_id, processor)
            )
            filled[target] += entry.work
            placement.move(entry, target)
        gain = highest - max(placement.load.values(), default=0)
        return placement.tables() if gain > 0 and gain >= self._threshold * highest else ()
