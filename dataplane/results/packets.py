"""The per-frame table: one row for each frame, where it goes and why (`vmmq steer`, `packets.parquet`)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from dataplane.engine.experiment import CompleteRows
from dataplane.errors import UserError
from dataplane.receive.work import (
    DROP_REASONS,
    NO_PROCESSOR,
    NO_TARGET,
    NOT_DROPPED,
    TAGGED,
    TRANSMIT,
    WorkColumns,
    first_rows,
)
from dataplane.switch.configuration import Mode
from dataplane.switch.snapshot import HASH_KIND_NAMES, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

SCHEMA_VERSION = 1

PACKET_SCHEMA = pa.schema(
    [
        pa.field("packet", pa.uint64(), nullable=False),  # 0-based
        pa.field("timestamp_ns", pa.int64(), nullable=False),
        pa.field("length", pa.uint32(), nullable=False),  # on the wire
        pa.field("direction", pa.string(), nullable=False),  # rx or tx
        pa.field("vport_id", pa.uint16()),  # null in VMQ mode or when dropped
        pa.field("queue_id", pa.uint16()),  # null in switch mode or when dropped
        pa.field("filter_id", pa.uint32(), nullable=False),  # 0 = none
        pa.field("hash_type", pa.string(), nullable=False),
        pa.field("hash_value", pa.uint32()),
        pa.field("indirection_table_index", pa.uint16()),
        pa.field("processor", pa.string()),  # group:number
        pa.field("vlan_id", pa.uint16()),  # null when untagged
        pa.field("user_priority", pa.uint8()),
        pa.field("drop_reason", pa.string()),
        pa.field("epoch", pa.uint32(), nullable=False),
    ],
    metadata={"vmmq.schema_version": str(SCHEMA_VERSION)},
)

#: What a run adds for each frame.
SERVICE_FIELDS = [pa.field("completion_ns", pa.int64()), pa.field("latency_ns", pa.int64())]
SERVED_PACKET_SCHEMA = pa.schema([*PACKET_SCHEMA, *SERVICE_FIELDS], metadata=PACKET_SCHEMA.metadata)

_COUNTING = ("packet", "timestamp_ns", "completion_ns")
_DIRECTIONS = pa.array(["rx", "tx"])
_HASH_KINDS = pa.array(HASH_KIND_NAMES)
_DROP_REASONS = pa.array(DROP_REASONS)


class PacketTable:
    """Turns work columns into record batches of the per-frame table.

    String columns are dictionary arrays: they cost a byte or two a frame. `as_strings` gives the plain schema.
    """

    def __init__(self, snapshot: SteeringSnapshot) -> None:
        self._snapshot = snapshot
        self._target_ids = np.array([*snapshot.target_ids, 0], np.uint16)  # the last for dropped frames
        self._processors = pa.array([str(processor) for processor in snapshot.processors])

    def served_batch(self, rows: CompleteRows) -> pa.RecordBatch:
        """Rows of a run, with completion and latency, each with the epoch and the targets of its snapshot."""
        spans = rows.spans
        ends = [span.end_row for span in spans]
        epoch = np.repeat([span.epoch for span in spans], np.diff(ends, prepend=0))
        if len(spans[-1].target_ids) >= len(self._target_ids):  # targets keep their rows, new ones come behind
            self._target_ids = np.array([*spans[-1].target_ids, 0], np.uint16)
        return self._batch(rows.first_frame, first_rows(rows.work, 0, ends[-1]), epoch, served=True)

    def batch(self, frames: FrameBatch, work: WorkColumns) -> pa.RecordBatch:
        """Rows for the frames of a batch that the snapshot has steered."""
        count = len(frames)
        epoch = np.full(count, self._snapshot.epoch)
        return self._batch(frames.first_frame, first_rows(work, 0, count), epoch, served=False)

    def _batch(
        self, first_frame: int, work: WorkColumns, epoch: npt.NDArray[np.int64], *, served: bool
    ) -> pa.RecordBatch:
        """Rows that are copies: the columns are used again for the next batch while these are still being written."""
        count = len(epoch)
        target = work.target[:count]
        no_target = target == NO_TARGET
        target_id = self._target_ids[np.minimum(target, len(self._target_ids) - 1)]
        switch = self._snapshot.configuration.mode is Mode.SWITCH
        unknown = pa.nulls(count, pa.uint16())
        target_ids = pa.array(target_id, mask=_mask(no_target))
        hash_kind = work.hash_kind[:count]
        unhashed = hash_kind == 0
        flags = work.flags[:count]
        untagged = (flags & TAGGED) == 0
        oob = work.oob_8021q[:count]
        index = work.table_index[:count].copy()
        drop = work.drop[:count]
        columns = [
            pa.array(np.arange(first_frame, first_frame + count, dtype=np.uint64)),
            pa.array(work.timestamp_ns[:count].copy()),
            pa.array(work.wire_length[:count].copy()),
            _dictionary((flags & TRANSMIT) >> 1, None, _DIRECTIONS),
            target_ids if switch else unknown,
            unknown if switch else target_ids,
            pa.array(work.filter_id[:count].copy()),
            _dictionary(hash_kind, None, _HASH_KINDS),
            pa.array(work.hash_value[:count].copy(), mask=_mask(unhashed)),
            pa.array(index, mask=_mask(index >= 0xFFFE)),
            _dictionary(work.processor[:count], work.processor[:count] == NO_PROCESSOR, self._processors),
            pa.array(oob >> 4, mask=_mask(untagged)),
            pa.array((oob & 7).astype(np.uint8), mask=_mask(untagged)),
            _dictionary(drop, drop == NOT_DROPPED, _DROP_REASONS),
            pa.array(epoch.astype(np.uint32)),
        ]
        schema = _DICTIONARY_SCHEMA
        if served:
            completion = work.completion_ns[:count].copy()
            columns += [
                pa.array(completion, mask=_mask(drop != NOT_DROPPED)),
                pa.array(completion - work.timestamp_ns[:count], mask=_mask(drop != NOT_DROPPED)),
            ]
            schema = _SERVED_DICTIONARY_SCHEMA
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with plain string columns, as PACKET_SCHEMA or SERVED_PACKET_SCHEMA."""
    schema = PACKET_SCHEMA if len(batch.schema) == len(PACKET_SCHEMA) else SERVED_PACKET_SCHEMA
    return pa.RecordBatch.from_arrays(
        [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)], schema=schema
    )


def as_json_lines(batch: pa.RecordBatch) -> pa.StringArray:
    """One JSON object for each row, made column by column (no value needs escaping)."""
    parts: list[Any] = []
    for position, (name, column) in enumerate(zip(batch.schema.names, as_strings(batch).columns, strict=True)):
        text = column.cast(pa.string())
        if pa.types.is_string(column.type):
            text = pc.binary_join_element_wise('"', text, '"', "")
        parts += [f'{", " if position else ""}"{name}": ', pc.fill_null(text, "null")]
    return pc.binary_join_element_wise("{", *parts, "}", "")


class PacketFile(Protocol):
    """An open per-frame file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""

    def close(self) -> None:
        """Finish the file."""


class _Csv:
    def __init__(self, path: Path) -> None:
        self._writer = pyarrow.csv.CSVWriter(path, PACKET_SCHEMA)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(as_strings(batch))

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    def __init__(self, path: Path) -> None:
        self._writer = pa.ipc.new_file(path, PACKET_SCHEMA)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(as_strings(batch))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, batch: pa.RecordBatch) -> None:
        self._file.write("\n".join(as_json_lines(batch).to_pylist()) + "\n")

    def close(self) -> None:
        self._file.close()


class ParquetPackets:
    """A Parquet file of the per-frame table; rows are gathered into row groups of about a million."""

    _ROWS_IN_GROUP = 1 << 20

    def __init__(self, path: Path, *, served: bool = False) -> None:
        schema = _SERVED_DICTIONARY_SCHEMA if served else _DICTIONARY_SCHEMA
        strings = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        # Counting columns shrink to nothing as deltas, hashes not at all; both faster than by compression. Without the
        # stored Arrow schema readers see plain strings, not dictionaries.
        deltas = [name for name in _COUNTING if name in schema.names]
        self._writer = pyarrow.parquet.ParquetWriter(
            path,
            schema,
            compression={name: "none" if name in (*deltas, "hash_value") else "lz4" for name in schema.names},
            use_dictionary=strings,
            column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
            store_schema=False,
            write_statistics=False,
        )
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self._pending.append(batch)
        self._pending_rows += len(batch)
        if self._pending_rows >= self._ROWS_IN_GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending), row_group_size=self._pending_rows)
        self._pending, self._pending_rows = [], 0


_FORMATS: dict[str, Any] = {".parquet": ParquetPackets, ".arrow": _Arrow, ".csv": _Csv, ".jsonl": _JsonLines}


def check_format(path: Path) -> None:
    """UserError for a name whose ending nobody knows."""
    if path.suffix not in _FORMATS:
        raise UserError(f"{path}: unknown output format {path.suffix!r}: end the name in {', '.join(_FORMATS)}")


def open_packet_file(path: Path) -> PacketFile:
    """Open `path` by its ending."""
    opened: PacketFile = _FORMATS[path.suffix](path)
    return opened


class BackgroundWriter:
    """Writes batches in a thread of its own, a few behind: encoding a file overlaps with steering the next batch."""

    def __init__(self, file: PacketFile) -> None:
        self._file = file
        self._queue: Queue[pa.RecordBatch | None] = Queue(maxsize=8)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="packet-writer", daemon=True)
        self._thread.start()

    def write(self, batch: pa.RecordBatch) -> None:
        """Hand over rows; raises what the writing of earlier ones raised."""
        if self._failure is not None:
            raise self._failure
        self._queue.put(batch)

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._file.write(batch)
                except BaseException as failure:  # handed to the thread that writes next
                    self._failure = failure

    def close(self) -> None:
        """Wait for everything to be written and finish the file."""
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._file.close()

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._failure = self._failure or value
            self._queue.put(None)
            self._thread.join()


def rows_as_json_array(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """The pieces of one JSON array of row objects."""
    yield "["
    separator = "\n"
    for batch in batches:
        if len(batch):
            yield separator + ",\n".join(as_json_lines(batch).to_pylist())
            separator = ",\n"
    yield "\n]\n"


def _mask(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    return values if values.any() else None


def _dictionary(codes: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None, names: pa.Array) -> pa.Array:
    """Dictionary array of small codes; rows in `missing` are null."""
    mask = None if missing is None else _mask(missing)
    if mask is not None:
        codes = np.where(mask, 0, codes)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16), mask=mask), names, safe=False)


def _dictionary_schema(schema: pa.Schema) -> pa.Schema:
    fields = [
        pa.field(one.name, pa.dictionary(pa.int16(), pa.string()), one.nullable)
        if pa.types.is_string(one.type)
        else one
        for one in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


_DICTIONARY_SCHEMA = _dictionary_schema(PACKET_SCHEMA)
_SERVED_DICTIONARY_SCHEMA = _dictionary_schema(SERVED_PACKET_SCHEMA)
