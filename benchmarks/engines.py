"""The Ray engine against the inline engine, in turns and as a ratio: `python -m benchmarks.engines`.

Both get the quick start's NIC and frames, which the source makes once and replays from memory with later timestamps:
what is compared is steering and service, not generation. Starting the actors is reported apart from the run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from actors.nic import TransportName
from actors.system import BATCH_FRAMES, ray_session, run_on_ray
from dataplane.engine.experiment import Experiment, RunResult
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import FrameBatch

_ROUNDS = 3


class Replay:
    """The frames of a scenario, made once and then repeated one after the other."""

    def __init__(self, scenario: Scenario, repetitions: int) -> None:
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self._scenario, self._repetitions, self._done = scenario, repetitions, 0

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Every repetition begins 1 us after the one before it ended."""
        kept = list(traffic_source(self._scenario).batches(batch_frames))
        frames = sum(len(batch) for batch in kept)
        duration_ns = int(kept[-1].timestamp_ns[-1] - kept[0].timestamp_ns[0]) + 1000
        for number in range(self._repetitions):
            self._done = number
            for batch in kept:
                first_frame = batch.first_frame + number * frames
                yield replace(batch, first_frame=first_frame, timestamp_ns=batch.timestamp_ns + number * duration_ns)

    def progress(self) -> float:
        """Share of the repetitions."""
        return self._done / self._repetitions


class Speed(NamedTuple):
    """What one engine did, medians over the rounds."""

    frames_per_second: float  # once started
    startup_seconds: float


def _no_progress(frames: int, share: float) -> None: ...


def measure_engines(repetitions: int = 30, rounds: int = _ROUNDS) -> dict[str, Speed]:
    """Speeds by engine; the object store, which is slow, gets a tenth of the frames."""
    scenario = load_scenario((Path(__file__).parent.parent / "configs" / "quick-start.toml").read_text("utf-8"))
    small = experiment(scenario)
    large = replace(small, batch_frames=BATCH_FRAMES)
    processors = len(small.costs)

    def on_ray(transport: TransportName, processors_per_actor: int) -> Callable[[], RunResult]:
        source = partial(Replay, scenario, repetitions if transport == "ring" else max(1, repetitions // 10))
        run = partial(run_on_ray, transport=transport, processors_per_actor=processors_per_actor)
        return partial(run, large, source, None, _no_progress)

    def inline(prepared: Experiment) -> Callable[[], RunResult]:
        return partial(run_inline, prepared, partial(Replay, scenario, repetitions), None, _no_progress)

    engines = {
        f"inline, batches of {small.batch_frames}": inline(small),
        f"inline, batches of {large.batch_frames}": inline(large),
        f"ray, ring, {processors} processor actors": on_ray("ring", 1),
        "ray, ring, 2 processor actors": on_ray("ring", -(-processors // 2)),
        "ray, object store, 2 processor actors": on_ray("object-store", -(-processors // 2)),
    }
    seen: dict[str, list[Speed]] = {name: [] for name in engines}
    with ray_session(None, actors=processors + 2):
        for _ in range(rounds):
            for name, run in engines.items():
                started = time.perf_counter()
                result = run()
                seconds = time.perf_counter() - started - result.startup_seconds
                seen[name].append(Speed(result.arrived / seconds, result.startup_seconds))
    return {
        name: Speed(*(statistics.median(column) for column in zip(*all_, strict=True))) for name, all_ in seen.items()
    }


def main() -> None:
    """Print a line for each engine."""
    speeds = measure_engines()
    reference = next(iter(speeds.values())).frames_per_second
    for engine, speed in speeds.items():
        print(
            f"{engine:<40} {speed.frames_per_second / 1e6:6.1f} M frames/s"
            f"   {speed.frames_per_second / reference:5.2f} of inline   start {speed.startup_seconds:5.1f} s"
        )


if __name__ == "__main__":
    main()
