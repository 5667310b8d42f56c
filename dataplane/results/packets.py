"""The per-frame table: one row for each frame, where it goes and why (`vmmq steer`, `packets.parquet`).

Each format imports what it alone needs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataplane.errors import UserError
from dataplane.kernels.rows import (
    CONDITIONS,
    HAS_ENTRY,
    HAS_HASH,
    HAS_PROCESSOR,
    HAS_TAG,
    HAS_TARGET,
    IS_DROPPED,
    IS_KEPT,
    TableColumns,
    write_table,
)
from dataplane.receive.work import DROP_REASONS, WorkColumns, first_rows
from dataplane.switch.configuration import Mode
from dataplane.switch.snapshot import HASH_KIND_NAMES, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

if TYPE_CHECKING:
    from dataplane.engine.experiment import CompleteRows

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

_DELTAS = ("packet", "timestamp_ns", "completion_ns", "indirection_table_index")
_DIRECTIONS = pa.array(["rx", "tx"])
_HASH_KINDS = pa.array(HASH_KIND_NAMES)
_DROP_REASONS = pa.array(DROP_REASONS)


class PacketTable:
    """Turns work columns into record batches of the per-frame table.

    String columns are dictionary arrays: they cost a byte or two a frame. `as_strings` gives the plain schema.
    """

    def __init__(self, snapshot: SteeringSnapshot) -> None:
        self._snapshot = snapshot
        self._target_ids = np.array(snapshot.target_ids, np.uint16)
        self._processors = pa.array([str(processor) for processor in snapshot.processors])

    def served_batch(self, rows: CompleteRows) -> pa.RecordBatch:
        """Rows of a run, with completion and latency, each with the epoch and the targets of its snapshot."""
        spans = rows.spans
        if len(spans[-1].target_ids) > len(self._target_ids):  # targets keep their rows, new ones come behind
            self._target_ids = np.array(spans[-1].target_ids, np.uint16)
        epochs = [(span.end_row, span.epoch) for span in spans]
        return self._batch(rows.first_frame, first_rows(rows.work, 0, spans[-1].end_row), epochs, served=True)

    def batch(self, frames: FrameBatch, work: WorkColumns) -> pa.RecordBatch:
        """Rows for the frames of a batch that the snapshot has steered."""
        count = len(frames)
        epochs = [(count, self._snapshot.epoch)]
        return self._batch(frames.first_frame, first_rows(work, 0, count), epochs, served=False)

    def _batch(
        self, first_frame: int, work: WorkColumns, epochs: Sequence[tuple[int, int]], *, served: bool
    ) -> pa.RecordBatch:
        """Rows that are copies: the columns are used again for the next batch while these are still being written.

        `epochs` are (end row, epoch), ascending.
        """
        schema = _SERVED_DICTIONARY_SCHEMA if served else _DICTIONARY_SCHEMA
        rows = _Rows(len(work.rows), schema)
        write_table(work, first_frame, self._target_ids, rows.columns, rows.is_it, rows.bits, rows.counts)
        target_id, unknown = rows.column("target_id", HAS_TARGET), pa.nulls(len(work.rows), pa.uint16())
        switch = self._snapshot.configuration.mode is Mode.SWITCH
        columns = [
            rows.column("packet"),
            rows.column("timestamp_ns"),
            rows.column("length"),
            rows.names("direction", _DIRECTIONS),
            target_id if switch else unknown,
            unknown if switch else target_id,
            rows.column("filter_id"),
            rows.names("hash_type", _HASH_KINDS),
            rows.column("hash_value", HAS_HASH),
            rows.column("indirection_table_index", HAS_ENTRY),
            rows.names("processor", self._processors, HAS_PROCESSOR),
            rows.column("vlan_id", HAS_TAG),
            rows.column("user_priority", HAS_TAG),
            rows.names("drop_reason", _DROP_REASONS, IS_DROPPED),
            rows.stretches(epochs),
        ]
        if served:
            columns += [rows.column("completion_ns", IS_KEPT), rows.column("latency_ns", IS_KEPT)]
        return pa.RecordBatch.from_arrays(columns, schema=schema)


class _Rows:
    """Columns of a batch, all in one piece of Arrow's memory: it has been used before, and its pages are there."""

    def __init__(self, count: int, schema: pa.Schema) -> None:
        self._count = count
        self._buffer = pa.allocate_buffer(_ROW_BYTES * count + 64 * 64)  # and gaps between the columns
        self._memory = np.frombuffer(self._buffer, np.uint8)
        self._used = 0
        wanted = {*schema.names, "target_id"}
        self.columns = TableColumns(
            *[self._room(dtype, count if name in wanted else 0) for name, dtype in _TABLE_DTYPES.items()]
        )
        self.bits = self._room(np.uint8, CONDITIONS * ((count + 511) // 512) * 64).reshape(CONDITIONS, -1)
        self.counts = np.empty(CONDITIONS, np.int64)
        self.is_it = np.empty(count, np.bool_)

    def column(self, name: str, condition: SupportsIndex | None = None) -> pa.Array:
        """A column, null where the condition does not hold."""
        values = getattr(self.columns, name)
        nulls = 0 if condition is None else self._count - int(self.counts[condition])
        validity = self._for_arrow(self.bits[condition, : (self._count + 7) // 8]) if nulls else None
        kind = pa.from_numpy_dtype(values.dtype)
        return pa.Array.from_buffers(kind, self._count, [validity, self._for_arrow(values)], nulls)

    def names(self, name: str, names: pa.Array, condition: SupportsIndex | None = None) -> pa.Array:
        """A column of codes as a dictionary array of what they stand for."""
        return pa.DictionaryArray.from_arrays(self.column(name, condition), names, safe=False)

    def stretches(self, values: Sequence[tuple[int, int]]) -> pa.Array:
        """The same uint32 for many rows: (end row, value), ascending."""
        room = self._room(np.uint32, self._count)
        first = 0
        for end, value in values:
            room[first:end] = value
            first = end
        return pa.Array.from_buffers(pa.uint32(), self._count, [None, self._for_arrow(room)], 0)

    def _room(self, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """Room for `count` values, on cache lines of its own."""
        size = count * np.dtype(dtype).itemsize
        at, self._used = self._used, (self._used + size + 63) & ~63
        return self._memory[at : at + size].view(dtype)

    def _for_arrow(self, room: npt.NDArray[Any]) -> pa.Buffer:
        return self._buffer.slice(room.ctypes.data - self._buffer.address, room.nbytes)


def as_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with plain string columns, as PACKET_SCHEMA or SERVED_PACKET_SCHEMA."""
    schema = PACKET_SCHEMA if len(batch.schema) == len(PACKET_SCHEMA) else SERVED_PACKET_SCHEMA
    columns = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def as_json_lines(batch: pa.RecordBatch) -> pa.StringArray:
    """One JSON object for each row, made column by column (no value needs escaping)."""
    import pyarrow.compute as pc  # noqa: PLC0415

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
        import pyarrow.csv  # noqa: PLC0415

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
    """A Parquet file of the per-frame table; rows are gathered into row groups of a quarter of a million.

    Larger ones save nothing, and would be written in bursts that whoever steers the next batches has to wait for.
    """

    _ROWS_IN_GROUP = 1 << 18
    _ROWS_AT_ONCE = 1 << 16  # of a column: pyarrow's 1024 cost a fifth more

    def __init__(self, path: Path, *, served: bool = False) -> None:
        import pyarrow.parquet  # noqa: PLC0415

        schema = _SERVED_DICTIONARY_SCHEMA if served else _DICTIONARY_SCHEMA
        strings = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        # Counting columns shrink to nothing as deltas, indices to their width, hashes not at all; all of it is faster
        # than compression. Without the stored Arrow schema readers see plain strings, not dictionaries.
        deltas = [name for name in _DELTAS if name in schema.names]
        self._writer = pyarrow.parquet.ParquetWriter(
            path,
            schema,
            compression={name: "none" if name in (*deltas, "hash_value") else "lz4" for name in schema.names},
            use_dictionary=strings,
            column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
            store_schema=False,
            write_statistics=False,
            write_batch_size=self._ROWS_AT_ONCE,
        )
        self._writer.add_key_value_metadata({name.decode(): text.decode() for name, text in schema.metadata.items()})
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; wherever they are cut into batches, the groups are the same, and so the bytes of the file."""
        while len(batch) >= (missing := self._ROWS_IN_GROUP - self._pending_rows):
            self._pending.append(batch.slice(0, missing))
            self._flush()
            batch = batch.slice(missing)
        if len(batch):
            self._pending.append(batch)
            self._pending_rows += len(batch)

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending), row_group_size=self._ROWS_IN_GROUP)
        self._pending, self._pending_rows = [], 0


#: By the ending of a name.
FORMATS: dict[str, Any] = {".parquet": ParquetPackets, ".arrow": _Arrow, ".csv": _Csv, ".jsonl": _JsonLines}


def open_packet_file(path: Path) -> PacketFile:
    """Open `path` by its ending."""
    opened: PacketFile = FORMATS[path.suffix](path)
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
    """The pieces of one JSON array of row objects; what ends the batches early ends it before it is raised."""
    yield "["
    separator = "\n"
    try:
        for batch in batches:
            if len(batch):
                yield separator + ",\n".join(as_json_lines(batch).to_pylist())
                separator = ",\n"
    except (KeyboardInterrupt, UserError):
        yield "\n]\n"
        raise
    yield "\n]\n"


def _dictionary_schema(schema: pa.Schema) -> pa.Schema:
    fields = [
        pa.field(one.name, pa.dictionary(pa.int16(), pa.string()), one.nullable)
        if pa.types.is_string(one.type)
        else one
        for one in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _table_dtype(name: str) -> npt.DTypeLike:
    """That of a column of `TableColumns`: as in the table, or of the codes there."""
    kind = _SERVED_DICTIONARY_SCHEMA.field("vport_id" if name == "target_id" else name).type
    dtype: npt.DTypeLike = (kind.index_type if pa.types.is_dictionary(kind) else kind).to_pandas_dtype()
    return dtype


_DICTIONARY_SCHEMA = _dictionary_schema(PACKET_SCHEMA)
_SERVED_DICTIONARY_SCHEMA = _dictionary_schema(SERVED_PACKET_SCHEMA)
_TABLE_DTYPES = {name: _table_dtype(name) for name in TableColumns._fields}
#: What a row takes in `_Rows`: its columns, its epoch and its bits. (The kernel does not look where its columns end.)
_ROW_BYTES = sum(np.dtype(dtype).itemsize for dtype in _TABLE_DTYPES.values()) + 4 + (CONDITIONS + 7) // 8
