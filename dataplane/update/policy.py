"""The interface of rebalancing policies (POL-01): loads in, wishes out. The control plane decides on the wishes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.ids import ProcessorNumber

#: Time between ticks: the shortest and the longest that a scenario or a policy may choose, and the default.
TICK_NS_MIN, TICK_NS_MAX = 1_000, 10**15
DEFAULT_TICK_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class ProcessorWindow:
    """One processor in the window that just ended."""

    processor: ProcessorNumber
    packets: int  # arrivals, dropped ones included
    dropped: int
    completed: int  # work items, also of earlier arrivals
    busy_ns: int  # inside the window
    load: float  # busy_ns / length of the window
    queue_depth: int  # work items at its end


@dataclass(frozen=True, slots=True)
class VPortWindow:
    """One VPort with RSS enabled (with native RSS: VPort 0, the adapter), and the load of its table entries."""

    vport_id: int
    number_of_queues: int  # distinct processors that table and default processor may use
    indirection_table: tuple[ProcessorNumber, ...]
    default_processor: ProcessorNumber
    packets: npt.NDArray[np.int64]  # (entries,) arrivals in the window, dropped ones included
    busy_ns: npt.NDArray[np.int64]  # (entries,) service cost of the arrivals that were not dropped


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """Everything that happened before a tick, and nothing after it (POL-02)."""

    tick: int  # its number on the grid of ticks, from 0; skipped ticks of an idle NIC have numbers too
    start_ns: int  # relative to the first arrival
    end_ns: int  # the moment of the tick
    processors: tuple[ProcessorWindow, ...]  # all RSS processors, ascending
    vports: tuple[VPortWindow, ...]  # ascending


class Move(NamedTuple):
    """Wish: these table entries of a VPort point to that processor; DEFAULT_PROCESSOR_INDEX: its default processor."""

    vport_id: int
    indices: tuple[int, ...]
    target: ProcessorNumber


class Table(NamedTuple):
    """Wish: this indirection table, of the size the VPort has now."""

    vport_id: int
    indirection_table: tuple[ProcessorNumber, ...]


class Policy:
    """A policy; subclasses take their parameters as keyword arguments and override `rebalance`.

    Every run gets a new object, which may keep its memory in attributes. A policy must use nothing but its arguments:
    no clock, no randomness of its own.
    """

    #: Time to the next tick in ns when the policy adapts it; None: the scenario's `tick_ns`.
    next_tick_ns: int | None = None

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """What should change now."""
        raise NotImplementedError
