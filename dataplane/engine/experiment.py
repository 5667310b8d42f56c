"""What a run is given and what it gives back, for every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dataplane.control import AdapterSpecification, OidRequest
from dataplane.processor.costs import CostModel
from dataplane.processor.processor import ProcessorReport
from dataplane.receive.work import WorkColumns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch, TrafficSource

#: Frames in a batch unless the scenario says otherwise: the columns of a batch fit the second-level cache.
DEFAULT_BATCH_FRAMES = 16_384


@dataclass(frozen=True, slots=True)
class AdapterSetUp:
    """How the configuration of an experiment came about: feed the requests to a control plane and it stands there."""

    specification: AdapterSpecification
    requests: tuple[OidRequest, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked, compiled experiment."""

    snapshot: SteeringSnapshot
    costs: tuple[CostModel, ...]  # by row of `snapshot.processors`
    transmit_by_source: bool
    window_ns: int
    batch_frames: int = DEFAULT_BATCH_FRAMES
    set_up: AdapterSetUp | None = None  # None: the configuration of the snapshot is all there is


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run knows; `results` turns it into summary and tables."""

    experiment: Experiment
    start_ns: int  # first arrival; 0 when nothing arrived
    arrived: int
    dropped: dict[str, int]  # before any processor, by reason
    timestamp_regressions: int
    findings: tuple[str, ...]  # what was wrong with the input, one line each
    processors: tuple[ProcessorReport, ...]  # by row of `snapshot.processors`
    interrupted: bool = False  # ended early by the user: what was processed is whole
    startup_seconds: float = 0.0  # before the first frame: starting actors
    engine_facts: Mapping[str, Any] = field(default_factory=dict)  # for the `wall` section: engine, actors, transport


class PacketSink(Protocol):
    """Takes every batch once its rows are complete, in order."""

    def write(self, batch: FrameBatch, work: WorkColumns) -> None:
        """Keep the rows of one batch."""


#: Called after every batch with (frames so far, share of the input consumed).
Progress = Callable[[int, float], None]

#: Opens the traffic; picklable, and callable again when a run has to be repeated.
SourceFactory = Callable[[], TrafficSource]

EngineRun = Callable[[Experiment, SourceFactory, PacketSink | None, Progress], RunResult]
