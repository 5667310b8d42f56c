"""Whole runs: the inline engine with and without making the frames, and the Ray engine with frames from memory.

NIC and frames are those of the quick start: zipf over eight processors. `looped` frames are made once and replayed from
memory with later timestamps, so that only steering and service are compared. `*_256_*` has 256 processors, as many
queue pairs, and the same kind of traffic. The time to start the actors is not part of the rate, but a separate fact; so
is the distance between the cores just before the run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from actors.nic import TransportName
from actors.session import ray_session
from actors.system import run_on_ray
from benchmarks.cores import seconds_between_cores
from benchmarks.measure import Figure, Session, Trial, figures, one_core
from benchmarks.quick_start import quick_start
from benchmarks.replay import Replay
from benchmarks.runs import RunTrial, in_processor_time
from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES_ON_RAY
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.source import traffic_source

_FRAMES = 1_000_000  # looped frames, made once
_REPETITIONS = 20  # of the looped frames on Ray; inline has half as many
_STORE_REPETITIONS = 3  # fewer, because the object store is slow
_GENERATED = 10_000_000  # frames that are made during the run; a tenth in a quick measurement

_MANY = """
[adapter]
rss_processors = 256
{vports}
[processors]
receive_cost_ns = 900
receive_cost_per_byte_ps = 100
dpc_queue_depth = 512
[traffic]
profile = "zipf"
packets = {packets}
rate_pps = 4_650_000
flows = 20_000
zipf_s = 1.1
lengths = "imix:csit"
"""


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """The inline engine on one core, then all engines in turns."""
    yield from _inline(session)
    if not session.quick:
        yield from _on_ray(session)


def _inline(session: Session) -> Iterator[tuple[str, Figure]]:
    session.tell("the inline engine")
    generated = quick_start(_GENERATED // 10 if session.quick else _GENERATED)
    looped, repetitions = quick_start(_FRAMES // 4 if session.quick else _FRAMES), _REPETITIONS // 2
    prepared = experiment(generated)
    trials: dict[str, Trial] = {
        "inline_generated": RunTrial(run_inline, prepared, partial(traffic_source, generated)),
        "inline_looped": RunTrial(run_inline, prepared, partial(Replay, looped, repetitions, prepared.batch_frames)),
    }
    shares: dict[str, list[float]] = {name: [] for name in trials}
    trials = {name: in_processor_time(trial, shares[name]) for name, trial in trials.items()}
    texts = {
        "inline_generated": "run --engine inline on one core, making the frames included",
        "inline_looped": "the same with frames from memory",
    }
    with one_core():
        measured = session.take_turns(trials, 5)
    facts = {name: {"processor_share": statistics.median(of_one)} for name, of_one in shares.items()}
    yield from figures(measured, "frames_per_second", texts, facts=facts)


def _on_ray(session: Session) -> Iterator[tuple[str, Figure]]:
    session.tell("the Ray engine")
    few, many = quick_start(_FRAMES), scenario_of_256()
    trials: dict[str, RunTrial] = {}

    def add(name: str, scenario: Scenario, processors_per_actor: int, transport: TransportName = "ring") -> None:
        prepared = replace(experiment(scenario), batch_frames=DEFAULT_BATCH_FRAMES_ON_RAY)
        repetitions = _REPETITIONS if transport == "ring" else _STORE_REPETITIONS
        source = partial(Replay, scenario, repetitions, prepared.batch_frames)
        run = partial(run_on_ray, transport=transport, processors_per_actor=processors_per_actor)
        trials[name] = RunTrial(run, prepared, source)

    inline = "inline_looped_beside_ray"
    prepared = experiment(few)
    source = partial(Replay, few, _REPETITIONS // 2, prepared.batch_frames)
    trials[inline] = RunTrial(run_inline, prepared, source)
    add("ray_8_actors", few, 1)
    add("ray_2_actors", few, 4)
    add("ray_1_actor", few, 8)
    add("ray_256_processors_2_actors", many, 128)
    add("ray_object_store", few, 4, "object-store")
    texts = {
        inline: "the inline engine in the rounds of the Ray engine, frames from memory",
        "ray_8_actors": "run --engine ray, frames from memory, an actor for each of 8 processors",
        "ray_2_actors": "the same with --processors-per-actor 4",
        "ray_1_actor": "the same with --processors-per-actor 8: on two cores, one process next to that of the NIC",
        "ray_256_processors_2_actors": "256 processors with --processors-per-actor 128",
        "ray_object_store": "2 actors that get batches through Ray's object store",
    }
    references = {name: [inline] for name in trials if name != inline}
    references["ray_256_processors_2_actors"].append("ray_2_actors")
    apart: dict[str, list[float]] = {name: [] for name in trials}
    turns = {name: trial if name == inline else _with_cores(trial, apart[name]) for name, trial in trials.items()}
    with ray_session(None, actors=10):
        measured = session.take_turns(turns, 5, warm_up=False)
    facts = {
        name: {"startup_seconds": statistics.median(trial.startup_seconds)}
        | ({"between_cores_seconds": statistics.median(apart[name])} if apart[name] else {})
        for name, trial in trials.items()
        if name != inline
    }
    yield from figures(measured, "frames_per_second", texts, references, facts)


def _with_cores(trial: Trial, apart: list[float]) -> Trial:
    """The same trial; before it runs, it appends the distance between the cores to `apart`."""

    def trial_with_cores() -> float:
        seconds = seconds_between_cores()
        if seconds is not None:
            apart.append(seconds)
        return trial()

    return trial_with_cores


def scenario_of_256(packets: int = _FRAMES) -> Scenario:
    """Sixteen VPorts with sixteen processors each."""
    vports = "".join(
        f"""
[[vport]]
id = {number}
num_queue_pairs = 16
processor_affinity = {_processors(number)}
  [[vport.filter]]
  mac = "00:15:5d:01:02:{number:02x}"
  [vport.rss]
  indirection_table = {_processors(number)}
  num_indirection_table_entries = 128
"""
        for number in range(1, 17)
    )
    return load_scenario(_MANY.format(vports=vports, packets=packets), name="processors-256")


def _processors(vport: int) -> list[str]:
    """The sixteen processors of a VPort, all in one group of 64 (VPT-12)."""
    first = 16 * (vport - 1)
    return [f"{number // 64}:{number % 64}" for number in range(first, first + 16)]
