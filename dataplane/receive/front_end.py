"""The NIC front end: takes frames in arrival order, steers them and hands each processor its rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataplane.kernels.steer import count_dropped
from dataplane.receive.steering import group_rows, steer_batch
from dataplane.receive.work import DROP_REASONS, NOT_COMPLETED, QUEUE_FULL, WorkColumns, first_rows
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


class NicFrontEnd:
    """Classifies and hashes frames with the snapshot in force; counts what arrived and what it dropped."""

    def __init__(self, snapshot: SteeringSnapshot, *, transmit_by_source: bool = False) -> None:
        self.snapshot = snapshot
        self.arrived = 0
        self._transmit_by_source = transmit_by_source
        self._drops = np.zeros(len(DROP_REASONS), np.int64)

    def accept(
        self,
        frames: FrameBatch,
        work: WorkColumns,
        first_row: int,
        offsets: npt.NDArray[np.int64],
        selection: npt.NDArray[np.uint32],
    ) -> None:
        """Steer frames into the rows of `work` from `first_row` on, and group them by processor (see `group_rows`)."""
        end_row = first_row + len(frames)
        rows = first_rows(work, first_row, end_row)
        steer_batch(frames, self.snapshot, rows, transmit_by_source=self._transmit_by_source)
        group_rows(work, first_row, end_row, offsets, selection)
        assigned = int(offsets[-1]) - first_row
        if assigned != len(frames):
            count_dropped(rows.drop, self._drops)
            rows.completion_ns[rows.drop != 0] = NOT_COMPLETED
        self.arrived += len(frames)

    def dropped(self) -> dict[str, int]:
        """Frames dropped before any processor, by reason."""
        counts = zip(DROP_REASONS, self._drops, strict=True)
        return {reason: int(n) for code, (reason, n) in enumerate(counts) if n and code not in (0, QUEUE_FULL)}
