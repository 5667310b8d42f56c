"""Building blocks shared by tests: batches of frames made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dataplane.traffic.batch import FrameBatch, read_only


def batch_of(
    frames: Sequence[bytes],
    wire_lengths: Sequence[int] | None = None,
    timestamps_ns: Sequence[int] | None = None,
    first_frame: int = 0,
) -> FrameBatch:
    """A batch of whole or cut frames; by default frames are captured completely and 1 us apart."""
    lengths = np.array([len(frame) for frame in frames], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])[: len(frames)] if len(frames) else np.zeros(0, np.int64)
    return FrameBatch(
        first_frame,
        read_only(np.array(timestamps_ns if timestamps_ns is not None else np.arange(len(frames)) * 1000, np.int64)),
        read_only(np.array(lengths if wire_lengths is None else wire_lengths, np.uint32)),
        read_only(lengths.astype(np.uint32)),
        read_only(starts.astype(np.int64)),
        read_only(np.frombuffer(b"".join(frames) or b"\0", np.uint8)),
    )


class FramesInMemory:
    """A source of one batch's frames, cut as asked."""

    def __init__(self, frames: FrameBatch) -> None:
        self._frames = frames
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        self.expected_frames: int | None = len(frames)

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """The frames in batches of `batch_frames`."""
        for low in range(0, len(self._frames), batch_frames):
            yield self._frames.slice(low, min(low + batch_frames, len(self._frames)))

    def progress(self) -> float:
        """Unknown."""
        return 0.0
