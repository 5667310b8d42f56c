"""Runs as the subjects of measurements."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.measure import Trial
from dataplane.engine.experiment import EngineRun, Experiment, RunResult, SourceFactory


def finished(result: RunResult) -> RunResult:
    """The result of a run; KeyboardInterrupt if Ctrl-C ended the run, because a run treats Ctrl-C as an early end."""
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def no_progress(frames: int, share: float) -> None:
    """Report no progress."""


def timed_run(run: EngineRun, experiment: Experiment, open_source: SourceFactory) -> tuple[float, RunResult]:
    """(seconds of a run without its start-up, its result)."""
    started = time.perf_counter()
    result = finished(run(experiment, open_source, None, no_progress))
    return time.perf_counter() - started - result.startup_seconds, result


@dataclass(slots=True)
class RunTrial:
    """A trial that measures frames per second of a run without its start-up; it keeps the start-up times as facts."""

    run: EngineRun
    experiment: Experiment
    open_source: SourceFactory
    startup_seconds: list[float] = field(default_factory=list)  # by run

    def __call__(self) -> float:
        """Run it."""
        seconds, result = timed_run(self.run, self.experiment, self.open_source)
        self.startup_seconds.append(result.startup_seconds)
        return result.arrived / seconds


def in_processor_time(trial: Trial, shares: list[float]) -> Trial:
    """The same trial; it appends processor time / wall time of this process to `shares`.

    This share is more than 1 with several threads, and less than 1 if another process ran or this one waited.
    """

    def watched() -> float:
        started, processor_started = time.perf_counter(), time.process_time()
        value = trial()
        shares.append((time.process_time() - processor_started) / (time.perf_counter() - started))
        return value

    return watched
