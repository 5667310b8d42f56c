"""The kernels of one simulated processor: DPC service in virtual time, load accounting, order (PRC, BAL, ORD rules).

Each takes the rows of one processor of one batch, in arrival order, and continues a state that outlives the batch. No
result depends on how rows are cut into calls. A kernel whose output log is full stops and returns how many rows it has
done; the caller drains the log (or, if it is empty, makes it larger) and calls again with the rest.

In a run in which nothing changes `tracking` is None, and numba leaves everything about updates out of the kernels.
What it remembers for them is in `kernels.tracking`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.tracking import (
    BOUND_EPOCH,
    BOUND_NS,
    DROPPED_BEHIND,
    ENTERED,
    FENCES_END_NS,
    FOLLOWERS,
    HELD,
    NEVER,
    OVERTAKABLE,
    TAKEN,
    count_new_frames,
    mark,
    next_release,
    note_completion,
    room_for_mark,
)

#: Costs of a processor, `CostModel` in the order of its fields; one row.
COSTS = np.dtype(
    [
        ("dpc_queue_depth", np.int64),
        ("receive_cost_ns", np.int64),
        ("receive_cost_per_byte_ps", np.int64),
        ("completion_cost_ns", np.int64),
        ("interrupt_moderation_ns", np.int64),
        ("interrupt_latency_ns", np.int64),
        ("dpc_overhead_ns", np.int64),
        ("max_nbls_to_indicate", np.int64),
    ]
)

#: What a processor is doing; one row.
STATE = np.dtype(
    [
        ("free_ns", np.int64),  # when everything accepted so far is completed
        ("last_interrupt_ns", np.int64),
        ("items_in_dpc", np.int64),  # items the current DPC run has handled
        ("accepted", np.int64),  # items accepted so far: position in the completion ring
        ("received", np.int64),
        ("completions", np.int64),
        ("bytes", np.int64),  # wire bytes of received frames
        ("dropped", np.int64),
        ("interrupts", np.int64),
        ("dpcs", np.int64),
        ("busy_ns", np.int64),
        ("latency_sum_ns", np.int64),
        ("latency_min_ns", np.int64),
        ("latency_max_ns", np.int64),
        ("first_arrival_ns", np.int64),
        ("last_completion_ns", np.int64),
        ("busy_since_ns", np.int64),  # start of the DPC since which it has been busy without a pause
        ("busy_window", np.int64),  # window that `busy_window_ns` is for
        ("busy_window_ns", np.int64),
    ]
)

#: One closed load window of a processor.
BUSY_ROW = np.dtype([("window", np.int64), ("busy_ns", np.int64)])

#: Latency histogram: exact below 128 ns, then 128 buckets for each power of two: relative error below 1/128.
HISTOGRAM_BUCKETS = 64 * 128

_TRANSMIT = 2
_QUEUE_FULL = 3

#: `completion_ns` of a frame that waits for an update (EPO-07).
HELD_NS = -2


@njit(inline="always")
def bucket_of(value: int) -> int:
    """Histogram bucket of a nonnegative number: the exponent and the 7 leading mantissa bits of its float64."""
    if value < 128:
        return value
    bits = np.float64(value).view(np.int64)
    return (bits >> 45) - ((1023 + 7) << 7) + 128


class Service(NamedTuple):
    """What `serve` continues from call to call."""

    state: npt.NDArray[Any]  # (1,) STATE
    #: Completion times of the last `dpc_queue_depth` accepted items. (1,) when it is unbounded and nobody tracks items;
    #: else as many as the queue holds.
    ring: npt.NDArray[np.int64]
    histogram: npt.NDArray[np.int64]  # (HISTOGRAM_BUCKETS,)
    busy_log: npt.NDArray[Any]  # BUSY_ROW
    busy_logged: npt.NDArray[np.int64]  # (1,) rows in the log


class Accounts(NamedTuple):
    """What `account` continues from call to call."""

    current: npt.NDArray[Any]  # (entry slots,) ENTRY_ROW: the open window
    touched: npt.NDArray[np.uint32]  # (entry slots,) those with items in the open window
    position: npt.NDArray[np.int64]  # open window, number of touched slots, rows in the log
    entry_log: npt.NDArray[Any]  # ENTRY_ROW
    loads: npt.NDArray[Any]  # (entry slots,) LOAD_ROW since the last tick; (0,) when nobody asks
    by_target: npt.NDArray[np.int64]  # (targets, 5) received, bytes, hashed, completions, dropped


class Flows(NamedTuple):
    """What `track_order` continues from call to call."""

    table: npt.NDArray[Any]  # FLOW_ROW, capacity a power of two, at most half full
    used: npt.NDArray[np.int64]  # (1,)
    order: npt.NDArray[np.int64]  # reordered items, largest late time in ns


@njit(cache=True, nogil=True)
def serve(
    rows: npt.NDArray[np.uint32],
    work: Any,
    first_frame: int,
    until_ns: int,
    costs: Any,
    window_start_ns: int,
    window_ns: int,
    service: Any,
    tracking: Any,
) -> int:
    """Serve items first in, first out (PRC-01 to PRC-04); returns how many of `rows` were done.

    `work` is a `WorkColumns` whose row 0 is frame `first_frame`; its `drop` and `completion_ns` are written at the row
    of each item. `costs` is one COSTS row, `service` a `Service`, `tracking` a `Tracking` or None. At one instant
    completions come before arrivals: an item completed at t has left the queue for an arrival at t, and a DPC whose
    queue is empty at t is over. Since service is first in, first out, the completion of an item is known when it enters
    the queue.

    Held frames (EPO-07) enter when they are released, before arrivals of that instant; behind the last row, those that
    are released up to `until_ns`. With `tracking` the kernel also stops before what depends on a release that is not
    known yet.
    """
    timestamp_ns, wire_length, flags = work.timestamp_ns, work.wire_length, work.flags
    drop, completion_ns = work.drop, work.completion_ns
    state, ring, histogram = service.state, service.ring, service.histogram
    busy_log, busy_logged = service.busy_log, service.busy_logged
    c = costs[0]
    depth = c.dpc_queue_depth
    receive_cost_ns = c.receive_cost_ns
    per_byte_ps = c.receive_cost_per_byte_ps
    completion_cost_ns = c.completion_cost_ns
    moderation_ns = c.interrupt_moderation_ns
    latency_of_interrupt_ns = c.interrupt_latency_ns
    overhead_ns = c.dpc_overhead_ns
    limit = c.max_nbls_to_indicate
    s = state[0]
    free_ns, last_interrupt_ns, items_in_dpc = s.free_ns, s.last_interrupt_ns, s.items_in_dpc
    accepted, busy_since_ns = s.accepted, s.busy_since_ns
    busy_window, busy_window_ns = s.busy_window, s.busy_window_ns
    logged = busy_logged[0]
    received, completions, received_bytes, dropped = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    interrupts, dpcs, busy_total = np.int64(0), np.int64(0), np.int64(0)
    latency_sum, latency_min, latency_max = np.int64(0), s.latency_min_ns, s.latency_max_ns
    if s.first_arrival_ns == NEVER and rows.shape[0] > 0:
        s.first_arrival_ns = timestamp_ns[rows[0]]
    capacity = depth
    if tracking is not None:
        # numba counts a reference whenever an array is taken out of a tuple: once here, not for each frame
        flow_key, entry_slot, target = work.flow_key, work.entry_slot, work.target
        items, held, fences, counts = tracking.items, tracking.held, tracking.fences, tracking.counts
        item_slot = tracking.item_slot
        slot_fence, transmit_fence = tracking.slot_fence, tracking.transmit_fence
        watch_until_ns, followers = tracking.watch_until_ns, tracking.followers
        follower_count, dropped_behind = counts[FOLLOWERS], np.int64(0)
        capacity = ring.shape[0]
        bound_ns, bound_epoch, fences_end_ns = counts[BOUND_NS], counts[BOUND_EPOCH], counts[FENCES_END_NS]
        held_count = counts[HELD]
        release_ns, release_epoch = next_release(held, held_count, fences)
        letting_in = False
        scan, keep = np.int64(0), np.int64(0)  # next held frame to look at, place of the next one that stays
    position = accepted % capacity if capacity > 0 else 0
    i, count = np.int64(0), rows.shape[0]
    while True:
        row = np.int64(-1)
        if tracking is not None:  # noqa: SIM102  # numba prunes nothing but bare tests for None
            if held_count > 0:
                now = until_ns if i == count else timestamp_ns[rows[i]]
                known = release_ns < bound_ns or (release_ns == bound_ns and release_epoch < bound_epoch)
                if not letting_in and known and release_ns <= now:
                    letting_in, scan, keep = True, np.int64(0), np.int64(0)
                if letting_in:
                    while scan < held_count:
                        fence = fences[held[scan].fence]
                        if fence.release_ns == release_ns and fence.epoch == release_epoch:
                            break
                        held[keep] = held[scan]
                        keep += 1
                        scan += 1
                    if scan == held_count:
                        held_count, letting_in = keep, False
                        release_ns, release_epoch = next_release(held, held_count, fences)
                        continue
        entering = False
        if tracking is not None:
            entering = letting_in
        if not entering:
            if i == count:
                break
            row = np.int64(rows[i])
            arrival = timestamp_ns[row]
            enters = arrival
            length = np.int64(wire_length[row])
            is_receive = flags[row] & _TRANSMIT == 0
            if tracking is None:
                full = depth > 0 and accepted >= depth and ring[position] > arrival
            else:
                if arrival >= bound_ns:
                    break
                slot = np.int64(entry_slot[row])
                full = False
                if depth > 0:
                    queue_full = accepted >= depth and ring[position] > arrival
                    full = queue_full or held_count >= depth
                    if held_count > 0 and not full:
                        at = position - (depth - held_count)
                        full = accepted >= depth - held_count and ring[at % depth] > arrival
                    if full and not queue_full:
                        dropped_behind += 1
            if full:
                drop[row] = _QUEUE_FULL
                completion_ns[row] = -1
                dropped += 1
                i += 1
                continue
            if tracking is not None:  # noqa: SIM102
                if arrival < fences_end_ns:
                    number = slot_fence[slot] if is_receive else transmit_fence[target[row]]
                    fence = fences[number]
                    if fence.release_ns > arrival:
                        if held_count == held.shape[0]:
                            break
                        waiting = held[held_count]
                        waiting.frame, waiting.arrival_ns, waiting.flow_key = first_frame + row, arrival, flow_key[row]
                        waiting.slot, waiting.fence, waiting.wire_length = slot, number, wire_length[row]
                        waiting.is_receive, waiting.overtakable = is_receive, 0
                        held_count += 1
                        if fence.release_ns < release_ns or (
                            fence.release_ns == release_ns and fence.epoch < release_epoch
                        ):
                            release_ns, release_epoch = fence.release_ns, fence.epoch
                        drop[row] = 0
                        completion_ns[row] = HELD_NS
                        i += 1
                        continue
        elif tracking is not None:
            waiting = held[scan]
            arrival, enters = waiting.arrival_ns, release_ns
            length, is_receive, slot = np.int64(waiting.wire_length), waiting.is_receive, np.int64(waiting.slot)
        if tracking is not None:
            watched = arrival < watch_until_ns[slot]
            if watched and follower_count == followers.shape[0]:
                break
            if entering and (
                counts[ENTERED] == tracking.entered.shape[0] or counts[OVERTAKABLE] == tracking.overtakable.shape[0]
            ):
                break
            if depth == 0 and accepted >= capacity and ring[position] > enters:
                break
        cost = receive_cost_ns + (length * per_byte_ps + 500) // 1000 if is_receive else completion_cost_ns
        busy = cost
        if enters >= free_ns:  # idle: an interrupt starts a DPC (PRC-03)
            raised = max(enters, last_interrupt_ns + moderation_ns)
            dpc_start = raised + latency_of_interrupt_ns
            starts_dpc = True
        else:
            raised = last_interrupt_ns
            dpc_start = free_ns
            starts_dpc = limit > 0 and items_in_dpc == limit
        if starts_dpc:
            busy += overhead_ns
        end = dpc_start + busy

        # busy time by window: everything up to this interval is final, so full windows go to the log at once
        at = dpc_start
        window = (at - window_start_ns) // window_ns
        if (end - window_start_ns) // window_ns - window + 2 > busy_log.shape[0] - logged:
            break
        while at < end:
            if window != busy_window:
                if busy_window_ns > 0:
                    busy_log[logged].window = busy_window
                    busy_log[logged].busy_ns = busy_window_ns
                    logged += 1
                busy_window, busy_window_ns = window, np.int64(0)
            until = min(end, window_start_ns + (window + 1) * window_ns)
            busy_window_ns += until - at
            at = until
            window += 1

        if enters >= free_ns:
            last_interrupt_ns = raised
            busy_since_ns = dpc_start
            interrupts += 1
        if starts_dpc:
            dpcs += 1
            items_in_dpc = np.int64(0)
        items_in_dpc += 1
        busy_total += busy
        free_ns = end
        if tracking is None:
            if depth > 0:
                ring[position] = end
        else:
            ring[position], item_slot[position] = end, slot
            item = items[position]
            if entering:
                item.frame, item.flow_key, item.overtakable = waiting.frame, waiting.flow_key, waiting.overtakable
                note_completion(tracking, waiting, release_ns, end)
                scan += 1
            else:
                item.frame, item.flow_key, item.overtakable = first_frame + row, flow_key[row], 0
            if watched:
                follower = followers[follower_count]
                follower.flow_key, follower.frame, follower.completion_ns = item.flow_key, item.frame, end
                follower_count += 1
        if capacity > 0:
            position += 1
            if position == capacity:
                position = 0
        accepted += 1
        if not entering:
            drop[row] = 0
            completion_ns[row] = end
            i += 1
        latency = end - arrival
        latency_sum += latency
        latency_min = min(latency_min, latency)
        latency_max = max(latency_max, latency)
        histogram[bucket_of(latency)] += 1
        if is_receive:
            received += 1
            received_bytes += length
        else:
            completions += 1
    if tracking is not None:
        if letting_in:  # no room in a log: the rest enters in the next call
            while scan < held_count:
                held[keep] = held[scan]
                keep += 1
                scan += 1
            held_count = keep
        counts[HELD], counts[FOLLOWERS] = held_count, follower_count
        counts[DROPPED_BEHIND] += dropped_behind
    s.free_ns, s.last_interrupt_ns, s.items_in_dpc = free_ns, last_interrupt_ns, items_in_dpc
    s.busy_since_ns = busy_since_ns
    if accepted > s.accepted:
        s.last_completion_ns = free_ns
    s.accepted = accepted
    s.busy_window, s.busy_window_ns = busy_window, busy_window_ns
    s.received += received
    s.completions += completions
    s.bytes += received_bytes
    s.dropped += dropped
    s.interrupts += interrupts
    s.dpcs += dpcs
    s.busy_ns += busy_total
    s.latency_sum_ns += latency_sum
    s.latency_min_ns, s.latency_max_ns = latency_min, latency_max
    busy_logged[0] = logged
    return int(i)


#: One load window of a steering parameter (table entry, default or primary processor) on one processor.
ENTRY_ROW = np.dtype(
    [
        ("window", np.int64),
        ("slot", np.uint32),
        ("received", np.int64),
        ("completions", np.int64),
        ("bytes", np.int64),
        ("dropped", np.int64),
        ("busy_ns", np.int64),
    ]
)


#: Work of one steering parameter since the last tick of a policy.
LOAD_ROW = np.dtype(
    [
        ("received", np.int64),
        ("completions", np.int64),
        ("bytes", np.int64),
        ("dropped", np.int64),
        ("busy_ns", np.int64),
    ]
)


@njit(cache=True, nogil=True)
def account(
    rows: npt.NDArray[np.uint32], work: Any, costs: Any, window_start_ns: int, window_ns: int, accounts: Any
) -> int:
    """Count items by steering parameter and window of arrival, and by target; returns how many of `rows` were done.

    `accounts` is an `Accounts`. The service cost of an item counts in the window of its arrival, also when it is held.
    """
    timestamp_ns, wire_length, flags = work.timestamp_ns, work.wire_length, work.flags
    hash_kind, target, entry_slot, drop = work.hash_kind, work.target, work.entry_slot, work.drop
    current, touched, position = accounts.current, accounts.touched, accounts.position
    entry_log, by_target, loads = accounts.entry_log, accounts.by_target, accounts.loads
    loading = loads.shape[0] > 0
    c = costs[0]
    window, touched_count, logged = position[0], position[1], position[2]
    window_end = window_start_ns + (window + 1) * window_ns
    done = rows.shape[0]
    for i in range(rows.shape[0]):
        row = rows[i]
        arrival = timestamp_ns[row]
        if arrival >= window_end:
            if touched_count > 0:
                if touched_count > entry_log.shape[0] - logged:
                    done = i
                    break
                for t in range(touched_count):
                    slot = touched[t]
                    entry_log[logged] = current[slot]
                    logged += 1
                    current[slot].received = 0
                    current[slot].completions = 0
                    current[slot].bytes = 0
                    current[slot].dropped = 0
                    current[slot].busy_ns = 0
                touched_count = np.int64(0)
            window = (arrival - window_start_ns) // window_ns
            window_end = window_start_ns + (window + 1) * window_ns
        slot = entry_slot[row]
        entry = current[slot]
        if entry.received + entry.completions + entry.dropped == 0:
            touched[touched_count] = slot
            touched_count += 1
            entry.window = window
            entry.slot = slot
        t = np.int64(target[row])
        length = np.int64(wire_length[row])
        if drop[row] == _QUEUE_FULL:
            entry.dropped += 1
            by_target[t, 4] += 1
            if loading:
                loads[slot].dropped += 1
        elif flags[row] & _TRANSMIT:
            entry.completions += 1
            entry.busy_ns += c.completion_cost_ns
            by_target[t, 3] += 1
            if loading:
                loads[slot].completions += 1
                loads[slot].busy_ns += c.completion_cost_ns
        else:
            cost_ns = c.receive_cost_ns + (length * c.receive_cost_per_byte_ps + 500) // 1000
            entry.received += 1
            entry.bytes += length
            entry.busy_ns += cost_ns
            if loading:
                loads[slot].received += 1
                loads[slot].bytes += length
                loads[slot].busy_ns += cost_ns
            by_target[t, 0] += 1
            by_target[t, 1] += length
            by_target[t, 2] += hash_kind[row] != 0
    position[0], position[1], position[2] = window, touched_count, logged
    return done


#: One flow of a processor's flow table; key 0 marks an empty slot (a key of 0 is kept as 1).
FLOW_ROW = np.dtype(
    [("key", np.uint64), ("items", np.int64), ("last_frame", np.int64), ("last_completion_ns", np.int64)]
)


@njit(inline="always")
def _follow(flows: Any, used: int, order: npt.NDArray[np.int64], flow_key: Any, frame: int, completion_ns: int) -> int:
    """Add one completion to its flow; the number of flows, or -1 when the table is half full and needs a new one."""
    mask = np.uint64(flows.shape[0] - 1)
    key = flow_key if flow_key != 0 else np.uint64(1)
    slot = (key ^ (key >> np.uint64(29))) & mask
    while True:
        found = flows[slot].key
        if found == key:
            break
        if found == 0:
            if 2 * used >= flows.shape[0]:
                return -1
            flows[slot].key = key
            flows[slot].last_frame = -1
            used += 1
            break
        slot = (slot + np.uint64(1)) & mask
    flow = flows[slot]
    flow.items += 1
    if frame > flow.last_frame:
        flow.last_frame = frame
        flow.last_completion_ns = completion_ns
    elif completion_ns > flow.last_completion_ns:
        order[0] += 1
        order[1] = max(order[1], completion_ns - flow.last_completion_ns)
    return used


@njit(cache=True, nogil=True)
def track_order(rows: npt.NDArray[np.uint32], work: Any, first_frame: int, tracked: Any) -> int:
    """Follow each flow's completions on one processor (ORD-02); returns how many of `rows` were done.

    `rows` come in the order of service, `tracked` is a `Flows`. An item is reordered when a later-arrived one of its
    flow was completed earlier. The kernel stops when the flow table is half full: the caller makes it larger.
    """
    flow_key, completion_ns = work.flow_key, work.completion_ns
    flows, order = tracked.table, tracked.order
    used = tracked.used[0]
    done = rows.shape[0]
    for i in range(rows.shape[0]):
        row = rows[i]
        completion = completion_ns[row]
        if completion < 0:  # dropped, or held: then it comes by `track_entered`
            continue
        now_used = _follow(flows, used, order, flow_key[row], first_frame + np.int64(row), completion)
        if now_used < 0:
            done = i
            break
        used = now_used
    tracked.used[0] = used
    return done


@njit(cache=True, nogil=True)
def track_entered(first: int, tracking: Any, tracked: Any) -> int:
    """The same for frames that were held, in the order in which they entered: rows of the log from `first` on."""
    used = tracked.used[0]
    done = tracking.counts[ENTERED]
    for i in range(first, tracking.counts[ENTERED]):
        row = tracking.entered[i]
        now_used = _follow(tracked.table, used, tracked.order, row.flow_key, row.frame, row.completion_ns)
        if now_used < 0:
            done = i
            break
        used = now_used
    tracked.used[0] = used
    return done


@njit(cache=True, nogil=True)
def move_flows(old: Any, new: Any) -> None:
    """Copy every flow of `old` into the larger empty table `new`."""
    mask = np.uint64(new.shape[0] - 1)
    for i in range(old.shape[0]):
        key = old[i].key
        if key != 0:
            slot = (key ^ (key >> np.uint64(29))) & mask
            while new[slot].key != 0:
                slot = (slot + np.uint64(1)) & mask
            new[slot] = old[i]


@njit(cache=True, nogil=True)
def process(
    rows: npt.NDArray[np.uint32],
    work: Any,
    first_frame: int,
    costs: Any,
    window_start_ns: int,
    window_ns: int,
    service: Any,
    accounts: Any,
    tracked: Any,
    done: npt.NDArray[np.int64],
) -> bool:
    """`serve`, `account` and `track_order` over the same rows in one call; true when all is done.

    `done` (3,) says how many rows each of them has finished; when one had to stop, make room and call again.
    """
    done[0] += serve(rows[done[0] :], work, first_frame, NEVER, costs, window_start_ns, window_ns, service, None)
    done[1] += account(rows[done[1] : done[0]], work, costs, window_start_ns, window_ns, accounts)
    done[2] += track_order(rows[done[2] : done[0]], work, first_frame, tracked)
    return done[0] == rows.shape[0] and done[1] == rows.shape[0] and done[2] == rows.shape[0]


#: How `process_segments` ended: all done; stopped (a log is full, or a release is not known yet); at a tick, which the
#: caller takes and steps over; behind the mark of an ordered update, whose holds the caller sets up.
DONE, STOPPED, TICK, MARKED = range(4)

#: Indices of `at` in `process_segments`.
SEGMENT, NEXT_MARK, SERVED, ACCOUNTED, FOLLOWED, ENTERED_FOLLOWED = range(6)


class Segments(NamedTuple):
    """The rows of a batch by segment and processor, and what separates the segments."""

    selection: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]  # (segments, processors + 1)
    marks: npt.NDArray[Any]  # MARKER_ROW, ascending by segment
    old: npt.NDArray[Any]  # GROUP_ROWs of all marks
    new: npt.NDArray[Any]  # HEIR_ROWs of all marks


@njit(cache=True, nogil=True)
def process_segments(
    processor: int,
    segments: Any,
    work: Any,
    first_frame: int,
    ordered: bool,
    costs: Any,
    window_start_ns: int,
    window_ns: int,
    service: Any,
    accounts: Any,
    tracked: Any,
    tracking: Any,
    answers: Any,
    at: npt.NDArray[np.int64],
) -> int:
    """Everything that a batch has for one processor; returns one of DONE, STOPPED, TICK and MARKED.

    `segments` is a `Segments`, `answers` the pair `completion_ns`, `unknown` of `mark`. `at` (6,) says how far it has
    come, and is where the next call goes on.
    """
    completion_ns, unknown = answers
    counts = tracking.counts
    while at[SEGMENT] < segments.offsets.shape[0]:
        segment = at[SEGMENT]
        while at[NEXT_MARK] < segments.marks.shape[0] and segments.marks[at[NEXT_MARK]].segment == segment:
            marker = segments.marks[at[NEXT_MARK]]
            let_in_until(marker.adopted_ns, work, costs, window_start_ns, window_ns, service, tracking)
            at[ENTERED_FOLLOWED] = track_entered(at[ENTERED_FOLLOWED], tracking, tracked)
            release_ns, _ = next_release(tracking.held, counts[HELD], tracking.fences)
            if counts[BOUND_NS] <= marker.adopted_ns or release_ns <= marker.adopted_ns:
                return STOPPED
            if marker.epoch == 0:
                return TICK
            if at[ENTERED_FOLLOWED] != counts[ENTERED] or not room_for_mark(service, tracking):
                return STOPPED
            old = segments.old[marker.old_first : marker.old_end]
            new = segments.new[marker.new_first : marker.new_end]
            mark(marker, old, new, service, tracking, completion_ns, unknown)
            at[NEXT_MARK] += 1
            if ordered:
                return MARKED
        first, end = segments.offsets[segment, processor], segments.offsets[segment, processor + 1]
        rows = segments.selection[first:end]
        before = at[SERVED]
        at[SERVED] += serve(
            rows[before:], work, first_frame, NEVER, costs, window_start_ns, window_ns, service, tracking
        )
        counts[TAKEN] += at[SERVED] - before
        count_new_frames(rows[before : at[SERVED]], work.timestamp_ns, tracking)
        at[ACCOUNTED] += account(rows[at[ACCOUNTED] : at[SERVED]], work, costs, window_start_ns, window_ns, accounts)
        at[ENTERED_FOLLOWED] = track_entered(at[ENTERED_FOLLOWED], tracking, tracked)
        if at[ENTERED_FOLLOWED] == counts[ENTERED]:
            at[FOLLOWED] += track_order(rows[at[FOLLOWED] : at[SERVED]], work, first_frame, tracked)
        if min(at[SERVED], at[ACCOUNTED], at[FOLLOWED]) < rows.shape[0]:
            return STOPPED
        at[SEGMENT] += 1
        at[SERVED], at[ACCOUNTED], at[FOLLOWED] = 0, 0, 0
    return DONE


@njit(cache=True, nogil=True)
def let_in_until(
    moment_ns: int, work: Any, costs: Any, window_start_ns: int, window_ns: int, service: Any, tracking: Any
) -> None:
    """Held frames whose release comes up to a moment enter, as far as it is known and the logs have room."""
    nothing = np.zeros(0, np.uint32)
    serve(nothing, work, 0, moment_ns, costs, window_start_ns, window_ns, service, tracking)
