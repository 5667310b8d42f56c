"""The `ray` engine: starts Ray and the actors of one simulated host, runs it, collects, and recovers from deaths.

The driver holds no data path. It follows one ordered stream of small items from the NIC front end (and the complete
rows, when somebody wants them), watches all actors, and asks every processor for its report at the end. When an actor
dies the run is repeated from the start with new actors: the source is opened again and rows already delivered are
skipped, so the results are those of a run in which nothing died (ENG-02).
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from actors.control import ControlActor, ControlPlan
from actors.doorbell import PeerLostError
from actors.nic import (
    CopiedRows,
    NicActor,
    NicPlan,
    NicReport,
    Progressed,
    TransportName,
    load_steering_kernels,
)
from actors.processor import ProcessorActor, load_processor_kernels, plan_hosts
from dataplane.engine.control import ControlOutcome
from dataplane.engine.experiment import Experiment, PacketSink, Progress, RunResult, SourceFactory
from dataplane.errors import ExitCode, UserError
from dataplane.processor.host import HostPlan
from dataplane.processor.processor import ProcessorReport
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot

#: Frames in a batch unless the scenario says otherwise: waking the processors then costs little for each frame.
BATCH_FRAMES = 65_536

#: Batches in flight between the NIC front end and the processors.
SLOTS = 8

#: Runs begun before a host that keeps dying is given up.
ATTEMPTS = 3

_OBJECT_STORE_BYTES = 200_000_000
_PLACEMENT_SECONDS = 60
_CONNECT_SECONDS = 3
_PROBE_SECONDS = 6

#: Of the folder for temporary files: Ray makes sockets some 80 characters below it, whose names are limited to 107.
_FOLDER_LENGTH_MAX = 24

#: Ends soon when there is an answer, whatever it is.
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
) -> RunResult:
    """Run an experiment on Ray actors: equal to `run_inline` in everything but `startup_seconds` and `engine_facts`.

    `open_source` is called in another process, so it must be picklable and must not read this process's standard
    input. The batches that `sink` gets have no frame bytes (their captured lengths are 0). Without `address` Ray is
    started on this machine and stopped again; a Ray that is already running in this process is used as it is.

    `startup_seconds` covers starting and stopping Ray and the actors.

    After Ctrl-C what was taken in is finished and reported; after a second one nothing is. Raises UserError when the
    source does, when there is no Ray to be had, or when actors keep dying.
    """
    plans = plan_hosts(experiment, processors_per_actor, late_wanted=sink is not None)
    nic_plan = NicPlan(
        open_source=open_source,
        transmit_by_source=experiment.transmit_by_source,
        host_ends=tuple(plan.first_processor + len(plan.costs) for plan in plans),
        transport=transport,
        slots=slots,
        batch_frames=experiment.batch_frames,
        directory=os.getcwd(),
        rows_wanted=sink is not None,
        ordered=plans[0].ordered,
    )
    _check_picklable(open_source)
    started = time.perf_counter()
    follower = Follower(sink, progress)
    # Actors that find a cold cache would all compile the same kernels: compile them here while Ray starts.
    loading = ThreadPoolExecutor(1).submit(load_kernels, experiment.snapshot, plans)
    with ray_session(address, actors=len(plans) + 2), _first_interrupt() as interrupted:
        loading.result()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with simulated_host(experiment, nic_plan, plans) as host:
                    nic_report = follower.follow(host, interrupted)
                    result = collect(experiment, host, nic_report)
                    ended = time.perf_counter()
                break
            except HostLostError as lost:
                if attempt == ATTEMPTS or interrupted.is_set():
                    raise UserError(
                        f"{lost} in each of {attempt} attempts: see the machine's memory, or run with --engine inline",
                        ExitCode.INCONCLUSIVE,
                    ) from lost
                _log.warning("%s: running again from the start (attempt %d of %d)", lost, attempt + 1, ATTEMPTS)
    return replace(
        result,
        startup_seconds=time.perf_counter() - started - (ended - follower.started),
        engine_facts={
            "engine": "ray",
            "transport": transport,
            "processor_actors": len(plans),
            "batch_packets": experiment.batch_frames,
            "attempts": attempt,
        },
    )


def collect(experiment: Experiment, host: SimulatedHost, nic_report: NicReport) -> RunResult:
    """The result of a host whose stream has ended, but for what a clock measured and `engine_facts`."""
    reports, told = host.processor_reports(), nic_report.result
    finished = sum(one.counters["accepted"] + one.counters["dropped"] for one in reports)
    assert told.arrived == finished + sum(told.dropped.values()), "frames are conserved (MOD-11, ENG-03)"
    return told.run_result(
        experiment,
        reports,
        host.control_outcome(nic_report),
        timestamp_regressions=nic_report.timestamp_regressions,
        findings=nic_report.findings,
        interrupted=nic_report.stopped,
    )


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
    which Ray keeps its sockets and logs is removed.
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
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # Ray raises anything from ValueError to RuntimeError here
                mode = os.environ["RAY_AUTH_MODE"]
                raise UserError(
                    f"no Ray cluster to be had at {address} with RAY_AUTH_MODE={mode}: {_first_line(error)}"
                ) from error
        else:
            temporary = tempfile.gettempdir()
            folder = tempfile.mkdtemp(
                prefix="vmmq-ray-", dir=temporary if len(temporary) <= _FOLDER_LENGTH_MAX else "/tmp"
            )
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            undo.callback(ray.shutdown)
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


def _check_reachable(address: str, *, probe: bool) -> None:
    """UserError when no Ray cluster answers at HOST:PORT; Ray itself tries for minutes, and cannot be interrupted."""
    host, _, port = address.rpartition(":")
    if "/" in host:
        raise UserError(
            f"{address} is an address for Ray clients: give HOST:PORT of a cluster that this machine is part of"
        )
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        except OSError as error:
            raise UserError(
                f"no Ray cluster listens at {address} ({error}): start one with ray start --head"
            ) from error
        if not probe:
            return
        try:
            quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([sys.executable, "-c", _PROBE, address], timeout=_PROBE_SECONDS, check=False, **quiet)
        except subprocess.TimeoutExpired:
            raise UserError(f"what listens at {address} does not answer as a Ray cluster does") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """The actors of one NIC and its processors, at work."""

    nic: Any
    processors: Sequence[Any]
    stream: Any  # of the NIC's items
    serving: Sequence[Any]  # calls that last as long as there is work
    control: Any = None  # the control actor when the steering may change

    def processor_reports(self) -> list[ProcessorReport]:
        """Of all processors by row; after the end of the stream."""
        answers = _get([actor.report.remote() for actor in self.processors])
        return [report for answer in answers for report in answer]

    def control_outcome(self, report: NicReport) -> ControlOutcome:
        """What the control side has to report; after the end of the stream."""
        if self.control is None:
            return ControlOutcome()
        last_arrival_ns = report.result.last_arrival_or_none_ns
        outcome: ControlOutcome = _get(self.control.outcome.remote(last_arrival_ns, interrupted=report.stopped))
        return outcome


@contextmanager
def simulated_host(
    experiment: Experiment, nic_plan: NicPlan, plans: Sequence[HostPlan], journal: Path | None = None
) -> Iterator[SimulatedHost]:
    """Start all actors of a host and set them to work; whatever happens, they are gone afterwards.

    With a journal, which is on this node, others may ask for things while it runs.
    """
    snapshot = experiment.snapshot
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0}
    with ExitStack() as undo:
        here = options | {"scheduling_strategy": undo.enter_context(_one_node())}
        elsewhere = here if nic_plan.transport == "ring" else options | {"scheduling_strategy": "SPREAD"}

        def start(actor_class: type, options: dict[str, Any], *arguments: Any) -> Any:
            # the classes are wrapped here and not where they are defined: Ray pickles a decorated class by value,
            # together with the kernels it uses, and every actor would compile them again
            actor: Any = ray.remote(**options)(actor_class).remote(*arguments)
            undo.callback(ray.kill, actor)
            return actor

        nic = start(NicActor, here | {"concurrency_groups": {"control": 1, "requests": 4, "looks": 1}}, nic_plan)
        watched = {"concurrency_groups": {"looks": 1}} if journal else {}
        processors = [start(ProcessorActor, elsewhere | watched, plan) for plan in plans]
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
        if journal:
            node = ray.get_runtime_context().get_node_id()
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
        control = start(ControlActor, options, owned, snapshot.epoch, snapshot.processors)
        changing = control if experiment.updates is not None else None
        serving = []
        if nic_plan.transport == "ring":
            address = nic.address.remote()
            serving = [actor.serve.remote(address) for actor in processors]
        stream = nic.run.options(num_returns="streaming", _generator_backpressure_num_objects=4).remote(
            control.publish.remote(), processors, changing
        )
        yield SimulatedHost(nic, processors, stream, serving, changing)


@contextmanager
def _one_node() -> Iterator[PlacementGroupSchedulingStrategy]:
    """Placement of everything that shares a node's memory."""
    group = placement_group([{"CPU": 1}], strategy="STRICT_PACK")
    try:
        if not group.wait(_PLACEMENT_SECONDS):
            raise UserError(f"the Ray cluster had no free processor for {_PLACEMENT_SECONDS} s: try again later")
        yield PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    finally:
        remove_placement_group(group)


class Follower:
    """Follows hosts, one after the other until one gets through, and passes on what is new."""

    def __init__(
        self, sink: PacketSink | None, progress: Progress, on_start: Callable[[], object] = lambda: None
    ) -> None:
        self.started = 0.0  # when the first host was ready for frames: `on_start` is called then
        self._on_start = on_start
        self._sink = sink
        self._progress = progress
        self._frames_written = 0
        self._told = Progressed(0, 0.0)

    def follow(self, host: SimulatedHost, interrupted: threading.Event) -> NicReport:
        """Take the items of a host to the last; HostLostError when an actor dies before."""
        serving, stopping = list(host.serving), False
        while True:
            if interrupted.is_set() and not stopping:
                host.nic.stop.options(concurrency_group="control").remote()
                stopping = True
            watched: list[Any] = [host.stream, *serving]
            ready: list[Any] = ray.wait(watched, num_returns=1, timeout=1.0, fetch_local=False)[0]
            for one in ready:
                if one in serving:
                    _get(one)
                    serving.remove(one)
                    continue
                item = _get(next(one))
                if isinstance(item, NicReport):
                    self._progress(item.result.arrived, self._told.share if item.stopped else 1.0)
                    return item
                self._pass_on(item)

    def _pass_on(self, item: Progressed | CopiedRows) -> None:
        if not self.started:
            self.started = time.perf_counter()
            self._on_start()
        if isinstance(item, Progressed):
            if item.frames > self._told.frames:  # a repeated run catches up first
                self._told = item
                self._progress(item.frames, item.share)
        elif item.first_frame >= self._frames_written:
            assert self._sink is not None, "rows come when somebody wants them"
            self._sink.write(item.complete)
            self._frames_written = item.first_frame + item.rows


def _get(answer: Any) -> Any:
    """`ray.get`, with deaths and the user's errors told from defects."""
    try:
        return ray.get(answer)
    except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
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
