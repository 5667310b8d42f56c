"""What the processors of a host do with a batch: the kernel of a processor, over tables of addresses.

Calling a kernel costs time for every array it is given, and a processor and a slot have some sixty. So each of them
keeps the addresses and lengths of its arrays in one row of a table, and these kernels make the arrays of that. Whoever
replaces an array writes its row again (`write_addresses`); what a row names must outlive the call.
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
    """The columns of a batch that processors look at, and their rows grouped by segment and processor."""

    rows: npt.NDArray[Any]  # WORK_ROW
    completion_ns: npt.NDArray[np.int64]  # empty when nobody wants it
    selection: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]  # (segments, processors + 1)


_ARRAY = np.dtype([("address", np.int64), ("length", np.int64)])


_PROCESSOR_ARRAYS = ("costs", *Service._fields, *Accounts._fields, *Tracking._fields)
_PROCESSOR = np.dtype([(name, _ARRAY) for name in _PROCESSOR_ARRAYS])
_COLUMNS = np.dtype([(name, _ARRAY) for name in Columns._fields])
#: Numbers in the row of a processor, and in that of a slot.
PROCESSOR_ADDRESSES, SLOT_ADDRESSES = _PROCESSOR.itemsize // 8, _COLUMNS.itemsize // 8


def write_addresses(row: npt.NDArray[np.int64], arrays: Iterable[npt.NDArray[Any]]) -> None:
    """Write the addresses and lengths of arrays in the order of their fields: costs first, or all of `Columns`."""
    numbers = [number for array in arrays for number in (array.ctypes.data, len(array))]
    row[: len(numbers)] = numbers


@njit(inline="always")
def _columns(slot: npt.NDArray[np.int64], processors: int) -> Any:
    a = carray(pointer_to(address_of(slot)), (1,), _COLUMNS)[0]
    return Columns(
        carray(pointer_to(a.rows.address), (a.rows.length,), WORK_ROW),
        carray(pointer_to(a.completion_ns.address), (a.completion_ns.length,), np.int64),
        carray(pointer_to(a.selection.address), (a.selection.length,), np.uint32),
        carray(pointer_to(a.offsets.address), (a.offsets.length, processors + 1), np.int64),
    )


@njit(inline="always")
def _processor(row: npt.NDArray[np.int64]) -> Any:
    """Costs, Service and Accounts of the processor that a row is about."""
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
    slot: npt.NDArray[np.int64],
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
    """A batch of one segment, in a run in which nothing changes, for all processors of a host.

    `slot` (SLOT_ADDRESSES,), `rows` (processors of the host, PROCESSOR_ADDRESSES); the first of them is
    `first_processor` of the `processors` of the whole simulated host. `flow_rows` and `flows_used` are `Flows`. Returns
    -1 when all is done, else the number of the processor that has to make room in its logs; `done` says how many rows
    each of them has finished.
    """
    columns, flows = _columns(slot, processors), Flows(flow_rows, flows_used)
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


#: How far a processor is with a batch, 0 before anything: done as far as asked; it waits for a release not known
#: yet; a log is full; behind the mark of an ordered update that moves something to it, or by which it still holds
#: frames. The caller sees to the last two.
DONE, WAITING, FULL, MARKED = range(1, 5)

#: Indices of `at` in `serve_processors`, and how many there are.
SEGMENT, NEXT_MARK, SERVED, HOW_FAR = range(4)
PLACES = 4


class Batch(NamedTuple):
    """What a batch has for every processor of a host, when the steering may change."""

    columns: Columns
    flows: Flows
    first_frame: int
    marks: npt.NDArray[Any]  # MARKER_ROW, between the segments
    old: npt.NDArray[Any]  # GROUP_ROWs of all marks
    new: npt.NDArray[Any]  # HEIR_ROWs of all marks
    ordered: bool
    window_start_ns: int
    window_ns: int
    drained_ns: npt.NDArray[np.int64]  # (marks,) raised to when the older epochs are done, at least


@njit(inline="always")
def _has_heirs(new: npt.NDArray[Any], processor: int) -> bool:
    """Whether an update moves something to that processor."""
    found = False
    for k in range(new.shape[0]):
        found |= new[k].processor == processor
    return found


@njit(inline="always")
def _may_hold(rows: npt.NDArray[np.uint32], columns: Any, counts: npt.NDArray[np.int64]) -> bool:
    """Whether frames are held, or one of these rows may have to wait."""
    if counts[HELD] > 0:
        return True
    return rows.shape[0] > 0 and columns.rows[rows[0]].timestamp_ns < counts[FENCES_END_NS]


@njit(inline="always")
def _may_enter(moment_ns: int, counts: npt.NDArray[np.int64]) -> bool:
    """Whether a held frame is left whose release is known, and comes up to a moment: `serve` had no room for it."""
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
    """Held frames whose release is known, and comes up to a moment, enter; whether some are left as a log is full."""
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
    """Everything that a `Batch` has for one processor before segment `end_segment`; how far it has come.

    `row` (PROCESSOR_ADDRESSES,) as in `serve_batch`; `completion_ns` and `unknown` (marks, groups) are those of
    `tracking.mark`. `at` (PLACES,) says how far it has come, and is where the next call goes on.
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
    slot: npt.NDArray[np.int64],
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
    """Everything that a batch has for the processors of a host, segment by segment; ordered, each as far as it gets.

    All serve the frames before an update, then pass its mark: who is ahead has the others log frames as followers that
    came before it. Where updates are ordered they wait for each other anyway, for what those who are ahead know.
    `slot`, `rows`, `flow_rows` and `flows_used` as in `serve_batch`; from `segments` to `drained_ns` see `Batch`;
    `completion_ns` and `unknown` (processors of the host, marks, groups), `at` (processors of the host, PLACES) as in
    `_serve_segments`. Those that wait (processors of the host,) are passed over, and those that have to are added.
    Returns the number of a processor that its caller has to see to, or -1 when all are DONE or wait.
    """
    batch = Batch(
        _columns(slot, processors), Flows(flow_rows, flows_used), first_frame, marks, old, new, ordered,
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
    """Write PROCESSOR_LOAD_ROWs of a host (processors of the host,): since it was told before, up to a moment.

    `rows` and `first_processor` as in `serve_batch`. All processors have come as far as the moment, and not beyond it.
    `told` (processors of the host, LOADS_TOLD) has the counts of that time, zeros at first, and gets those of this one.
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
