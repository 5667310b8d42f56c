"""A policy that ends its process: a run of a grid that dies on purpose."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from dataplane.update.policy import LoadWindow, Move, Policy, Table


class Deadly(Policy):
    """Kills its process at its first tick, which short runs do not reach."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """Does not return."""
        os.kill(os.getpid(), signal.SIGKILL)
        return ()
