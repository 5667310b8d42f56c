"""Frames in Arrow tables: Parquet files, Arrow IPC files and Arrow IPC streams with the columns of FRAME_SCHEMA.

Batches view Arrow's memory, nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dataplane.arrays import read_only
from dataplane.traffic.batch import FRAME_SCHEMA, FrameBatch
from dataplane.traffic.errors import TrafficError

_REMEDY = f"a frame table has the columns {', '.join(f'{f.name}: {f.type}' for f in FRAME_SCHEMA)}"


class TableReader:
    """Reads one Parquet or Arrow file, or a stream."""

    def __init__(self, name: str, kind: str, file: Any) -> None:
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self._name, self._kind = name, kind
        self._frames = 0
        try:
            self._source = self._open(file)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise TrafficError(f"{name} cannot be read as {kind}: {_one_line(error)}; write it again") from error
        schema = self._source.schema_arrow if kind == "Parquet" else self._source.schema
        missing = [column for column in FRAME_SCHEMA.names if column not in schema.names]
        if missing:
            raise TrafficError(f"{name} has no column {', '.join(missing)}; {_REMEDY}")
        repeated = [column for column in FRAME_SCHEMA.names if schema.names.count(column) > 1]
        if repeated:
            raise TrafficError(f"{name} has more than one column {', '.join(repeated)}; {_REMEDY}")

    def _open(self, file: Any) -> Any:
        if self._kind == "Parquet":
            import pyarrow.parquet as pq  # noqa: PLC0415 - costs more than most commands need

            source = pq.ParquetFile(file)
            self.expected_frames = source.metadata.num_rows
        elif self._kind == "an Arrow file":
            source = pa.ipc.open_file(pa.memory_map(file))
            self.expected_frames = sum(source.get_batch(i).num_rows for i in range(source.num_record_batches))
        else:
            source = pa.ipc.open_stream(pa.PythonFile(file, mode="r"))
        return source

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`; raises TrafficError for rows that are no frames."""
        records = self._records(batch_frames)
        while True:
            try:
                record = next(records, None)
            except (pa.ArrowInvalid, OSError) as error:
                self.findings.append(
                    f"{self._name}: {self._kind} breaks off behind frame {self._frames} ({_one_line(error)}); "
                    "what follows is lost"
                )
                return
            if record is None:
                return
            for low in range(0, len(record), batch_frames):
                try:
                    batch = FrameBatch.from_arrow(record.slice(low, batch_frames), self._frames)
                except (ValueError, pa.ArrowInvalid) as error:
                    raise TrafficError(f"{self._name}: {_one_line(error)}; {_REMEDY}") from error
                yield _with_sound_lengths(batch)
                self._frames += len(batch)

    def _records(self, batch_frames: int) -> Iterator[pa.RecordBatch]:
        if self._kind == "Parquet":
            yield from self._source.iter_batches(batch_frames, columns=FRAME_SCHEMA.names)
        elif self._kind == "an Arrow file":
            for i in range(self._source.num_record_batches):
                yield self._source.get_batch(i)
        else:
            yield from self._source

    def progress(self) -> float:
        """Share of the rows read so far."""
        return self._frames / self.expected_frames if self.expected_frames else 0.0

    def close(self) -> None:
        """Give back the input."""
        self._source = None


def _with_sound_lengths(batch: FrameBatch) -> FrameBatch:
    """No frame is shorter on the wire than what was captured of it."""
    if not np.any(batch.wire_length < batch.captured_length):
        return batch
    wire_length = read_only(np.maximum(batch.wire_length, batch.captured_length))
    return FrameBatch(
        batch.first_frame, batch.timestamp_ns, wire_length, batch.captured_length, batch.frame_start, batch.data
    )


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
