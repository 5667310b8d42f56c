"""Fences: what frames of moved groups wait for under `ordered` (EPO-07), and how their ends become known."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.tracking import BOUND_EPOCH, BOUND_NS, FENCE_ROW, FENCES_END_NS, FOREVER, HELD, NEVER, Tracking
from dataplane.processor.messages import Marker
from dataplane.switch.snapshot import SLOTS_PER_TARGET


class OldFrames:
    """A host's knowledge about the older frames of one update: when the last one of each group completes, and where."""

    def __init__(self, marker: Marker) -> None:
        self.epoch = marker.epoch
        groups = marker.change.groups
        self._answers: npt.NDArray[Any] | None = None  # ANSWER_ROW; None: nothing is known yet
        self._unsettled = [(marker.adopted_at_ns, False)] * groups
        self._elsewhere: dict[int, list[tuple[int, bool]]] = {}  # by processor

    def settle(self, answers: npt.NDArray[Any]) -> None:
        """Take the present answers of all processors; they replace earlier answers."""
        self._answers = answers
        self._elsewhere.clear()

    def elsewhere(self, processor: int) -> list[tuple[int, bool]]:
        """By group: a lower bound of when its last frame on the other processors completes, and whether it is exact."""
        if self._answers is None:
            return self._unsettled
        if processor not in self._elsewhere:
            groups = len(self._unsettled)
            moment_ns, known = np.full(groups, NEVER), np.ones(groups, np.bool_)
            others = self._answers[self._answers["processor"] != processor]
            np.maximum.at(moment_ns, others["group"], others["completion_ns"])
            known[others["group"][~others["known"]]] = False
            self._elsewhere[processor] = list(zip(moment_ns.tolist(), known.tolist(), strict=True))
        return self._elsewhere[processor]


class Wait(NamedTuple):
    """One group of one update: its older frames on all other processors."""

    frames: OldFrames
    group: int


#: What the frames of a group wait for: an update of the group, and earlier updates that are not over.
Waits = frozenset[Wait]


class HoldPlan(NamedTuple):
    """The waits that an update causes, the same on every processor."""

    marker: Marker
    waits: tuple[Waits, ...]  # by group


class Lineage:
    """The waits of the frames of each slot, over successive updates; one object for each host."""

    def __init__(self) -> None:
        self._waits_of_slot: dict[int, Waits] = {}

    def adopt(self, marker: Marker, frames: OldFrames, live: Iterable[int]) -> HoldPlan:
        """Plan for an update. `live` are the epochs with older frames that may be incomplete at the update."""
        change = marker.change
        waits: list[set[Wait]] = [{Wait(frames, group)} for group in range(change.groups)]
        for slot, group in change.old.tolist():
            waits[group] |= {wait for wait in self._waits_of_slot.get(slot, ()) if wait.frames.epoch in live}
        frozen = tuple(frozenset(of_group) for of_group in waits)
        for slot, group, _ in change.new.tolist():
            self._waits_of_slot[slot] = frozen[group]
        return HoldPlan(marker, frozen)


@dataclass(slots=True)
class _Fence:
    number: int
    epoch: int
    waits: Collection[Wait]  # whose ends are not known
    over_ns: int = int(NEVER)  # when the last of all other waits was over


class Fences:
    """The fences of one processor. Writes the arrays of a `Tracking` that say which frames wait until when."""

    def __init__(self, processor: int) -> None:
        self._processor = processor
        self._count = 1  # fence 0 holds no frame
        self._open: list[_Fence] = []  # whose end is not known
        self._end_ns = int(NEVER)  # of all others
        self._awaited: set[OldFrames] = set()  # by open fences
        self._transmit_waits: dict[int, Waits] = {}  # by target row

    def adopt(self, plan: HoldPlan, tracking: Tracking) -> Tracking:
        """Raise the fences of an update that this processor has reached; the returned arrays may be new."""
        marker = plan.marker
        heirs = marker.change.new[marker.change.new["processor"] == self._processor]
        if not len(heirs):
            return tracking
        if self._count + 2 * len(heirs) > len(tracking.fences):  # at most this many are raised
            self._forget_those_over(tracking, marker.adopted_at_ns)
        fence_of_group: dict[int, int] = {}
        arriving: dict[int, Waits] = {}  # by target row
        for slot, group, _ in heirs.tolist():
            if group not in fence_of_group:
                fence_of_group[group] = self._raise(marker.epoch, plan.waits[group])
            tracking.slot_fence[slot] = fence_of_group[group]
            target = slot // SLOTS_PER_TARGET
            arriving[target] = arriving.get(target, frozenset()) | plan.waits[group]
        for target, waits in arriving.items():
            earlier = self._transmit_waits.get(target, ())
            left = frozenset(wait for wait in earlier if not self._is_over(wait, marker.adopted_at_ns))
            self._transmit_waits[target] = waits | left
            tracking.transmit_fence[target] = self._raise(marker.epoch, self._transmit_waits[target])
        return self._write(tracking)

    def wait_for(self, frames: OldFrames) -> bool:
        """Whether the end of a fence depends on these frames."""
        return frames in self._awaited

    def settle(self, tracking: Tracking) -> Tracking:
        """More is known about an update; the returned arrays may be new."""
        return self._write(tracking)

    def _raise(self, epoch: int, waits: Waits) -> int:
        self._open.append(_Fence(self._count, epoch, waits))
        self._count += 1
        return self._count - 1

    def _is_over(self, wait: Wait, moment_ns: int) -> bool:
        at_least_ns, exact = wait.frames.elsewhere(self._processor)[wait.group]
        return exact and at_least_ns <= moment_ns

    def _forget_those_over(self, tracking: Tracking, moment_ns: int) -> None:
        """Renumber the fences without those over by a moment: their held frames have entered, and no more come."""
        fences, held = tracking.fences[: self._count], tracking.held[: tracking.counts[HELD]]
        is_left = fences["release_ns"] > moment_ns
        is_left[0] = True
        number = np.where(is_left, np.cumsum(is_left) - 1, 0).astype(np.int32)
        self._count = int(is_left.sum())
        tracking.fences[: self._count] = fences[is_left]
        for numbers in (tracking.slot_fence, tracking.transmit_fence, held["fence"]):
            numbers[:] = number[numbers]
        for fence in self._open:
            fence.number = int(number[fence.number])

    def _moment(self, fence: _Fence) -> int:
        """A lower bound of when the last of its waits is over; waits with an exact end are removed."""
        moment_ns, left = fence.over_ns, []
        for wait in fence.waits:
            at_least_ns, exact = wait.frames.elsewhere(self._processor)[wait.group]
            moment_ns = max(moment_ns, at_least_ns)
            if exact:
                fence.over_ns = max(fence.over_ns, at_least_ns)
            else:
                left.append(wait)
        fence.waits = left
        return moment_ns

    def _write(self, tracking: Tracking) -> Tracking:
        """Write the open fences again."""
        if self._count > len(tracking.fences):
            longer = np.zeros(2 * self._count, FENCE_ROW)
            longer[: len(tracking.fences)] = tracking.fences
            tracking = tracking._replace(fences=longer)
        bound = (int(FOREVER), 0)
        left: list[_Fence] = []
        for fence in self._open:
            moment_ns = self._moment(fence)
            if fence.waits:
                bound = min(bound, (moment_ns, fence.epoch))
                left.append(fence)
            else:
                self._end_ns = max(self._end_ns, moment_ns)
            tracking.fences[fence.number] = (int(FOREVER) if fence.waits else moment_ns, moment_ns, fence.epoch)
        self._open = left
        self._awaited = {wait.frames for fence in left for wait in fence.waits}
        tracking.counts[BOUND_NS], tracking.counts[BOUND_EPOCH] = bound
        tracking.counts[FENCES_END_NS] = int(FOREVER) if left else self._end_ns
        return tracking
