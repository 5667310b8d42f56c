"""The frame batch: what every source yields and the NIC front end reads.

A batch consists of columns, not of objects. `data` may be a mapped capture, a generator's buffer or an Arrow buffer; a
frame is `captured_length[i]` bytes from `frame_start[i]` on. A batch may have only the headers of each frame (header
split) if these include every byte that steering can read. All arrays are read-only to their readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataplane.arrays import read_only

__all__ = ["FRAME_SCHEMA", "FrameBatch", "TrafficSource", "read_only"]

FRAME_SCHEMA = pa.schema(
    [
        pa.field("timestamp_ns", pa.int64(), nullable=False),
        pa.field("wire_length", pa.uint32(), nullable=False),
        pa.field("frame", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """`n` frames in arrival order."""

    first_frame: int  # number of the first frame of the batch in its source, 0-based
    timestamp_ns: npt.NDArray[np.int64]  # (n,) nondecreasing (TIM-02)
    wire_length: npt.NDArray[np.uint32]  # (n,) length on the wire without FCS
    captured_length: npt.NDArray[np.uint32]  # (n,) bytes present in `data`
    frame_start: npt.NDArray[np.int64]  # (n,) offset of each frame's first byte in `data`
    data: npt.NDArray[np.uint8]  # bytes; frames may lie apart, e.g. behind record headers

    def __len__(self) -> int:
        return len(self.timestamp_ns)

    def slice(self, low: int, high: int) -> FrameBatch:
        """Frames `low` to `high - 1` of this batch, without copying."""
        return FrameBatch(
            self.first_frame + low,
            self.timestamp_ns[low:high],
            self.wire_length[low:high],
            self.captured_length[low:high],
            self.frame_start[low:high],
            self.data,
        )

    def frame(self, i: int) -> bytes:
        """The captured bytes of frame `i` of this batch."""
        start = int(self.frame_start[i])
        return self.data[start : start + int(self.captured_length[i])].tobytes()

    @classmethod
    def of_one(cls, frame: bytes) -> FrameBatch:
        """A batch of one whole frame, at time 0."""
        length = np.array([len(frame)], np.uint32)
        data = np.frombuffer(frame or b"\0", np.uint8)
        return cls(0, np.zeros(1, np.int64), length, length, np.zeros(1, np.int64), data)

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch, first_frame: int) -> FrameBatch:
        """View an Arrow batch of `FRAME_SCHEMA` without copying; raises ValueError for another schema or nulls."""
        if not batch.schema.equals(FRAME_SCHEMA, check_metadata=False):
            batch = _cast(batch)
        frames = batch.column(2)
        offsets = np.frombuffer(frames.buffers()[1], np.int32)[frames.offset : frames.offset + len(frames) + 1]
        data = frames.buffers()[2]
        return cls(
            first_frame,
            batch.column(0).to_numpy(zero_copy_only=True),
            batch.column(1).to_numpy(zero_copy_only=True),
            np.diff(offsets).astype(np.uint32),
            offsets[:-1].astype(np.int64),
            read_only(np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)),
        )

    def to_arrow(self) -> pa.RecordBatch:
        """Copy into an Arrow record batch of `FRAME_SCHEMA`."""
        frames = pa.array([self.frame(i) for i in range(len(self))], pa.binary())
        return pa.RecordBatch.from_arrays(
            [pa.array(self.timestamp_ns), pa.array(self.wire_length), frames], schema=FRAME_SCHEMA
        )


class TrafficSource(Protocol):
    """A source of frames. `batches` may be called once; the counters are final when it is exhausted."""

    #: Timestamps that stepped back and were clamped to the largest one before them (TIM-02).
    timestamp_regressions: int
    #: What was wrong with the input, one line each for the user, empty when nothing was (for example a cut-off record).
    findings: list[str]
    #: Frames the source will yield if it knows, else None; for progress bars.
    expected_frames: int | None

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`; the split never changes a frame or a counter."""
        ...

    def progress(self) -> float:
        """Share of the input consumed so far, 0.0 to 1.0 (0.0 when unknown)."""
        ...


def _cast(batch: pa.RecordBatch) -> pa.RecordBatch:
    missing = [name for name in FRAME_SCHEMA.names if name not in batch.schema.names]
    if missing:
        raise ValueError(f"columns {', '.join(missing)} are missing; a frame table has {', '.join(FRAME_SCHEMA.names)}")
    if any(batch.column(name).null_count for name in FRAME_SCHEMA.names):
        raise ValueError("a frame table has no nulls")
    table = pa.Table.from_batches([batch.select(FRAME_SCHEMA.names)]).cast(FRAME_SCHEMA)
    return table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], FRAME_SCHEMA)
