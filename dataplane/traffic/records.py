"""What the readers of captures have in common: the columns they fill, and their interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.window import Window


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

    def __init__(self, rows: int) -> None:
        self.row = 0  # rows filled
        # one piece of memory: the C library keeps a freed one of this size for the next batch, page tables and all
        memory = np.empty(24 * rows, np.uint8)
        self.timestamp_ns = memory[: 8 * rows].view(np.int64)
        self.frame_start = memory[8 * rows : 16 * rows].view(np.int64)
        self.wire_length = memory[16 * rows : 20 * rows].view(np.uint32)
        self.captured_length = memory[20 * rows :].view(np.uint32)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The last arguments of every scan kernel."""
        return self.row, self.timestamp_ns, self.wire_length, self.captured_length, self.frame_start

    def batch(self, first_frame: int, data: npt.NDArray[np.uint8]) -> FrameBatch:
        """The rows filled so far as a batch of frames that lie in `data`."""
        return FrameBatch(
            first_frame,
            read_only(self.timestamp_ns[: self.row]),
            read_only(self.wire_length[: self.row]),
            read_only(self.captured_length[: self.row]),
            read_only(self.frame_start[: self.row]),
            data,
        )


class RecordReader:
    """Base of the readers that scan records in a window: `_fill` is theirs."""

    def __init__(self, window: Window, name: str) -> None:
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self._window = window
        self._name = name
        self._position = 0  # in the window: what lies before it has been read
        self._frames = 0

    def _fill(self, columns: Columns) -> bool:
        """Fill the columns with frames that lie in `window.data` as it is afterwards; false when no more can come."""
        raise NotImplementedError

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`."""
        more = True
        while more:
            columns = Columns(batch_frames)
            more = self._fill(columns)
            if columns.row:
                yield columns.batch(self._frames, self._window.data)
                self._frames += columns.row
            self._window.release(self._position)

    def progress(self) -> float:
        """Share of the input read so far."""
        return self._window.progress()

    def close(self) -> None:
        """Give back the input."""
        self._window.close()

    # Findings about the end: what is there of the input behind `_position`

    @property
    def _rest(self) -> int:
        """Bytes that were not read; below 0 if bytes of what was read are missing."""
        return self._window.end - self._position

    @property
    def _failure(self) -> str:
        """The failure of the window, if there was one, as the beginning of a finding."""
        return f"{self._window.failure}, " if self._window.failure else ""

    def _report_damage(self, what: str, detail: str) -> None:
        offset = self._window.base + self._position
        lost = f"{self._rest} bytes" if self._window.exhausted else "everything"
        self.findings.append(
            f"{self._name}: {self._failure}the {what} at byte {offset} is damaged{detail}; "
            f"{lost} from there on cannot be read"
        )

    def _report_cut(self, what: str, length: int | None) -> None:
        """The last record or block is not whole; `length` if it is known."""
        offset = self._window.base + self._position
        needed = f" of {length}" if length is not None else ""
        lost = "it and what follows are lost" if self._window.failure else f"1 {what} is lost"
        self.findings.append(
            f"{self._name}: {self._failure}the last {what}, at byte {offset}, is cut off: "
            f"{self._rest}{needed} bytes are there, {lost}"
        )

    def _report_failure(self) -> None:
        offset = self._window.base + self._position
        self.findings.append(f"{self._name}: {self._window.failure} behind byte {offset}; what follows is lost")
