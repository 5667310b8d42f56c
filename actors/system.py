"""The `ray` engine: starts Ray and the actors of simulated hosts, runs them, collects, and recovers from deaths.

The driver holds no data path. For each host it follows one ordered stream of small items from the NIC front end (and
the complete rows, when somebody wants them), watches all actors, and asks every processor for its report at the end.
When an actor dies the run of its host is repeated from the start with new actors, on another node if need be: the
source is opened again and rows already delivered are skipped, so the results are those of a run in which nothing died
(ENG-02).

Hosts are independent of each other: they are placed together and start together, and one that dies costs the others
nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from actors.control import ControlActor, ControlPlan
from actors.doorbell import PeerLostError
from actors.folder import cluster_folder
from actors.nic import (
    CopiedRows,
    NicActor,
    NicPlan,
    NicReport,
    Progressed,
    TransportName,
)
from actors.placement import (
    ACTOR_LOST,
    PLACEMENT_SECONDS,
    Seats,
    no_room,
    node_name,
    on_nodes_in_turn,
    seats,
    this_node,
)
from actors.processor import ProcessorActor
from actors.wire import sent_bytes
from dataplane.engine.control import ControlOutcome
from dataplane.engine.experiment import (
    Experiment,
    NicRun,
    PacketSink,
    Progress,
    RunResult,
    SideBySide,
    SourceFactory,
)
from dataplane.engine.interrupts import uninterrupted
from dataplane.engine.loading import load_processor_kernels, load_steering_kernels
from dataplane.engine.plan import plan_hosts
from dataplane.errors import ExitCode, UserError
from dataplane.processor.host import HostPlan, HostReport
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot

#: Batches in flight between the NIC front end and the processors.
SLOTS = 8

#: Runs begun before a host that keeps dying is given up.
ATTEMPTS = 3

_OBJECT_STORE_BYTES = 200_000_000
_NEEDED_PROCESSES = (PROCESS_TYPE_RAYLET, PROCESS_TYPE_GCS_SERVER)
_CONNECT_SECONDS = 3
_CAUSE_SECONDS = 5
_PROBE_SECONDS = 6

#: Ends soon when there is an answer, with an error when it is not that of a cluster which lets us in.
_PROBE = "import sys, actors, ray; ray._raylet.GcsClient(address=sys.argv[1])"

_log = logging.getLogger(__name__)


class HostLostError(Exception):
    """An actor of the simulated host died."""


def run_on_ray(
    experiment: Experiment,
    open_source: SourceFactory,
    sink: PacketSink | None,
    progress: Progress,
    *,
    address: str | None = None,
    processors_per_actor: int = 1,
    transport: TransportName = "ring",
    slots: int = SLOTS,
    threads: int = 1,
) -> RunResult:
    """Run an experiment on Ray actors: equal to `run_inline` in everything but `startup_seconds` and `engine_facts`.

    As `run_side_by_side` with one run.
    """
    [result] = run_side_by_side(
        [NicRun(experiment, open_source, sink)],
        progress,
        address=address,
        processors_per_actor=processors_per_actor,
        transport=transport,
        slots=slots,
        threads=threads,
    ).results
    return result


def run_side_by_side(
    runs: Sequence[NicRun],
    progress: Progress,
    *,
    address: str | None = None,
    node: str | None = None,
    processors_per_actor: int = 1,
    transport: TransportName = "ring",
    slots: int = SLOTS,
    threads: int = 1,
) -> SideBySide:
    """Run several NICs at the same time, each a simulated host of its own; results in the order of `runs`.

    Everything of a host is on one node (over the object store its processors may be elsewhere), hosts are spread over
    the nodes there are, or are all on `node` (its id). No frame is taken before all hosts are ready. When an actor
    dies, or a node, the run of that host begins again while the others go on.

    `open_source` is called in another process, so it must be picklable and must not read this process's standard
    input. The batches that a sink gets have no frame bytes (their captured lengths are 0). Without `address` Ray is
    started on this machine and stopped again; a Ray that is already running in this process is used as it is.
    `progress` is told the frames of all and the mean share. `threads` of each NIC steer a batch together.

    `startup_seconds` of a result covers starting and stopping Ray and the actors.

    After Ctrl-C what was taken in is finished and reported; after a second one nothing is. Raises UserError when a
    source does, when there is no Ray or no room to be had, or when actors of a host keep dying.
    """
    assert runs, "there is something to run"
    told = [Progressed(0, 0.0)] * len(runs)

    def tell(number: int, frames: int, share: float) -> None:
        told[number] = Progressed(frames, share)
        progress(sum(one.frames for one in told), sum(one.share for one in told) / len(told))

    hosts = [
        _HostRun(number, run, partial(tell, number), processors_per_actor, transport, slots, threads)
        for number, run in enumerate(runs)
    ]
    started = time.perf_counter()
    # Actors that find a cold cache would all compile the same kernels: compile them here while Ray starts.
    loading = ThreadPoolExecutor(1).submit(_load_all_kernels, hosts)
    actors = [len(one.plans) + 1 for one in hosts]
    with ray_session(address, actors=sum(actors) + len(hosts)), _first_interrupt() as interrupted:
        loading.result()
        with seats(actors, node) as placed:
            began = _follow_all(hosts, placed, interrupted)
    seconds = time.perf_counter() - started
    results = [
        replace(one.result, startup_seconds=seconds - (one.ended - began)) for one in hosts if one.result is not None
    ]
    assert len(results) == len(runs), "whoever has no result has raised"
    working_seconds = max(one.ended for one in hosts) - began
    return SideBySide(tuple(results), (seconds,) * len(results), working_seconds)


class _HostRun:
    """One NIC's run on its way: its simulated host, or the next one after that has died."""

    def __init__(
        self,
        number: int,
        run: NicRun,
        progress: Progress,
        processors_per_actor: int,
        transport: TransportName,
        slots: int,
        threads: int,
    ) -> None:
        _check_picklable(run.open_source)
        experiment = run.experiment
        self.experiment = experiment
        self.plans = plan_hosts(experiment, processors_per_actor, rows_wanted=run.sink is not None)
        self.follower = Follower(run.sink, progress)
        self.result: RunResult | None = None
        self.ended = 0.0  # when everything of it had been collected
        self._number = number
        self._nic_plan = NicPlan(
            open_source=run.open_source,
            transmit_by_source=experiment.transmit_by_source,
            host_ends=tuple(plan.first_processor + len(plan.costs) for plan in self.plans),
            transport=transport,
            slots=slots,
            batch_frames=experiment.batch_frames,
            directory=os.getcwd(),
            rows_wanted=run.sink is not None,
            ordered=self.plans[0].ordered,
            held=True,
            threads=threads,
        )
        self._host: SimulatedHost | None = None
        self._undo = ExitStack()
        self._attempts = 0
        self._attempt_began = 0.0
        self._let_in = False

    @property
    def watched(self) -> list[Any]:
        """What to wait for."""
        return self._at_work.watched

    @property
    def _at_work(self) -> SimulatedHost:
        assert self._host is not None, "it was started and has not ended"
        return self._host

    def start(self, placed: Seats) -> None:
        """Start a host; back before it is ready."""
        self._attempts += 1
        self._attempt_began = time.monotonic()
        self._let_in = False
        self.follower.is_ready = False
        seat = placed.strategy(self._number)
        self._host = self._undo.enter_context(simulated_host(self.experiment, self._nic_plan, self.plans, seat))

    def let_frames_in(self) -> None:
        """Once it is ready."""
        if self.follower.is_ready and not self._let_in:
            self._let_in = True
            self._at_work.nic.release.options(concurrency_group="control").remote()

    def stop(self) -> None:
        """Have it take no more frames."""
        self._at_work.nic.stop.options(concurrency_group="control").remote()

    def take(self, ready: Any) -> None:
        """Take what one of those that are `watched` has to say; HostLostError when an actor has died."""
        report = self.follower.take(self._at_work, ready)
        if report is None:
            return
        result = collect(self.experiment, self._at_work, report, self.follower.received)
        self.ended = time.perf_counter()
        facts = host_facts(self._at_work, self._nic_plan, report, self.follower.received)
        self.result = replace(result, engine_facts=facts | {"attempts": self._attempts})
        self.close()

    def begin_again(self, placed: Seats, lost: HostLostError, *, interrupted: bool) -> None:
        """After a death, unless that has happened too often; UserError then."""
        self.close()
        if interrupted:
            raise UserError(f"{lost} while the run was being ended: it has no results", ExitCode.INCONCLUSIVE) from lost
        if self._attempts == ATTEMPTS:
            raise UserError(
                f"{lost} in each of {self._attempts} attempts: see the machine's memory, or run with --engine inline",
                ExitCode.INCONCLUSIVE,
            ) from lost
        _log.warning("%s: running again from the start (attempt %d of %d)", lost, self._attempts + 1, ATTEMPTS)
        self.start(placed)

    def check_place(self, placed: Seats, *, interrupted: bool) -> None:
        """UserError when its node has died and no other has had room for long, or nobody wants to wait for that."""
        waited = time.monotonic() - self._attempt_began
        if not self.follower.is_ready and (interrupted or waited > PLACEMENT_SECONDS) and not placed.are_placed:
            why = "interrupted while a node that died had no other in its place" if interrupted else no_room(1)
            raise UserError(why, ExitCode.INCONCLUSIVE)

    def close(self) -> None:
        """End the actors."""
        self._host = None
        self._undo.close()


def _load_all_kernels(hosts: Iterable[_HostRun]) -> None:
    for one in hosts:
        load_kernels(one.experiment.snapshot, one.plans)


def _follow_all(hosts: Sequence[_HostRun], placed: Seats, interrupted: threading.Event) -> float:
    """Start all hosts, let frames in when all are ready, and follow them to their ends; when frames were let in."""
    began, stopping = 0.0, False
    running = deque(hosts)
    with ExitStack() as undo:
        for one in hosts:
            undo.callback(one.close)
            one.start(placed)
        while running:
            check_cluster()
            watched = {ref: one for one in running for ref in one.watched}
            for ref in ray.wait(list(watched), num_returns=1, timeout=1.0, fetch_local=False)[0]:
                one = watched[ref]
                try:
                    one.take(ref)
                except HostLostError as lost:
                    one.begin_again(placed, lost, interrupted=interrupted.is_set())
                running.remove(one)
                if one.result is None:
                    running.append(one)  # the first that has something is taken: let it be another one next
            stop = interrupted.is_set()
            if not began and (stop or all(one.follower.is_ready for one in hosts)):
                began = time.perf_counter()
            for one in running:
                one.check_place(placed, interrupted=stop)
                if stop and not stopping:
                    one.stop()
                if began:
                    one.let_frames_in()
            stopping = stop
    return began


def collect(experiment: Experiment, host: SimulatedHost, nic_report: NicReport, received: Counter[str]) -> RunResult:
    """The result of a host whose stream has ended, but for what a clock measured and `engine_facts`.

    Adds to the bytes that the driver has `received`.
    """
    told = nic_report.result
    reports, outcome = host.conclude(nic_report, received)
    finished = sum(p.counters["accepted"] + p.counters["dropped"] for host in reports for p in host.processors)
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
    """What the `wall` section says of a host that has ended: its actors, where they are, and what came from it."""
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
    """Have all kernels of a host in the cache."""
    load_steering_kernels(snapshot)
    load_processor_kernels(plans[0])


def _check_picklable(open_source: SourceFactory) -> None:
    # with Python's own pickle: Ray's reads open files to their end, and would take a copy for the file
    try:
        pickle.dumps(open_source)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UserError(f"this traffic cannot be read in another process ({error}): use --engine inline") from error


@contextmanager
def ray_session(address: str | None, *, actors: int, probe: bool = True) -> Iterator[str | None]:
    """A connection to Ray: the cluster at `address`, or one of our own for that many actors, without a dashboard.

    Gives the folder of a cluster of our own.

    Without `probe` something that answers at `address` is known to be a cluster, which saves a second or two.

    Does nothing when this process is connected already. Everything that was started is stopped, and the folder in
    which Ray keeps its sockets and logs is removed; so are those of processes that were killed.
    """
    if ray.is_initialized():
        yield None
        return
    folder: str | None = None
    with ExitStack() as undo:
        if address is not None:
            _check_reachable(address, probe=probe)
            undo.callback(ray.shutdown)
            try:
                with _whole():
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # Ray raises anything from ValueError to RuntimeError here
                raise _no_cluster(address, str(error)) from error
        else:
            folder = undo.enter_context(cluster_folder())
            undo.callback(ray.shutdown)
            with _whole():
                ray.init(
                    address="local",
                    num_cpus=max(os.cpu_count() or 1, actors),  # processes for the actors are started at once
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=folder,
                )
        yield folder


def check_cluster() -> None:
    """UserError when a process has died without which a cluster of our own is of no use; none can take its place."""
    node = ray._private.worker._global_node  # there is no public way to ask
    dead = () if node is None else (kind for kind, _ in node.dead_processes() if kind in _NEEDED_PROCESSES)
    if kind := next(iter(dead), None):
        raise UserError(
            f"Ray itself has died here ({kind}): see the machine's memory, or run with --engine inline",
            ExitCode.INCONCLUSIVE,
        )


@contextmanager
def _whole() -> Iterator[None]:
    """Around the start of Ray: Ctrl-C takes effect behind it, as Ray crashes when it is cut in two.

    Ray takes SIGTERM for itself, and would end this process in the middle of anything: whoever had it gets it back.
    """
    terminate = signal.getsignal(signal.SIGTERM)
    with uninterrupted():
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, terminate)


def _check_reachable(address: str, *, probe: bool) -> None:
    """UserError when no Ray cluster answers at HOST:PORT; Ray itself tries for minutes, and cannot be interrupted."""
    host, _, port = address.rpartition(":")
    if "/" in host:
        raise UserError(
            f"{address} is an address for Ray clients: give HOST:PORT of a cluster that this machine is part of"
        )
    if address == "auto":
        return
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UserError(
            f"{address!r} is no address of a Ray cluster: give HOST:PORT, as ray start --head says it, or auto"
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(f"no Ray cluster listens at {address} ({error}): start one with ray start --head") from error
    if not probe:
        return
    try:
        subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            timeout=_PROBE_SECONDS,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"what listens at {address} does not answer as a Ray cluster does") from None
    except subprocess.CalledProcessError as error:
        what = error.stderr.strip().rpartition("\n")[2]  # Ray's log, and a traceback that ends with what went wrong
        raise _no_cluster(address, what.removeprefix("ray.exceptions.")) from None


def _no_cluster(address: str, why: str) -> UserError:
    mode, [first, *_] = os.environ["RAY_AUTH_MODE"], why.splitlines() or [""]
    return UserError(f"no Ray cluster to be had at {address} with RAY_AUTH_MODE={mode}: {first}")


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """The actors of one NIC and its processors, at work."""

    nic: Any
    processors: Sequence[Any]
    stream: Any  # of the NIC's items
    watched: list[Any]  # the stream, and calls that last as long as there is work
    control: Any = None  # the control actor when the steering may change

    def conclude(self, report: NicReport, received: Counter[str]) -> tuple[list[HostReport], ControlOutcome]:
        """What processors, in the order of their numbers, and control have to report; after the end of the stream.

        All are asked at once. Adds to the bytes that the driver has `received`.
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
    """Start all actors of a host in its seat and set them to work; whatever happens, they are gone afterwards.

    With a journal, which is on this node, others may ask for things while it runs.
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
                fsync=False,  # what was answered survives the death of every actor
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
    """Follows hosts, one after the other until one gets through, and passes on what is new."""

    def __init__(
        self, sink: PacketSink | None, progress: Progress, on_start: Callable[[], object] = lambda: None
    ) -> None:
        self.is_ready = False  # the present host is ready for frames
        self.started = 0.0  # when the first one was: `on_start` is called then
        self.received: Counter[str] = Counter()  # bytes that came, by kind
        self._on_start = on_start
        self._sink = sink
        self._progress = progress
        self._frames_written = 0
        self._told = Progressed(0, 0.0)

    def follow(self, host: SimulatedHost, interrupted: threading.Event) -> NicReport:
        """Take the items of a host to the last; HostLostError when an actor dies before."""
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
        """Take what one of those that the host has `watched` has to say; HostLostError when an actor has died."""
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
    """What one of the other actors has failed with, when that is why one is lost: who fails leaves the others alone."""
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
            raise  # it would fail again
        raise HostLostError("an actor of the simulated host died") from error
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PeerLostError):
            raise HostLostError("an actor of the simulated host died") from error
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


@contextmanager
def _first_interrupt() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C, which then does nothing else; the second raises KeyboardInterrupt as ever."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
