"""What the commands of the command line do, without a terminal: each takes plain values and returns plain values.

The commands about single frames are in `frame_commands`, which does not import what only a run needs.
"""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from inspect import getdoc
from pathlib import Path
from typing import Any, BinaryIO

from dataplane.control.journal import JOURNAL_NAME, write_journal
from dataplane.engine.experiment import (
    DEFAULT_BATCH_FRAMES,
    EngineRun,
    EngineRunAll,
    Experiment,
    HandOver,
    NicRun,
    Progress,
    RunResult,
    UpdatePlan,
)
from dataplane.engine.inline import run_inline, run_one_after_other
from dataplane.engine.interrupts import last_steps
from dataplane.engine.prepare import experiment
from dataplane.errors import UserError, each
from dataplane.ids import NdisVersion
from dataplane.ndis.codec import Failure
from dataplane.ndis.describe import Row, buffer_to_json, describe, json_to_buffer
from dataplane.ndis.values import MalformedValue
from dataplane.oracle import run_script
from dataplane.oracle.lines import parse_object
from dataplane.oracle.oid_step import OidStep, render_completion
from dataplane.results.adapter import adapter_document
from dataplane.results.aside import check_ending, directory_name, free_name, written_aside
from dataplane.results.comparison import FORMATS, Comparison, PolicyRun, measure_run, write_comparison
from dataplane.results.replay import PastRun, read_past_run
from dataplane.results.run_directory import PacketsParquet, write_results, write_whole
from dataplane.results.several import summarize_several
from dataplane.results.summary import summarize
from dataplane.results.tables import target_key
from dataplane.scenario.adapters import SeveralNics
from dataplane.scenario.live import check_endless, first_frames
from dataplane.scenario.load import load_nics, load_scenario
from dataplane.scenario.model import Policy, Scenario
from dataplane.scenario.resolve import resolved_nics_toml, resolved_toml
from dataplane.scenario.set_up import set_up
from dataplane.scenario.source import traffic_source
from dataplane.scenario.variants import parse_policy, policy_label, repeated_scenario, with_policy
from dataplane.traffic.batch import TrafficSource
from dataplane.update.certificates import UpdateReport, certify, request_document
from dataplane.update.policies import POLICIES
from dataplane.update.records import RequestRecord

QUICK_START = "quick-start.toml"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked of `vmmq run`."""

    scenario: Path | None  # None: the packaged quick start
    capture: str | None  # instead of the scenario's traffic
    out: Path | None  # None: the next free name below runs/
    overwrite: bool
    seed: int | None  # instead of the scenario's
    replay: Path | None = None  # a run directory to be repeated, instead of all but `out` and `overwrite`
    adapter: str | None = None  # of several NICs only this one


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs an experiment."""

    run: EngineRun
    run_all: EngineRunAll
    batch_frames: int  # unless the scenario says otherwise
    reads_standard_input: bool


def inline_engine(threads: int = 1) -> Engine:
    """Everything in this process; so many threads steer each batch together."""
    run, run_all = partial(run_inline, threads=threads), partial(run_one_after_other, threads=threads)
    return Engine(run, run_all, DEFAULT_BATCH_FRAMES, reads_standard_input=True)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The outcome of a run."""

    directory: Path
    summary: dict[str, Any]  # the content of summary.json
    updates: UpdateReport
    difference: str | None = None  # of a repeated run: the first key of the summary that is not as it was


@dataclass(frozen=True, slots=True)
class SeveralOutcome:
    """The outcome of a run of several NICs."""

    directory: Path
    summary: dict[str, Any]  # the content of summary.json
    nics: tuple[RunOutcome, ...]


def run_scenario(options: RunOptions, engine: Engine, progress: Progress) -> RunOutcome | SeveralOutcome:
    """Run a scenario, or repeat the run of a run directory, and write a run directory.

    A scenario with several NICs runs all of them, unless the options name one.
    """
    if options.replay is not None:
        past = read_past_run(options.replay)
        return _run_one(load_scenario(past.scenario, runs=True), options, engine, progress, past)
    loaded = _load(options)
    if isinstance(loaded, SeveralNics):
        return _run_several(loaded, options, engine, progress)
    return _run_one(loaded, options, engine, progress)


def _run_one(
    scenario: Scenario, options: RunOptions, engine: Engine, progress: Progress, past: PastRun | None = None
) -> RunOutcome:
    prepared = _prepared(scenario, engine)
    open_source: Callable[[], TrafficSource] = partial(traffic_source, scenario)
    journal: bytes | None = None  # None: that of the set-up
    if past:
        if past.endless and prepared.set_up is not None:
            journal = past.journal(prepared.set_up.specification)
        prepared = _repeated(prepared, past, scenario)
        if past.cut:
            open_source = partial(first_frames, scenario, past.frames, endless=past.endless)
    where = options.out or free_name(Path("runs"), directory_name(scenario.name))
    with (
        last_steps() as only_results_are_left,
        written_aside(where, overwrite=options.overwrite, directory=True) as directory,
        ExitStack() as sinks,
    ):
        directory.mkdir()
        sink = packets_sink(directory, scenario, prepared, sinks)
        started = time.perf_counter()
        result = engine.run(prepared, open_source, sink, progress)
        seconds = time.perf_counter() - started
        if not result.interrupted:
            only_results_are_left()
        sinks.close()
        wall: dict[str, Any] = {}
        if past:
            if not result.interrupted:
                result = replace(result, interrupted=bool(past.summary["interrupted"]))
            wall = {"replay_of": str(past.directory)} | ({"pace": past.summary["wall"]["pace"]} if past.endless else {})
        if journal is None:
            _write_journal(directory, prepared)
        else:
            (directory / JOURNAL_NAME).write_bytes(journal)
        outcome = write_run(directory, where, scenario, result, seconds, wall)
    return replace(outcome, difference=past.difference(outcome.summary)) if past else outcome


def _run_several(several: SeveralNics, options: RunOptions, engine: Engine, progress: Progress) -> SeveralOutcome:
    """Run all NICs of a scenario; each gets a directory as a run of it alone writes it."""
    prepared = _prepare_all(several, engine)
    where = options.out or free_name(Path("runs"), directory_name(several.name))
    with (
        last_steps() as only_results_are_left,
        written_aside(where, overwrite=options.overwrite, directory=True) as directory,
        ExitStack() as sinks,
    ):
        runs = []
        for nic, one in zip(several.nics, prepared, strict=True):
            (directory / nic.name).mkdir(parents=True)
            runs.append(NicRun(one, partial(traffic_source, nic), packets_sink(directory / nic.name, nic, one, sinks)))
        started = time.perf_counter()
        done = engine.run_all(runs, progress)
        seconds = time.perf_counter() - started
        if not any(result.interrupted for result in done.results):
            only_results_are_left()
        sinks.close()
        outcomes = []
        for nic, one, result, took in zip(several.nics, prepared, done.results, done.seconds, strict=False):
            _write_journal(directory / nic.name, one)
            outcomes.append(write_run(directory / nic.name, where / nic.name, nic, result, took, {}))
        for nic in several.nics[len(outcomes) :]:
            shutil.rmtree(directory / nic.name)  # interrupted before it began
        summary = summarize_several(
            several.name,
            several.seed,
            [one.summary for one in outcomes],
            interrupted=any(result.interrupted for result in done.results),
        )
        working = max(done.working_seconds - sum(result.control_seconds for result in done.results), 1e-9)
        summary["wall"] = {
            "seconds": round(seconds, 3),
            "startup_seconds": round(seconds - done.working_seconds, 3),
            "frames_per_second": round(summary["arrived"] / working),
            "engine": done.results[0].engine_facts["engine"],
            "adapters": {
                one.summary["scenario"]: {k: v for k, v in one.summary["wall"].items() if k != "versions"}
                for one in outcomes
            },
            "versions": _versions(),
        }
        write_whole(directory, summary, resolved_nics_toml(several))
    return SeveralOutcome(where, summary, tuple(outcomes))


def packets_sink(directory: Path, scenario: Scenario, prepared: Experiment, sinks: ExitStack) -> PacketsParquet | None:
    """Where the rows of a run go, if somebody wants them; `sinks` closes it."""
    return sinks.enter_context(PacketsParquet(directory, prepared.snapshot)) if scenario.run.per_packet else None


def _prepared(scenario: Scenario, engine: Engine) -> Experiment:
    """The experiment of a scenario; UserError for what cannot be run, or not by this engine."""
    prepared = experiment(scenario, default_batch_frames=engine.batch_frames)
    if not engine.reads_standard_input and scenario.traffic is not None and scenario.traffic.capture == "-":
        raise UserError("this engine's source runs in another process and has no standard input: use --engine inline")
    return prepared


def _prepare_all(several: SeveralNics, engine: Engine) -> list[Experiment]:
    """The experiments of all NICs; UserError with a line for each that cannot be run."""
    prepared, wrong = [], []
    for nic in several.nics:
        try:
            prepared.append(_prepared(nic, engine))
        except UserError as error:
            wrong.append(f"{nic.name}: {error}")
    readers = [nic.name for nic in several.nics if nic.traffic is not None and nic.traffic.capture == "-"]
    if len(readers) > 1:
        wrong.append(f"{' and '.join(readers)} read standard input, which only one can: save the captures to files")
    if wrong:
        raise UserError("\n".join(wrong))
    return prepared


def _write_journal(directory: Path, prepared: Experiment) -> None:
    if (adapter := prepared.set_up) is not None:
        write_journal(directory / JOURNAL_NAME, adapter.specification, adapter.requests)


def write_run(
    directory: Path, where: Path, scenario: Scenario, result: RunResult, seconds: float, wall: Mapping[str, Any]
) -> RunOutcome:
    """Fill the directory of a run, except packets and journal; `where` is its final name.

    `seconds` is the time that the run took; `wall` has further members for the summary's section of that name.
    """
    report = update_report(result)
    summary = summarize(result, report, scenario=scenario.name, seed=scenario.run.seed)
    working = max(seconds - result.startup_seconds - result.control_seconds, 1e-9)
    summary["wall"] = {
        "seconds": round(seconds, 3),
        "startup_seconds": round(result.startup_seconds, 3),
        "frames_per_second": round(result.arrived / working),
        "batch_packets": result.experiment.batch_frames,
        "control_seconds": round(result.control_seconds, 3),
        "remarks": list(result.remarks),
        **result.engine_facts,
        **wall,
        "versions": _versions(),
    }
    write_results(directory, result, report, summary, resolved_toml(scenario))
    return RunOutcome(where, summary, report)


def answer_document(
    record: RequestRecord, start_ns: int, epoch: int | None, adopted_at_ns: int | None
) -> dict[str, Any]:
    """The outcome of a request to a running dataplane: the oracle's form of the answer, and the resulting epoch."""
    request, completion = record.request, record.completion
    document = request_document(record, start_ns) | {
        "kind": None if request is None else request.kind.name.lower(),
        "processor": None if request is None else str(request.processor),
        "succeeded": completion is not None and completion.accepted,
        "epoch": epoch,
        "adopted_at_ns": None if adopted_at_ns is None else adopted_at_ns - start_ns,
        "out": None,
    }
    if request is not None and completion is not None:
        document |= render_completion(OidStep(request, None, wants_hex=False), completion)
    return document


def live_experiment(path: Path, default_batch_frames: int, adapter: str | None = None) -> tuple[Scenario, Experiment]:
    """A scenario whose traffic has no end, and its experiment, which takes requests while it runs."""
    scenario = load_scenario(path, adapter=adapter, runs=True)
    check_endless(scenario)
    prepared = experiment(scenario, default_batch_frames=default_batch_frames)
    return scenario, replace(prepared, updates=prepared.updates or _no_updates(scenario))


def _repeated(prepared: Experiment, past: PastRun, scenario: Scenario) -> Experiment:
    """The experiment of a run directory: the schedule, with the requests of clients added."""
    updates = prepared.updates or (_no_updates(scenario) if past.endless else None)
    if updates is not None:
        schedule = (*updates.schedule, *past.client_requests(updates.control_latency_ns))
        updates = replace(updates, schedule=schedule, cut=bool(past.summary["interrupted"]))
    return replace(prepared, batch_frames=past.batch_frames, updates=updates)


def _no_updates(scenario: Scenario) -> UpdatePlan:
    return UpdatePlan(tick_ns=scenario.policy.tick_ns, control_latency_ns=scenario.update.control_latency_ns)


def update_report(result: RunResult) -> UpdateReport:
    """What a run says about its updates."""
    return certify(
        result.updates,
        result.requests,
        [processor.updates for processor in result.processors],
        processors=result.experiment.snapshot.processors,
        target_ids=result.target_ids,
        target_key=target_key(result),
        hand_over=result.experiment.hand_over,
        start_ns=result.start_ns,
        last_arrival_ns=result.last_arrival_ns,
        arrived=result.arrived,
    )


def _load(options: RunOptions) -> Scenario | SeveralNics:
    source: Path | str = options.scenario or (files("configs") / QUICK_START).read_text("utf-8")
    return load_nics(
        source,
        name=Path(QUICK_START).stem,
        seed=options.seed,
        capture=options.capture,
        adapter=options.adapter,
        runs=True,
    )


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """What the user asked of `vmmq policy compare`."""

    policies: tuple[str, ...]  # as `parse_policy` takes them
    scenario: Path
    seeds: int  # 1 to 30
    seed: int | None = None  # the first one, instead of the scenario's
    hand_over: HandOver | None = None  # instead of the scenario's
    tick_ns: int | None = None  # instead of the scenario's
    output: Path | None = None  # .parquet or .csv
    overwrite: bool = False
    adapter: str | None = None  # which of several NICs


def compare_policies(options: ComparisonOptions, progress: Progress) -> Comparison:
    """Run a scenario under every policy with every seed; after an interrupt, with the finished runs."""
    if options.output is not None:
        check_ending(options.output, FORMATS)
    scenarios = repeated_scenario(options.scenario, seed=options.seed, seeds=options.seeds, adapter=options.adapter)
    first = scenarios[0]
    change = partial(with_policy, hand_over=options.hand_over, tick_ns=options.tick_ns)
    policies: dict[str, Policy] = {}

    def note(text: str) -> None:
        policy = parse_policy(text, own=first.policy)
        if (label := policy_label(policy)) in policies:
            raise UserError(f"policy {text!r} is named twice: there is nothing to compare in that")
        policies[label] = policy
        experiment(change(first, policy))

    each(note, options.policies)  # what is wrong with any of them is told before anything runs
    variants = [(label, change(one, policy)) for one in scenarios for label, policy in policies.items()]
    runs: list[PolicyRun] = []
    slow: dict[str, str] = {}  # by policy, the first of them
    interrupted = False
    with written_aside(options.output, overwrite=options.overwrite) if options.output else nullcontext() as aside:
        try:
            for number, (label, variant) in enumerate(variants):
                frames = sum(run.arrived for run in runs)
                tell = partial(_overall, progress, frames, number, len(variants))
                run, remarks = _policy_run(label, variant, tell)
                runs.append(run)
                if remarks:
                    slow.setdefault(label, remarks[0])
        except KeyboardInterrupt:
            interrupted = True
        if aside is not None:
            write_comparison(aside, runs)
    alike = len(scenarios) < options.seeds
    remarks = ("nothing in the scenario depends on the seed: one run for each policy",) if alike else ()
    return Comparison(first.name, tuple(policies), tuple(runs), (*remarks, *slow.values()), interrupted)


def _policy_run(label: str, scenario: Scenario, progress: Progress) -> tuple[PolicyRun, tuple[str, ...]]:
    """A run, and what a clock showed of it."""
    result = run_inline(experiment(scenario), partial(traffic_source, scenario), None, progress)
    if result.interrupted:
        raise KeyboardInterrupt  # a part of a run cannot be compared with whole ones
    report = update_report(result)
    summary = summarize(result, report, scenario=scenario.name, seed=scenario.run.seed)
    return measure_run(result, report, summary, policy=label, tick_ns=scenario.policy.tick_ns), result.remarks


def _overall(progress: Progress, frames_before: int, number: int, runs: int, frames: int, share: float) -> None:
    """Progress of run `number` of `runs` as that of all of them."""
    progress(frames_before + frames, (number + share) / runs)


def list_policies() -> list[dict[str, str]]:
    """The policies that come with the model: `name`, and `does`, one line about each."""
    return [{"name": name, "does": (getdoc(policy) or "").partition("\n")[0]} for name, policy in POLICIES.items()]


def _versions() -> dict[str, str]:
    names = ("vmmq-dataplane", "numpy", "numba", "pyarrow", "ray")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def show_adapter(config: Path, adapter: str | None = None) -> dict[str, Any]:
    """The adapter of a scenario after everything that the scenario lists has been set up.

    Of several NICs it is the one named `adapter`; without that `name` and in `adapters` all of them.
    """
    loaded = load_nics(config, adapter=adapter)
    if isinstance(loaded, SeveralNics):
        return {
            "name": loaded.name,
            "adapters": [adapter_document(nic.name, set_up(nic).control) for nic in loaded.nics],
        }
    return adapter_document(loaded.name, set_up(loaded).control)


def decode_buffer(name: str, text: str, *, output: bool) -> tuple[list[Row], dict[str, Any]]:
    """Readable rows and the structured form of a buffer; if it is malformed, `status` and `why` instead of the form."""
    try:
        buffer = bytes.fromhex("".join(text.split()).removeprefix("0x"))
    except ValueError:
        raise UserError("the buffer is not hexadecimal digits, two for each byte") from None
    try:
        rows = describe(name, buffer, output=output)
        document = buffer_to_json(name, buffer, output=output)
    except ValueError as error:
        raise UserError(str(error)) from None
    if isinstance(document, Failure):
        return rows, {"status": document.status.name, "bytes_needed": document.bytes_needed, "why": document.why}
    return rows, document


def encode_buffer(name: str, text: str, ndis_version: str, *, output: bool) -> str:
    """The hexadecimal digits of a buffer from its members as JSON."""
    try:
        members = parse_object(text)
    except MalformedValue as error:
        why = str(error).removeprefix("the line is ")
        raise UserError(f'the members are one JSON object, as {{"queue_id": 1}}: {why}') from None
    try:
        return json_to_buffer(name, members, NdisVersion.parse(ndis_version), output=output).hex()
    except ValueError as error:
        raise UserError(str(error)) from None


def answer_script(script: str, write: Callable[[str], object]) -> int:
    """Run a script of the oracle from a file, or from standard input for "-"; its exit status."""
    if script == "-":
        return run_script(_text_lines(sys.stdin.buffer), write)
    with Path(script).open("rb") as file:
        return run_script(_text_lines(file), write)


def answer_script_to_file(script: str, output: Path, *, overwrite: bool) -> int:
    """The same into a file, which exists only when it is complete."""
    with written_aside(output, overwrite=overwrite) as aside, aside.open("w", encoding="utf-8") as file:
        return answer_script(script, file.write)


def _text_lines(file: BinaryIO) -> Iterator[str]:
    """Lines of UTF-8; what is not UTF-8 becomes a malformed line, not the end of the script."""
    for line in file:
        yield line.decode("utf-8", "surrogateescape")
