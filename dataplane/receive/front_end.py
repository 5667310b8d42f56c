"""The NIC front end: takes frames in arrival order, steers them and hands each processor its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from dataplane.kernels.steer import count_dropped, divide_selection, select_rows
from dataplane.kernels.work import NOT_COMPLETED, QUEUE_FULL
from dataplane.receive.steering import Span, SpanTable, describe_columns, steer_frames
from dataplane.receive.work import DROP_REASONS, WorkColumns
from dataplane.traffic.batch import FrameBatch

#: Waking a thread costs as much as steering this many frames.
_PART_FRAMES_MIN = 2_048
_DESCRIBED_MAX = 64  # work columns; a transport has a handful


class NicFrontEnd:
    """Classifies and hashes frames with the snapshots in force; counts arrived and dropped frames.

    With `threads` above 1, that many threads steer contiguous parts of a large batch at the same time. The results are
    the same: a row depends only on its frame and snapshot, and the rows of each processor are joined in the order of
    the parts.
    """

    def __init__(self, *, transmit_by_source: bool = False, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads = {threads} is not possible; there is at least one")
        self.arrived = 0
        self._transmit_by_source = transmit_by_source
        self._drops = np.zeros(len(DROP_REASONS), np.int64)
        self._threads = threads
        self._others = ThreadPoolExecutor(threads - 1, "nic-front-end") if threads > 1 else None
        self._described: dict[int, tuple[WorkColumns, npt.NDArray[np.int64]]] = {}

    def accept(
        self,
        frames: FrameBatch,
        spans: Sequence[Span],
        work: WorkColumns,
        offsets: npt.NDArray[np.int64],
        selection: npt.NDArray[np.uint32],
    ) -> None:
        """Steer the frames of all spans into the first rows of `work`, and group these rows by span and processor.

        Rows of processor p in span s are `selection[offsets[s, p]:offsets[s, p + 1]]`; `offsets` may have room for more
        spans. The counting sort is stable: rows ascend within a processor. Dropped rows are left out.
        """
        count = spans[-1].end
        assert count <= len(work.processor), "each frame has its row"
        columns, table = self._columns(work), SpanTable.of(spans)
        parts = min(self._threads, 1 + count // _PART_FRAMES_MIN)
        counts = np.empty((parts, len(spans), offsets.shape[1]), np.int64)
        by_source = self._transmit_by_source

        def steer(part: int) -> None:
            low, high = part * count // parts, (part + 1) * count // parts
            steer_frames(frames, low, high, table, columns, counts[part], transmit_by_source=by_source)

        def select(part: int) -> None:
            low, high = part * count // parts, (part + 1) * count // parts
            select_rows(work.processor, low, high, table.ends, counts[part], selection)

        self._in_parts(steer, parts)
        dropped = divide_selection(table.ends, counts, offsets[: len(spans)])
        self._in_parts(select, parts)
        if dropped:
            drop = work.drop[:count]
            count_dropped(drop, self._drops)
            if len(work.completion_ns):
                work.completion_ns[:count][drop != 0] = NOT_COMPLETED
        self.arrived += count

    def dropped(self) -> dict[str, int]:
        """Frames dropped before any processor, by reason."""
        counts = zip(DROP_REASONS, self._drops, strict=True)
        return {reason: int(n) for code, (reason, n) in enumerate(counts) if n and code not in (0, QUEUE_FULL)}

    def _in_parts(self, do: Callable[[int], None], parts: int) -> None:
        """Run all parts at the same time, the first one in this thread."""
        others = [self._others.submit(do, part) for part in range(1, parts)] if self._others is not None else []
        do(0)
        for other in others:
            other.result()

    def _columns(self, work: WorkColumns) -> npt.NDArray[np.int64]:
        """The addresses of the columns, made once for each buffer of a transport."""
        known = self._described.get(id(work))
        if known is None:
            if len(self._described) >= _DESCRIBED_MAX:
                self._described.clear()
            known = self._described[id(work)] = (work, describe_columns(work))
        return known[1]
