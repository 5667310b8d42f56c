"""The kernels of one simulated processor: DPC service in virtual time, load accounting, order (PRC, BAL, ORD rules).

Each takes the rows of one processor of one batch, in arrival order, and continues a state that outlives the batch. No
result depends on how rows are cut into calls. A kernel whose output log is full stops and returns how many rows it has
done; the caller drains the log (or, if it is empty, makes it larger) and calls again with the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

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
        ("busy_window", np.int64),  # window that `busy_window_ns` is for
        ("busy_window_ns", np.int64),
    ]
)

#: One closed load window of a processor.
BUSY_ROW = np.dtype([("window", np.int64), ("busy_ns", np.int64)])

#: Latency histogram: exact below 128 ns, then 128 buckets for each power of two: relative error below 1/128.
HISTOGRAM_BUCKETS = 64 * 128

_NEVER = np.int64(-(1 << 62))
_TRANSMIT = 2
_QUEUE_FULL = 3


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
    ring: npt.NDArray[np.int64]  # completion times of the last `dpc_queue_depth` accepted items; (1,) when unbounded
    histogram: npt.NDArray[np.int64]  # (HISTOGRAM_BUCKETS,)
    busy_log: npt.NDArray[Any]  # BUSY_ROW
    busy_logged: npt.NDArray[np.int64]  # (1,) rows in the log


class Accounts(NamedTuple):
    """What `account` continues from call to call."""

    current: npt.NDArray[Any]  # (entry slots,) ENTRY_ROW: the open window
    touched: npt.NDArray[np.uint32]  # (entry slots,) those with items in the open window
    position: npt.NDArray[np.int64]  # open window, number of touched slots, rows in the log
    entry_log: npt.NDArray[Any]  # ENTRY_ROW
    by_target: npt.NDArray[np.int64]  # (targets, 5) received, bytes, hashed, completions, dropped


class Flows(NamedTuple):
    """What `track_order` continues from call to call."""

    table: npt.NDArray[Any]  # FLOW_ROW, capacity a power of two, at most half full
    used: npt.NDArray[np.int64]  # (1,)
    order: npt.NDArray[np.int64]  # reordered items, largest late time in ns


@njit(cache=True, nogil=True)
def serve(
    rows: npt.NDArray[np.uint32], work: Any, costs: Any, window_start_ns: int, window_ns: int, service: Any
) -> int:
    """Serve items first in, first out (PRC-01 to PRC-04); returns how many of `rows` were done.

    `work` is a `WorkColumns`, whose `drop` and `completion_ns` are written at the row of each item; `costs` is one
    COSTS row, `service` a `Service`. At one instant completions come before arrivals: an item completed at t has left
    the queue for an arrival at t, and a DPC whose queue is empty at t is over. Since service is first in, first out,
    the completion of an item is known on arrival.
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
    accepted = s.accepted
    busy_window, busy_window_ns = s.busy_window, s.busy_window_ns
    position = accepted % depth if depth > 0 else 0
    logged = busy_logged[0]
    received, completions, received_bytes, dropped = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    interrupts, dpcs, busy_total = np.int64(0), np.int64(0), np.int64(0)
    latency_sum, latency_min, latency_max = np.int64(0), s.latency_min_ns, s.latency_max_ns
    if s.first_arrival_ns == _NEVER and rows.shape[0] > 0:
        s.first_arrival_ns = timestamp_ns[rows[0]]
    done = rows.shape[0]
    for i in range(rows.shape[0]):
        row = rows[i]
        arrival = timestamp_ns[row]
        if depth > 0 and accepted >= depth and ring[position] > arrival:
            drop[row] = _QUEUE_FULL
            completion_ns[row] = -1
            dropped += 1
            continue
        length = np.int64(wire_length[row])
        is_receive = flags[row] & _TRANSMIT == 0
        cost = receive_cost_ns + (length * per_byte_ps + 500) // 1000 if is_receive else completion_cost_ns
        busy = cost
        if arrival >= free_ns:  # idle: an interrupt starts a DPC (PRC-03)
            raised = max(arrival, last_interrupt_ns + moderation_ns)
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
            done = i
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

        if arrival >= free_ns:
            last_interrupt_ns = raised
            interrupts += 1
        if starts_dpc:
            dpcs += 1
            items_in_dpc = np.int64(0)
        items_in_dpc += 1
        busy_total += busy
        free_ns = end
        if depth > 0:
            ring[position] = end
            position += 1
            if position == depth:
                position = 0
        accepted += 1
        drop[row] = 0
        completion_ns[row] = end
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
    s.free_ns, s.last_interrupt_ns, s.items_in_dpc = free_ns, last_interrupt_ns, items_in_dpc
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
    return done


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


@njit(cache=True, nogil=True)
def account(
    rows: npt.NDArray[np.uint32], work: Any, costs: Any, window_start_ns: int, window_ns: int, accounts: Any
) -> int:
    """Count items by steering parameter and window of arrival, and by target; returns how many of `rows` were done.

    `accounts` is an `Accounts`. The service cost of an item counts in the window of its arrival.
    """
    timestamp_ns, wire_length, flags = work.timestamp_ns, work.wire_length, work.flags
    hash_kind, target, entry_slot, drop = work.hash_kind, work.target, work.entry_slot, work.drop
    current, touched, position = accounts.current, accounts.touched, accounts.position
    entry_log, by_target = accounts.entry_log, accounts.by_target
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
        elif flags[row] & _TRANSMIT:
            entry.completions += 1
            entry.busy_ns += c.completion_cost_ns
            by_target[t, 3] += 1
        else:
            entry.received += 1
            entry.bytes += length
            entry.busy_ns += c.receive_cost_ns + (length * c.receive_cost_per_byte_ps + 500) // 1000
            by_target[t, 0] += 1
            by_target[t, 1] += length
            by_target[t, 2] += hash_kind[row] != 0
    position[0], position[1], position[2] = window, touched_count, logged
    return done


#: One flow of a processor's flow table; key 0 marks an empty slot (a key of 0 is kept as 1).
FLOW_ROW = np.dtype(
    [("key", np.uint64), ("items", np.int64), ("last_frame", np.int64), ("last_completion_ns", np.int64)]
)


@njit(cache=True, nogil=True)
def track_order(rows: npt.NDArray[np.uint32], work: Any, first_frame: int, tracked: Any) -> int:
    """Follow each flow's completions on one processor (ORD-02); returns how many of `rows` were done.

    `rows` come in the order of service, `tracked` is a `Flows`. An item is reordered when a later-arrived one of its
    flow was completed earlier. The kernel stops when the flow table is half full: the caller makes it larger.
    """
    flow_key, completion_ns = work.flow_key, work.completion_ns
    flows, flow_count, order = tracked.table, tracked.used, tracked.order
    mask = np.uint64(flows.shape[0] - 1)
    used = flow_count[0]
    for i in range(rows.shape[0]):
        row = rows[i]
        completion = completion_ns[row]
        if completion < 0:
            continue
        key = flow_key[row]
        if key == 0:
            key = np.uint64(1)
        slot = (key ^ (key >> np.uint64(29))) & mask
        while True:
            found = flows[slot].key
            if found == key:
                break
            if found == 0:
                if 2 * used >= flows.shape[0]:
                    flow_count[0] = used
                    return i
                flows[slot].key = key
                flows[slot].last_frame = -1
                used += 1
                break
            slot = (slot + np.uint64(1)) & mask
        flow = flows[slot]
        flow.items += 1
        frame = first_frame + np.int64(row)
        if frame > flow.last_frame:
            flow.last_frame = frame
            flow.last_completion_ns = completion
        elif completion > flow.last_completion_ns:
            order[0] += 1
            order[1] = max(order[1], completion - flow.last_completion_ns)
    flow_count[0] = used
    return rows.shape[0]


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
    done[0] += serve(rows[done[0] :], work, costs, window_start_ns, window_ns, service)
    done[1] += account(rows[done[1] : done[0]], work, costs, window_start_ns, window_ns, accounts)
    done[2] += track_order(rows[done[2] : done[0]], work, first_frame, tracked)
    return done[0] == rows.shape[0] and done[1] == rows.shape[0] and done[2] == rows.shape[0]
