"""The input and the result of a run, for every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from dataplane.processor.costs import CostModel
from dataplane.processor.flows import FlowItems
from dataplane.processor.processor import ProcessorReport
from dataplane.receive.work import WorkColumns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import TrafficSource
from dataplane.update.policy import DEFAULT_TICK_NS
from dataplane.update.records import RequestRecord, UpdateRecord

if TYPE_CHECKING:  # an actor that does not use the control plane need not load it
    from dataplane.control import AdapterSpecification, OidRequest
    from dataplane.update.schedule import ScheduledRequest

HandOver = Literal["permissive", "ordered"]

#: Frames in a batch unless the scenario says otherwise: so many that a kernel call costs little per frame, and so few
#: that the rows written by steering are still in the second-level cache when the processors read them.
DEFAULT_BATCH_FRAMES = 16_384
#: The same if NIC and processors are processes: so many that waking a process costs little per frame.
DEFAULT_BATCH_FRAMES_ON_RAY = 65_536


@dataclass(frozen=True, slots=True)
class AdapterSetUp:
    """The origin of an experiment's configuration: a control plane that carries out the requests has it."""

    specification: AdapterSpecification
    requests: tuple[OidRequest, ...]


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What changes while traffic flows; picklable, so that every attempt can build a new `ControlTimeline` from it."""

    schedule: tuple[ScheduledRequest, ...] = ()
    policy: PolicyPlan | None = None
    tick_ns: int = DEFAULT_TICK_NS
    control_latency_ns: int = 0
    cut: bool = False  # a user ended the traffic: events that it does not reach are no finding


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """A policy by name, as `update.policies.make_policy` takes it."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked, compiled experiment."""

    snapshot: SteeringSnapshot
    costs: tuple[CostModel, ...]  # by row of `snapshot.processors`
    transmit_by_source: bool
    window_ns: int
    batch_frames: int = DEFAULT_BATCH_FRAMES
    set_up: AdapterSetUp | None = None  # None: there is only the configuration of the snapshot
    hand_over: HandOver = "permissive"  # EPO-06, EPO-07
    updates: UpdatePlan | None = None  # None: nothing changes, and processors keep no records about updates


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a finished run; `results` turns it into summary and tables."""

    experiment: Experiment
    start_ns: int  # first arrival; 0 when nothing arrived
    last_arrival_ns: int
    arrived: int
    dropped: dict[str, int]  # before any processor, by reason
    timestamp_regressions: int
    findings: tuple[str, ...]  # what was wrong with the input, one line each
    processors: tuple[ProcessorReport, ...]  # by row of `snapshot.processors`
    flows: FlowItems  # that processors accepted
    target_ids: tuple[int, ...]  # VPort or queue ids by target row, including those created under traffic
    target_names: tuple[str, ...]
    updates: tuple[UpdateRecord, ...] = ()  # that were adopted
    requests: tuple[RequestRecord, ...] = ()  # that were made while traffic flowed
    interrupted: bool = False  # ended early by the user: the processed part is complete
    control_seconds: float = 0.0  # deciding requests and asking the policy, unless that runs parallel to the traffic
    remarks: tuple[str, ...] = ()  # what a clock showed; no result depends on it
    startup_seconds: float = 0.0  # before the first frame: opening the source, loading kernels, starting actors
    engine_facts: Mapping[str, Any] = field(default_factory=dict)  # for the `wall` section: engine, actors, transport


class EpochSpan(NamedTuple):
    """Rows of a batch that one snapshot has steered."""

    end_row: int
    epoch: int
    target_ids: Sequence[int]  # by target row


class CompleteRows(NamedTuple):
    """Rows of a batch with their completions."""

    first_frame: int  # number of row 0
    work: WorkColumns
    spans: tuple[EpochSpan, ...]  # ascending


class PacketSink(Protocol):
    """Takes every batch once its rows are complete, in order."""

    def write(self, rows: CompleteRows) -> None:
        """Keep the rows of one batch; they are overwritten afterwards."""


#: Called after every batch with (frames so far, share of the input consumed).
Progress = Callable[[int, float], None]

#: Opens the traffic; picklable, and callable again when a run has to be repeated.
SourceFactory = Callable[[], TrafficSource]

EngineRun = Callable[[Experiment, SourceFactory, PacketSink | None, Progress], RunResult]


@dataclass(frozen=True, slots=True)
class NicRun:
    """A NIC with traffic of its own, to be run beside others."""

    experiment: Experiment
    open_source: SourceFactory
    sink: PacketSink | None = None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The results of several NICs."""

    results: tuple[RunResult, ...]  # in the order of the runs; after an interrupt those that had begun
    seconds: tuple[float, ...]  # of each run, its `startup_seconds` included
    working_seconds: float  # from the start of the first run to the last result


#: Runs NICs that do not affect each other; its progress function gets the frames of all NICs and their mean share.
EngineRunAll = Callable[[Sequence[NicRun], Progress], SideBySide]
