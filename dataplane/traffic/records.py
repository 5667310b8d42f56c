"""What the readers of captures have in common: the columns they fill, and what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from dataplane.arrays import read_only
from dataplane.kernels.capture import CAPTURED_LENGTH_MAX
from dataplane.traffic.batch import FrameBatch

#: Enough for Ethernet, one tag, the longest IPv4 header and ports; frames that need more are kept whole.
HEADER_BYTES = 128
WHOLE_FRAMES = CAPTURED_LENGTH_MAX

_WHOLE_FRAME_BYTES = 2048
_SPARE_BYTES = 64 << 10


class Reader(Protocol):
    """One pass over a capture. Timestamps are the capture's own, not yet clamped; frames count from 0."""

    findings: list[str]  # what was wrong, final when `batches` is exhausted
    expected_frames: int | None

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`."""
        ...

    def progress(self) -> float:
        """Share of the input read so far."""
        ...

    def close(self) -> None:
        """Give back the input."""
        ...


class Columns:
    """The arrays of a batch while a scan kernel fills them."""

    def __init__(self, rows: int, keep_bytes: int) -> None:
        self._allocate(rows, rows * min(keep_bytes, _WHOLE_FRAME_BYTES) + _SPARE_BYTES)

    def _allocate(self, rows: int, packed_bytes: int) -> None:
        self.row = 0  # rows filled
        self.used = 0  # bytes of `packed` filled
        self.timestamp_ns = np.empty(rows, np.int64)
        self.wire_length = np.empty(rows, np.uint32)
        self.captured_length = np.empty(rows, np.uint32)
        self.frame_start = np.empty(rows, np.int64)
        self.packed = np.empty(packed_bytes, np.uint8)

    def make_room(self) -> None:
        """Make `packed` large enough for any one frame; only while no row is filled."""
        assert self.row == 0
        self._allocate(len(self.timestamp_ns), CAPTURED_LENGTH_MAX + _SPARE_BYTES)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The last arguments of every scan kernel."""
        return (
            self.row,
            self.used,
            self.timestamp_ns,
            self.wire_length,
            self.captured_length,
            self.frame_start,
            self.packed,
        )

    def batch(self, first_frame: int) -> FrameBatch:
        """The rows filled so far as a batch."""
        return FrameBatch(
            first_frame,
            read_only(self.timestamp_ns[: self.row]),
            read_only(self.wire_length[: self.row]),
            read_only(self.captured_length[: self.row]),
            read_only(self.frame_start[: self.row]),
            read_only(self.packed),
        )


class RecordReader:
    """Base of the readers that scan records in a window: `_fill` is theirs."""

    def __init__(self, keep_bytes: int) -> None:
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self._keep_bytes = keep_bytes
        self._frames = 0

    def _fill(self, columns: Columns) -> bool:
        """Fill the columns; false when nothing more can come."""
        raise NotImplementedError

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`."""
        more = True
        while more:
            columns = Columns(batch_frames, self._keep_bytes)
            more = self._fill(columns)
            if more and columns.row == 0:
                columns.make_room()
                more = self._fill(columns)
            if columns.row:
                yield columns.batch(self._frames)
                self._frames += columns.row
