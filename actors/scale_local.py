"""Runs of scaling experiments on this machine: a process for each NIC, and no Ray."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from dataplane.engine.interrupts import uninterrupted
from dataplane.scale.measure import NicJob, NicMeasure, described, measure_nic
from dataplane.scale.points import Run
from dataplane.scale.schedule import Assignment, Done, Failed, Lost, Outcome

_NODE = "this machine"
_SECONDS = 1.0


@dataclass(slots=True)
class _Nic:
    """A process with its NIC. It sends `_Ready`, then a `NicMeasure`; if it fails, a text instead of either."""

    process: BaseProcess
    connection: Connection
    answer: NicMeasure | None = None


class _Ready:
    """All is set up: frames may flow."""


class LocalSite:
    """This machine as a site of runs, with one node; `close` ends all its processes."""

    def __init__(self, jobs: Callable[[Run], Sequence[NicJob]]) -> None:
        self._jobs = jobs
        self._run: Run | None = None
        self._nics: list[_Nic] = []
        self._ready = 0

    def nodes(self) -> Sequence[str]:
        """Always this one."""
        return [_NODE]

    def start(self, assignment: Assignment) -> None:
        """Start a process for each NIC of a run."""
        self._run, self._ready = assignment.run, 0
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # else the first process of this kind starts it, and unblocks signals
        # Ctrl-C is for this process, which ends the others: they start with SIGINT ignored
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with uninterrupted():  # another thread of this process may take the signal
                for job in self._jobs(assignment.run):
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_measure, args=(job, theirs), daemon=True)
                    process.start()
                    theirs.close()
                    self._nics.append(_Nic(process, ours))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self) -> Sequence[tuple[Run, Outcome]]:
        """The run and what became of it, once that is known."""
        assert self._run is not None, "a run was started"
        outcome: Outcome | None = None
        waiting = {nic.connection: nic for nic in self._nics if nic.answer is None}
        for connection in wait(list(waiting), _SECONDS):
            outcome = outcome or self._hear(waiting[connection])  # type: ignore[index]
        if outcome is None and all(nic.answer for nic in self._nics):
            outcome = Done(tuple(nic.answer for nic in self._nics if nic.answer))
        if outcome is None:
            return []
        run = self._run
        self.close()
        return [(run, outcome)]

    def _hear(self, nic: _Nic) -> Failed | Lost | None:
        try:
            said = nic.connection.recv()
        except (EOFError, ConnectionError):
            nic.process.join(_SECONDS)
            return Lost(f"its process died ({_end(nic.process.exitcode)})")
        match said:
            case _Ready():
                self._ready += 1
                if self._ready == len(self._nics):
                    for one in self._nics:
                        with suppress(ConnectionError):  # the next round notices dead processes
                            one.connection.send(None)
            case NicMeasure():
                nic.answer = said
            case str():
                return Failed(said)
        return None

    def close(self) -> None:
        """End what is at work."""
        for nic in self._nics:
            nic.connection.close()
            nic.process.kill()
        for nic in self._nics:
            nic.process.join()
        self._nics.clear()
        self._run = None


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}: see the machine's memory"
    return f"exit status {exit_code}"


class _PipeGate:
    """Opens when the other end of a connection says so."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened_ns = 0

    def wait(self) -> None:
        """Say that all is ready here, and wait for the answer."""
        self._connection.send(_Ready())
        self._connection.recv()
        self._opened_ns = time.time_ns()

    def opened_ns(self) -> int:
        """When the answer came; 0 before."""
        return self._opened_ns


def _measure(job: NicJob, connection: Connection) -> None:
    """What a process does: one NIC."""
    try:
        answer: NicMeasure | str = measure_nic(job, _PipeGate(connection))
    except (EOFError, ConnectionError):
        return  # the parent process has ended
    except Exception as error:  # whatever it is, the other points go on
        answer = described(error)
    with suppress(ConnectionError):
        connection.send(answer)
