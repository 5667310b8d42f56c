"""Measures one NIC: set up, warm up, wait for the others, run.

Every NIC of every run has its own new process: only this module warms it up, and its peak memory is that of the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dataplane.commands import update_report
from dataplane.engine.experiment import EngineRunAll, NicRun, RunResult
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.errors import UserError
from dataplane.processor.histogram import LatencyHistogram
from dataplane.results.summary import summarize
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import FrameBatch, TrafficSource
from dataplane.traffic.live import FirstFrames

_WARM_UP_FRAMES = 4_096
_WARM_UP_FLOWS = 1_024  # the tables of many flows are no part of warming up


@dataclass(frozen=True, slots=True)
class NicJob:
    """One NIC to be measured."""

    name: str  # of the scenario
    scenario: str  # its TOML text


class Gate(Protocol):
    """Holds frames back until every NIC of a run is ready; picklable where it has to travel."""

    def wait(self) -> None:
        """Come back when all are there."""
        ...

    def opened_ns(self) -> int:
        """When that was, by the clock of the machine (ns since 1970)."""
        ...


class OpenGate:
    """The gate of a single NIC in this process."""

    def __init__(self) -> None:
        self._opened_ns = 0

    def wait(self) -> None:
        """There is nobody to wait for."""
        self._opened_ns = time.time_ns()

    def opened_ns(self) -> int:
        """When the NIC came."""
        return self._opened_ns


@dataclass(frozen=True, slots=True)
class NicMeasure:
    """What one NIC came to."""

    opened_ns: int  # ns since 1970: when frames began to flow
    ended_ns: int  # when all was served and counted
    set_up_seconds: float  # from the TOML text to an adapter that is set up and traffic that is ready
    startup_seconds: float  # starting and stopping actors
    source_seconds: float | None  # making or reading frames, where that does not run beside the rest
    cpu_seconds: float | None  # of this process from the first frame on, where it does all the work
    peak_memory_bytes: int | None  # of this process, likewise
    processors: int
    processor_actors: int  # 0: all in this process
    attempts: int  # more than 1: something died in between, and the time is none
    seed: int
    batch_frames: int
    frames: int
    completed: int
    dropped: int
    reordered: int
    items: tuple[int, ...]  # served by each processor
    latency: LatencyHistogram  # of all processors
    findings: tuple[str, ...]  # what was wrong with the input or the run, one line each
    results_digest: str  # equal where summaries are equal
    host: str
    cpu_model: str
    cores: int  # that this process may use
    load_average: float  # of the machine over the last minute, before the run


def measure_nic(job: NicJob, gate: Gate) -> NicMeasure:
    """Run the NIC in this process and measure it; its frames begin when the gate opens.

    Raises what loading and running the scenario raise.
    """
    load_average = os.getloadavg()[0]
    began = time.perf_counter()
    scenario = load_scenario(job.scenario, name=job.name)
    prepared = experiment(scenario)
    set_up_seconds = time.perf_counter() - began
    run_inline(prepared, partial(_warm_up_source, scenario), None, _ignore_progress)
    began = time.perf_counter()
    source = GatedSource(traffic_source(scenario), gate)
    set_up_seconds += time.perf_counter() - began
    cpu_began = time.process_time()
    result = run_inline(prepared, partial(_given, source), None, _ignore_progress)
    cpu_seconds, ended_ns = time.process_time() - cpu_began, time.time_ns()
    if result.interrupted:
        raise KeyboardInterrupt
    return NicMeasure(
        opened_ns=gate.opened_ns(),
        ended_ns=ended_ns,
        set_up_seconds=set_up_seconds,
        startup_seconds=0.0,
        source_seconds=source.seconds,
        cpu_seconds=cpu_seconds,
        peak_memory_bytes=_peak_memory_bytes(),
        load_average=load_average,
        **_outcome(result, scenario),
        **this_machine()._asdict(),
    )


def measure_side_by_side(jobs: Sequence[NicJob], run_all: EngineRunAll, where: Sequence[Machine]) -> list[NicMeasure]:
    """Run NICs at the same time on an engine with processes of its own, and measure each.

    `where` are the machines, in the order of the NICs as far as there are any, then from the first again. Raises what
    loading and running the scenarios raise.
    """
    load_average = os.getloadavg()[0]
    runs, scenarios, set_up_seconds = [], [], []
    for job in jobs:
        began = time.perf_counter()
        scenario = load_scenario(job.scenario, name=job.name)
        runs.append(NicRun(experiment(scenario), partial(traffic_source, scenario)))
        scenarios.append(scenario)
        set_up_seconds.append(time.perf_counter() - began)
    done = run_all(runs, _ignore_progress)
    ended_ns = time.time_ns()
    if any(result.interrupted for result in done.results):
        raise KeyboardInterrupt
    return [
        NicMeasure(
            opened_ns=ended_ns - round(1e9 * done.working_seconds),
            ended_ns=ended_ns,
            set_up_seconds=seconds,
            startup_seconds=result.startup_seconds,
            source_seconds=None,
            cpu_seconds=None,
            peak_memory_bytes=None,
            load_average=load_average,
            **_outcome(result, scenario),
            **where[number % len(where)]._asdict(),
        )
        for number, (result, scenario, seconds) in enumerate(zip(done.results, scenarios, set_up_seconds, strict=True))
    ]


def _given(source: TrafficSource) -> TrafficSource:
    return source


def _outcome(result: RunResult, scenario: Scenario) -> dict[str, Any]:
    """What the model says, as keys of `NicMeasure`."""
    summary = summarize(result, update_report(result), scenario=scenario.name, seed=scenario.run.seed)
    failed = [f"check {name} failed" for name, held in summary["checks"].items() if not held]
    text = json.dumps(summary, sort_keys=True)
    return {
        "seed": summary["seed"],
        "processors": len(result.processors),
        "processor_actors": int(result.engine_facts.get("processor_actors", 0)),
        "attempts": int(result.engine_facts.get("attempts", 1)),
        "batch_frames": result.experiment.batch_frames,
        "frames": summary["arrived"],
        "completed": summary["completed"],
        "dropped": sum(summary["dropped"].values()),
        "reordered": summary["order"]["reordered"],
        "items": tuple(row["received"] + row["completions"] for row in summary["processors"]),
        "latency": LatencyHistogram.merged(one.histogram for one in result.processors),
        "findings": (*summary["findings"], *failed),
        "results_digest": hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
    }


def _warm_up_source(scenario: Scenario) -> TrafficSource:
    """A few frames of the same kind: they load the kernels and touch the memory of a batch."""
    traffic = scenario.traffic
    assert traffic is not None, "an experiment has traffic"
    if traffic.capture is None and (traffic.flows or 0) > _WARM_UP_FLOWS:
        traffic = traffic.model_copy(update={"flows": _WARM_UP_FLOWS})
    return FirstFrames(traffic_source(scenario.model_copy(update={"traffic": traffic})), _WARM_UP_FRAMES)


class GatedSource:
    """Another source, whose first frame waits at a gate, and the time that it takes from there on."""

    def __init__(self, source: TrafficSource, gate: Gate) -> None:
        self.expected_frames = source.expected_frames
        self.findings = source.findings
        self.timestamp_regressions = source.timestamp_regressions
        self.seconds = 0.0  # making or reading frames
        self._source, self._gate = source, gate

    def progress(self) -> float:
        """As of the other source."""
        return self._source.progress()

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """The batches of the other source, once the gate is open."""
        batches = self._source.batches(batch_frames)
        self._gate.wait()
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - began
            self.timestamp_regressions = self._source.timestamp_regressions
            if batch is None:
                return
            yield batch


class Machine(NamedTuple):
    """What a process runs on."""

    host: str
    cpu_model: str
    cores: int  # that the process may use


def this_machine() -> Machine:
    """That of this process."""
    return Machine(platform.node(), _cpu_model(), len(os.sched_getaffinity(0)))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _peak_memory_bytes() -> int | None:
    """The largest resident size that this program had; None where Linux does not say it.

    Not `ru_maxrss`: that begins with what the process was before it became this program.
    """
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _ignore_progress(frames: int, share: float) -> None: ...


def described(error: BaseException) -> str:
    """An error of a run as one line."""
    text = "; ".join(str(error).splitlines())
    if isinstance(error, UserError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
