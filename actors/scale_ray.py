"""Runs of scaling experiments on a Ray cluster: a task for each NIC, on a node without another run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.placement import nodes_with_processors
from actors.system import run_side_by_side
from dataplane.scale.measure import (
    Gate,
    NicJob,
    NicMeasure,
    OpenGate,
    described,
    measure_nic,
    measure_side_by_side,
    this_machine,
)
from dataplane.scale.points import Run
from dataplane.scale.schedule import Assignment, Done, Failed, Lost, Outcome

_SECONDS = 1.0


@dataclass(slots=True)
class _AtWork:
    run: Run
    tasks: list[Any]
    gate: Any  # the actor; None if a NIC need not wait for others
    ended: set[Any] = field(default_factory=set)  # tasks
    answers: dict[Any, list[NicMeasure]] = field(default_factory=dict)  # by task, of successful tasks


class RaySite:
    """The cluster to which this process is connected, as a site of runs; `close` ends its tasks."""

    def __init__(self, jobs: Callable[[Run], Sequence[NicJob]]) -> None:
        self._jobs = jobs
        self._at_work: list[_AtWork] = []

    def nodes(self) -> Sequence[str]:
        """Nodes that live and have processors for tasks; those that join count from then on."""
        return nodes_with_processors()

    def start(self, assignment: Assignment) -> None:
        """Start the tasks of a run."""
        run, nodes = assignment.run, assignment.nodes
        point, jobs = run.point, self._jobs(run)
        gate: Any = None
        if point.engine == "ray":
            tasks = [_task(measure_hosts, nodes[0]).remote(jobs, point.processors_per_actor, nodes)]
        elif point.nics == 1:
            tasks = [_task(measure_one, nodes[0]).remote(jobs[0], OpenGate())]
        else:
            threads: dict[str, Any] = {"max_concurrency": point.nics + 2}  # one remains for queries
            gate = ray.remote(**_on(nodes[0]), **threads)(GateActor).remote(point.nics)
            tasks = [
                _task(measure_one, nodes[nic % len(nodes)]).remote(job, _ActorGate(gate, nic))
                for nic, job in enumerate(jobs)
            ]
        self._at_work.append(_AtWork(run, tasks, gate))

    def wait(self) -> Sequence[tuple[Run, Outcome]]:
        """The runs that have ended."""
        going_on = {task: one for one in self._at_work for task in one.tasks if task not in one.ended}
        ended = ray.wait(list(going_on), num_returns=1, timeout=_SECONDS)[0] if going_on else []
        outcomes = []
        for task in ended:
            one = going_on[task]
            one.ended.add(task)
            if (outcome := _hear(one, task)) is not None:
                self._at_work.remove(one)
                self._end(one)
                outcomes.append((one.run, outcome))
        return outcomes

    def _end(self, one: _AtWork) -> None:
        for task in set(one.tasks) - one.ended:  # Ray may not have finished a task whose result is there
            ray.cancel(task, force=True)
        if one.gate is not None:
            ray.kill(one.gate)

    def close(self) -> None:
        """End what is at work."""
        for one in self._at_work:
            self._end(one)
        self._at_work.clear()


def _hear(one: _AtWork, task: Any) -> Outcome | None:
    """What has become of a run of which a task has ended; None while others go on."""
    try:
        one.answers[task] = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, ray.exceptions.RayError):
            return Lost(_first_line(cause))
        return Failed(described(cause))
    except ray.exceptions.RayError as error:  # the worker or its node is dead
        return Lost(_first_line(error))
    if len(one.answers) < len(one.tasks):
        return None
    nics = tuple(nic for task in one.tasks for nic in one.answers[task])
    if any(nic.attempts > 1 for nic in nics):
        return Lost("an actor died on the way")
    return Done(nics)


def measure_one(job: NicJob, gate: Gate) -> list[NicMeasure]:
    """What a task does: one NIC in its own process."""
    return [measure_nic(job, gate)]


def measure_hosts(jobs: Sequence[NicJob], processors_per_actor: int, nodes: Sequence[str]) -> list[NicMeasure]:
    """What a task does: all NICs of a run on the Ray engine, on one node or spread over several."""
    node = nodes[0] if len(nodes) == 1 else None
    others: Any = [_task(this_machine, one).remote() for one in nodes[1:]]  # this task is on the first
    run_all = partial(run_side_by_side, processors_per_actor=processors_per_actor, node=node)
    return measure_side_by_side(jobs, run_all, [this_machine(), *ray.get(others)])


class GateActor:
    """Opens when so many NICs have come, and stays open."""

    def __init__(self, nics: int) -> None:
        self._nics = nics
        self._come: set[int] = set()
        self._opened_ns = 0
        self._changed = threading.Condition()

    def wait(self, nic: int) -> None:
        """Comes back when the gate is open; from as many threads as there are NICs."""
        with self._changed:
            self._come.add(nic)
            if len(self._come) == self._nics and not self._opened_ns:
                self._opened_ns = time.time_ns()
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._opened_ns)

    def opened_ns(self) -> int:
        """When it was opened, by the clock of its node; 0 before."""
        return self._opened_ns


@dataclass(frozen=True, slots=True)
class _ActorGate:
    """The way of one NIC to the gate actor."""

    actor: Any
    nic: int

    def wait(self) -> None:
        """Wait for the other NICs."""
        ray.get(self.actor.wait.remote(self.nic))

    def opened_ns(self) -> int:
        """When the gate was opened."""
        opened_ns: int = ray.get(self.actor.opened_ns.remote())
        return opened_ns


def _task(function: Callable[..., Any], node: str) -> Any:
    """A task for a worker of its own, which ends with it: its memory is the task's."""
    alone: dict[str, Any] = {"max_calls": 1, "max_retries": 0}
    return ray.remote(**_on(node), **alone)(function)


def _on(node: str) -> dict[str, Any]:
    """Options for work on that node, whatever else is there."""
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
