"""Small experiments from a seed, the results of two engines compared, and a host run by threads instead of actors."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from actors.nic import CopiedRows, NicActor, NicPlan, NicReport
from actors.processor import ProcessorActor
from dataplane.engine.experiment import CompleteRows, Experiment, RunResult
from dataplane.engine.plan import plan_hosts
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.processor.costs import CostModel
from dataplane.processor.flows import FlowItems
from dataplane.processor.processor import ProcessorReport
from dataplane.receive.work import WORK_DTYPES
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    RssState,
    VPort,
)
from dataplane.traffic.batch import FrameBatch
from tests.batches import FramesInMemory, batch_of

_ADDRESS = 0x0015_5D01_0200
_FLOWS = 40
_HASH_TYPES = HashType.IPV4 | HashType.TCP_IPV4


def small_experiment(seed: int, processors: int, batch_frames: int) -> Experiment:
    """A switch with three VPorts, two of them with RSS, and processors so slow that they sometimes drop frames."""
    random = np.random.default_rng(seed)
    numbers = tuple(ProcessorNumber(0, number) for number in range(processors))

    def rss() -> RssState:
        table = tuple(numbers[i] for i in random.integers(0, processors, 16))
        return RssState(True, _HASH_TYPES, random.bytes(40), table, numbers[0])

    configuration = AdapterConfiguration(
        Mode.SWITCH,
        NdisVersion(6, 80),
        numbers,
        numbers[0],
        _ADDRESS,
        packet_filter=PacketFilter(PacketFilter.DIRECTED if seed % 2 else PacketFilter.PROMISCUOUS),
        filters=tuple(Filter(i, i, (FieldTest(MacField.DESTINATION_ADDRESS, _ADDRESS + i),)) for i in (1, 2)),
        vports=(VPort(0, True, numbers[-1]), VPort(1, True, numbers[0], rss()), VPort(2, True, numbers[0], rss())),
    )
    costs = tuple(
        CostModel(
            dpc_queue_depth=int(random.integers(1, 20)),
            receive_cost_ns=int(random.integers(0, 2000)),
            dpc_overhead_ns=int(random.integers(0, 500)),
            max_nbls_to_indicate=int(random.integers(0, 4)),
        )
        for _ in numbers
    )
    return Experiment(
        compile_snapshot(configuration, 0), costs, False, int(random.integers(1000, 50_000)), batch_frames
    )


class SmallTraffic(FramesInMemory):
    """Frames in memory, from which sources are made."""

    def __init__(self, frames: FrameBatch) -> None:
        super().__init__(frames)
        self.frames = frames


def small_traffic(seed: int, frames: int) -> SmallTraffic:
    """TCP over IPv4 in some flows, some frames without a receiver, and runts and other frames in between."""
    random = np.random.default_rng(seed)
    flows = [
        (_ADDRESS + int(random.integers(0, 4))).to_bytes(6, "big")
        + bytes.fromhex("00155d000099 0800 4500002800004000 40060000")
        + random.bytes(12)
        + bytes.fromhex("00000001 00000000 5010ffff 00000000")
        for _ in range(_FLOWS)
    ]
    flows += [b"\xff" * 6 + random.bytes(60), random.bytes(9), random.bytes(70)]
    drawn = [flows[i] for i in random.integers(0, len(flows), frames)]
    timestamps_ns = random.integers(-(10**12), 10**12) + np.cumsum(random.integers(0, 200, frames))
    source = SmallTraffic(batch_of(drawn, timestamps_ns=[int(timestamp) for timestamp in timestamps_ns]))
    source.timestamp_regressions = seed % 3
    source.findings = ["the last record is cut off"] if seed % 5 == 0 else []
    return source


@dataclass
class KeptRows:
    """A packet sink that keeps every column of every row."""

    columns: dict[str, bytes] = field(default_factory=lambda: dict.fromkeys(WORK_DTYPES, b""))
    frames: int = 0

    def write(self, rows: CompleteRows) -> None:
        """Batches must come in order and without gaps."""
        assert self.frames == rows.first_frame
        count = len(rows.work.drop)
        self.frames += count
        for name, column in rows.work._asdict().items():
            self.columns[name] += column.tobytes()
        ends = [span.end_row for span in rows.spans]
        assert ends[-1] == count
        epochs = np.repeat([span.epoch for span in rows.spans], np.diff(ends, prepend=0))
        self.columns["epoch"] = self.columns.get("epoch", b"") + epochs.tobytes()


def plain(result: RunResult) -> dict[str, Any]:
    """Everything in a result that must not depend on the engine (ENG-01), comparable with `==`."""
    names = ("start_ns", "last_arrival_ns", "arrived", "dropped", "timestamp_regressions", "findings", "interrupted")
    return {name: getattr(result, name) for name in names} | {
        "processors": [_plain_report(report) for report in result.processors],
        "flows": [column.tobytes() for column in result.flows],
    }


def _plain_report(report: ProcessorReport) -> dict[str, Any]:
    arrays = ("by_target", "busy_windows", "entry_windows")
    histogram = report.histogram
    return {
        "counters": report.counters,
        "histogram": (histogram.buckets.tobytes(), histogram.sum_ns, histogram.min_ns, histogram.max_ns),
    } | {name: (getattr(report, name).dtype, getattr(report, name).tobytes()) for name in arrays}


def run_in_threads(
    experiment: Experiment,
    open_source: Callable[[], SmallTraffic],
    sink: KeptRows | None,
    *,
    processors_per_actor: int,
    buffers: int,
    control: Any = None,
) -> RunResult:
    """The actors of a host with their ring and doorbells, in threads of this process: everything but Ray."""
    plans = plan_hosts(experiment, processors_per_actor, rows_wanted=sink is not None)
    host_ends = tuple(plan.end_processor for plan in plans)
    nic = NicActor(
        NicPlan(
            open_source,
            experiment.transmit_by_source,
            host_ends,
            "ring",
            experiment.batch_frames,
            os.getcwd(),
            rows_wanted=sink is not None,
            buffers=buffers,
            ordered=plans[0].ordered,
        )
    )
    actors = [ProcessorActor(plan) for plan in plans]
    with ThreadPoolExecutor(len(actors)) as pool:
        serving = [pool.submit(actor.serve, nic.address()) for actor in actors]
        items = list(nic.run(experiment.snapshot, [], control))
        for call in serving:
            call.result()
    for item in items:
        if isinstance(item, CopiedRows):
            assert sink is not None, "rows come when somebody wants them"
            sink.write(item.complete)
    encoded = items[-1]
    assert isinstance(encoded, bytes)
    report: NicReport = pickle.loads(encoded)
    told, reports = report.result, [actor.report() for actor in actors]
    return RunResult(
        experiment=experiment,
        start_ns=told.start_ns,
        last_arrival_ns=told.last_arrival_ns,
        arrived=told.arrived,
        dropped=told.dropped,
        timestamp_regressions=report.timestamp_regressions,
        findings=report.findings,
        processors=tuple(one for told in reports for one in told.processors),
        flows=FlowItems.merged([told.flows for told in reports]),
        target_ids=told.target_ids,
        target_names=told.target_names,
        updates=told.updates,
        interrupted=report.stopped,
    )


def source_of(seed: int, frames: int) -> partial[SmallTraffic]:
    """A factory of the traffic of `small_traffic` that can be pickled."""
    return partial(small_traffic, seed, frames)


def ignore_progress(frames: int, share: float) -> None:
    """Ignore progress."""
