"""Decides which run goes where next, and what happens with failed runs.

A measurement needs a machine without other load: each node has one run at a time, and a run of several NICs uses all
nodes alone. If a process or node of a run dies, the run is repeated on a remaining node. A run that fails by itself
would fail again, and is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dataplane.scale.measure import NicMeasure
from dataplane.scale.points import Run

#: Times that a run is begun before it is given up.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Done:
    """A run came to its end."""

    nics: tuple[NicMeasure, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A run ended itself: it would do so again."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A process or node of a run died."""

    why: str


Outcome = Done | Failed | Lost


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run, and the nodes on which its NICs are dealt in turn."""

    run: Run
    nodes: tuple[str, ...]


class Site(Protocol):
    """Where runs are carried out: the machine, or a cluster."""

    def nodes(self) -> Sequence[str]:
        """The nodes there are now."""
        ...

    def start(self, assignment: Assignment) -> None:
        """Begin a run."""
        ...

    def wait(self) -> Sequence[tuple[Run, Outcome]]:
        """What has ended; comes back without after a second or so."""
        ...


class Schedule:
    """The runs that are still to be done, at work, given up."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._waiting = list(runs)
        self._at_work: dict[Run, Assignment] = {}
        self._attempts: dict[Run, int] = {}
        self._lost_on: dict[Run, set[str]] = {}  # by single NICs: nodes that may be dead without anybody knowing
        self.failures: dict[Run, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing waits and nothing is at work."""
        return not self._waiting and not self._at_work

    @property
    def is_idle(self) -> bool:
        """Whether nothing is at work."""
        return not self._at_work

    def next(self, nodes: Sequence[str]) -> Assignment | None:
        """The next run to begin when these are the nodes there are; None when it is time to wait."""
        busy = {node for assignment in self._at_work.values() for node in assignment.nodes}
        free = [node for node in nodes if node not in busy]
        if not free or any(run.point.nics > 1 for run in self._at_work):
            return None
        candidates = single = [run for run in self._waiting if run.point.nics == 1]
        if not self._at_work and (len(nodes) == 1 or not single):
            candidates = self._waiting
        places = ((run, self._place(run, nodes, free)) for run in candidates)
        run, place = next(((run, place) for run, place in places if place), (None, ()))
        if run is None:
            return None
        self._waiting.remove(run)
        self._attempts[run] = self._attempts.get(run, 0) + 1
        self._at_work[run] = Assignment(run, place)
        return self._at_work[run]

    def _place(self, run: Run, nodes: Sequence[str], free: Sequence[str]) -> tuple[str, ...]:
        """Where among the free nodes a run may go; nowhere while those where it was not lost are busy."""
        if run.point.nics > 1:
            return tuple(free)
        lost_on = self._lost_on.get(run, set())
        fresh = free if lost_on.issuperset(nodes) else [node for node in free if node not in lost_on]
        return tuple(fresh[:1])

    def ended(self, run: Run, outcome: Outcome) -> None:
        """Take note of the end of a run that was at work."""
        nodes = self._at_work.pop(run).nodes
        match outcome:
            case Failed(why):
                self.failures[run] = why
            case Lost(why) if self._attempts[run] >= ATTEMPTS:
                self.failures[run] = f"{why}, in each of {ATTEMPTS} attempts"
            case Lost():
                self._waiting.insert(0, run)
                self._lost_on.setdefault(run, set()).update(nodes)

    def give_up(self, why: str) -> None:
        """Nothing that waits can be done any more."""
        self.failures |= dict.fromkeys(self._waiting, why)
        self._waiting.clear()
