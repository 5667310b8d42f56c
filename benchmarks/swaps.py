"""The cost of updates for the traffic: the same run without and with 1,000 updates: `python -m benchmarks.swaps`.

Ten million frames reach eight processors that are always busy. The updates are spread over the whole run; each one
moves eight table entries of the one VPort. Another run has as many ticks of a policy that moves nothing. The benchmark
compares the time of the dataplane. The time to decide requests belongs to the control plane and is reported separately.
The variants take turns, and each is compared with the run without updates of the same round.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from actors.session import ray_session
from actors.system import run_on_ray
from benchmarks.one_vport import ONE_VPORT
from benchmarks.replay import Replay
from benchmarks.runs import timed_run
from dataplane.engine.experiment import (
    DEFAULT_BATCH_FRAMES,
    DEFAULT_BATCH_FRAMES_ON_RAY,
    EngineRun,
    Experiment,
    RunResult,
)
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario

FRAMES = 10_000_000
SWAPS = 1_000
ENTRIES_MOVED = 8

_FRAMES_MADE = 1_000_000
_RATE_PPS = 10_000_000  # a frame costs 1 us, so eight processors are busy at 8 Mpps
_ROUNDS = 3

_SCENARIO = f"""
{ONE_VPORT}[processors]
receive_cost_ns = 1000
[traffic]
profile = "uniform"
flows = 10_000
packets = {_FRAMES_MADE}
rate_pps = {_RATE_PPS}
"""

#: Update k moves entries 8k to 8k + 7 (modulo 128); every 16 updates the target of an entry changes.
_EVENT = """
[[event]]
at_ns = {at_ns}
move_entries = {{ vport = 1, indices = "{first}-{last}", target = {target} }}
"""


#: The table is already that of round-robin, so the policy moves nothing.
_POLICY = """
[policy]
name = "round-robin"
tick_ns = {tick_ns}
"""


def scenario_with(swaps: int, frames: int = FRAMES) -> Scenario:
    """The scenario with `swaps` updates, spread evenly over a run of `frames` frames."""
    duration_ns = _duration_ns(frames)
    events = []
    for number in range(swaps):
        first = ENTRIES_MOVED * number % 128
        at_ns = (number + 1) * duration_ns // (swaps + 1)
        events.append(
            _EVENT.format(at_ns=at_ns, first=first, last=first + ENTRIES_MOVED - 1, target=(number + number // 16) % 8)
        )
    return load_scenario(_SCENARIO + "".join(events), name="swaps")


def scenario_with_ticks(ticks: int, frames: int = FRAMES) -> Scenario:
    """The scenario with `ticks` ticks of a policy, spread evenly over a run of `frames` frames."""
    tick_ns = _duration_ns(frames) // (ticks + 1)
    return load_scenario(_SCENARIO + _POLICY.format(tick_ns=tick_ns), name="ticks")


def _duration_ns(frames: int) -> int:
    return frames * 1_000_000_000 // _RATE_PPS


class Variant(NamedTuple):
    """One experiment and the engine that runs it."""

    experiment: Experiment
    run: EngineRun


def variants(swaps: int = SWAPS, frames: int = FRAMES, *, inline_only: bool = False) -> dict[str, dict[str, Variant]]:
    """The variants by engine, then by name; the others are compared with `without`."""
    still, moving, watched = scenario_with(0), scenario_with(swaps, frames), scenario_with_ticks(swaps, frames)
    engines: dict[str, tuple[EngineRun, int]] = {
        "inline": (run_inline, DEFAULT_BATCH_FRAMES),
        "ray, 8 actors": (run_on_ray, DEFAULT_BATCH_FRAMES_ON_RAY),
        "ray, 2 actors": (partial(run_on_ray, processors_per_actor=4), DEFAULT_BATCH_FRAMES_ON_RAY),
    }
    made: dict[str, dict[str, Variant]] = {}
    for name, (run, batch_frames) in engines.items():
        if inline_only and run is not run_inline:
            continue
        without = experiment(still, default_batch_frames=batch_frames)
        permissive = experiment(moving, default_batch_frames=batch_frames)
        made[name] = {
            "without": Variant(without, run),
            "permissive": Variant(permissive, run),
            "ordered": Variant(replace(permissive, hand_over="ordered"), run),
            "ticks": Variant(experiment(watched, default_batch_frames=batch_frames), run),
        }
    return made


class Outcome(NamedTuple):
    """The values needed of a run. The whole result is not kept: it would slow the garbage collector in the next run."""

    seconds: float  # of the dataplane
    control_seconds: float
    updates: int
    frames_held: int


def run_once(variant: Variant, frames: int = FRAMES) -> Outcome:
    """One run of `frames` frames."""
    source = partial(Replay, scenario_with(0), frames // _FRAMES_MADE, variant.experiment.batch_frames)
    seconds, result = timed_run(variant.run, variant.experiment, source)
    assert result.arrived == frames
    control_seconds = result.control_seconds
    return Outcome(seconds - control_seconds, control_seconds, len(result.updates), _frames_held(result))


class Measured(NamedTuple):
    """Medians over the rounds."""

    frames_per_second: float
    ratio: float  # of the throughput to the throughput without updates
    control_seconds: float
    reordered_or_held: str


def measure(named: dict[str, Variant], rounds: int = _ROUNDS) -> dict[str, Measured]:
    """Run the variants of one engine in turns."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in named}
    for _ in range(rounds + 1):  # the first round warms up
        for name, variant in named.items():
            outcomes[name].append(run_once(variant))
            assert outcomes[name][-1].updates == (SWAPS if name in ("permissive", "ordered") else 0)
    measured = {}
    for name, of_variant in outcomes.items():
        ratios = [base.seconds / one.seconds for base, one in zip(outcomes["without"], of_variant, strict=True)]
        measured[name] = Measured(
            FRAMES / statistics.median(one.seconds for one in of_variant[1:]),
            statistics.median(ratios[1:]),
            statistics.median(one.control_seconds for one in of_variant[1:]),
            f"{of_variant[-1].frames_held:,} held",
        )
    return measured


def _frames_held(result: RunResult) -> int:
    """The number of frames held by updates, on all processors."""
    return sum(int(p.updates.holds["frames"].sum()) for p in result.processors if p.updates)


def main() -> None:
    """Print the figures of all engines, or of those whose names begin with one of the arguments."""
    wanted: Callable[[str], bool] = lambda name: not sys.argv[1:] or name.startswith(tuple(sys.argv[1:]))  # noqa: E731
    for engine, named in variants().items():
        if not wanted(engine):
            continue
        if engine == "inline":
            measured = measure(named)
        else:
            with ray_session(None, actors=10):
                measured = measure(named)
        print(f"{engine}: {FRAMES:,} frames, {SWAPS:,} updates or ticks")
        for name, one in measured.items():
            print(
                f"  {name:<11} {one.frames_per_second / 1e6:6.2f} Mpps  {one.ratio:5.2f} of that without  "
                f"control {one.control_seconds:.2f} s apart  {one.reordered_or_held}"
            )


if __name__ == "__main__":
    main()
