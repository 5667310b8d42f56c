"""The tables of a run directory. Each carries `vmmq.schema_version` in its metadata; docs/results.md describes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataplane.engine.experiment import RunResult
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX
from dataplane.processor.processor import COUNTED
from dataplane.switch.configuration import Mode
from dataplane.switch.snapshot import slot_names
from dataplane.update.certificates import VERDICTS

SCHEMA_VERSION = 1

#: Rows that are sorted and written at a time.
_PIECE_ROWS = 1 << 15
_METADATA = {"vmmq.schema_version": str(SCHEMA_VERSION)}


_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def columns_of(row: type) -> list[tuple[str, pa.DataType]]:
    """The columns for the fields of a class: each as its annotation says, optional or a text of several texts."""
    return [
        (name, next(_TYPES[part] for part in get_args(hint) or (hint,) if part in _TYPES))
        for name, hint in get_type_hints(row).items()
    ]


def windows_table(result: RunResult) -> pa.Table:
    """Load of every processor in every window with work (BAL-01), by processor, then window.

    Items count in the window of their arrival, busy time in the windows in which the processor was busy (PRC-04).
    """
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for row, report in enumerate(result.processors):
        items = _sums_by_window(report.entry_windows, ("received", "completions", "bytes", "dropped"))
        busy = _sums_by_window(report.busy_windows, ("busy_ns",))
        windows = np.union1d(items["window"], busy["window"])
        part = {"window": windows, "processor": np.full(len(windows), row)}
        for sums in (items, busy):
            at = np.searchsorted(windows, sums.pop("window"))
            for name, values in sums.items():
                part[name] = np.zeros(len(windows), np.int64)
                part[name][at] = values
        for name, values in part.items():
            columns.setdefault(name, []).append(values)
    merged = {name: np.concatenate(parts) for name, parts in columns.items()}
    length_ns = result.experiment.window_ns
    return pa.table(
        {
            "window": merged["window"],
            "window_start_ns": merged["window"] * length_ns,  # relative to the first arrival
            "processor": _processors(result, merged["processor"]),
            "received": merged["received"],
            "completions": merged["completions"],
            "bytes": merged["bytes"],
            "dropped": merged["dropped"],
            "busy_ns": merged["busy_ns"],
            "load": merged["busy_ns"] / length_ns,
        }
    ).replace_schema_metadata(_METADATA)


def _sums_by_window(rows: npt.NDArray[Any], names: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Columns added up over the rows of each window, and in `window` which these are; `rows` ascend by window."""
    parts: dict[str, list[npt.NDArray[np.int64]]] = {name: [np.zeros(0, np.int64)] for name in ("window", *names)}
    for first in range(0, len(rows), _PIECE_ROWS):
        piece = rows[first : first + _PIECE_ROWS]
        starts = np.flatnonzero(np.diff(piece["window"], prepend=-1))
        parts["window"].append(piece["window"][starts])
        for name in names:
            parts[name].append(np.add.reduceat(piece[name], starts))
    merged = {name: np.concatenate(of_name) for name, of_name in parts.items()}
    windows, place = np.unique(merged["window"], return_inverse=True)  # two pieces may share a window
    sums = {"window": windows}
    for name in names:
        sums[name] = np.zeros(len(windows), np.int64)
        np.add.at(sums[name], place, merged[name])
    return sums


def entries_tables(result: RunResult) -> Iterator[pa.Table]:
    """Work of every steering parameter in every window (BAL-01): by window, VPort or queue, index, processor.

    In pieces of whole windows, at least one. `index` is the indirection table index; for the default and the primary
    processor it is null and `parameter` says which. `busy_ns` is the service cost of the items that arrived in the
    window.
    """
    rows = [report.entry_windows for report in result.processors]
    yield from (_entries_table(result, piece) for piece in _pieces(rows))


def _pieces(rows: Sequence[npt.NDArray[Any]]) -> Iterator[list[npt.NDArray[Any]]]:
    """Rows of the same windows of all processors, some `_PIECE_ROWS` at a time, but no window in two pieces."""
    starts, share = [0] * len(rows), _PIECE_ROWS // len(rows)
    while True:
        left = [one[start:] for one, start in zip(rows, starts, strict=True)]
        ends = [len(one) for one in rows]
        if cuts := [int(one["window"][share]) for one in left if len(one) > share]:
            first = min(int(one["window"][0]) for one in left if len(one))
            cut = max(min(cuts), first + 1)
            ends = [
                bisect_left(one, cut, start, key=itemgetter("window")) for one, start in zip(rows, starts, strict=True)
            ]
        yield [one[start:end] for one, start, end in zip(rows, starts, ends, strict=True)]
        if ends == [len(one) for one in rows]:
            return
        starts = ends


def _entries_table(result: RunResult, rows: Sequence[npt.NDArray[Any]]) -> pa.Table:
    entries = np.concatenate(rows)
    processor = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    target, index = slot_names(entries["slot"])
    order = np.lexsort((processor, index, target, entries["window"]))
    entries, processor, target, index = entries[order], processor[order], target[order], index[order]
    names = np.array(["entry", "default", "primary"])
    kind = np.select([index == DEFAULT_PROCESSOR_INDEX, index == PRIMARY_PROCESSOR_INDEX], [1, 2], 0)
    target_ids = np.array(result.target_ids, np.uint16)
    return pa.table(
        {
            "window": entries["window"],
            "window_start_ns": entries["window"] * result.experiment.window_ns,
            target_key(result): target_ids[target],
            "parameter": names[kind],
            "index": pa.array(index, mask=kind != 0),
            "processor": _processors(result, processor),
            "received": entries["received"],
            "completions": entries["completions"],
            "bytes": entries["bytes"],
            "dropped": entries["dropped"],
            "busy_ns": entries["busy_ns"],
        }
    ).replace_schema_metadata(_METADATA)


def rows_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of a summary as a table, nested objects flattened with underscores (`latency_ns_p50`).

    Each row has what the schema names and nothing else, None where it has no value: pyarrow by itself would leave out
    what the schema lacks, and write nulls for what the rows lack.
    """
    flat = [
        {
            **{name: value for name, value in row.items() if not isinstance(value, dict)},
            **{f"{n}_{k}": v for n, inner in row.items() if isinstance(inner, dict) for k, v in inner.items()},
        }
        for row in rows
    ]
    columns = set(schema.names)
    for row in flat:
        assert row.keys() == columns, f"not both in the rows and in the schema: {', '.join(row.keys() ^ columns)}"
    return pa.Table.from_pylist(flat, schema=schema.with_metadata(_METADATA))


PROCESSORS_SCHEMA = pa.schema(
    [
        ("processor", pa.string()),
        ("received", pa.int64()),
        ("completions", pa.int64()),
        ("bytes", pa.int64()),
        ("dropped", pa.int64()),
        ("interrupts", pa.int64()),
        ("dpcs", pa.int64()),
        ("busy_ns", pa.int64()),
        ("load", pa.float64()),
        *((f"latency_ns_{name}", pa.int64()) for name in ("p50", "p90", "p99", "p999", "max")),
        ("latency_ns_mean", pa.float64()),
    ]
)

VPORTS_SCHEMA = pa.schema([("vport_id", pa.uint16()), ("name", pa.string()), *((name, pa.int64()) for name in COUNTED)])
QUEUES_SCHEMA = pa.schema([("queue_id", pa.uint16()), ("name", pa.string()), *((name, pa.int64()) for name in COUNTED)])

UPDATES_SCHEMA = pa.schema(
    [
        ("epoch", pa.uint32()),
        ("requested_at_ns", pa.int64()),
        ("adopted_at_ns", pa.int64()),
        ("drained_at_ns", pa.int64()),
        ("retired_at_ns", pa.int64()),
        ("hand_over", pa.string()),
        ("entries_moved", pa.int64()),
        ("frames_old_epoch_after_adoption", pa.int64()),
        ("frames_new_epoch_before_drained", pa.int64()),
        ("frames_held", pa.int64()),
        ("longest_hold_ns", pa.int64()),
        ("blocked_time_ns", pa.int64()),
        ("blocked_time_lost_over_rate_ns", pa.int64()),
        ("frames_lost", pa.int64()),
        ("frames_dropped_behind_holds", pa.int64()),
        ("frames_reordered", pa.int64()),
        ("flows_reordered", pa.int64()),
        ("max_extent", pa.int64()),
        ("max_late_ns", pa.int64()),
        *((f"verdicts_{name}", pa.bool_()) for name in VERDICTS),
    ]
)


def target_key(result: RunResult) -> str:
    """What targets are called in this mode: `vport_id` or `queue_id`."""
    return "vport_id" if result.experiment.snapshot.configuration.mode is Mode.SWITCH else "queue_id"


def _processors(result: RunResult, rows: npt.NDArray[Any]) -> pa.Array:
    names = pa.array([str(processor) for processor in result.experiment.snapshot.processors])
    return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int16)), names).cast(pa.string())
