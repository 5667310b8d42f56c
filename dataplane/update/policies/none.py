"""The policy that leaves everything as it is."""

from __future__ import annotations

from collections.abc import Iterable

from dataplane.update.policy import LoadWindow, Move, Policy, Table


class NoPolicy(Policy):
    """Never asks for a change."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """Nothing."""
        return ()
