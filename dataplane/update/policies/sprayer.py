"""Spraying as far as an indirection table allows: all tables rotate at every tick, and order is given up."""

from __future__ import annotations

from collections.abc import Iterable

from dataplane.update.policies.placement import spread_processors
from dataplane.update.policy import LoadWindow, Move, Policy, Table


class Sprayer(Policy):
    """The plain round-robin table, rotated by one more processor at every tick.

    After Sadok et al., "A Case for Spraying Packets in Software Middleboxes" (HotNets 2018), which sends every frame to
    another core. A table cannot do that; this policy approximates it, with short ticks.
    """

    def __init__(self) -> None:
        self._turn = 0

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """Every table that has more than one processor to go to."""
        self._turn += 1
        spread = spread_processors(window)
        for vport in window.vports:
            processors, entries = spread[vport.vport_id], len(vport.indirection_table)
            table = tuple(processors[(index + self._turn) % len(processors)] for index in range(entries))
            if table != vport.indirection_table:
                yield Table(vport.vport_id, table)
