"""Arrival times made by the model: constant, Poisson and on-off, each a function of (seed, frame number).

- `constant`: every frame one gap of 1 / rate after the one before.
- `poisson`: gaps are exponentially distributed with mean 1 / rate.
- `on-off`: bursts of `burst_frames` frames at the constant rate `rate_pps` / `on_share`, with exponentially distributed
  pauses between them that bring the mean rate down to `rate_pps`.

The first frame arrives at the start time itself (scenario events count from there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataplane.kernels.random import FRACTIONS_OF_NS, arrival_times, mixed
from dataplane.traffic.errors import TrafficError

KINDS = ("poisson", "constant", "on-off")

_NS_PER_SECOND = 1_000_000_000
_PAUSE_MEAN_MAX_NS = float(1 << 37)  # 137 s: 44 times that, in fractions of a ns, still fits in 63 bits
_NEVER = 1 << 62
_STREAM = 0xA441  # keeps these random numbers apart from others of the same seed
_SKIP_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How frames are spread over time; raises TrafficError for values that make no sense."""

    rate_pps: float  # mean rate in frames a second
    kind: str = "poisson"
    seed: int = 1
    burst_frames: int = 64  # on-off: frames of a burst
    on_share: float = 0.1  # on-off: mean rate / rate within a burst

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TrafficError(f"arrivals = {self.kind!r} is not known; write one of {', '.join(KINDS)}")
        if not 0 < self.rate_pps <= 1e9:
            raise TrafficError(f"rate_pps = {self.rate_pps:g} is not possible; it is above 0 and at most 1e9")
        if self.burst_frames < 1 or not 0 < self.on_share <= 1:
            raise TrafficError("on-off arrivals need burst_frames >= 1 and 0 < on_share <= 1")
        if not max(self._gap_ns, self._pause_mean_ns) <= _PAUSE_MEAN_MAX_NS:  # nor is it nan, as of 1e-300
            raise TrafficError(f"rate_pps = {self.rate_pps:g} makes gaps of minutes between frames; raise it")

    @property
    def _gap_ns(self) -> float:
        """Constant part of the gap between two frames."""
        share = {"constant": 1.0, "poisson": 0.0, "on-off": self.on_share}[self.kind]
        return _NS_PER_SECOND / self.rate_pps * share

    @property
    def _pause_frames(self) -> int:
        return {"constant": _NEVER, "poisson": 1, "on-off": self.burst_frames}[self.kind]

    @property
    def _pause_mean_ns(self) -> float:
        share = {"constant": 0.0, "poisson": 1.0, "on-off": self.burst_frames * (1 - self.on_share)}[self.kind]
        return _NS_PER_SECOND / self.rate_pps * share

    def clock(self, start_ns: int) -> Clock:
        """A clock that gives frame 0 the time `start_ns`."""
        seed = np.uint64(mixed(np.uint64(self.seed & 0xFFFF_FFFF_FFFF_FFFF) ^ np.uint64(_STREAM)))
        step = round(self._gap_ns * FRACTIONS_OF_NS)
        return Clock(start_ns, seed, step, self._pause_frames, self._pause_mean_ns)


class Clock:
    """Gives frames their times, one batch after the other."""

    def __init__(self, start_ns: int, seed: np.uint64, step: int, pause_frames: int, pause_mean_ns: float) -> None:
        self._time_ns, self._fraction, self._frame = start_ns, 0, 0
        self._seed, self._step, self._pause_frames, self._pause_mean_ns = seed, step, pause_frames, pause_mean_ns

    def times(self, frames: int) -> npt.NDArray[np.int64]:
        """Arrival times of the next `frames` frames: (frames,) int64, ns, nondecreasing."""
        out = np.empty(frames, np.int64)
        state = (self._time_ns, self._fraction, self._step, self._pause_frames, self._pause_mean_ns)
        self._time_ns, self._fraction = arrival_times(self._seed, self._frame, *state, out)
        self._frame += frames
        return out

    def skip(self, frames: int) -> None:
        """Pass over frames without keeping their times."""
        for first in range(0, frames, _SKIP_FRAMES):
            self.times(min(_SKIP_FRAMES, frames - first))
