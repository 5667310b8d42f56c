"""The `inline` engine: source, NIC and processors, one after the other in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from dataplane.engine.control import ControlOutcome, run_control
from dataplane.engine.experiment import (
    Experiment,
    NicRun,
    PacketSink,
    Progress,
    RunResult,
    SideBySide,
    SourceFactory,
)
from dataplane.engine.interrupts import interrupt_shield
from dataplane.engine.loading import load_processor_kernels, load_steering_kernels
from dataplane.engine.nic import Nic
from dataplane.engine.plan import plan_host
from dataplane.engine.transport import LocalTransport


def run_inline(
    experiment: Experiment,
    open_source: SourceFactory,
    sink: PacketSink | None,
    progress: Progress,
    *,
    threads: int = 1,
) -> RunResult:
    """Run an experiment to its end, or until the user's Ctrl-C: then the frames taken so far are finished and reported.

    Raises KeyboardInterrupt if the user presses Ctrl-C again before the current batch has ended.

    `threads` steer each batch together; results are the same.
    """
    control = run_control(experiment)
    started = time.perf_counter()
    source = open_source()
    load_steering_kernels(experiment.snapshot)
    plan = plan_host(experiment, 0, 0, len(experiment.costs), rows_wanted=sink is not None)
    load_processor_kernels(plan)
    startup_seconds = time.perf_counter() - started
    transport = LocalTransport(plan, experiment.batch_frames)
    nic = Nic(
        experiment.snapshot,
        transport,
        control,
        sink.write if sink is not None else None,
        transmit_by_source=experiment.transmit_by_source,
        ordered=plan.ordered,
        threads=threads,
    )
    interrupted = False
    with interrupt_shield() as shield:
        try:
            for batch in source.batches(experiment.batch_frames):
                with shield:
                    nic.take(batch)
                progress(nic.arrived, source.progress())
        except KeyboardInterrupt:
            if shield.torn:
                raise
            interrupted = True
    nic.finish()
    told = nic.result()
    outcome = ControlOutcome()
    if control is not None:
        outcome = control.outcome(told.last_arrival_or_none_ns, interrupted=interrupted)
    result = told.run_result(
        experiment,
        [transport.report()],
        outcome,
        timestamp_regressions=source.timestamp_regressions,
        findings=source.findings,
        interrupted=interrupted,
    )
    return replace(
        result,
        control_seconds=outcome.seconds,
        startup_seconds=startup_seconds,
        engine_facts={"engine": "inline", "nic_threads": threads},
    )


def run_one_after_other(runs: Sequence[NicRun], progress: Progress, *, threads: int = 1) -> SideBySide:
    """Run several NICs in this process, each to its end before the next one begins; Ctrl-C ends them all."""
    results: list[RunResult] = []
    seconds: list[float] = []
    for run in runs:
        frames, number = sum(result.arrived for result in results), len(results)

        def tell(more: int, share: float, frames: int = frames, number: int = number) -> None:
            progress(frames + more, (number + share) / len(runs))

        started = time.perf_counter()
        results.append(run_inline(run.experiment, run.open_source, run.sink, tell, threads=threads))
        seconds.append(time.perf_counter() - started)
        if results[-1].interrupted:
            break
    working = sum(seconds) - sum(result.startup_seconds for result in results)
    return SideBySide(tuple(results), tuple(seconds), working)
