"""The state that a processor keeps about single frames in a run with updates (EPO and ORD rules).

The number of frames in the DPC queue or held bounds its size, except for the logs, which the caller empties.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

NEVER = np.int64(-(1 << 62))
FOREVER = np.int64(1 << 62)

#: An item of the DPC queue, with what `mark` needs when an update moves the group of the item.
ITEM_ROW = np.dtype(
    [
        ("flow_key", np.uint64),
        ("frame", np.int64),
        ("slot", np.uint32),  # the steering parameter that chose the processor
        ("overtakable", np.uint32),  # epoch of the first update that moved its group since it entered, 0 = none
    ]
)

#: A held frame: it waits until older frames of its group complete on other processors.
HELD_ROW = np.dtype(
    [
        ("frame", np.int64),
        ("arrival_ns", np.int64),
        ("flow_key", np.uint64),
        ("slot", np.uint32),
        ("fence", np.int32),  # row of the fence that it waits for
        ("wire_length", np.uint32),
        ("overtakable", np.uint32),
        ("is_receive", np.bool_),
    ]
)

#: A frame that was held and has entered the queue.
ENTERED_ROW = np.dtype(
    [
        ("frame", np.int64),
        ("arrival_ns", np.int64),
        ("entered_ns", np.int64),
        ("completion_ns", np.int64),
        ("flow_key", np.uint64),
        ("slot", np.uint32),
        ("epoch", np.uint32),  # of the update that held it
    ]
)

#: A fence: the moment until which frames wait on this processor. The fence in row 0 holds no frame.
FENCE_ROW = np.dtype(
    [
        ("release_ns", np.int64),  # FOREVER while it is not known
        ("at_least_ns", np.int64),  # equal to `release_ns` if that is known, otherwise a lower bound of it
        ("epoch", np.int64),  # of the update that raised the fence
    ]
)

#: A frame that may be overtaken, and a frame that may have overtaken another one; see `processor.log.UpdateLog`.
OVERTAKABLE_ROW = np.dtype(
    [("epoch", np.uint32), ("flow_key", np.uint64), ("frame", np.int64), ("completion_ns", np.int64)]
)
FOLLOWER_ROW = np.dtype([("flow_key", np.uint64), ("frame", np.int64), ("completion_ns", np.int64)])

#: An adopted epoch: the fields of `processor.log.MARK_ROW`, and what is needed until these are final.
MARK_ROW = np.dtype(
    [
        ("epoch", np.uint32),
        ("adopted_ns", np.int64),
        ("first_frame", np.int64),  # the first frame of the epoch; older frames have smaller numbers
        ("old_frames", np.int64),
        ("old_held", np.int64),  # those of `old_frames` that are still held
        ("drained_ns", np.int64),  # final when `old_held` is 0
        ("new_frames", np.int64),
        ("lost", np.int64),
        ("dropped_behind", np.int64),  # frames dropped behind holds since the previous mark
    ]
)

#: Indices of `Tracking.counts`.
#:
#: - HELD, ENTERED, FOLLOWERS, OVERTAKABLE, MARKS: rows used in these arrays; OPEN_MARK: the first open mark.
#: - DROPPED_BEHIND: frames dropped behind holds since the last mark. TAKEN: rows that the processor has taken.
#: - FENCES_END_NS: when the last fence opens, FOREVER while that is not known.
#: - BOUND_NS, BOUND_EPOCH: the earliest (moment, epoch) of a release that is not known. Nothing from that moment on is
#:   decided.
#: - RELEASE_NS, RELEASE_EPOCH: the (moment, epoch) at which held frames enter next, as the last `serve` call left it.
#: - DRAIN_NS_MAX: the longest time until everything in the queue of any processor of the run is completed.
#: - ORDER_USED: rows used in `order`. REORDERED: reordered items. LATE_NS_MAX: the largest lateness of one of them.
(
    HELD, ENTERED, FOLLOWERS, OVERTAKABLE, MARKS, OPEN_MARK, DROPPED_BEHIND, TAKEN,
    FENCES_END_NS, BOUND_NS, BOUND_EPOCH, RELEASE_NS, RELEASE_EPOCH, DRAIN_NS_MAX, ORDER_USED, REORDERED, LATE_NS_MAX,
) = range(COUNTS := 17)  # fmt: skip


class Tracking(NamedTuple):
    """The state for updates of one processor; arrays by slot or target have room for all those of the next frames."""

    items: npt.NDArray[Any]  # ITEM_ROW, at the position of the item in `Service.ring`
    held: npt.NDArray[Any]  # HELD_ROW, in arrival order
    entered: npt.NDArray[Any]  # ENTERED_ROW, a log
    followers: npt.NDArray[Any]  # FOLLOWER_ROW, a log
    overtakable: npt.NDArray[Any]  # OVERTAKABLE_ROW, a log
    marks: npt.NDArray[Any]  # MARK_ROW, a log; those from OPEN_MARK on are open: they may still change
    fences: npt.NDArray[Any]  # FENCE_ROW
    slot_fence: npt.NDArray[np.int32]  # (slots,) fence of received frames
    transmit_fence: npt.NDArray[np.int32]  # (targets,) fence of transmit completions (TX-14)
    last_ns: npt.NDArray[np.int64]  # (slots,) completion of the last item that entered the queue
    watch_until_ns: npt.NDArray[np.int64]  # (slots,) items completed before this are followers; shared by a host
    watch_epoch: npt.NDArray[np.int64]  # (slots,) the update that set `watch_until_ns`; shared by a host
    group_of_slot: npt.NDArray[np.int64]  # (slots,) scratch of `mark`, otherwise all -1
    order: npt.NDArray[Any]  # flows.ORDER_ROW, by flow: the items served while frames are held (ORD-02)
    counts: npt.NDArray[np.int64]  # (COUNTS,) see the indices above


@njit(inline="always")
def next_release(held: Any, held_count: int, fences: Any) -> Any:
    """The earliest (moment, epoch) at which held frames enter; (FOREVER, 0) if no frame is held."""
    release_ns, epoch = FOREVER, np.int64(0)
    for h in range(held_count):
        fence = fences[held[h].fence]
        if fence.release_ns < release_ns or (fence.release_ns == release_ns and fence.epoch < epoch):
            release_ns, epoch = fence.release_ns, fence.epoch
    return release_ns, epoch


@njit(inline="always")
def note_completion(tracking: Any, waiting: Any, entered_ns: int, completion_ns: int) -> None:
    """Log a held frame that has entered the queue, and update the open marks that count it as held."""
    counts = tracking.counts
    row = tracking.entered[counts[ENTERED]]
    row.frame, row.arrival_ns, row.entered_ns = waiting.frame, waiting.arrival_ns, entered_ns
    row.completion_ns, row.flow_key, row.slot = completion_ns, waiting.flow_key, waiting.slot
    row.epoch = tracking.fences[waiting.fence].epoch
    counts[ENTERED] += 1
    if waiting.overtakable != 0:
        log = tracking.overtakable[counts[OVERTAKABLE]]
        log.epoch, log.flow_key = waiting.overtakable, waiting.flow_key
        log.frame, log.completion_ns = waiting.frame, completion_ns
        counts[OVERTAKABLE] += 1
    for m in range(counts[OPEN_MARK], counts[MARKS]):
        mark = tracking.marks[m]
        if waiting.frame < mark.first_frame:
            mark.old_held -= 1
            mark.drained_ns = max(mark.drained_ns, completion_ns)


@njit(cache=True, nogil=True)
def room_for_mark(service: Any, tracking: Any) -> bool:
    """Whether the logs have room for everything that `mark` may write."""
    counts = tracking.counts
    queued = min(service.state[0].accepted, service.ring.shape[0])
    return tracking.overtakable.shape[0] - counts[OVERTAKABLE] >= queued and counts[MARKS] < tracking.marks.shape[0]


@njit(inline="always")
def _queued(moment_ns: int, accepted: int, ring: npt.NDArray[np.int64]) -> int:
    """The number of items that complete after a moment, by binary search: completions ascend along the ring."""
    capacity = ring.shape[0]
    low, high = np.int64(0), np.int64(min(accepted, capacity))
    known = high
    while low < high:
        middle = (low + high) // 2
        if ring[(accepted - known + middle) % capacity] <= moment_ns:
            low = middle + 1
        else:
            high = middle
    return known - low


@njit(cache=True, nogil=True)
def mark(
    marker: Any,
    old: npt.NDArray[Any],
    new: npt.NDArray[Any],
    service: Any,
    tracking: Any,
    completion_ns: npt.NDArray[np.int64],
    unknown: npt.NDArray[np.bool_],
) -> None:
    """Adopt an epoch: count the frames that are not complete, and log those that may be overtaken from now on.

    `marker` is a MARKER_ROW; `old` (GROUP_ROW) and `new` (HEIR_ROW) are its groups. Held frames with a release up to
    the adoption must have entered, and `room_for_mark` must be true. `completion_ns` (groups,) is raised to the last
    completion of each group. Where frames of a group are held, `unknown` (groups,) is set, and the moment is a lower
    bound.
    """
    counts, items, held = tracking.counts, tracking.items, tracking.held
    ring, group_of_slot = service.ring, tracking.group_of_slot
    s = service.state[0]
    adopted_ns, epoch = marker.adopted_ns, marker.epoch
    capacity = ring.shape[0]
    queued = _queued(adopted_ns, s.accepted, ring)
    overtakable = False
    for k in range(old.shape[0]):
        slot, group = old[k].slot, old[k].group
        group_of_slot[slot] = group
        if tracking.last_ns[slot] > adopted_ns:
            completion_ns[group] = max(completion_ns[group], tracking.last_ns[slot])
            overtakable = True
    at = (s.accepted - queued) % capacity
    for _ in range(queued if overtakable else 0):
        item = items[at]
        if item.overtakable == 0 and group_of_slot[item.slot] >= 0:
            item.overtakable = epoch
            row = tracking.overtakable[counts[OVERTAKABLE]]
            row.epoch, row.flow_key, row.frame, row.completion_ns = epoch, item.flow_key, item.frame, ring[at]
            counts[OVERTAKABLE] += 1
        at += 1
        if at == capacity:
            at = 0
    for h in range(counts[HELD]):
        waiting = held[h]
        group = group_of_slot[waiting.slot]
        if group >= 0:
            unknown[group] = True
            completion_ns[group] = max(completion_ns[group], tracking.fences[waiting.fence].at_least_ns)
            if waiting.overtakable == 0:
                waiting.overtakable = epoch
    for k in range(old.shape[0]):
        group_of_slot[old[k].slot] = -1
    for k in range(new.shape[0]):
        slot = new[k].slot
        if tracking.watch_epoch[slot] < epoch:
            tracking.watch_epoch[slot] = epoch
            tracking.watch_until_ns[slot] = min(FOREVER, adopted_ns + counts[DRAIN_NS_MAX])
    row_of_mark = tracking.marks[counts[MARKS]]
    row_of_mark.epoch, row_of_mark.adopted_ns, row_of_mark.first_frame = epoch, adopted_ns, marker.first_frame
    row_of_mark.old_frames, row_of_mark.old_held = queued + counts[HELD], counts[HELD]
    row_of_mark.drained_ns = max(adopted_ns, s.free_ns) if queued > 0 else adopted_ns
    row_of_mark.new_frames = 0
    row_of_mark.lost = counts[TAKEN] - s.dropped - s.accepted - counts[HELD]
    row_of_mark.dropped_behind = counts[DROPPED_BEHIND]
    counts[DROPPED_BEHIND] = 0
    counts[MARKS] += 1


#: The boundary between two epochs inside a batch.
MARKER_ROW = np.dtype(
    [
        ("segment", np.int64),  # the boundary is before the rows of this segment
        ("epoch", np.int64),
        ("adopted_ns", np.int64),
        ("first_frame", np.int64),
        ("old_first", np.int64),  # its rows in the GROUP_ROWs of the batch
        ("old_end", np.int64),
        ("new_first", np.int64),  # its rows in the HEIR_ROWs of the batch
        ("new_end", np.int64),
        ("groups", np.int64),
    ]
)


@njit(cache=True, nogil=True)
def count_new_frames(rows: npt.NDArray[np.uint32], work_rows: Any, tracking: Any) -> None:
    """Add served rows to the `new_frames` of open marks, if they arrived before the frames of older epochs completed.

    `rows` (n,) are row numbers of `work_rows`, in arrival order.
    """
    counts = tracking.counts
    if counts[OPEN_MARK] == counts[MARKS] or rows.shape[0] == 0:
        return
    for m in range(counts[OPEN_MARK], counts[MARKS]):
        mark_row = tracking.marks[m]
        low, high = 0, rows.shape[0]
        if mark_row.old_held == 0:  # otherwise all rows arrived before the held frames completed
            while low < high:
                middle = (low + high) // 2
                if work_rows[rows[middle]].timestamp_ns < mark_row.drained_ns:
                    low = middle + 1
                else:
                    high = middle
        mark_row.new_frames += high
    last_arrival_ns = work_rows[rows[rows.shape[0] - 1]].timestamp_ns
    while counts[OPEN_MARK] < counts[MARKS]:
        first = tracking.marks[counts[OPEN_MARK]]
        if first.old_held != 0 or first.drained_ns > last_arrival_ns:
            break
        counts[OPEN_MARK] += 1


@njit(cache=True, nogil=True)
def watch_no_longer(
    slots: npt.NDArray[np.uint32],
    epoch: int,
    retired_ns: int,
    watch_until_ns: npt.NDArray[np.int64],
    watch_epoch: npt.NDArray[np.int64],
) -> None:
    """End the watch of update `epoch` at `retired_ns`, when all older frames are complete: later ones overtake none.

    A slot that a later update watches is left as it is.
    """
    for slot in slots:
        if watch_epoch[slot] == epoch:
            watch_until_ns[slot] = retired_ns


@njit(cache=True, nogil=True)
def queued_at(moment_ns: int, service: Any, tracking: Any) -> int:
    """Items in the DPC queue at a moment, held frames included; everything up to the moment must have been served."""
    return int(_queued(moment_ns, service.state[0].accepted, service.ring) + tracking.counts[HELD])
