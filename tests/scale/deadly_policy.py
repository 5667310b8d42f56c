"""A policy that ends the process it runs in: what a run of a grid may die of, on purpose."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from dataplane.update.policy import LoadWindow, Move, Policy, Table


class Deadly(Policy):
    """Kills its process at its first tick, which short runs do not come to."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """Does not return."""
        os.kill(os.getpid(), signal.SIGKILL)
        return ()
