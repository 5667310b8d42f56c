"""A running dataplane: its supervisor, which is a detached actor, and the functions for its users.

`up` starts a Ray cluster (or uses an existing one) and a supervisor with a name in it. The supervisor starts the actors
of the simulated host as a run does, follows the NIC, and writes the run directory when it is stopped. Clients find the
supervisor by its name and get the handles of the other actors from it. Their requests go directly to the NIC, which
passes them to the control actor between two batches.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.control import encode_maker
from actors.host import Follower, HostLostError, SimulatedHost, collect, host_facts, load_kernels, simulated_host
from actors.nic import Answered, NicPlan
from actors.placement import ACTOR_LOST, seats
from actors.session import ray_session
from actors.state import Process, State, StateFiles, check_name
from dataplane.commands import RunOutcome, live_experiment, packets_sink, write_run
from dataplane.control.journal import JOURNAL_NAME
from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES_ON_RAY, Experiment
from dataplane.engine.interrupts import last_steps, uninterrupted
from dataplane.engine.plan import plan_hosts
from dataplane.engine.statistics import Sample
from dataplane.errors import ExitCode, UserError
from dataplane.processor.host import HostPlan
from dataplane.results.aside import check_free, check_writable, remove_abandoned, written_aside
from dataplane.scenario.live import endless_source
from dataplane.scenario.model import Scenario
from dataplane.update.foreign import FOREIGN_SECONDS
from dataplane.update.records import CLIENT_ORIGIN
from dataplane.update.schedule import RequestMaker

NAMESPACE = "vmmq"

#: How often the NIC looks for requests while no frame arrives.
IDLE_SECONDS = 0.005

_END_SECONDS = 30

#: How long an answer may take before the user is told why.
_PATIENCE_SECONDS = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user asked of `vmmq up`."""

    scenario: Path
    name: str
    out: Path | None  # None: runs/NAME
    overwrite: bool
    address: str | None  # of a Ray cluster; None: start a new one
    processors_per_actor: int
    paced: bool
    adapter: str | None = None  # which of several NICs


@dataclass(frozen=True, slots=True)
class DataplanePlan:
    """The parameters of a supervisor."""

    scenario: Scenario
    experiment: Experiment
    hosts: tuple[HostPlan, ...]
    directory: str  # the run directory, absolute
    overwrite: bool
    paced: bool


class Handles(NamedTuple):
    """How clients reach the actors of a dataplane, and what they have to know about them."""

    nic: Any
    control: Any
    processors: tuple[Any, ...]
    scenario: Scenario
    numbers: tuple[str, ...]  # of the processors, by row


class DataplaneActor:
    """Supervises a simulated host from its start until it is stopped.

    `start` and `stop` return when that is done; `handles` belongs into another concurrency group.
    """

    def __init__(self, plan: DataplanePlan) -> None:
        self._plan = plan
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._host: SimulatedHost | None = None
        self._outcome: RunOutcome | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._supervise, name="supervisor")

    def start(self) -> None:
        """Wait until the processors are ready for frames. Raises what goes wrong until then."""
        self._thread.start()
        self._ready.wait()
        self._check()

    def handles(self) -> Handles:
        """The actors; UserError if the dataplane has died or ended."""
        self._check()
        host = self._host
        if host is None or self._stopping.is_set():
            raise UserError("the dataplane is being taken down")
        numbers = tuple(map(str, self._plan.experiment.snapshot.processors))
        return Handles(host.nic, host.control, tuple(host.processors), self._plan.scenario, numbers)

    def stop(self) -> RunOutcome:
        """Take no more frames, finish what was taken, and write the run directory. Raises what goes wrong."""
        self._stopping.set()
        self._thread.join()
        self._check()
        assert self._outcome is not None, "it has ended well"
        return self._outcome

    def _check(self) -> None:
        if isinstance(self._failure, HostLostError):
            raise UserError(f"{self._failure}", ExitCode.INCONCLUSIVE)
        if self._failure is not None:
            raise self._failure

    def _supervise(self) -> None:
        try:
            self._outcome = self._run()
        except BaseException as failure:  # reported to every caller
            self._failure = failure
        finally:
            self._host = None
            self._ready.set()

    def _run(self) -> RunOutcome:
        plan, prepared = self._plan, self._plan.experiment
        where = Path(plan.directory)
        with written_aside(where, overwrite=plan.overwrite, directory=True) as directory, ExitStack() as sinks:
            directory.mkdir()
            sink = packets_sink(directory, plan.scenario, prepared, sinks)
            nic_plan = NicPlan(
                open_source=partial(endless_source, plan.scenario, paced=plan.paced),
                transmit_by_source=prepared.transmit_by_source,
                host_ends=tuple(one.end_processor for one in plan.hosts),
                transport="ring",
                batch_frames=prepared.batch_frames,
                directory=os.getcwd(),
                rows_wanted=sink is not None,
                ordered=plan.hosts[0].ordered,
                idle_seconds=IDLE_SECONDS,
            )
            follower = Follower(sink, lambda frames, share: None, self._ready.set)
            began = time.perf_counter()
            with (
                seats([1]) as placed,  # a dataplane that runs next to other work must not take CPUs from it
                simulated_host(prepared, nic_plan, plan.hosts, placed.strategy(0), directory / JOURNAL_NAME) as host,
            ):
                self._host = host
                report = follower.follow(host, self._stopping)
                # a dataplane always ends like this: nothing was cut short
                result = collect(prepared, host, report._replace(stopped=False), follower.received)
                facts = host_facts(host, nic_plan, report, follower.received)
            self._host = None
            ended = time.perf_counter()
            sinks.close()
            result = replace(result, startup_seconds=follower.started - began, engine_facts=facts)
            pace = {"pace": "real" if plan.paced else "none"}
            return write_run(directory, where, plan.scenario, result, ended - began, pace)


# What users call -----------------------------------------------------------------------------------------------------


def up(options: UpOptions, files: StateFiles | None = None, on_up: Callable[[], object] = lambda: None) -> State:
    """Start a dataplane, and return when it takes frames. If anything goes wrong, nothing of it remains.

    `on_up` is called when it takes frames and nothing can go wrong any more. If `on_up` raises, everything is undone.
    """
    files = files or StateFiles()
    name = check_name(options.name)
    scenario, prepared = live_experiment(options.scenario, DEFAULT_BATCH_FRAMES_ON_RAY, options.adapter)
    where = (options.out or Path("runs") / name).absolute()
    me = Process.running(os.getpid())
    assert me is not None, "this process runs"
    state = State(name, str(where), me)
    with ExitStack() as undo:
        files.claim(state)
        undo.callback(files.remove, name)
        check_free(where, overwrite=options.overwrite, directory=True)
        undo.callback(_remove_traces, where, made_parent=not where.parent.exists())
        check_writable(where)
        plans = tuple(plan_hosts(prepared, options.processors_per_actor, rows_wanted=scenario.run.per_packet))
        plan = DataplanePlan(scenario, prepared, plans, str(where), options.overwrite, options.paced)
        # actors that find a cold cache would all compile the same kernels
        loading = ThreadPoolExecutor(1).submit(load_kernels, prepared.snapshot, plans)
        stay = None
        address = options.address
        if address is None:
            state, address, stay = _hold_cluster(state, len(plans) + 3, undo)
        with ray_session(address, actors=0, probe=state.holder is None), ExitStack() as inside:
            loading.result()
            _start_supervisor(plan, name, inside)
            files.write(replace(state, address=ray.get_runtime_context().gcs_address))
            on_up()
            if stay is not None:
                stay.write("stay\n")
                stay.close()
            inside.pop_all()  # the dataplane stays
            undo.pop_all()
    return state


def _hold_cluster(state: State, actors: int, undo: ExitStack) -> tuple[State, str, IO[str]]:
    """Start a cluster held by a process with its own session; return its address, and where to write "stay"."""
    with uninterrupted():  # otherwise nobody would wait for its end
        holder = subprocess.Popen(
            [sys.executable, "-m", "actors.holder", str(actors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert holder.stdin is not None, "it was opened with one"
        undo.callback(holder.wait)
        undo.callback(holder.stdin.close)  # without "stay" the holder ends; a signal could hit Ray while it starts
    assert holder.stdout is not None, "it was opened with one"
    line = holder.stdout.readline()
    if not line:
        raise UserError("Ray could not be started here: see the machine's memory and /dev/shm", ExitCode.INCONCLUSIVE)
    told = json.loads(line)
    return replace(state, holder=Process.running(holder.pid), folder=told["folder"]), told["address"], holder.stdin


def _start_supervisor(plan: DataplanePlan, name: str, undo: ExitStack) -> None:
    """Start a supervisor, and wait until it is at work."""
    # the actor writes the run directory, and relative paths are those of this machine
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # the class is wrapped here: see `simulated_host`
    groups: dict[str, Any] = {"num_cpus": 0, "concurrency_groups": {"clients": 4}}
    actor: Any = ray.remote(**groups)(DataplaneActor)
    options = {"name": name, "namespace": NAMESPACE, "lifetime": "detached", "scheduling_strategy": here}
    try:
        with uninterrupted():  # a detached actor that is not known here would stay
            supervisor: Any = actor.options(**options).remote(plan)
            undo.callback(ray.kill, supervisor)
    except ValueError as error:
        if "already taken" not in str(error):
            raise
        raise UserError(f"dataplane {name} runs already in this cluster: choose another --name") from error
    _answer(supervisor.start.remote())


def _remove_traces(where: Path, *, made_parent: bool) -> None:
    """Remove what a killed supervisor has left next to the run directory."""
    remove_abandoned(where)
    if made_parent:
        with suppress(OSError):  # another process has put something there
            where.parent.rmdir()


class Dataplane:
    """A running dataplane as a client sees it."""

    def __init__(self, name: str, handles: Handles) -> None:
        self.name = name
        self.handles = handles

    @property
    def scenario(self) -> Scenario:
        """The scenario with which it was started."""
        return self.handles.scenario

    def request(self, make: RequestMaker, issuer: str) -> list[Answered]:
        """Make requests at the next moments between two batches; return how they ended."""
        group = {"concurrency_group": "requests"}
        call = self.handles.nic.request.options(**group).remote(encode_maker(make), CLIENT_ORIGIN + issuer)
        answers: list[Answered] = self._get(call)
        return answers

    def document(self) -> dict[str, Any]:
        """The adapter as it is now, as `vmmq show` has it, and the latest epoch."""
        document: dict[str, Any] = self._get(self.handles.control.document.remote(self.scenario.name))
        return document

    def sample(self) -> Sample:
        """Its present counts."""
        looks = {"concurrency_group": "looks"}
        actors = (self.handles.nic, *self.handles.processors)
        recent = self.handles.control.recent.remote()
        nic, *hosts = self._get([one.statistics.options(**looks).remote() for one in actors])
        processors = tuple(one for host in hosts for one in host)
        return Sample(time.monotonic(), nic, processors, tuple(self._get(recent)))

    def _get(self, answer: Any) -> Any:
        return _answer(answer, self.name)


@contextmanager
def connected(name: str | None, files: StateFiles | None = None) -> Iterator[Dataplane]:
    """A connection to a running dataplane; UserError if there is none, or if it has died."""
    state = (files or StateFiles()).find(name)
    with ray_session(state.address, actors=0, probe=state.holder is None):
        yield Dataplane(state.name, _answer(_supervisor(state).handles.options(**_CLIENTS).remote(), state.name))


def down(name: str | None, files: StateFiles | None = None) -> RunOutcome:
    """Stop a dataplane, write its run directory and return the outcome. Nothing of it remains, even if it has died."""
    files = files or StateFiles()
    with last_steps() as only_the_end_is_left, files.taking_down(name) as state, ExitStack() as undo:
        undo.callback(_clear, state, files)
        try:
            undo.enter_context(ray_session(state.address, actors=0, probe=state.holder is None))
            supervisor = _supervisor(state, ended=True)
            undo.callback(ray.kill, supervisor)
            outcome: RunOutcome = _answer(supervisor.stop.remote(), state.name, ended=True)
            only_the_end_is_left()
        except UserError as error:
            raise UserError(str(error), ExitCode.INCONCLUSIVE) from error
        except KeyboardInterrupt:
            why = f"interrupted: dataplane {state.name} is cleared away, and its results are lost"
            raise UserError(why, ExitCode.INCONCLUSIVE) from None
    return outcome


_CLIENTS = {"concurrency_group": "clients"}


def _clear(state: State, files: StateFiles) -> None:
    """End the cluster, and remove everything else of the dataplane; its results are in place, or lost."""
    if state.holder is not None:
        _end(state.holder)
    remove_abandoned(Path(state.directory))
    files.remove(state.name)


def _end(process: Process) -> None:
    """Ask a process to end, wait for it, and kill it if it does not end."""
    try:
        handle = os.pidfd_open(process.id)
    except ProcessLookupError:
        return
    try:
        if not process.is_running:
            return
        for number, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], seconds)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _supervisor(state: State, *, ended: bool = False) -> Any:
    try:
        return ray.get_actor(state.name, namespace=NAMESPACE)
    except ValueError:
        raise UserError(_died(state.name, "its supervisor is gone", ended=ended)) from None


def _answer(answer: Any, name: str | None = None, *, ended: bool = False) -> Any:
    """`ray.get`, with deaths and the user's errors as UserError; tells the user why it takes long."""
    try:
        awaited = answer if isinstance(answer, list) else [answer]
        if name and ray.wait(awaited, num_returns=len(awaited), timeout=_PATIENCE_SECONDS)[1]:
            what = "is finishing what it has taken" if ended else "is busy"
            limit = f"a policy may take up to {FOREIGN_SECONDS:.0f} s"
            gives_up = "gives it up, and its results" if ended else "gives up"
            _log.warning("vmmq: dataplane %s %s (%s): waiting; Ctrl-C %s", name, what, limit, gives_up)
        return ray.get(answer)
    except ACTOR_LOST as error:
        raise UserError(_died(name, "an actor of it is gone", ended=ended), ExitCode.WRONG_INPUT) from error
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            if error.cause.exit_code is ExitCode.INCONCLUSIVE:
                raise UserError(_died(name, str(error.cause), ended=ended)) from None
            raise error.cause from None
        raise


def _died(name: str | None, why: str, *, ended: bool = False) -> str:
    whose = f"dataplane {name}" if name else "the dataplane"
    return f"{whose} has died: {why}" + ("; its results are lost" if ended else "; vmmq down clears it away")
