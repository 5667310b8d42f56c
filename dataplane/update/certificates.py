"""Update certificates: what every update did to the frames in flight, measured from the processors' logs (EPO-09).

Every value is measured: it is a sum, a maximum or a difference of logged rows. Verdicts can be false.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
from dataplane.kernels.order import measure_order
from dataplane.ndis.oids import OID_RULES, Oid
from dataplane.processor.log import DROPPED_ROW, FOLLOWER_ROW, HOLD_ROW, OVERTAKABLE_ROW, UpdateLog
from dataplane.update.records import RequestRecord, UpdateRecord

Json = dict[str, Any]

_PARAMETERS = {DEFAULT_PROCESSOR_INDEX: "default", PRIMARY_PROCESSOR_INDEX: "primary"}


#: What a certificate judges, see `Certificate.verdicts`.
VERDICTS = ("no_loss", "conservation", "adopted_everywhere", "drained_in_order", "order_kept")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One update, as `updates.json` has it; times are ns of model time after the first arrival of the run."""

    epoch: int
    requested_at_ns: int  # time of the first request that led to it
    adopted_at_ns: int
    #: When the frames of older epochs were done on the processors that entries left; the adoption time if none moved.
    drained_at_ns: int
    retired_at_ns: int  # when they were done on all processors, but not before earlier epochs retired (EPO-04)
    hand_over: str  # permissive | ordered
    entries: tuple[Json, ...]  # `vport_id` or `queue_id`, `index` (number, "default", "primary"), `source`, `target`
    frames_old_epoch_after_adoption: int  # frames of older epochs, queued or held at the adoption
    frames_new_epoch_before_drained: int  # frames that reached a processor before it had drained the older epochs
    frames_held: int
    longest_hold_ns: int
    blocked_time_ns: int  # ORD-05: the hold of the first held frame, summed over the moved entries
    blocked_time_lost_over_rate_ns: int | None  # ORD-05, CSIT: lost frames over the offered rate; None without a rate
    frames_lost: int
    frames_dropped_behind_holds: int  # without held frames there would have been room (EPO-07)
    frames_reordered: int  # queued or held at the adoption, and overtaken by later frames of their flow
    flows_reordered: int
    max_extent: int
    max_late_ns: int
    requests: tuple[Json, ...]  # that led to it, see `request_document`
    #: `no_loss`; `conservation`: the books balance on every processor at the adoption; `order_kept`, only under ordered
    #: hand-over; `adopted_everywhere`: the marker has reached all processors; `drained_in_order`: on no processor were
    #: the older epochs drained before the adoption, or before those that an earlier update had replaced.
    verdicts: dict[str, bool]

    def document(self) -> Json:
        """The object in `updates.json`, with its keys in the order of the fields."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "entries": list(self.entries), "requests": list(self.requests)}


@dataclass(frozen=True, slots=True)
class UpdateTotals:
    """All updates of a run: sums over their certificates, and maxima for `longest` and `max`."""

    updates: int
    entries_moved: int
    frames_old_epoch_after_adoption: int
    frames_new_epoch_before_drained: int
    frames_held: int
    longest_hold_ns: int
    blocked_time_ns: int
    blocked_time_lost_over_rate_ns: int | None
    frames_lost: int
    frames_dropped_behind_holds: int
    frames_reordered: int  # also frames that were neither queued nor held at an update, which no certificate counts
    flows_reordered: int  # distinct ones
    max_extent: int
    max_late_ns: int


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """Everything a run says about its updates."""

    certificates: tuple[Certificate, ...]  # by epoch
    totals: UpdateTotals
    other_requests: tuple[Json, ...]  # requests without an update: refused, or without a change of steering
    failed_requests: tuple[Json, ...]  # requests of events and policies that did not end as expected


def certify(
    updates: Sequence[UpdateRecord],
    requests: Sequence[RequestRecord],
    logs: Sequence[UpdateLog | None],
    *,
    processors: Sequence[ProcessorNumber],
    target_ids: Sequence[int],
    target_key: str,
    hand_over: str,
    start_ns: int,
    last_arrival_ns: int,
    arrived: int,
) -> UpdateReport:
    """The certificates of a finished run: every frame is completed or dropped.

    `updates` are epochs 1, 2, ...; `requests` are all requests made under traffic, with the epochs they led to; `logs`
    are by processor row (None: a processor without a log). `processors` and `target_ids` name the rows of the last
    snapshot, and `target_key` says whether target ids are a `vport_id` or a `queue_id`. `start_ns` and
    `last_arrival_ns` are the first and the last arrival of the `arrived` frames. All arguments are in model time like
    the frames' timestamps; returned times count from the first arrival.
    """
    epochs = 1 + max((update.epoch for update in updates), default=0)  # arrays are by epoch; 0: of no update
    marks = _marks(logs, epochs)
    holds = _holds(_rows(logs, "holds", HOLD_ROW), epochs)
    dropped_rows = _rows(logs, "dropped_behind_holds", DROPPED_ROW)
    dropped = _sums(dropped_rows["epoch"], dropped_rows["frames"], epochs)
    order = _order(_rows(logs, "overtakable", OVERTAKABLE_ROW), _rows(logs, "followers", FOLLOWER_ROW), epochs)
    adopted_ns = np.full(epochs, start_ns)
    adopted_ns[[update.epoch for update in updates]] = [update.adopted_at_ns for update in updates]
    drained_ns = np.maximum(marks.drained_ns, adopted_ns)
    retired_ns = np.maximum.accumulate(drained_ns.max(axis=0))
    too_early = marks.seen & ((marks.drained_ns < adopted_ns) | (marks.drained_ns < _largest_before(marks.drained_ns)))
    duration_ns = last_arrival_ns - start_ns
    names = [str(processor) for processor in processors]
    led_to: dict[int, list[RequestRecord]] = {update.epoch: [] for update in updates}
    others: list[RequestRecord] = []  # led to no update
    for record in requests:
        (others if record.epoch is None else led_to.get(record.epoch, others)).append(record)

    def certificate(update: UpdateRecord) -> Certificate:
        e = update.epoch
        sources = update.change.moved["source"]
        frames_lost, frames_dropped = int(marks.lost[:, e].sum()), int(dropped[e])
        verdicts = {
            "no_loss": frames_lost == 0,
            "conservation": not marks.lost[:, e].any(),
            "adopted_everywhere": bool(marks.seen[:, e].all()),
            "drained_in_order": not too_early[:, e].any(),
        }
        if hand_over == "ordered":
            verdicts["order_kept"] = not order.frames[e]
        return Certificate(
            epoch=e,
            requested_at_ns=update.requested_at_ns - start_ns,
            adopted_at_ns=update.adopted_at_ns - start_ns,
            drained_at_ns=int(drained_ns[sources, e].max(initial=update.adopted_at_ns)) - start_ns,
            retired_at_ns=int(retired_ns[e]) - start_ns,
            hand_over=hand_over,
            entries=_entries(update, names, target_ids, target_key),
            frames_old_epoch_after_adoption=int(marks.old_frames[e]),
            frames_new_epoch_before_drained=int(marks.new_frames[e]),
            frames_held=int(holds.frames[e]),
            longest_hold_ns=int(holds.longest_ns[e]),
            blocked_time_ns=int(holds.blocked_ns[e]),
            blocked_time_lost_over_rate_ns=_over_rate(frames_lost + frames_dropped, arrived, duration_ns),
            frames_lost=frames_lost,
            frames_dropped_behind_holds=frames_dropped,
            frames_reordered=int(order.frames[e]),
            flows_reordered=int(order.flows[e]),
            max_extent=int(order.extent[e]),
            max_late_ns=int(order.late_ns[e]),
            requests=tuple(request_document(record, start_ns) for record in led_to[e]),
            verdicts=verdicts,
        )

    totals = UpdateTotals(
        updates=len(updates),
        entries_moved=sum(len(update.change.moved) for update in updates),
        frames_old_epoch_after_adoption=int(marks.old_frames.sum()),
        frames_new_epoch_before_drained=int(marks.new_frames.sum()),
        frames_held=int(holds.frames.sum()),
        longest_hold_ns=int(holds.longest_ns.max()),
        blocked_time_ns=int(holds.blocked_ns.sum()),
        blocked_time_lost_over_rate_ns=_over_rate(int(marks.lost.sum() + dropped.sum()), arrived, duration_ns),
        frames_lost=int(marks.lost.sum()),
        frames_dropped_behind_holds=int(dropped.sum()),
        frames_reordered=int(order.frames.sum()),
        flows_reordered=order.distinct_flows,
        max_extent=int(order.extent.max()),
        max_late_ns=int(order.late_ns.max()),
    )
    return UpdateReport(
        certificates=tuple(certificate(update) for update in updates),
        totals=totals,
        other_requests=tuple(request_document(record, start_ns) for record in others),
        failed_requests=tuple(
            request_document(record, start_ns) for record in requests if not (record.as_expected or record.is_of_client)
        ),
    )


def request_document(record: RequestRecord, start_ns: int) -> Json:
    """A request and how it ended: OID and status by name, null if no request could be made."""
    oid = record.request.oid if record.request else None
    return {
        "requested_at_ns": record.requested_at_ns - start_ns,
        "origin": record.origin,
        "oid": oid if oid is None else Oid(oid).name if oid in OID_RULES else f"{oid:#010x}",
        "status": record.status.name if record.status is not None else None,
        "why": record.why,
        "expect": record.expect.name if record.expect is not None else None,
    }


def _entries(update: UpdateRecord, names: Sequence[str], target_ids: Sequence[int], key: str) -> tuple[Json, ...]:
    return tuple(
        {
            key: target_ids[target],
            "index": _PARAMETERS.get(index, index),
            "source": names[source],
            "target": names[destination],
        }
        for target, index, source, destination in update.change.moved.tolist()
    )


class _Marks(NamedTuple):
    seen: npt.NDArray[np.bool_]  # (processors, epochs)
    drained_ns: npt.NDArray[np.int64]  # (processors, epochs); the smallest number where nothing is logged
    lost: npt.NDArray[np.int64]  # (processors, epochs)
    old_frames: npt.NDArray[np.int64]  # (epochs,)
    new_frames: npt.NDArray[np.int64]


def _marks(logs: Sequence[UpdateLog | None], epochs: int) -> _Marks:
    shape = (len(logs), epochs)
    marks = _Marks(
        np.zeros(shape, np.bool_),
        np.full(shape, np.iinfo(np.int64).min),
        np.zeros(shape, np.int64),
        np.zeros(epochs, np.int64),
        np.zeros(epochs, np.int64),
    )
    for processor, log in enumerate(logs):
        if log is not None:
            rows, epoch = log.marks, log.marks["epoch"]
            marks.seen[processor, epoch] = True
            marks.drained_ns[processor, epoch] = rows["drained_ns"]
            marks.lost[processor, epoch] = rows["lost"]
            marks.old_frames[epoch] += rows["old_frames"]  # each epoch once in a log
            marks.new_frames[epoch] += rows["new_frames"]
    return marks


def _largest_before(drained_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """On every processor the largest number of the epochs before; epoch 0 has its own."""
    largest = np.maximum.accumulate(drained_ns, axis=1)
    return np.concatenate([largest[:, :1], largest[:, :-1]], axis=1)


class _Holds(NamedTuple):
    frames: npt.NDArray[np.int64]  # (epochs,) each
    longest_ns: npt.NDArray[np.int64]
    blocked_ns: npt.NDArray[np.int64]


def _holds(rows: npt.NDArray[Any], epochs: int) -> _Holds:
    rows = rows[np.lexsort((rows["first_frame"], rows["slot"], rows["epoch"]))]
    epoch, slot = rows["epoch"], rows["slot"]
    first = np.ones(len(rows), np.bool_)  # of a steering parameter; a later move may have held frames elsewhere
    first[1:] = (epoch[1:] != epoch[:-1]) | (slot[1:] != slot[:-1])
    return _Holds(
        _sums(epoch, rows["frames"], epochs),
        _largest(epoch, rows["longest_ns"], epochs),
        _sums(epoch[first], rows["first_ns"][first], epochs),
    )


class _Order(NamedTuple):
    frames: npt.NDArray[np.int64]  # (epochs,) each; row 0: of no update
    flows: npt.NDArray[np.int64]
    extent: npt.NDArray[np.int64]
    late_ns: npt.NDArray[np.int64]
    distinct_flows: int


def _order(overtakable: npt.NDArray[Any], followers: npt.NDArray[Any], epochs: int) -> _Order:
    """RFC 4737 over all frames that updates could reorder (ORD-02); a frame counts for the first update that did.

    The rows include all frames of a flow that complete between an overtaken frame and the frame that overtook it. So an
    extent is the extent in the whole flow.
    """
    frame = np.concatenate([overtakable["frame"], followers["frame"]])
    frame, row = np.unique(frame, return_index=True)  # the first of equal ones, which is the overtakable one
    flow_key = np.concatenate([overtakable["flow_key"], followers["flow_key"]])[row]
    completion_ns = np.concatenate([overtakable["completion_ns"], followers["completion_ns"]])[row]
    epoch = np.concatenate([overtakable["epoch"], np.zeros(len(followers), np.uint32)])[row]
    by_completion = np.lexsort((completion_ns, flow_key))  # stable: equal completions stay in the order of arrival
    flow_key, epoch = flow_key[by_completion], epoch[by_completion]
    extent, late_ns = np.zeros(len(row), np.int64), np.zeros(len(row), np.int64)
    measure_order(flow_key, frame[by_completion], completion_ns[by_completion], extent, late_ns)
    reordered = extent > 0
    flow_key, epoch, extent, late_ns = (column[reordered] for column in (flow_key, epoch, extent, late_ns))
    flows = np.zeros(len(epoch), [("epoch", np.uint32), ("flow_key", np.uint64)])
    flows["epoch"], flows["flow_key"] = epoch, flow_key
    return _Order(
        np.bincount(epoch, minlength=epochs),
        np.bincount(np.unique(flows)["epoch"], minlength=epochs),
        _largest(epoch, extent, epochs),
        _largest(epoch, late_ns, epochs),
        len(np.unique(flow_key)),
    )


def _rows(logs: Iterable[UpdateLog | None], name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """One kind of rows of all processors."""
    return np.concatenate([np.zeros(0, dtype), *(getattr(log, name) for log in logs if log is not None)])


def _sums(epoch: npt.NDArray[Any], values: npt.NDArray[Any], epochs: int) -> npt.NDArray[np.int64]:
    sums = np.zeros(epochs, np.int64)
    np.add.at(sums, epoch, values)
    return sums


def _largest(epoch: npt.NDArray[Any], values: npt.NDArray[Any], epochs: int) -> npt.NDArray[np.int64]:
    largest = np.zeros(epochs, np.int64)
    np.maximum.at(largest, epoch, values)
    return largest


def _over_rate(frames: int, arrived: int, duration_ns: int) -> int | None:
    """Time in which that many frames arrive at the run's mean rate, to the nearest ns (ORD-05)."""
    if arrived == 0 or duration_ns <= 0:
        return None
    return (2 * frames * duration_ns + arrived) // (2 * arrived)
