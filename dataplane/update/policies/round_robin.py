"""The simple distribution with which drivers start."""

from __future__ import annotations

from collections.abc import Iterable

from dataplane.update.policies.placement import spread_processors
from dataplane.update.policy import LoadWindow, Move, Policy, Table


class RoundRobin(Policy):
    """Entry i points to processor i mod n of the n processors that the VPort can use, whatever the load.

    With T entries each processor has floor(T / n) or ceil(T / n) of them. Let the *imbalance* be (max - min) / max: how
    much less the least loaded processor gets than the most loaded one. If all entries get the same load, it is
    0 if n divides T and 1 / ceil(T / n) if not:

    - the smallest power of two with T >= 2n has 2 <= T / n < 4: at most 1/3 (33 %), reached for 2 < T / n < 3;
    - the smallest one with T >= 4n has 4 <= T / n < 8: at most 1/5 (20 %), reached for 4 < T / n < 5, and 1/6 (16 %)
      for 5 < T / n < 6;
    - for n = 3 * 2^k (3, 6, 12, 24, ...) they are exactly at 1/3 and 1/6: 3, 3, 2 and 6, 5, 5 entries for n = 3.
    """

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The round-robin table of each VPort that has another table."""
        spread = spread_processors(window)
        for vport in window.vports:
            processors = spread[vport.vport_id]
            table = tuple(processors[index % len(processors)] for index in range(len(vport.indirection_table)))
            if table != vport.indirection_table:
                yield Table(vport.vport_id, table)
