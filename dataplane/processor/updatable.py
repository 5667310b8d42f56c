"""A simulated processor of a run in which the steering may change (EPO-04 to EPO-09)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.arrays import joined, longer
from dataplane.kernels import host as kernels
from dataplane.kernels import tracking as tracks
from dataplane.kernels.flows import ORDER_ROW
from dataplane.kernels.host import write_addresses
from dataplane.kernels.serve import busy_until
from dataplane.processor.costs import CostModel
from dataplane.processor.fences import Fences, HoldPlan, OldFrames
from dataplane.processor.flows import FlowTable, enlarged
from dataplane.processor.log import DROPPED_ROW, HOLD_ROW, MARK_ROW, UpdateLog
from dataplane.processor.messages import ANSWER_ROW, Marker
from dataplane.processor.processor import NO_LOADS, Processor, ProcessorReport, Windows, totals
from dataplane.processor.rows import RowLog
from dataplane.processor.work_buffer import WorkBuffer
from dataplane.switch.snapshot import SLOTS_PER_TARGET

#: Initial rows of the logs and of the table of held frames: they are emptied, or grow.
LOG_ROWS, HELD_ROWS, MARK_ROWS, FENCE_ROWS, ORDER_ROWS = 16_384, 64, 256, 256, 64


class Watch(NamedTuple):
    """Frames of each slot that complete before `until_ns` count as followers; shared by the processors of a host."""

    until_ns: npt.NDArray[np.int64]  # (slots,)
    epoch: npt.NDArray[np.int64]  # (slots,) update that set it

    @classmethod
    def new(cls, targets: int) -> Watch:
        """Nothing is watched."""
        slots = targets * SLOTS_PER_TARGET
        return cls(np.full(slots, tracks.NEVER), np.zeros(slots, np.int64))


class MarkRows(NamedTuple):
    """The marks between the segments of a batch, in the form for the kernels."""

    marks: npt.NDArray[Any]  # MARKER_ROW, ascending by segment
    old: npt.NDArray[Any]  # GROUP_ROWs of all marks
    new: npt.NDArray[Any]  # HEIR_ROWs of all marks


@dataclass(slots=True)
class PreparedWork:
    """A batch in the form in which the processors of a host take it, and how far each has served it."""

    number: int  # of the work
    buffer: WorkBuffer
    segments: int
    rows: MarkRows
    marks: tuple[HoldPlan, ...]  # as the rows of `rows.marks`
    first_frame: int
    end_ns: int  # later batches arrive at or after this time
    #: (marks,) when the frames of older epochs complete on the processors that have reached the mark
    drained_ns: npt.NDArray[np.int64]
    #: The answer of each processor of the host to each mark, as `kernels.tracking.mark` raises it: (processors, marks,
    #: largest number of groups in an update).
    completion_ns: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.bool_]
    at: npt.NDArray[np.int64]  # (processors, PLACES) of `kernels.host.serve_processors`
    unfinished: list[int]  # numbers of the processors that have not finished the work
    told: int = 0  # marks that all processors have reached and answered


class OwnAnswer(NamedTuple):
    """An answer about an update: of all processors of a host that held no frames at it, or of one that did."""

    epoch: int
    drained_ns: int | None
    answers: npt.NDArray[Any]  # ANSWER_ROW


@dataclass(slots=True)
class _Unanswered:
    """Groups of an update with frames that are held here: their last completion is not known."""

    marker: Marker
    completion_ns: npt.NDArray[np.int64]  # (groups,) of the frames that have entered
    told: OwnAnswer


class ProcessorStatistics(NamedTuple):
    """What a processor has counted so far; for display only."""

    received: int
    completions: int
    bytes: int
    dropped: int
    busy_ns: int  # up to `now_ns`
    queue_depth: int  # items in the DPC queue at `now_ns`, held frames included
    now_ns: int  # model time: the end of the last batch
    by_target: npt.NDArray[np.int64]  # (targets, 5) as in `ProcessorReport`


class UpdatableProcessor(Processor):
    """A processor that keeps the information about single frames that updates need.

    The host calls the kernels to serve a batch for all processors, and `attend` where they stop. A processor that does
    not know a release yet must `pause`; it continues when `settle` brings the release. When it has served the batch,
    the host calls `finished`. Its messages are in `answers` and `late`, which the caller empties.
    """

    def __init__(
        self,
        row: int,
        costs: CostModel,
        windows: Windows,
        targets: int,
        flows: FlowTable,
        watch: Watch,
        *,
        ordered: bool,
        loads: npt.NDArray[Any] = NO_LOADS,
        drain_ns_max: int = int(tracks.FOREVER),
        addresses: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """`drain_ns_max`: the longest time until any queue of the run is empty if nothing more arrives."""
        super().__init__(costs, windows, targets, flows, loads=loads, addresses=addresses)
        self.answers: list[OwnAnswer] = []  # a later answer replaces earlier ones about the same update
        self.late: list[npt.NDArray[Any]] = []  # ENTERED_ROWs
        self._row = row
        self._ordered = ordered
        self._fences = Fences(row)
        self._unanswered: list[_Unanswered] = []
        self._may_have_news = False  # frames have entered, or fences been written, since `_tell_news`
        self._unbounded = costs.dpc_queue_depth == 0
        counts = np.zeros(tracks.COUNTS, np.int64)
        counts[tracks.BOUND_NS], counts[tracks.FENCES_END_NS] = tracks.FOREVER, tracks.NEVER
        counts[tracks.DRAIN_NS_MAX] = drain_ns_max
        slots = targets * SLOTS_PER_TARGET
        if self._unbounded:
            self._service = self._service._replace(ring=np.full(LOG_ROWS, tracks.NEVER))
        self._tracking = tracks.Tracking(
            items=np.zeros(len(self._service.ring), tracks.ITEM_ROW),
            held=np.zeros(HELD_ROWS, tracks.HELD_ROW),
            entered=np.zeros(LOG_ROWS, tracks.ENTERED_ROW),
            followers=np.zeros(LOG_ROWS, tracks.FOLLOWER_ROW),
            overtakable=np.zeros(LOG_ROWS, tracks.OVERTAKABLE_ROW),
            marks=np.zeros(MARK_ROWS, tracks.MARK_ROW),
            fences=np.zeros(FENCE_ROWS, tracks.FENCE_ROW),
            slot_fence=np.zeros(slots, np.int32),
            transmit_fence=np.zeros(targets, np.int32),
            last_ns=np.full(slots, tracks.NEVER),
            watch_until_ns=watch.until_ns,
            watch_epoch=watch.epoch,
            group_of_slot=np.full(slots, -1, np.int64),
            order=np.zeros(ORDER_ROWS, ORDER_ROW),
            counts=counts,
        )
        self._tracking.fences[0] = (tracks.NEVER, tracks.NEVER, 0)
        #: Rows taken out of the logs, in order.
        self._followers = RowLog(tracks.FOLLOWER_ROW)
        self._overtakable = RowLog(tracks.OVERTAKABLE_ROW)
        self._entered = RowLog(tracks.ENTERED_ROW)
        self._marks: list[npt.NDArray[Any]] = []
        self._end_ns = int(tracks.NEVER)  # later frames arrive at or after this time

    def load_kernels(self) -> None:
        """As `Processor.load_kernels`."""
        super().load_kernels()
        if self._ordered:
            self._let_in_until(int(tracks.NEVER))
            enlarged(self._tracking.order)
        tracks.queued_at(int(tracks.NEVER), self._service, self._tracking)

    def reserve(self, targets: int, watch: Watch, loads: npt.NDArray[Any]) -> None:
        """Make room for that many targets."""
        tracking, accounts = self._tracking, self._accounts
        slots = targets * SLOTS_PER_TARGET
        self._tracking = tracking._replace(
            slot_fence=longer(tracking.slot_fence, slots),
            transmit_fence=longer(tracking.transmit_fence, targets),
            last_ns=longer(tracking.last_ns, slots, int(tracks.NEVER)),
            group_of_slot=longer(tracking.group_of_slot, slots, -1),
            watch_until_ns=watch.until_ns,
            watch_epoch=watch.epoch,
        )
        self._accounts = accounts._replace(
            current=longer(accounts.current, slots),
            touched=longer(accounts.touched, slots),
            loads=loads,
            entry_log=longer(accounts.entry_log, max(slots, len(accounts.entry_log))),
        )
        self._counted = longer(self._counted, targets)
        self.write_addresses()

    def write_addresses(self) -> None:
        """As `Processor.write_addresses`."""
        arrays = (self._costs, *self._service, *self._accounts, *self._tracking)
        write_addresses(self.addresses, arrays)

    def _track(self, tracking: tracks.Tracking) -> None:
        """Use these arrays from now on."""
        if tracking is not self._tracking:
            self._tracking = tracking
            self.write_addresses()

    def attend(self, batch: PreparedWork, number: int) -> None:
        """Handle the reason for which the kernels have stopped; `number` is the processor's number in its host."""
        at = batch.at[number]
        how_far = at[kernels.HOW_FAR]
        if how_far == kernels.MARKED:
            mark = at[kernels.NEXT_MARK] - 1
            plan = batch.marks[mark]
            groups = plan.marker.change.groups
            self._adopt(plan, batch.completion_ns[number, mark, :groups], batch.unknown[number, mark, :groups])
        else:
            self.make_room()

    def pause(self) -> None:
        """Wait with a batch, because it depends on other processors how the batch continues."""
        self._take_entered()
        self._tell_news()

    def finished(self, end_ns: int) -> bool:
        """Everything received so far is served; later frames arrive at or after `end_ns`. Returns as `advance`."""
        self._end_ns = end_ns
        return not self._ordered or self.advance(end_ns)

    def advance(self, moment_ns: int) -> bool:
        """Let in held frames that are released up to a moment; no more frames arrive before that moment.

        False if some may be left because their release is not known yet.
        """
        counts = self._tracking.counts
        while counts[tracks.HELD] or counts[tracks.ENTERED]:
            is_full = self._let_in_until(moment_ns)
            if not self._take_entered():
                if not is_full:
                    break  # the other frames wait for longer
                self.make_room()
        self._tell_news()
        return not counts[tracks.HELD] or counts[tracks.BOUND_NS] > moment_ns

    def _let_in_until(self, moment_ns: int) -> bool:
        return kernels.let_in_until(moment_ns, self.addresses, self._flows.rows, self._flows.used, *self._windows)

    def settle(self, frames: OldFrames) -> None:
        """More is known about the older frames of an update."""
        if self._fences.wait_for(frames):
            self._track(self._fences.settle(self._tracking))
            self._may_have_news = True
            self.advance(self._end_ns)  # time has advanced that far, and there may be no more work for now

    # Updates

    def _adopt(self, plan: HoldPlan, completion_ns: npt.NDArray[np.int64], unknown: npt.NDArray[np.bool_]) -> None:
        """After the mark of an ordered update: hold frames that must wait for other processors, and answer these."""
        if self._tracking.marks["old_held"][self._tracking.counts[tracks.MARKS] - 1]:
            told = self._own_answer(plan.marker, completion_ns, unknown)
            self.answers.append(told)
            # for held frames only a bound is known, not a completion
            entered = np.where(unknown, tracks.NEVER, completion_ns)
            self._unanswered.append(_Unanswered(plan.marker, entered, told))
        self._track(self._fences.adopt(plan, self._tracking))
        self._may_have_news = True

    def _own_answer(
        self, marker: Marker, completion_ns: npt.NDArray[np.int64], unknown: npt.NDArray[np.bool_]
    ) -> OwnAnswer:
        mark = self._mark(marker.epoch)
        rows = answer_rows(self._row, completion_ns[None], unknown[None], marker.adopted_at_ns)
        return OwnAnswer(marker.epoch, None if mark["old_held"] else int(mark["drained_ns"]), rows)

    def _tell_news(self) -> None:
        """Answer again if completions have become known, or bounds have risen, since the last answer."""
        if not (self._unanswered and self._may_have_news):
            return
        self._may_have_news = False
        tracking = self._tracking
        held = tracking.held[: tracking.counts[tracks.HELD]]
        for one in self._unanswered:
            marker = one.marker
            bound_ns = one.completion_ns.copy()
            unknown = np.zeros(len(bound_ns), np.bool_)
            old = held[held["frame"] < marker.first_frame]
            group, of_group = _groups(marker.change.old, old["slot"])
            np.maximum.at(bound_ns, group, tracking.fences["at_least_ns"][old["fence"][of_group]])
            unknown[group] = True
            now = self._own_answer(marker, bound_ns, unknown)
            if now.drained_ns != one.told.drained_ns or not np.array_equal(now.answers, one.told.answers):
                one.told = now
                self.answers.append(now)
        self._unanswered = [one for one in self._unanswered if one.told.drained_ns is None]

    def _mark(self, epoch: int) -> Any:
        for marks in (self._tracking.marks[: self._tracking.counts[tracks.MARKS]], *reversed(self._marks)):
            found = marks[marks["epoch"] == epoch]
            if len(found):
                return found[0]
        raise AssertionError(f"epoch {epoch} has not been adopted")

    def statistics(self) -> ProcessorStatistics:
        """The counters between two batches; changes nothing."""
        now_ns, by_target = self._end_ns, self._by_target()
        counted = totals(by_target)
        return ProcessorStatistics(
            counted["received"],
            counted["completions"],
            counted["bytes"],
            counted["dropped"],
            busy_until(now_ns, self._service.state),
            tracks.queued_at(now_ns, self._service, self._tracking),
            now_ns,
            by_target,
        )

    # Logs

    def _make_room(self) -> bool:
        changed = super()._make_room()
        tracking = self._tracking
        counts = tracking.counts
        if counts[tracks.FOLLOWERS]:
            self._followers.append(tracking.followers[: counts[tracks.FOLLOWERS]])
            counts[tracks.FOLLOWERS] = 0
            changed = True
        if counts[tracks.OVERTAKABLE]:
            self._overtakable.append(tracking.overtakable[: counts[tracks.OVERTAKABLE]])
            counts[tracks.OVERTAKABLE] = 0
            changed = True
        changed |= self._take_entered()
        changed |= self._take_marks()
        if counts[tracks.HELD] == len(tracking.held):
            self._track(self._tracking._replace(held=longer(tracking.held, 2 * len(tracking.held))))
            changed = True
        if 2 * counts[tracks.ORDER_USED] >= len(tracking.order):
            self._track(self._tracking._replace(order=enlarged(tracking.order)))
            changed = True
        queued = min(int(self._service.state[0]["accepted"]), len(self._service.ring))
        if len(tracking.overtakable) < queued:
            self._track(self._tracking._replace(overtakable=longer(tracking.overtakable, queued)))
            changed = True
        return changed

    def _take_marks(self) -> bool:
        """Take finished marks out of their log if it is full, and enlarge the log if many others remain."""
        tracking = self._tracking
        counts = tracking.counts
        count, over = int(counts[tracks.MARKS]), int(counts[tracks.OPEN_MARK])
        if count < len(tracking.marks):
            return False
        self._marks.append(tracking.marks[:over].copy())
        tracking.marks[: count - over] = tracking.marks[over:count].copy()
        counts[tracks.MARKS], counts[tracks.OPEN_MARK] = count - over, 0
        marks = longer(tracking.marks, 2 * (count - over))
        if marks is not tracking.marks:
            self._track(tracking._replace(marks=marks))
        return True

    def _enlarge(self) -> None:
        super()._enlarge()
        if self._unbounded:  # an item keeps its place in the ring: its number modulo the size
            service, tracking = self._service, self._tracking
            accepted, capacity = int(service.state[0]["accepted"]), len(service.ring)
            numbers = np.arange(max(0, accepted - capacity), accepted)

            def larger(ring: npt.NDArray[Any], grown: npt.NDArray[Any]) -> npt.NDArray[Any]:
                grown[numbers % len(grown)] = ring[numbers % capacity]
                return grown

            self._service = service._replace(ring=larger(service.ring, np.full(2 * capacity, tracks.NEVER)))
            self._track(tracking._replace(items=larger(tracking.items, np.zeros(2 * capacity, tracks.ITEM_ROW))))

    def _take_entered(self) -> bool:
        """Take the frames that have entered the queue: their completions, and the answers that waited for them."""
        counts = self._tracking.counts
        if not counts[tracks.ENTERED]:
            return False
        entered = self._tracking.entered[: counts[tracks.ENTERED]].copy()
        counts[tracks.ENTERED] = 0
        self._entered.append(entered)
        self.late.append(entered)
        self._may_have_news = True
        for one in self._unanswered:
            old = entered[entered["frame"] < one.marker.first_frame]
            group, of_group = _groups(one.marker.change.old, old["slot"])
            np.maximum.at(one.completion_ns, group, old["completion_ns"][of_group])
        return True

    def report(self) -> ProcessorReport:
        """As `Processor.report`, with the log of updates."""
        assert not self._tracking.counts[tracks.HELD], "frames are held when nothing comes any more"
        self._make_room()
        counts = self._tracking.counts
        marks = joined(tracks.MARK_ROW, [*self._marks, self._tracking.marks[: counts[tracks.MARKS]]])
        told = np.zeros(len(marks), MARK_ROW)
        for name in MARK_ROW.names or ():
            told[name] = marks[name]
        behind = np.zeros(len(marks) + 1, DROPPED_ROW)  # a mark has the number of frames dropped before it
        behind["epoch"] = [0, *marks["epoch"]]
        behind["frames"] = [*marks["dropped_behind"], counts[tracks.DROPPED_BEHIND]]
        log = UpdateLog(
            marks=told,
            holds=_holds(self._entered.rows()),
            overtakable=self._overtakable.rows(),
            followers=self._followers.rows(),
            dropped_behind_holds=behind[behind["frames"] > 0],
            reordered=int(counts[tracks.REORDERED]),
            late_ns_max=int(counts[tracks.LATE_NS_MAX]),
        )
        return replace(super().report(), updates=log)


def answer_rows(
    first_processor: int, completion_ns: npt.NDArray[np.int64], unknown: npt.NDArray[np.bool_], adopted_at_ns: int
) -> npt.NDArray[Any]:
    """ANSWER_ROWs of consecutive processors about an update: groups with frames that complete after the adoption.

    `completion_ns` and `unknown` (processors, groups) as in `kernels.tracking.mark`.
    """
    processor, group = np.nonzero(completion_ns > adopted_at_ns)
    rows = np.zeros(len(group), ANSWER_ROW)
    rows["processor"], rows["group"] = first_processor + processor, group
    rows["completion_ns"], rows["known"] = completion_ns[processor, group], ~unknown[processor, group]
    return rows


def _holds(entered: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """HOLD_ROWs of the frames that were held, by epoch and slot."""
    key = entered["epoch"].astype(np.int64) << 32 | entered["slot"]
    order = np.lexsort((entered["frame"], key))
    key, frame = key[order], entered["frame"][order]
    hold_ns = (entered["entered_ns"] - entered["arrival_ns"])[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    rows = np.zeros(len(first), HOLD_ROW)
    rows["epoch"], rows["slot"] = key[first] >> 32, key[first] & 0xFFFF_FFFF
    rows["frames"] = np.diff(first, append=len(key))
    rows["first_frame"], rows["first_ns"] = frame[first], hold_ns[first]
    if len(first):
        rows["longest_ns"] = np.maximum.reduceat(hold_ns, first)
    return rows


def _groups(old: npt.NDArray[Any], slots: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The groups of the slots that are among `old` (GROUP_ROW, ascending by slot), and which slots these are."""
    if not len(old):
        return np.zeros(0, np.int64), np.zeros(len(slots), np.bool_)
    at = np.minimum(np.searchsorted(old["slot"], slots), len(old) - 1)
    known = old["slot"][at] == slots
    return old["group"][at[known]].astype(np.int64), known
