"""One row for each run, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, get_type_hints

import pyarrow as pa

from dataplane.processor.histogram import LatencyHistogram
from dataplane.results.measures import balance
from dataplane.results.tables import columns_of
from dataplane.scale.measure import NicMeasure
from dataplane.scale.points import EngineName, Point, Run
from dataplane.scale.variants import AXES

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a run came to; the fields are the columns of `runs.parquet`."""

    scenario: str
    axis: str | None  # what of the scenario was changed, None: nothing
    value: int | None
    engine: str
    nics: int
    processors: int  # that one NIC simulates
    batch_frames: int
    processors_per_actor: int | None  # None: inline
    repeat: int
    seed: int  # of the first NIC
    nodes: str  # the machines it ran on, joined by `, `
    cpu_model: str  # likewise
    machine_cores: int  # of those machines together
    workers: int  # processes that carry traffic
    cores: int  # that they can use: the smaller one of both
    load_average: float  # of the busiest machine over the last minute, before the run
    frames: int  # that arrived, all NICs
    completed: int
    dropped: int
    reordered: int
    set_up_seconds: float  # of the slowest NIC: reading the scenario, setting up the adapter, preparing the traffic
    startup_seconds: float  # likewise: starting and stopping actors
    seconds: float  # from the first frame to the last NIC's end
    source_seconds: float | None  # making or reading frames, mean of the NICs; None where that runs beside the rest
    cpu_seconds: float | None  # all NICs; None with actors
    peak_memory_bytes: int | None  # of the largest process; None with actors
    frames_per_second: float  # throughput: frames / seconds
    core_ns_per_frame: float  # cores * seconds / frames
    latency_p50_ns: int  # of all processors together, in model time
    latency_p99_ns: int
    max_over_mean: float | None  # of the items of all processors; None without items
    processors_used: int  # with items, all NICs
    findings: str | None  # what was wrong with the input or the run, joined by `; `
    results_digest: str  # equal where all results are equal


#: Columns behind the fields that follow from all runs together, see `summary.Summary`.
DERIVED = ("efficiency", "call_overhead_ns_per_frame")
SCHEMA = pa.schema(
    [("schema_version", pa.int64()), *columns_of(RunRow), *((name, pa.float64()) for name in DERIVED)],
    metadata={"vmmq.schema_version": str(SCHEMA_VERSION)},
)


def run_row(scenario: str, run: Run, nics: Sequence[NicMeasure]) -> RunRow:
    """The row of a run that came to its end."""
    point, first = run.point, nics[0]
    machines = {nic.host: nic for nic in nics}
    machine_cores = sum(nic.cores for nic in machines.values())
    workers = sum(1 + nic.processor_actors for nic in nics)
    cores = min(workers, machine_cores)
    frames = sum(nic.frames for nic in nics)
    seconds = max(max(nic.ended_ns for nic in nics) - min(nic.opened_ns for nic in nics), 1) / 1e9
    latency = LatencyHistogram.merged(nic.latency for nic in nics)
    items = [count for nic in nics for count in nic.items]
    found = dict.fromkeys(finding for nic in nics for finding in nic.findings)
    return RunRow(
        scenario=scenario,
        axis=point.axis,
        value=point.value,
        engine=point.engine,
        nics=point.nics,
        processors=first.processors,
        batch_frames=first.batch_frames,
        processors_per_actor=point.processors_per_actor,
        repeat=run.repeat,
        seed=first.seed,
        nodes=", ".join(sorted(machines)),
        cpu_model=", ".join(sorted({nic.cpu_model for nic in nics})),
        machine_cores=machine_cores,
        workers=workers,
        cores=cores,
        load_average=max(nic.load_average for nic in nics),
        frames=frames,
        completed=sum(nic.completed for nic in nics),
        dropped=sum(nic.dropped for nic in nics),
        reordered=sum(nic.reordered for nic in nics),
        set_up_seconds=max(nic.set_up_seconds for nic in nics),
        startup_seconds=max(nic.startup_seconds for nic in nics),
        seconds=seconds,
        source_seconds=_over(lambda values: sum(values) / len(values), [nic.source_seconds for nic in nics]),
        cpu_seconds=_over(sum, [nic.cpu_seconds for nic in nics]),
        peak_memory_bytes=_over(max, [nic.peak_memory_bytes for nic in nics]),
        frames_per_second=frames / seconds,
        core_ns_per_frame=1e9 * cores * seconds / frames if frames else 0.0,
        latency_p50_ns=latency.quantile_ns(0.5),
        latency_p99_ns=latency.quantile_ns(0.99),
        max_over_mean=balance(items, 0)["max_over_mean"],
        processors_used=sum(count > 0 for count in items),
        findings="; ".join(found) or None,
        results_digest=blake2b("".join(nic.results_digest for nic in nics).encode(), digest_size=16).hexdigest(),
    )


def _over(combine: Any, values: Sequence[Any]) -> Any:
    return None if None in values else combine(values)


def runs_table(rows: Iterable[RunRow], derived: Mapping[RunRow, Mapping[str, float | None]]) -> pa.Table:
    """One row for each run; `derived` has the columns that follow from all of them, by row."""
    listed = [{"schema_version": SCHEMA_VERSION, **asdict(row), **derived.get(row, {})} for row in rows]
    return pa.Table.from_pylist(listed, schema=SCHEMA)


def row_from_json(document: Any) -> RunRow:
    """The row that `asdict` made a document of; ValueError when it is none."""
    columns = get_type_hints(RunRow)
    if not isinstance(document, dict) or document.keys() != columns.keys():
        raise ValueError("no run of this version of the program")
    if not all(isinstance(document[name], hint) for name, hint in columns.items()):
        raise ValueError("a value of another type than its column")
    if document["axis"] not in (None, *AXES):
        raise ValueError(f"nothing of a scenario is called {document['axis']!r}")
    return RunRow(**document)


def point_of(row: RunRow) -> Point:
    """What was asked for, with the batch that was used."""
    engine: EngineName = "ray" if row.engine == "ray" else "inline"
    return Point(row.axis, row.value, engine, row.nics, row.batch_frames, row.processors_per_actor)
