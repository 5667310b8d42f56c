"""What frames of moved groups wait for under `ordered` (EPO-07): fences, and how they become known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.tracking import BOUND_EPOCH, BOUND_NS, FENCE_ROW, FENCES_END_NS, FOREVER, HELD, NEVER, Tracking
from dataplane.processor.messages import Marker, Settle
from dataplane.switch.snapshot import SLOTS_PER_TARGET


class Wait(NamedTuple):
    """One group of one update: its older frames on all other processors."""

    epoch: int
    group: int


#: What the frames of a group wait for: for an update of theirs, and for earlier ones that are not over.
Waits = frozenset[Wait]


@dataclass(frozen=True, slots=True)
class HoldPlan:
    """What an update makes wait, the same on every processor."""

    marker: Marker
    waits: tuple[Waits, ...]  # by group
    live: frozenset[int]  # epochs, its own included, with older frames that may not have been completed before it


class Lineage:
    """Which waits the frames of each slot are under, as updates follow each other; one for a host."""

    def __init__(self) -> None:
        self._waits_of_slot: dict[int, Waits] = {}

    def adopt(self, marker: Marker, live: frozenset[int]) -> HoldPlan:
        """Plan for an update; for `live` see there."""
        change = marker.change
        waits: list[set[Wait]] = [{Wait(marker.epoch, group)} for group in range(change.groups)]
        for slot, group in change.old.tolist():
            waits[group] |= {wait for wait in self._waits_of_slot.get(slot, ()) if wait.epoch in live}
        frozen = tuple(frozenset(of_group) for of_group in waits)
        for slot, group, _ in change.new.tolist():
            self._waits_of_slot[slot] = frozen[group]
        return HoldPlan(marker, frozen, live)


class _Update:
    """What one processor knows of the other processors' frames of one update, by group."""

    def __init__(self, marker: Marker) -> None:
        groups = marker.change.groups
        self.moment_ns = np.full(groups, marker.adopted_at_ns)  # at least; exact where known
        self.known = np.zeros(groups, np.bool_)

    def settle(self, answers: npt.NDArray[Any]) -> None:
        self.moment_ns[:] = NEVER
        self.known[:] = True
        np.maximum.at(self.moment_ns, answers["group"], answers["completion_ns"])
        self.known[answers["group"][~answers["known"]]] = False


@dataclass(slots=True)
class _Fence:
    epoch: int
    waits: Waits


class Fences:
    """The fences of one processor. Writes the arrays of a `Tracking` that say who waits until when."""

    def __init__(self, processor: int) -> None:
        self._processor = processor
        self._updates: dict[int, _Update] = {}
        self._fences: list[_Fence] = [_Fence(0, frozenset())]
        self._transmit_waits: dict[int, Waits] = {}  # by target row

    def adopt(self, plan: HoldPlan, tracking: Tracking) -> Tracking:
        """Raise the fences of an update that this processor has reached; the arrays may be new ones."""
        marker = plan.marker
        for epoch in self._updates.keys() - plan.live:
            del self._updates[epoch]
        self._updates[marker.epoch] = _Update(marker)
        if not tracking.counts[HELD] and tracking.counts[FENCES_END_NS] <= marker.adopted_at_ns:
            self._forget(tracking)
        fence_of_group: dict[int, int] = {}
        arriving: dict[int, Waits] = {}  # by target row
        for slot, group, processor in marker.change.new.tolist():
            if processor != self._processor:
                tracking.slot_fence[slot] = 0
                continue
            if group not in fence_of_group:
                fence_of_group[group] = self._raise(marker.epoch, plan.waits[group])
            tracking.slot_fence[slot] = fence_of_group[group]
            target = slot // SLOTS_PER_TARGET
            arriving[target] = arriving.get(target, frozenset()) | plan.waits[group]
        for target, waits in arriving.items():
            self._transmit_waits[target] = waits | self._transmit_waits.get(target, frozenset())
            tracking.transmit_fence[target] = self._raise(marker.epoch, self._transmit_waits[target])
        return self._write(tracking)

    def settle(self, news: Settle, tracking: Tracking) -> Tracking:
        """Take in what is known of an update; the arrays may be new ones."""
        others = news.answers[news.answers["processor"] != self._processor]
        if news.epoch in self._updates:
            self._updates[news.epoch].settle(others)
        return self._write(tracking)

    def _raise(self, epoch: int, waits: Waits) -> int:
        self._fences.append(_Fence(epoch, waits))
        return len(self._fences) - 1

    def _forget(self, tracking: Tracking) -> None:
        """Nobody waits any more: start with new fences."""
        del self._fences[1:]
        tracking.slot_fence[:] = 0
        tracking.transmit_fence[:] = 0
        self._transmit_waits.clear()

    def _moment(self, waits: Iterable[Wait]) -> tuple[int, bool]:
        """When the last of the waits is over, at least; and whether that is exact."""
        moment_ns, known = int(NEVER), True
        for epoch, group in waits:
            update = self._updates.get(epoch)
            if update is not None:
                moment_ns = max(moment_ns, int(update.moment_ns[group]))
                known &= bool(update.known[group])
        return moment_ns, known

    def _write(self, tracking: Tracking) -> Tracking:
        if len(self._fences) > len(tracking.fences):
            tracking = tracking._replace(fences=np.zeros(2 * len(self._fences), FENCE_ROW))
        bound, end_ns = (int(FOREVER), 0), int(NEVER)
        moments: dict[Waits, tuple[int, bool]] = {}
        for number, fence in enumerate(self._fences):
            if fence.waits not in moments:
                moments[fence.waits] = self._moment(fence.waits)
            moment_ns, known = moments[fence.waits]
            if not known:
                bound = min(bound, (moment_ns, fence.epoch))
            release_ns = moment_ns if known else int(FOREVER)
            tracking.fences[number] = (release_ns, moment_ns, fence.epoch)
            end_ns = max(end_ns, release_ns)
        tracking.counts[BOUND_NS], tracking.counts[BOUND_EPOCH] = bound
        tracking.counts[FENCES_END_NS] = end_ns
        return tracking
