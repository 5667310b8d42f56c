"""Reordering by RFC 4737, by its definition and in quadratic time (ORD-02).

Frames are numbered in arrival order, which RFC 4737 calls sending order; it calls completion order receiving order.

- A completed frame i is *reordered* when some frame j of its flow arrived later (j > i) and completed strictly earlier.
  Frames that complete at the same instant are in order. Dropped frames take no part.
- Its *extent* (RFC 4737, 4.2.1) is the distance, in positions of the flow's completion order, between i and the one
  that completed earliest among those j. Positions of equal completion times follow the arrival order.
- Its *late time* (RFC 4737's late time offset) is the completion of i minus the completion of that j.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReorderedFrame:
    """A reordered frame, with how badly."""

    frame: int  # its place in arrival order, over all flows
    extent: int  # frames, at least 1
    late_ns: int  # at least 1


@dataclass(frozen=True, slots=True)
class Order:
    """The measures of ORD-02 over all flows; flows never count against each other (ORD-04)."""

    completed: int
    reordered: tuple[ReorderedFrame, ...]  # in arrival order
    flows_reordered: int

    @property
    def ratio(self) -> float:
        """Reordered by completed frames; 0 when none completed."""
        return len(self.reordered) / self.completed if self.completed else 0.0

    @property
    def max_extent(self) -> int:
        """The largest extent, 0 when nothing is reordered."""
        return max((frame.extent for frame in self.reordered), default=0)

    @property
    def max_late_ns(self) -> int:
        """The latest late-time offset, 0 when nothing is reordered."""
        return max((frame.late_ns for frame in self.reordered), default=0)


def measure_order(frames: Sequence[tuple[Hashable, int | None]]) -> Order:
    """Measure the order of `(flow, completion_ns)` given in arrival order; None completes never (dropped)."""
    completed = {i: (flow, at) for i, (flow, at) in enumerate(frames) if at is not None}
    reordered, flows = [], set()
    for i, (flow, completion) in completed.items():
        overtakers = [(at, j) for j, (other, at) in completed.items() if other == flow and j > i and at < completion]
        if not overtakers:
            continue
        in_completion_order = sorted((at, j) for j, (other, at) in completed.items() if other == flow)
        earliest = min(overtakers)
        extent = in_completion_order.index((completion, i)) - in_completion_order.index(earliest)
        reordered.append(ReorderedFrame(i, extent, completion - earliest[0]))
        flows.add(flow)
    return Order(len(completed), tuple(reordered), len(flows))
