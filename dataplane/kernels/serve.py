"""The kernel of one simulated processor: DPC service in virtual time, load accounting, order (PRC, BAL, ORD rules).

The kernel takes the rows of one processor in one batch, in arrival order, and continues a state that outlives the
batch. No result depends on how rows are cut into calls. When an output log is full, the kernel stops and returns the
number of finished rows. The caller empties the log (or makes it larger, if it is empty) and calls again with the rest.
One loop does everything, because each row is on different cache lines.

numba compiles three forms of the kernel. In a run without updates `tracking` is None, and the compiled form contains no
code for updates. While no frame is held, `holding` is None, and the form contains no code for held frames.
`kernels.tracking` has the state for updates. `kernels.host` calls this kernel for all processors of a host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.flows import FLOW_ROW, ORDER_ROW, count_item, flow_bucket, follow, forget_order
from dataplane.kernels.memory import address_of, prefetch_address, read_u64, write_u64
from dataplane.kernels.tracking import (
    BOUND_EPOCH,
    BOUND_NS,
    DROPPED_BEHIND,
    ENTERED,
    FENCES_END_NS,
    FOLLOWERS,
    HELD,
    ITEM_ROW,
    LATE_NS_MAX,
    NEVER,
    ORDER_USED,
    OVERTAKABLE,
    RELEASE_EPOCH,
    RELEASE_NS,
    REORDERED,
    next_release,
    note_completion,
)
from dataplane.kernels.work import QUEUE_FULL, TRANSMIT, WORK_ROW

#: Costs of a processor: the fields of `CostModel`, in their order; one row.
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

#: State of a processor; one row.
STATE = np.dtype(
    [
        ("free_ns", np.int64),  # when the last accepted item is completed
        ("last_interrupt_ns", np.int64),
        ("items_in_dpc", np.int64),  # items the current DPC run has handled
        ("accepted", np.int64),  # items accepted so far; modulo the ring's length, the position in the ring
        ("dropped", np.int64),
        ("interrupts", np.int64),
        ("dpcs", np.int64),
        ("busy_before_ns", np.int64),  # busy time before `busy_window`
        ("latency_sum_ns", np.int64),  # modulo 2^64: a long overload exceeds that, see `LatencyHistogram.of_kernel`
        ("latency_min_ns", np.int64),
        ("latency_max_ns", np.int64),  # -1 without items
        ("first_arrival_ns", np.int64),
        ("last_completion_ns", np.int64),
        ("busy_since_ns", np.int64),  # start of the current busy period, without a pause
        ("busy_window", np.int64),  # the window of the last busy time
        ("busy_window_ns", np.int64),  # busy time in that window
        ("last_frame", np.int64),  # number of the last arrival
    ]
)

#: One closed load window of a processor.
BUSY_ROW = np.dtype([("window", np.int64), ("busy_ns", np.int64)])

#: Latency histogram: exact below 256 ns, then 128 buckets for each power of two, with a relative error below 1/128.
HISTOGRAM_BUCKETS = 64 * 128

#: How many items ahead their work rows and flow rows are prefetched; the flow table is larger than a core's caches.
_PREFETCH_ROWS, _PREFETCH_ITEMS = 24, 12
_WORK_BYTES, _FLOW_BYTES, _ORDER_BYTES = WORK_ROW.itemsize, FLOW_ROW.itemsize, ORDER_ROW.itemsize
_ITEM_BYTES = ITEM_ROW.itemsize

#: `completion_ns` of a dropped frame, and of a held frame (EPO-07).
_QUEUE_FULL_NS, HELD_NS = -1, -2


#: Load of one steering parameter (table entry, default or primary processor) on one processor, in one window.
ENTRY_ROW = np.dtype(
    [
        ("window", np.int64),
        ("slot", np.uint32),
        ("received", np.int64),
        ("completions", np.int64),
        ("bytes", np.int64),
        ("dropped", np.int64),
        ("busy_ns", np.int64),
        ("hashed", np.int64),
    ]
)


#: Load of one steering parameter since the last tick of a policy: arrivals, and the service cost of accepted ones.
LOAD_ROW = np.dtype([("packets", np.int64), ("busy_ns", np.int64)])


@njit(inline="always")
def bucket_of(value: int) -> int:
    """Histogram bucket of a nonnegative number: the exponent and the 7 leading mantissa bits of its float64."""
    if value < 128:
        return value
    bits = np.float64(value).view(np.int64)
    return (bits >> 45) - ((1023 + 7) << 7) + 128


class Service(NamedTuple):
    """The state of a processor; `serve` continues it from call to call."""

    state: npt.NDArray[Any]  # (1,) STATE
    #: Completion times of the last accepted items, NEVER for items that do not exist yet: (dpc_queue_depth,); for an
    #: unbounded queue (1,) if items are not tracked, else as long as the queue needs.
    ring: npt.NDArray[np.int64]
    histogram: npt.NDArray[np.int64]  # (HISTOGRAM_BUCKETS,)
    busy_log: npt.NDArray[Any]  # BUSY_ROW
    busy_logged: npt.NDArray[np.int64]  # (1,) number of rows in the log


class Accounts(NamedTuple):
    """The loads of a processor; `serve` continues them from call to call."""

    #: (entry slots,) ENTRY_ROW: counts of the open window; a row with another window has no counts yet. Windows count
    #: from 1 here, so that a row of zeros belongs to no window. Rows that are never written take no memory: that would
    #: be 0.5 GB for 64 processors and 1,024 VPorts.
    current: npt.NDArray[Any]
    touched: npt.NDArray[np.uint32]  # (entry slots,) the slots with items in the open window come first
    position: npt.NDArray[np.int64]  # (3,) open window (as in `current`), number of touched slots, rows in the log
    entry_log: npt.NDArray[Any]  # ENTRY_ROW of closed windows; these count from 0
    loads: npt.NDArray[Any]  # (entry slots,) LOAD_ROW since the last tick, shared by a host; (0,) without ticks


class Flows(NamedTuple):
    """Item counts of flows, for all processors of a host together; `serve` continues them from call to call."""

    rows: npt.NDArray[Any]  # flows.FLOW_ROW, a hash table
    used: npt.NDArray[np.int64]  # (1,) number of flows


@njit(cache=True, nogil=True)
def busy_until(moment_ns: int, state: npt.NDArray[Any]) -> int:
    """Busy time from the start up to a moment; no served item arrived after it (PRC-04). `state` is (1,)."""
    s = state[0]
    # the processor is busy without a pause from `busy_since_ns` to `free_ns`
    ahead_ns = max(np.int64(0), s.free_ns - max(moment_ns, s.busy_since_ns))
    return int(s.busy_before_ns + s.busy_window_ns - ahead_ns)


@njit(inline="always")
def _rounded_ns(time_ps: int) -> int:
    """Picoseconds rounded to nanoseconds; unsigned, because LLVM turns that division into a multiplication."""
    return np.int64((np.uint64(time_ps) + np.uint64(500)) // np.uint64(1000))


@njit(cache=True, nogil=True)
def _close_window(accounts: Any, touched_count: int) -> None:
    """Move the counts of the open window to the log, which must have room for them."""
    logged = accounts.position[2]
    for t in range(touched_count):
        entry = accounts.current[accounts.touched[t]]
        accounts.entry_log[logged] = entry
        accounts.entry_log[logged].window = entry.window - 1
        logged += 1
        entry.received = 0
        entry.completions = 0
        entry.bytes = 0
        entry.dropped = 0
        entry.busy_ns = 0
        entry.hashed = 0
    accounts.position[2] = logged


@njit(cache=True, nogil=True)
def count_by_target(entries: npt.NDArray[Any], slots_per_target: int, sums: npt.NDArray[np.int64]) -> None:
    """Add ENTRY_ROWs to the sums of their targets: (targets, 5) received, bytes, hashed, completions, dropped."""
    for i in range(entries.shape[0]):
        entry = entries[i]
        target = np.int64(entry.slot) // slots_per_target
        sums[target, 0] += entry.received
        sums[target, 1] += entry.bytes
        sums[target, 2] += entry.hashed
        sums[target, 3] += entry.completions
        sums[target, 4] += entry.dropped


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
    accounts: Any,
    flows: Any,
    tracking: Any,
    holding: Any,
) -> int:
    """Serve items first in, first out (PRC-01 to PRC-04); returns how many of `rows` are finished.

    `rows` (n,) are row numbers of `work`, a `kernels.host.Columns` whose row 0 is frame `first_frame`. They ascend, and
    frame numbers ascend over all calls. So only a held frame can be served after a later frame of its flow, and the
    kernel looks for reordering only while frames are held (ORD-02).

    The kernel writes `completion_ns` of `work` at the row of each item, if that column has rows. If the queue is full,
    it writes the `drop` of the row, which steering has set to 0. `costs` is one COSTS row; `service`, `accounts` and
    `flows` are a `Service`, an `Accounts` and a `Flows`. `tracking` is a `Tracking` or None. `holding` may be None only
    if nothing is held and none of the rows will be held.

    At one instant completions come before arrivals: an item completed at t has left the queue for an arrival at t, and
    a DPC whose queue is empty at t is over. Because service is first in, first out, the completion of an item is known
    when it enters the queue.

    An item and its service cost count for the steering parameter that chose the processor, in the window of its arrival
    (BAL-01), even if the item is held.

    Held frames (EPO-07) enter when they are released, before the arrivals of that instant. After the last row, those
    released up to `until_ns` enter. The kernel also stops before an item that depends on a release that is not known.
    """
    # numba counts a reference whenever an array is taken out of a tuple: do so once here, not for each frame
    work_rows, completion_ns = work.rows, work.completion_ns
    telling = completion_ns.shape[0] > 0
    rows_at = address_of(work_rows)
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
    limit = c.max_nbls_to_indicate if c.max_nbls_to_indicate > 0 else np.int64(-1)  # items in a DPC; -1: no limit
    current, touched, position_of_accounts = accounts.current, accounts.touched, accounts.position
    entry_log, loads = accounts.entry_log, accounts.loads
    loading = loads.shape[0] > 0
    window, touched_count = position_of_accounts[0], position_of_accounts[1]
    window_end_ns = window_start_ns + window * window_ns
    flow_rows, flows_used = flows.rows, flows.used[0]
    flows_max = flow_rows.shape[0] // 2
    # numba tests array indices for negative values; the hottest accesses use addresses to avoid that test
    ring_at, histogram_at = address_of(ring), address_of(histogram)
    flow_addresses, flow_mask = address_of(flow_rows), np.uint64(flow_rows.shape[0] - 1)
    s = state[0]
    free_ns, last_interrupt_ns, items_in_dpc = s.free_ns, s.last_interrupt_ns, s.items_in_dpc
    accepted, busy_since_ns, last_row = s.accepted, s.busy_since_ns, s.last_frame - first_frame
    busy_window, busy_window_ns = s.busy_window, s.busy_window_ns
    busy_window_end_ns = window_start_ns + (busy_window + 1) * window_ns
    logged = busy_logged[0]
    dropped, interrupts, dpcs = np.int64(0), np.int64(0), np.int64(0)
    latency_sum, latency_min, latency_max = np.int64(0), s.latency_min_ns, s.latency_max_ns
    if s.first_arrival_ns == NEVER and rows.shape[0] > 0:
        s.first_arrival_ns = work_rows[rows[0]].timestamp_ns
    capacity = ring.shape[0]
    if tracking is not None:
        items, counts, followers = tracking.items, tracking.counts, tracking.followers
        items_at, last_at = address_of(items), address_of(tracking.last_ns)
        watch_at = address_of(tracking.watch_until_ns)
        follower_count = counts[FOLLOWERS]
    if holding is not None:
        held, fences, dropped_behind = tracking.held, tracking.fences, np.int64(0)
        slot_fence, transmit_fence = tracking.slot_fence, tracking.transmit_fence
        bound_ns, bound_epoch, fences_end_ns = counts[BOUND_NS], counts[BOUND_EPOCH], counts[FENCES_END_NS]
        held_count = counts[HELD]
        order, order_used = tracking.order, counts[ORDER_USED]
        order_addresses, order_mask = address_of(order), np.uint64(order.shape[0] - 1)
        release_ns, release_epoch = next_release(held, held_count, fences)
        letting_in = False
        scan, keep = np.int64(0), np.int64(0)  # next held frame to look at, place of the next one that remains held
    position = accepted % capacity
    i, count = np.int64(0), rows.shape[0]
    while True:
        row = np.int64(-1)
        if holding is not None:  # noqa: SIM102  # numba prunes only branches whose whole condition is a test for None
            if held_count > 0:
                now = until_ns if i == count else work_rows[rows[i]].timestamp_ns
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
                        if held_count == 0:  # frames from now on arrived later than all frames served so far
                            order_used = forget_order(order, order_used)
                        continue
        entering, full, waits = False, False, False
        if holding is not None:
            entering = letting_in
        if not entering:
            if i == count:
                break
            row = np.int64(rows[i])
            prefetch_address(rows_at + _WORK_BYTES * np.int64(rows[min(i + _PREFETCH_ROWS, count - 1)]))
            coming_key = work_rows[rows[min(i + _PREFETCH_ITEMS, count - 1)]].flow_key
            prefetch_address(flow_addresses + _FLOW_BYTES * np.int64(flow_bucket(coming_key, flow_mask)))
            if holding is not None:  # noqa: SIM102
                if held_count > 0:
                    prefetch_address(order_addresses + _ORDER_BYTES * np.int64(flow_bucket(coming_key, order_mask)))
            told = work_rows[row]
            arrival = told.timestamp_ns
            enters, frame, key = arrival, first_frame + row, told.flow_key
            if row <= last_row:
                raise AssertionError("a processor has been given frames that are not in the order of their arrival")
            length = np.int64(told.wire_length)
            is_receive = told.flags & TRANSMIT == 0
            slot = np.int64(told.entry_slot)
            if holding is not None:  # noqa: SIM102
                if arrival >= bound_ns:
                    break
            if arrival >= window_end_ns:
                if touched_count > entry_log.shape[0] - position_of_accounts[2]:
                    break
                _close_window(accounts, touched_count)
                touched_count = np.int64(0)
                window = (arrival - window_start_ns) // window_ns + 1
                window_end_ns = window_start_ns + window * window_ns
            full = np.int64(read_u64(ring_at + 8 * position)) > arrival  # never true for an untracked unbounded queue
            if tracking is not None:
                full &= depth > 0
            if holding is not None:
                if depth > 0:
                    queue_full = full
                    full = queue_full or held_count >= depth
                    if held_count > 0 and not full:
                        at = position - (depth - held_count)
                        full = accepted >= depth - held_count and ring[at % depth] > arrival
                    if full and not queue_full:
                        dropped_behind += 1
                if not full and arrival < fences_end_ns:
                    number = slot_fence[slot] if is_receive else transmit_fence[told.target]
                    fence = fences[number]
                    waits = fence.release_ns > arrival
                    if waits:
                        if held_count == held.shape[0]:
                            break
                        waiting = held[held_count]
                        waiting.frame, waiting.arrival_ns, waiting.flow_key = frame, arrival, key
                        waiting.slot, waiting.fence, waiting.wire_length = slot, number, told.wire_length
                        waiting.is_receive, waiting.overtakable = is_receive, 0
                        held_count += 1
                        if fence.release_ns < release_ns or (
                            fence.release_ns == release_ns and fence.epoch < release_epoch
                        ):
                            release_ns, release_epoch = fence.release_ns, fence.epoch
        elif holding is not None:
            waiting = held[scan]
            arrival, enters, frame, key = waiting.arrival_ns, release_ns, waiting.frame, waiting.flow_key
            length, is_receive, slot = np.int64(waiting.wire_length), waiting.is_receive, np.int64(waiting.slot)
        cost = receive_cost_ns + _rounded_ns(length * per_byte_ps) if is_receive else completion_cost_ns
        end = np.int64(_QUEUE_FULL_NS if full else HELD_NS)
        if not full and not waits:
            if flows_used >= flows_max:
                break
            if holding is not None:
                if held_count > 0 and 2 * order_used >= order.shape[0]:
                    break
                if entering and (
                    counts[ENTERED] == tracking.entered.shape[0] or counts[OVERTAKABLE] == tracking.overtakable.shape[0]
                ):
                    break
            if tracking is not None:  # noqa: SIM102
                if depth == 0 and ring[position] > enters:
                    break
            busy, interrupt, dpc, items_then, interrupt_then_ns = cost, 0, 0, items_in_dpc + 1, last_interrupt_ns
            since_then_ns, starts_at = busy_since_ns, free_ns
            if enters >= free_ns:  # idle: an interrupt starts a DPC (PRC-03)
                interrupt_then_ns = max(enters, last_interrupt_ns + moderation_ns)
                since_then_ns = starts_at = interrupt_then_ns + latency_of_interrupt_ns
                busy, interrupt, dpc, items_then = cost + overhead_ns, 1, 1, np.int64(1)
            elif items_in_dpc == limit:
                busy, dpc, items_then = cost + overhead_ns, 1, np.int64(1)
            end = starts_at + busy
            if tracking is not None:
                watched = end < np.int64(read_u64(watch_at + 8 * slot))
                if watched and follower_count == followers.shape[0]:
                    break

            # busy time by window: service is in time order, so windows before this interval are final and are logged
            if end <= busy_window_end_ns:
                busy_window_ns += busy
            else:
                at = starts_at
                at_window = (at - window_start_ns) // window_ns
                if (end - window_start_ns) // window_ns - at_window + 2 > busy_log.shape[0] - logged:
                    break
                while at < end:
                    if at_window != busy_window:
                        if busy_window_ns > 0:
                            busy_log[logged].window = busy_window
                            busy_log[logged].busy_ns = busy_window_ns
                            s.busy_before_ns += busy_window_ns
                            logged += 1
                        busy_window, busy_window_ns = at_window, np.int64(0)
                    until = min(end, window_start_ns + (at_window + 1) * window_ns)
                    busy_window_ns += until - at
                    at = until
                    at_window += 1
                busy_window_end_ns = window_start_ns + (busy_window + 1) * window_ns

            last_interrupt_ns, busy_since_ns, items_in_dpc, free_ns = interrupt_then_ns, since_then_ns, items_then, end
            interrupts += interrupt
            dpcs += dpc
            if tracking is None:
                if depth > 0:
                    write_u64(ring_at + 8 * position, end)
                    position += 1
            else:
                write_u64(ring_at + 8 * position, end)
                item_at = items_at + _ITEM_BYTES * position
                write_u64(item_at, key)
                write_u64(item_at + 8, frame)
                write_u64(item_at + 16, slot)  # and `overtakable` 0 in the same word
                write_u64(last_at + 8 * slot, end)
                position += 1
                if watched:
                    follower = followers[follower_count]
                    follower.flow_key, follower.frame, follower.completion_ns = key, frame, end
                    follower_count += 1
            if holding is not None:
                accepted += 1
                if entering:
                    items[position - 1].overtakable = waiting.overtakable
                    note_completion(tracking, waiting, release_ns, end)
                    scan += 1
            if position == capacity:
                position = 0
            flows_used = count_item(flow_rows, flows_used, key)
            if holding is not None:  # noqa: SIM102
                if held_count > 0:  # on one processor only held frames can be overtaken
                    order_used, late_ns = follow(order, order_used, key, frame, end)
                    counts[REORDERED] += late_ns > 0
                    counts[LATE_NS_MAX] = max(counts[LATE_NS_MAX], late_ns)
            latency = end - arrival
            latency_sum += latency
            # below the smallest or above the largest, in one comparison
            if np.uint64(latency - latency_min) > np.uint64(latency_max - latency_min):
                latency_min, latency_max = min(latency_min, latency), max(latency_max, latency)
            bucket = histogram_at + 8 * bucket_of(latency)
            write_u64(bucket, read_u64(bucket) + np.uint64(1))
        if entering:
            continue

        # an arrival: count it by steering parameter and window (BAL-01), and in the loads for a policy
        entry = current[slot]
        if entry.window != window:
            touched[touched_count] = slot
            touched_count += 1
            entry.window, entry.slot = window, slot
        if full:
            entry.dropped += 1
            told.drop = QUEUE_FULL
            dropped += 1
        elif is_receive:
            entry.received += 1
            entry.bytes += length
            entry.hashed += told.hash_kind != 0
            entry.busy_ns += cost
        else:
            entry.completions += 1
            entry.busy_ns += cost
        if loading:
            load = loads[slot]
            load.packets += 1
            if not full:
                load.busy_ns += cost
        if telling:
            completion_ns[row] = end
        last_row = row
        i += 1
    if tracking is not None:
        counts[FOLLOWERS] = follower_count
    if holding is not None:
        if letting_in:  # a log was full: the rest enters in the next call
            while scan < held_count:
                held[keep] = held[scan]
                keep += 1
                scan += 1
            held_count = keep
        counts[HELD], counts[ORDER_USED] = held_count, order_used
        counts[RELEASE_NS], counts[RELEASE_EPOCH] = release_ns, release_epoch
        counts[DROPPED_BEHIND] += dropped_behind
    s.free_ns, s.last_interrupt_ns, s.items_in_dpc = free_ns, last_interrupt_ns, items_in_dpc
    s.busy_since_ns, s.last_frame = busy_since_ns, first_frame + last_row
    if holding is None:
        accepted += i - dropped
    if accepted > s.accepted:
        s.last_completion_ns = free_ns
    s.accepted = accepted
    s.busy_window, s.busy_window_ns = busy_window, busy_window_ns
    s.dropped += dropped
    s.interrupts += interrupts
    s.dpcs += dpcs
    s.latency_sum_ns += latency_sum
    s.latency_min_ns, s.latency_max_ns = latency_min, latency_max
    busy_logged[0] = logged
    position_of_accounts[0], position_of_accounts[1] = window, touched_count
    flows.used[0] = flows_used
    return int(i)
