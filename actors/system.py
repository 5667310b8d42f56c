"""The `ray` engine: starts Ray and the actors of simulated hosts, runs them, collects, and recovers from deaths.

The driver is not on the data path. For each host it follows one ordered stream of small items from the NIC front end
(and the complete rows, if somebody wants them), watches all actors, and asks every processor for its report at the end.
When an actor dies, the run of its host is repeated from the start with new actors, on another node if necessary. The
source is opened again, and rows already delivered are skipped. So the results are those of a run in which nothing died
(ENG-02).

Hosts are independent of each other: they are placed together and start together, and the death of one costs the others
nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import ray

from actors.host import Follower, HostLostError, SimulatedHost, collect, host_facts, load_kernels, simulated_host
from actors.nic import NicPlan, Progressed, TransportName
from actors.placement import PLACEMENT_SECONDS, Seats, no_room, seats
from actors.session import check_cluster, ray_session
from dataplane.engine.experiment import (
    Experiment,
    NicRun,
    PacketSink,
    Progress,
    RunResult,
    SideBySide,
    SourceFactory,
)
from dataplane.engine.interrupts import last_steps
from dataplane.engine.plan import plan_hosts
from dataplane.errors import ExitCode, UserError

#: The largest number of attempts for a host that keeps dying.
ATTEMPTS = 3


_log = logging.getLogger(__name__)


def run_on_ray(
    experiment: Experiment,
    open_source: SourceFactory,
    sink: PacketSink | None,
    progress: Progress,
    *,
    address: str | None = None,
    processors_per_actor: int = 1,
    transport: TransportName = "ring",
    buffers: int | None = None,
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
        buffers=buffers,
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
    buffers: int | None = None,
    threads: int = 1,
) -> SideBySide:
    """Run several NICs at the same time, each as its own simulated host; results in the order of `runs`.

    A host is on one node (over the object store its processors may be on others). Hosts are spread over all nodes, or
    are all on `node` (its id). No host takes a frame before all hosts are ready. When an actor or a node dies, the run
    of that host begins again while the others continue.

    `open_source` is called in another process, so it must be picklable and must not read this process's standard
    input. The batches that a sink gets have no frame bytes (their captured lengths are 0). Without `address`, Ray is
    started on this machine and stopped again; a Ray that already runs in this process is used as it is. `progress` gets
    the frames of all NICs and their mean share. `threads` of each NIC steer a batch together.

    `startup_seconds` of a result covers starting and stopping Ray and the actors.

    After Ctrl-C the frames taken so far are finished and reported. After a second Ctrl-C, or before the hosts have a
    place, nothing is reported. Raises UserError if a source does, if there is no Ray or no room, or if actors of a host
    keep dying.
    """
    assert runs, "there is something to run"
    told = [Progressed(0, 0.0)] * len(runs)

    def tell(number: int, frames: int, share: float) -> None:
        told[number] = Progressed(frames, share)
        progress(sum(one.frames for one in told), sum(one.share for one in told) / len(told))

    hosts = [
        _HostRun(number, run, partial(tell, number), processors_per_actor, transport, buffers, threads)
        for number, run in enumerate(runs)
    ]
    started = time.perf_counter()
    # Actors that find a cold cache would all compile the same kernels: compile them here while Ray starts.
    loading = ThreadPoolExecutor(1).submit(_load_all_kernels, hosts)
    actors = [len(one.plans) + 1 for one in hosts]
    with last_steps() as only_the_end_is_left, ray_session(address, actors=sum(actors) + len(hosts)):
        loading.result()
        with seats(actors, node) as placed, _first_interrupt() as interrupted:  # the wait for room can be interrupted
            began = _follow_all(hosts, placed, interrupted)
            if not interrupted.is_set():
                only_the_end_is_left()
    seconds = time.perf_counter() - started
    results = [
        replace(one.result, startup_seconds=seconds - (one.ended - began)) for one in hosts if one.result is not None
    ]
    assert len(results) == len(runs), "whoever has no result has raised"
    working_seconds = max(one.ended for one in hosts) - began
    return SideBySide(tuple(results), (seconds,) * len(results), working_seconds)


class _HostRun:
    """The run of one NIC: its simulated host, or the next one after that host has died."""

    def __init__(
        self,
        number: int,
        run: NicRun,
        progress: Progress,
        processors_per_actor: int,
        transport: TransportName,
        buffers: int | None,
        threads: int,
    ) -> None:
        _check_picklable(run.open_source)
        experiment = run.experiment
        self.experiment = experiment
        self.plans = plan_hosts(experiment, processors_per_actor, rows_wanted=run.sink is not None)
        self.follower = Follower(run.sink, progress)
        self.result: RunResult | None = None
        self.ended = 0.0  # when all results of the host had been collected
        self._number = number
        self._nic_plan = NicPlan(
            open_source=run.open_source,
            transmit_by_source=experiment.transmit_by_source,
            host_ends=tuple(plan.end_processor for plan in self.plans),
            transport=transport,
            buffers=buffers,
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
        """Let it take no more frames."""
        self._at_work.nic.stop.options(concurrency_group="control").remote()

    def take(self, ready: Any) -> None:
        """Take the result of one of the `watched` calls; HostLostError if an actor has died."""
        report = self.follower.take(self._at_work, ready)
        if report is None:
            return
        result = collect(self.experiment, self._at_work, report, self.follower.received)
        self.ended = time.perf_counter()
        facts = host_facts(self._at_work, self._nic_plan, report, self.follower.received)
        self.result = replace(result, engine_facts=facts | {"attempts": self._attempts})
        self.close()

    def begin_again(self, placed: Seats, lost: HostLostError, *, interrupted: bool) -> None:
        """Start again after a death; UserError if that has happened too often."""
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
        """UserError if its node has died and no other node has had room for long, or the user does not want to wait."""
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
    """Start all hosts, let them take frames when all are ready, and follow them to the end; return that start time."""
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
                    running.append(one)  # Ray returns the first stream with an item: let it be another one next time
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


def _check_picklable(open_source: SourceFactory) -> None:
    # with Python's own pickle: Ray's pickle reads open files to their end, and would send a copy of the file
    try:
        pickle.dumps(open_source)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UserError(f"this traffic cannot be read in another process ({error}): use --engine inline") from error


@contextmanager
def _first_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, without other effect; the second raises KeyboardInterrupt as usual."""
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
