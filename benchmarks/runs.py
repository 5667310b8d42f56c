"""Runs as subjects of measurements."""

from __future__ import annotations

import time
from collections.abc import Callable

from dataplane.engine.experiment import EngineRun, Experiment, RunResult, SourceFactory


def finished(result: RunResult) -> RunResult:
    """The result of a run; KeyboardInterrupt when Ctrl-C has ended it, which a run takes for an early end."""
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def no_progress(frames: int, share: float) -> None:
    """Nobody is told."""


def timed_run(run: EngineRun, experiment: Experiment, open_source: SourceFactory) -> tuple[float, RunResult]:
    """Seconds of a run without its start-up, and its result."""
    started = time.perf_counter()
    result = finished(run(experiment, open_source, None, no_progress))
    return time.perf_counter() - started - result.startup_seconds, result


def frames_per_second(
    run: EngineRun, experiment: Experiment, open_source: SourceFactory, startups: list[float] | None = None
) -> Callable[[], float]:
    """A trial: frames a second without start-up, whose seconds are appended to `startups`."""

    def trial() -> float:
        seconds, result = timed_run(run, experiment, open_source)
        if startups is not None:
            startups.append(result.startup_seconds)
        return result.arrived / seconds

    return trial
