"""The NIC front end: takes batches in arrival order, steers them and hands each processor its rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataplane.kernels.steer import count_dropped
from dataplane.receive.steering import group_rows, steer_batch
from dataplane.receive.work import DROP_REASONS, QUEUE_FULL, WorkColumns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


class NicFrontEnd:
    """Classifies and hashes batches with the snapshot in force; counts what arrived and what it dropped."""

    def __init__(self, snapshot: SteeringSnapshot, *, transmit_by_source: bool = False) -> None:
        self.snapshot = snapshot
        self.arrived = 0
        self._transmit_by_source = transmit_by_source
        self._drops = np.zeros(len(DROP_REASONS), np.int64)

    def accept(
        self,
        batch: FrameBatch,
        work: WorkColumns,
        offsets: npt.NDArray[np.int64],
        selection: npt.NDArray[np.uint32],
    ) -> None:
        """Steer a batch into the first rows of `work` and group them by processor (see `group_rows`)."""
        rows = len(batch)
        steer_batch(batch, self.snapshot, work, transmit_by_source=self._transmit_by_source)
        group_rows(work, rows, offsets, selection)
        assigned = int(offsets[-1])
        if assigned != rows:
            count_dropped(work.drop[:rows], self._drops)
            work.completion_ns[:rows][work.drop[:rows] != 0] = -1
        self.arrived += rows

    def dropped(self) -> dict[str, int]:
        """Frames dropped before any processor, by reason."""
        counts = zip(DROP_REASONS, self._drops, strict=True)
        return {reason: int(n) for code, (reason, n) in enumerate(counts) if n and code not in (0, QUEUE_FULL)}
