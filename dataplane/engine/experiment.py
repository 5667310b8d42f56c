"""What a run is given and what it gives back, for every engine."""

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

if TYPE_CHECKING:  # an actor that has no use for the control plane need not load it
    from dataplane.control import AdapterSpecification, OidRequest
    from dataplane.update.schedule import ScheduledRequest

HandOver = Literal["permissive", "ordered"]

#: Frames in a batch unless the scenario says otherwise: many enough that calling a kernel costs little for each, and so
#: few that what steering has written is still in the second-level cache when the processors read it.
DEFAULT_BATCH_FRAMES = 16_384
#: The same where NIC and processors are processes: waking them then costs little for each frame.
DEFAULT_BATCH_FRAMES_ON_RAY = 65_536


@dataclass(frozen=True, slots=True)
class AdapterSetUp:
    """How the configuration of an experiment came about: feed the requests to a control plane and it stands there."""

    specification: AdapterSpecification
    requests: tuple[OidRequest, ...]


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What changes while traffic flows; picklable, and a new `ControlTimeline` can be made of it for every attempt."""

    schedule: tuple[ScheduledRequest, ...] = ()
    policy: PolicyPlan | None = None
    tick_ns: int = DEFAULT_TICK_NS
    control_latency_ns: int = 0
    cut: bool = False  # the traffic ends where a user ended it: what it does not come to is no finding


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
    set_up: AdapterSetUp | None = None  # None: the configuration of the snapshot is all there is
    hand_over: HandOver = "permissive"  # EPO-06, EPO-07
    updates: UpdatePlan | None = None  # None: nothing changes, and processors remember nothing for it


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run knows; `results` turns it into summary and tables."""

    experiment: Experiment
    start_ns: int  # first arrival; 0 when nothing arrived
    last_arrival_ns: int
    arrived: int
    dropped: dict[str, int]  # before any processor, by reason
    timestamp_regressions: int
    findings: tuple[str, ...]  # what was wrong with the input, one line each
    processors: tuple[ProcessorReport, ...]  # by row of `snapshot.processors`
    flows: FlowItems  # that processors accepted
    target_ids: tuple[int, ...]  # VPort or queue ids by target row, those that came later included
    target_names: tuple[str, ...]
    updates: tuple[UpdateRecord, ...] = ()  # that were adopted
    requests: tuple[RequestRecord, ...] = ()  # that were made while traffic flowed
    interrupted: bool = False  # ended early by the user: what was processed is whole
    control_seconds: float = 0.0  # deciding requests and asking the policy, where that does not run beside the traffic
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
    """What several NICs have come to."""

    results: tuple[RunResult, ...]  # in the order of the runs; after an interrupt those that had begun
    seconds: tuple[float, ...]  # that each took, its `startup_seconds` included
    working_seconds: float  # from the moment at which the first was let begin to the last result


#: Runs NICs that have nothing to do with each other; told frames of all and their mean share.
EngineRunAll = Callable[[Sequence[NicRun], Progress], SideBySide]
