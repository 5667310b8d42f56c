"""Kernels that serve a batch on all processors of a host; they call `serve` for each processor.

A kernel call costs time for every array argument, and a processor and a buffer have about thirty arrays together. So
each processor and each buffer keeps the addresses and lengths of its arrays in one row of a table, and these kernels
turn the rows back into arrays. Code that replaces an array must write its row again (`write_addresses`). The arrays
must live until the call returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import carray, njit  # type: ignore[attr-defined]

from dataplane.kernels import serve as kernels
from dataplane.kernels import tracking as tracks
from dataplane.kernels.flows import ORDER_ROW
from dataplane.kernels.memory import address_of, pointer_to
from dataplane.kernels.serve import Accounts, Flows, Service, busy_until, serve
from dataplane.kernels.tracking import (
    BOUND_EPOCH,
    BOUND_NS,
    FENCES_END_NS,
    HELD,
    MARKS,
    NEVER,
    RELEASE_EPOCH,
    RELEASE_NS,
    TAKEN,
    Tracking,
    count_new_frames,
    mark,
    queued_at,
    room_for_mark,
)
from dataplane.kernels.work import WORK_ROW


class Columns(NamedTuple):
    """The columns of a batch that processors use, and the row numbers grouped by segment and processor."""

    rows: npt.NDArray[Any]  # WORK_ROW
    completion_ns: npt.NDArray[np.int64]  # empty if nobody reads it
    selection: npt.NDArray[np.uint32]  # row numbers
    offsets: npt.NDArray[np.int64]  # (segments, processors + 1): where those of each processor begin and end


_ARRAY = np.dtype([("address", np.int64), ("length", np.int64)])


_PROCESSOR_ARRAYS = ("costs", *Service._fields, *Accounts._fields, *Tracking._fields)
_PROCESSOR = np.dtype([(name, _ARRAY) for name in _PROCESSOR_ARRAYS])
_COLUMNS = np.dtype([(name, _ARRAY) for name in Columns._fields])
#: Number of int64 in the row of a processor, and in the row of a buffer.
PROCESSOR_ADDRESSES, BUFFER_ADDRESSES = _PROCESSOR.itemsize // 8, _COLUMNS.itemsize // 8


def write_addresses(row: npt.NDArray[np.int64], arrays: Iterable[npt.NDArray[Any]]) -> None:
    """Write the addresses and lengths of arrays into `row`: those of `_PROCESSOR_ARRAYS` or of `Columns`, in order.

    They may be only the first of these.
    """
    numbers = [number for array in arrays for number in (array.ctypes.data, len(array))]
    row[: len(numbers)] = numbers


@njit(inline="always")
def _columns(buffer: npt.NDArray[np.int64], processors: int) -> Any:
    a = carray(pointer_to(address_of(buffer)), (1,), _COLUMNS)[0]
    return Columns(
        carray(pointer_to(a.rows.address), (a.rows.length,), WORK_ROW),
        carray(pointer_to(a.completion_ns.address), (a.completion_ns.length,), np.int64),
        carray(pointer_to(a.selection.address), (a.selection.length,), np.uint32),
        carray(pointer_to(a.offsets.address), (a.offsets.length, processors + 1), np.int64),
    )


@njit(inline="always")
def _processor(row: npt.NDArray[np.int64]) -> Any:
    """The (1,) costs, `Service` and `Accounts` of the processor that a row describes."""
    a = carray(pointer_to(address_of(row)), (1,), _PROCESSOR)[0]
    return (
        carray(pointer_to(a.costs.address), (1,), kernels.COSTS),
        Service(
            carray(pointer_to(a.state.address), (1,), kernels.STATE),
            carray(pointer_to(a.ring.address), (a.ring.length,), np.int64),
            carray(pointer_to(a.histogram.address), (a.histogram.length,), np.int64),
            carray(pointer_to(a.busy_log.address), (a.busy_log.length,), kernels.BUSY_ROW),
            carray(pointer_to(a.busy_logged.address), (1,), np.int64),
        ),
        Accounts(
            carray(pointer_to(a.current.address), (a.current.length,), kernels.ENTRY_ROW),
            carray(pointer_to(a.touched.address), (a.touched.length,), np.uint32),
            carray(pointer_to(a.position.address), (a.position.length,), np.int64),
            carray(pointer_to(a.entry_log.address), (a.entry_log.length,), kernels.ENTRY_ROW),
            carray(pointer_to(a.loads.address), (a.loads.length,), kernels.LOAD_ROW),
        ),
    )


@njit(inline="always")
def _tracking(row: npt.NDArray[np.int64]) -> Any:
    a = carray(pointer_to(address_of(row)), (1,), _PROCESSOR)[0]
    return Tracking(
        carray(pointer_to(a.items.address), (a.items.length,), tracks.ITEM_ROW),
        carray(pointer_to(a.held.address), (a.held.length,), tracks.HELD_ROW),
        carray(pointer_to(a.entered.address), (a.entered.length,), tracks.ENTERED_ROW),
        carray(pointer_to(a.followers.address), (a.followers.length,), tracks.FOLLOWER_ROW),
        carray(pointer_to(a.overtakable.address), (a.overtakable.length,), tracks.OVERTAKABLE_ROW),
        carray(pointer_to(a.marks.address), (a.marks.length,), tracks.MARK_ROW),
        carray(pointer_to(a.fences.address), (a.fences.length,), tracks.FENCE_ROW),
        carray(pointer_to(a.slot_fence.address), (a.slot_fence.length,), np.int32),
        carray(pointer_to(a.transmit_fence.address), (a.transmit_fence.length,), np.int32),
        carray(pointer_to(a.last_ns.address), (a.last_ns.length,), np.int64),
        carray(pointer_to(a.watch_until_ns.address), (a.watch_until_ns.length,), np.int64),
        carray(pointer_to(a.watch_epoch.address), (a.watch_epoch.length,), np.int64),
        carray(pointer_to(a.group_of_slot.address), (a.group_of_slot.length,), np.int64),
        carray(pointer_to(a.order.address), (a.order.length,), ORDER_ROW),
        carray(pointer_to(a.counts.address), (a.counts.length,), np.int64),
    )


@njit(cache=True, nogil=True)
def serve_batch(
    buffer: npt.NDArray[np.int64],
    first_frame: int,
    rows: npt.NDArray[np.int64],
    flow_rows: npt.NDArray[Any],
    flows_used: npt.NDArray[np.int64],
    first_processor: int,
    processors: int,
    window_start_ns: int,
    window_ns: int,
    done: npt.NDArray[np.int64],
) -> int:
    """Serve a batch of one segment on all processors of a host, in a run without updates.

    `buffer` (BUFFER_ADDRESSES,) and `rows` (processors of the host, PROCESSOR_ADDRESSES) are rows of addresses. Row 0
    describes processor `first_processor` of the `processors` of the whole simulated host. `flow_rows` and `flows_used`
    are the fields of `Flows`. `done` (processors of the host,) counts the finished rows of each processor; a call
    continues there. Returns -1 when everything is done, otherwise the index of the processor that needs room in its
    logs.
    """
    columns, flows = _columns(buffer, processors), Flows(flow_rows, flows_used)
    for p in range(rows.shape[0]):
        first = columns.offsets[0, first_processor + p] + done[p]
        mine = columns.selection[first : columns.offsets[0, first_processor + p + 1]]
        if mine.shape[0] > 0:
            costs, service, accounts = _processor(rows[p])
            served = serve(
                mine, columns, first_frame, NEVER, costs, window_start_ns, window_ns, service, accounts, flows,
                None, None,
            )  # fmt: skip
            done[p] += served
            if served < mine.shape[0]:
                return p
    return -1


#: Why a processor stopped in a batch; 0 before it has started. DONE: it has served everything it was asked to serve.
#: WAITING: it needs a release that is not known yet. FULL: a log is full. MARKED: it has just passed the mark of an
#: ordered update that moves something to it, or at which it still holds frames. The caller must handle FULL and MARKED.
DONE, WAITING, FULL, MARKED = range(1, 5)

#: Indices of `at` in `serve_processors`, and how many there are.
SEGMENT, NEXT_MARK, SERVED, HOW_FAR = range(4)
PLACES = 4


class Batch(NamedTuple):
    """A batch for all processors of a host, in a run with updates."""

    columns: Columns
    flows: Flows
    first_frame: int
    marks: npt.NDArray[Any]  # MARKER_ROW, between the segments
    old: npt.NDArray[Any]  # GROUP_ROWs of all marks
    new: npt.NDArray[Any]  # HEIR_ROWs of all marks
    ordered: bool
    window_start_ns: int
    window_ns: int
    drained_ns: npt.NDArray[np.int64]  # (marks,) raised to a lower bound of when all older frames are complete


@njit(inline="always")
def _has_heirs(new: npt.NDArray[Any], processor: int) -> bool:
    """Whether an update moves something to `processor`; `new` are the HEIR_ROWs of its mark."""
    found = False
    for k in range(new.shape[0]):
        found |= new[k].processor == processor
    return found


@njit(inline="always")
def _may_hold(rows: npt.NDArray[np.uint32], columns: Any, counts: npt.NDArray[np.int64]) -> bool:
    """Whether frames are held, or one of `rows` may have to be held."""
    if counts[HELD] > 0:
        return True
    return rows.shape[0] > 0 and columns.rows[rows[0]].timestamp_ns < counts[FENCES_END_NS]


@njit(inline="always")
def _may_enter(moment_ns: int, counts: npt.NDArray[np.int64]) -> bool:
    """Whether a held frame with a known release up to a moment is still held, because `serve` had no room in a log."""
    release_ns, bound_ns = counts[RELEASE_NS], counts[BOUND_NS]
    known = release_ns < bound_ns or (release_ns == bound_ns and counts[RELEASE_EPOCH] < counts[BOUND_EPOCH])
    return counts[HELD] > 0 and known and release_ns <= moment_ns


@njit(cache=True, nogil=True)
def let_in_until(
    moment_ns: int,
    row: npt.NDArray[np.int64],
    flow_rows: npt.NDArray[Any],
    flows_used: npt.NDArray[np.int64],
    window_start_ns: int,
    window_ns: int,
) -> bool:
    """Let held frames with a known release up to a moment enter the queue; whether some remain because a log is full.

    `row` (PROCESSOR_ADDRESSES,), `flow_rows` and `flows_used` as in `serve_batch`.
    """
    columns = Columns(np.zeros(0, WORK_ROW), np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros((0, 1), np.int64))
    flows = Flows(flow_rows, flows_used)
    costs, service, accounts = _processor(row)
    tracking = _tracking(row)
    serve(
        columns.selection, columns, 0, moment_ns, costs, window_start_ns, window_ns, service, accounts, flows,
        tracking, True,
    )  # fmt: skip
    return _may_enter(moment_ns, tracking.counts)


@njit(cache=True, nogil=True)
def _serve_segments(
    batch: Any,
    row: npt.NDArray[np.int64],
    processor: int,
    completion_ns: npt.NDArray[np.int64],
    unknown: npt.NDArray[np.bool_],
    at: npt.NDArray[np.int64],
    end_segment: int,
) -> int:
    """Serve the rows and marks of a `Batch` for one processor, up to segment `end_segment` - 1; returns why it stopped.

    `row` (PROCESSOR_ADDRESSES,) is the processor's row of addresses. `completion_ns` and `unknown` (marks, groups) have
    a row for each call of `tracking.mark`. `at` (PLACES,) is the place that this processor has reached in the batch; a
    call continues there and moves it on.
    """
    columns, first_frame, marks = batch.columns, batch.first_frame, batch.marks
    old, new, drained_ns, ordered = batch.old, batch.new, batch.drained_ns, batch.ordered
    window_start_ns, window_ns = batch.window_start_ns, batch.window_ns
    flows = batch.flows
    costs, service, accounts = _processor(row)
    tracking = _tracking(row)
    counts = tracking.counts
    while at[SEGMENT] < end_segment:
        segment = at[SEGMENT]
        while at[NEXT_MARK] < marks.shape[0] and marks[at[NEXT_MARK]].segment == segment:
            marker = marks[at[NEXT_MARK]]
            adopted_ns = marker.adopted_ns
            if counts[HELD] > 0 and let_in_until(adopted_ns, row, flows.rows, flows.used, window_start_ns, window_ns):
                return FULL
            if counts[BOUND_NS] <= adopted_ns:
                return WAITING
            if not room_for_mark(service, tracking):
                return FULL
            its_old = old[marker.old_first : marker.old_end]
            its_new = new[marker.new_first : marker.new_end]
            number = at[NEXT_MARK]
            mark(marker, its_old, its_new, service, tracking, completion_ns[number], unknown[number])
            logged = tracking.marks[counts[MARKS] - 1]
            drained_ns[number] = max(drained_ns[number], logged.drained_ns)
            at[NEXT_MARK] += 1
            if ordered and (logged.old_held > 0 or _has_heirs(its_new, processor)):
                return MARKED
        first, end = columns.offsets[segment, processor], columns.offsets[segment, processor + 1]
        rows = columns.selection[first + at[SERVED] : end]
        if _may_hold(rows, columns, counts):
            served = serve(
                rows, columns, first_frame, NEVER, costs, window_start_ns, window_ns, service, accounts, flows,
                tracking, True,
            )  # fmt: skip
        else:
            served = serve(
                rows, columns, first_frame, NEVER, costs, window_start_ns, window_ns, service, accounts, flows,
                tracking, None,
            )  # fmt: skip
        counts[TAKEN] += served
        count_new_frames(rows[:served], columns.rows, tracking)
        if served < rows.shape[0]:
            at[SERVED] += served
            next_ns = columns.rows[rows[served]].timestamp_ns
            return WAITING if counts[BOUND_NS] <= next_ns and not _may_enter(next_ns, counts) else FULL
        at[SEGMENT] += 1
        at[SERVED] = 0
    return DONE


@njit(cache=True, nogil=True)
def serve_processors(
    buffer: npt.NDArray[np.int64],
    first_frame: int,
    segments: int,
    marks: npt.NDArray[Any],
    old: npt.NDArray[Any],
    new: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    flow_rows: npt.NDArray[Any],
    flows_used: npt.NDArray[np.int64],
    first_processor: int,
    processors: int,
    ordered: bool,
    window_start_ns: int,
    window_ns: int,
    drained_ns: npt.NDArray[np.int64],
    completion_ns: npt.NDArray[np.int64],
    unknown: npt.NDArray[np.bool_],
    at: npt.NDArray[np.int64],
    waits: npt.NDArray[np.bool_],
) -> int:
    """Serve the rows and marks of a batch on all processors of a host.

    Without `ordered`, all processors serve a segment before any of them passes the next mark. Passing a mark starts the
    watch of `Tracking.watch_until_ns`, which they share: a processor behind would log frames from before the update as
    followers. With `ordered`, each processor goes as far as it can, because the others wait for what it then knows.

    `buffer`, `rows`, `flow_rows` and `flows_used` as in `serve_batch`; `segments` is their number in the batch;
    `marks`, `old`, `new`, `ordered`, the window and `drained_ns` are the fields of `Batch`. `completion_ns` and
    `unknown` (processors of the host, marks, groups) and `at` (processors of the host, PLACES) have an element for each
    processor, as in `_serve_segments`. `waits` (processors of the host,) says which processors wait: they are skipped,
    and those that begin to wait are added. Returns the index of a processor that its caller must handle (FULL or
    MARKED), or -1 when all are DONE or wait.
    """
    batch = Batch(
        _columns(buffer, processors), Flows(flow_rows, flows_used), first_frame, marks, old, new, ordered,
        window_start_ns, window_ns, drained_ns,
    )  # fmt: skip
    for end_segment in range(segments if ordered else 1, segments + 1):
        for p in range(rows.shape[0]):
            if not waits[p] and at[p, SEGMENT] < end_segment:
                how_far = _serve_segments(
                    batch, rows[p], first_processor + p, completion_ns[p], unknown[p], at[p], end_segment
                )
                at[p, HOW_FAR] = how_far
                if how_far == WAITING:
                    waits[p] = True
                elif how_far != DONE:
                    return p
    return -1


#: Indices of `told` in `take_loads`, and how many there are.
_PACKETS, _DROPPED, _BUSY_NS = range(LOADS_TOLD := 3)


@njit(cache=True, nogil=True)
def take_loads(
    moment_ns: int,
    rows: npt.NDArray[np.int64],
    first_processor: int,
    told: npt.NDArray[np.int64],
    loads: npt.NDArray[Any],
) -> None:
    """Write the PROCESSOR_LOAD_ROWs of a host, from the previous call up to a moment, into `loads`.

    `loads` is (processors of the host,); `rows` and `first_processor` as in `serve_batch`. All processors must have
    served everything up to the moment and nothing after it. `told` (processors of the host, LOADS_TOLD) holds the
    totals at the previous call, zeros at first, and gets the totals at the moment.
    """
    for p in range(rows.shape[0]):
        _, service, _ = _processor(rows[p])
        tracking = _tracking(rows[p])
        packets, dropped = tracking.counts[TAKEN], service.state[0].dropped
        busy_ns = busy_until(moment_ns, service.state)
        load = loads[p]
        load.processor = first_processor + p
        load.packets, load.dropped = packets - told[p, _PACKETS], dropped - told[p, _DROPPED]
        load.busy_ns = busy_ns - told[p, _BUSY_NS]
        load.queue_depth = queued_at(moment_ns, service, tracking)
        told[p, _PACKETS], told[p, _DROPPED], told[p, _BUSY_NS] = packets, dropped, busy_ns
