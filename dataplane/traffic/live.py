"""Traffic of a dataplane that runs until it is stopped, and the same traffic for a repetition, up to that point."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from dataplane.traffic.batch import FrameBatch, TrafficSource

#: Model time of a paced batch: what somebody waits for who wants something between two batches.
PACE_NS = 10_000_000

_NS_PER_SECOND = 1_000_000_000


class PacedSource:
    """Delays another source: no frame comes before its model time, counted from the first frame, has passed.

    Every batch lies in one interval of `PACE_NS`. If frames are taken too slowly, model time falls behind the clock and
    catches up as soon as possible. `sleep` waits for that many seconds and says whether `stop` was called.
    """

    def __init__(
        self,
        source: TrafficSource,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], bool] | None = None,
    ) -> None:
        self.expected_frames = source.expected_frames
        self.timestamp_regressions = source.timestamp_regressions
        self.findings = source.findings
        self._source = source
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait

    def progress(self) -> float:
        """As of the other source."""
        return self._source.progress()

    def stop(self) -> None:
        """End early, now; may be called from another thread."""
        self._stopped.set()

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """The batches of the other source, in pieces, each when its last frame is due."""
        began: float | None = None
        first_ns = 0
        for batch in self._source.batches(batch_frames):
            self.timestamp_regressions = self._source.timestamp_regressions
            if began is None:
                began, first_ns = self._clock(), int(batch.timestamp_ns[0])
            low = 0
            while low < len(batch):
                since_ns = int(batch.timestamp_ns[low]) - first_ns
                end_ns = first_ns + (since_ns // PACE_NS + 1) * PACE_NS
                high = int(np.searchsorted(batch.timestamp_ns, end_ns))
                due = began + (int(batch.timestamp_ns[high - 1]) - first_ns) / _NS_PER_SECOND
                wait = due - self._clock()
                if wait > 0 and self._sleep(wait):
                    return
                if self._stopped.is_set():
                    return
                yield batch.slice(low, high)
                low = high


class FirstFrames:
    """The first frames of another source, and nothing that it would say behind them."""

    def __init__(self, source: TrafficSource, frames: int) -> None:
        self.expected_frames: int | None = frames
        self.timestamp_regressions = source.timestamp_regressions
        self.findings = source.findings
        self._source = source
        self._frames = frames
        self._done = 0

    def progress(self) -> float:
        """Share of the frames."""
        return self._done / self._frames if self._frames else 1.0

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """The batches of the other source; the last one is cut."""
        if not self._frames:
            return
        for batch in self._source.batches(batch_frames):
            self.timestamp_regressions = self._source.timestamp_regressions
            left = self._frames - self._done
            self._done += min(left, len(batch))
            yield batch if len(batch) <= left else batch.slice(0, left)
            if self._done == self._frames:
                return
