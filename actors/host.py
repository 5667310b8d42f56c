"""The actors of one simulated host: started together, followed to the end of their traffic, asked for their reports."""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from actors.control import ControlActor, ControlPlan
from actors.doorbell import PeerLostError
from actors.nic import CopiedRows, NicActor, NicPlan, NicReport, Progressed
from actors.placement import ACTOR_LOST, node_name, on_nodes_in_turn, this_node
from actors.processor import ProcessorActor
from actors.wire import sent_bytes
from dataplane.engine.control import ControlOutcome
from dataplane.engine.experiment import Experiment, PacketSink, Progress, RunResult
from dataplane.engine.loading import load_processor_kernels, load_steering_kernels
from dataplane.errors import UserError
from dataplane.processor.host import HostPlan, HostReport
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot

_CAUSE_SECONDS = 5


class HostLostError(Exception):
    """An actor of the simulated host died."""


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """The actors of one NIC and its processors, at work."""

    nic: Any
    processors: Sequence[Any]
    stream: Any  # of the NIC's items
    watched: list[Any]  # the stream, and calls that last as long as there is work
    control: Any = None  # the control actor if the steering may change

    def conclude(self, report: NicReport, received: Counter[str]) -> tuple[list[HostReport], ControlOutcome]:
        """The reports of the processors, in the order of their numbers, and of control; after the end of the stream.

        All actors are asked at the same time. Adds to the bytes that the driver has `received`.
        """
        asked = [actor.report.remote() for actor in self.processors]
        if self.control is not None:
            last_arrival_ns = report.result.last_arrival_or_none_ns
            asked.append(self.control.outcome.remote(last_arrival_ns, interrupted=report.stopped))
        answers = _get(asked)
        outcome = ControlOutcome()
        if self.control is not None:
            encoded: bytes = answers.pop()
            received["updates"] += len(encoded)
            outcome = pickle.loads(encoded)
        received["reports"] += sent_bytes(answers)
        return answers, outcome

    def placement(self, *, same_node: bool) -> dict[str, Any]:
        """The nodes of this process, of the NIC and of its processors; after the end of the stream."""
        asked = [self.nic] if same_node else [self.nic, *self.processors]
        nic, *others = _get([actor.__ray_call__.remote(_node_of) for actor in asked])
        return {
            "driver": node_name(this_node()),
            "nic": node_name(nic),
            "processors": [node_name(node) for node in dict.fromkeys(others or [nic])],
        }


def _node_of(actor: Any) -> str:
    """The node of the actor in which this runs."""
    return this_node()


@contextmanager
def simulated_host(
    experiment: Experiment,
    nic_plan: NicPlan,
    plans: Sequence[HostPlan],
    seat: PlacementGroupSchedulingStrategy,
    journal: Path | None = None,
) -> Iterator[SimulatedHost]:
    """Start all actors of a host in its seat and set them to work; in any case they are gone afterwards.

    With a journal, which is on this node, clients may make requests during the run.
    """
    snapshot = experiment.snapshot
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0}
    with ExitStack() as undo:
        here = options | {"scheduling_strategy": seat}

        def start(actor_class: type, options: dict[str, Any], *arguments: Any) -> Any:
            # the classes are wrapped here and not where they are defined: Ray pickles a decorated class by value,
            # together with the kernels it uses, and every actor would compile them again
            actor: Any = ray.remote(**options)(actor_class).remote(*arguments)
            undo.callback(ray.kill, actor)
            return actor

        nic = start(NicActor, here | {"concurrency_groups": {"control": 1, "requests": 4, "looks": 1}}, nic_plan)
        watched = {"concurrency_groups": {"looks": 1}} if journal else {}
        places = [seat] * len(plans) if nic_plan.transport == "ring" else on_nodes_in_turn(len(plans))
        processors = [
            start(ProcessorActor, options | watched | {"scheduling_strategy": place}, plan)
            for place, plan in zip(places, plans, strict=True)
        ]
        set_up = experiment.set_up
        owned: ControlPlan | AdapterConfiguration = snapshot.configuration
        if set_up:
            owned = ControlPlan(
                set_up.specification,
                str(journal) if journal else None,
                set_up.requests,
                fsync=False,  # answered requests survive the death of every actor
                updates=experiment.updates,
                ahead=0 if journal else None,
            )
        beside = here
        if journal:
            beside = options | {"scheduling_strategy": NodeAffinitySchedulingStrategy(this_node(), soft=False)}
        control = start(ControlActor, beside, owned, snapshot.epoch, snapshot.processors)
        changing = control if experiment.updates is not None else None
        serving = []
        if nic_plan.transport == "ring":
            address = nic.address.remote()
            serving = [actor.serve.remote(address) for actor in processors]
        stream = nic.run.options(num_returns="streaming", _generator_backpressure_num_objects=4).remote(
            control.publish.remote(), processors, changing
        )
        yield SimulatedHost(nic, processors, stream, [stream, *serving], changing)


class Follower:
    """Follows hosts, one after the other until one completes its run, and reports progress and rows."""

    def __init__(
        self, sink: PacketSink | None, progress: Progress, on_start: Callable[[], object] = lambda: None
    ) -> None:
        self.is_ready = False  # the present host is ready for frames
        self.started = 0.0  # when the first host was ready: `on_start` is called then
        self.received: Counter[str] = Counter()  # received bytes, by kind
        self._on_start = on_start
        self._sink = sink
        self._progress = progress
        self._frames_written = 0
        self._told = Progressed(0, 0.0)

    def follow(self, host: SimulatedHost, interrupted: threading.Event) -> NicReport:
        """Take all items of a host; HostLostError if an actor dies before the last one."""
        stopping = False
        while True:
            if interrupted.is_set() and not stopping:
                host.nic.stop.options(concurrency_group="control").remote()
                stopping = True
            ready: list[Any] = ray.wait(host.watched, num_returns=1, timeout=1.0, fetch_local=False)[0]
            for one in ready:
                if (report := self.take(host, one)) is not None:
                    return report

    def take(self, host: SimulatedHost, ready: Any) -> NicReport | None:
        """Take the result of one of the host's `watched` calls; HostLostError if an actor has died."""
        try:
            return self._take(host, ready)
        except HostLostError as lost:
            host.watched.remove(ready)
            raise _cause(host, lost) from lost

    def _take(self, host: SimulatedHost, ready: Any) -> NicReport | None:
        if ready is not host.stream:
            _get(ready)
            host.watched.remove(ready)
            return None
        item = _get(next(ready))
        if not isinstance(item, bytes):
            self._pass_on(item)
            return None
        self.received["reports"] += len(item)
        report: NicReport = pickle.loads(item)
        self._progress(report.result.arrived, self._told.share if report.stopped else 1.0)
        return report

    def _pass_on(self, item: Progressed | CopiedRows) -> None:
        self.is_ready = True
        if not self.started:
            self.started = time.perf_counter()
            self._on_start()
        self.received["rows" if isinstance(item, CopiedRows) else "progress"] += sent_bytes(item)
        if isinstance(item, Progressed):
            if item.frames > self._told.frames:  # a repeated run catches up first
                self._told = item
                self._progress(item.frames, item.share)
        elif item.first_frame >= self._frames_written:
            assert self._sink is not None, "rows come when somebody wants them"
            self._sink.write(item.complete)
            self._frames_written = item.first_frame + item.rows


def _cause(host: SimulatedHost, lost: HostLostError) -> Exception:
    """The failure of another actor, if that is the cause of the loss; else the loss itself."""
    deadline = time.monotonic() + _CAUSE_SECONDS
    while host.watched and (left := deadline - time.monotonic()) > 0:
        for one in ray.wait(host.watched, num_returns=1, timeout=left, fetch_local=False)[0]:
            try:
                _get(next(one) if one is host.stream else one)
            except (HostLostError, StopIteration):
                host.watched.remove(one)
            except Exception as cause:
                return cause
            else:
                if one is not host.stream:
                    host.watched.remove(one)
    return lost


def _get(answer: Any) -> Any:
    """`ray.get`, with deaths and the user's errors told from defects."""
    try:
        return ray.get(answer)
    except ACTOR_LOST as error:
        if getattr(error, "actor_init_failed", False):
            raise  # a repeated run would fail again
        raise HostLostError("an actor of the simulated host died") from error
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PeerLostError):
            raise HostLostError("an actor of the simulated host died") from error
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


def collect(experiment: Experiment, host: SimulatedHost, nic_report: NicReport, received: Counter[str]) -> RunResult:
    """The result of a host whose stream has ended, without `engine_facts` and the values that a clock measured.

    Adds to the bytes that the driver has `received`.
    """
    told = nic_report.result
    reports, outcome = host.conclude(nic_report, received)
    finished = sum(p.counters["accepted"] + p.counters["dropped"] for one in reports for p in one.processors)
    assert told.arrived == finished + sum(told.dropped.values()), "frames are conserved (MOD-11, ENG-03)"
    return told.run_result(
        experiment,
        reports,
        outcome,
        timestamp_regressions=nic_report.timestamp_regressions,
        findings=nic_report.findings,
        interrupted=nic_report.stopped,
    )


def host_facts(host: SimulatedHost, plan: NicPlan, nic_report: NicReport, received: Counter[str]) -> dict[str, Any]:
    """The entries of the `wall` section about a host that has ended: its actors, their nodes, the bytes it sent."""
    frames = max(nic_report.result.arrived, 1)
    per_frame = {kind: float(f"{size / frames:.4g}") for kind, size in sorted(received.items())}
    facts: dict[str, Any] = {
        "engine": "ray",
        "transport": plan.transport,
        "processor_actors": len(host.processors),
        "nic_threads": plan.threads,
        "batch_packets": plan.batch_frames,
        "placement": host.placement(same_node=plan.transport == "ring"),
        "bytes_to_driver_per_frame": per_frame,
    }
    if plan.transport == "object-store":
        facts["object_store_bytes_per_frame"] = float(f"{nic_report.object_bytes / frames:.4g}")
    return facts


def load_kernels(snapshot: SteeringSnapshot, plans: Sequence[HostPlan]) -> None:
    """Compile all kernels of a host into the cache."""
    load_steering_kernels(snapshot)
    load_processor_kernels(plans[0])
