"""Frames from memory, for measurements that leave out the time to make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dataplane.scenario.model import Scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import FrameBatch


class Replay:
    """A source that makes the frames of a scenario when it is opened, and then repeats all of them several times."""

    def __init__(self, scenario: Scenario, repetitions: int, batch_frames: int) -> None:
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self._repetitions, self._batch_frames, self._done = repetitions, batch_frames, 0
        self._kept = list(traffic_source(scenario).batches(batch_frames))

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Every repetition begins 1 us after the end of the previous one."""
        assert batch_frames == self._batch_frames, "the batches are made already"
        first, last = self._kept[0], self._kept[-1]
        frames = last.first_frame + len(last)
        duration_ns = int(last.timestamp_ns[-1] - first.timestamp_ns[0]) + 1000
        for number in range(self._repetitions):
            self._done = number
            for batch in self._kept:
                first_frame = batch.first_frame + number * frames
                yield replace(batch, first_frame=first_frame, timestamp_ns=batch.timestamp_ns + number * duration_ns)

    def progress(self) -> float:
        """The share of the repetitions that is done."""
        return self._done / self._repetitions
