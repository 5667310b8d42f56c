"""One frame at a time through the steering kernel: the oracle and the engines have one parser and one matcher."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.kernels.steer import steer
from dataplane.receive.steering import Span, SpanTable, SteeredFrame, describe_columns, steered_row
from dataplane.receive.work import new_work_columns
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration


class FrameSteering(Protocol):
    """Where frames go under one configuration."""

    def steer(self, frame: bytes, wire_length: int) -> SteeredFrame:
        """Match, hash, index and assign one received frame of `wire_length` bytes, of which `frame` was captured."""
        ...


class OneFrameColumns:
    """The arrays that the batch kernel wants, for batches of one frame; made once and used again and again."""

    def __init__(self) -> None:
        self.work = new_work_columns(1)
        self.described = describe_columns(self.work)
        self._wire_length, self._captured_length = np.zeros(1, np.uint32), np.zeros(1, np.uint32)
        self.frame_start = self.timestamp_ns = read_only(np.zeros(1, np.int64))
        self.wire_length, self.captured_length = read_only(self._wire_length), read_only(self._captured_length)

    def fill(self, frame: bytes, wire_length: int) -> npt.NDArray[np.uint8]:
        """Describe one frame; returns its bytes as an array."""
        self._wire_length[0], self._captured_length[0] = wire_length, len(frame)
        return np.frombuffer(frame or b"\0", np.uint8)


class KernelSteering:
    """`FrameSteering` by the batch kernel, without the cost of a batch for every frame."""

    def __init__(self, configuration: AdapterConfiguration, epoch: int, columns: OneFrameColumns | None = None) -> None:
        self._columns = columns or OneFrameColumns()
        self._snapshot = compile_snapshot(configuration, epoch)
        self._spans = SpanTable.of([Span(1, self._snapshot)])
        self._counts = np.zeros((1, len(self._snapshot.processors) + 1), np.int64)

    def steer(self, frame: bytes, wire_length: int) -> SteeredFrame:
        """See `FrameSteering`."""
        columns = self._columns
        data = columns.fill(frame, wire_length)
        steer(
            data,
            columns.frame_start,
            columns.captured_length,
            columns.wire_length,
            columns.timestamp_ns,
            0,
            1,
            self._spans.ends,
            self._spans.tables,
            columns.described,
            False,  # received, not transmitted
            self._counts,
        )
        return steered_row(self._snapshot, columns.work, 0)
