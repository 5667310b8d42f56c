"""Measurements that are reliable on a shared machine: subjects that are compared take turns, and all rounds are kept.

A *trial* is one round of one subject and returns the measured value: frames a second, seconds, bytes.
`Session.take_turns` runs the trials of several subjects one after the other, round by round, so that a disturbance of
the machine affects all of them. A ratio compares two trials of the same round. The results are `Figure`s.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: One round of one subject.
Trial = Callable[[], float]

#: A short subject is repeated for this long in every round: many times the cost of reading the clock.
_ROUND_SECONDS = 0.02

#: The most rounds in a quick measurement.
_QUICK_ROUNDS = 3


def seconds(act: Callable[[], object]) -> Trial:
    """A trial that measures the seconds of one call of `act`."""

    def trial() -> float:
        started = time.perf_counter()
        act()
        return time.perf_counter() - started

    return trial


def rate(act: Callable[[], object], amount: float, clock: Callable[[], float] = time.perf_counter) -> Trial:
    """A trial that measures amount per second; one call of `act` does `amount`. Short calls are repeated in a round."""

    def seconds_of(repetitions: int) -> float:
        started = clock()
        for _ in range(repetitions):
            act()
        return clock() - started

    return repeated_rate(seconds_of, amount)


def repeated_rate(seconds_of: Callable[[int], float], amount: float) -> Trial:
    """As `rate`, for a subject that measures itself: `seconds_of(n)` is the seconds of n repetitions."""
    repetitions = 0

    def trial() -> float:
        nonlocal repetitions
        if not repetitions:  # a short subject runs once to warm up, and once to see how often it must be repeated
            first = seconds_of(1)
            if first >= _ROUND_SECONDS:
                repetitions = 1
                return amount / first
            repetitions = max(1, round(_ROUND_SECONDS / max(seconds_of(1), 1e-9)))
        return amount * repetitions / seconds_of(repetitions)

    return trial


@contextmanager
def one_core() -> Iterator[int]:
    """Keep this thread, and what it starts, on one core; yields the number of the core."""
    before = os.sched_getaffinity(0)
    core = max(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class Session:
    """One call of `vmmq bench`: how much to measure, and whether the user has interrupted it."""

    rounds: int | None = None  # None: as many as each series needs
    quick: bool = False
    tell: Callable[[str], object] = lambda text: None  # shows the user what is being measured
    interrupted: bool = False
    #: Problems that did not end the measurement, one line each.
    findings: list[str] = field(default_factory=list)

    def take_turns(
        self, trials: Mapping[str, Trial], rounds: int, *, warm_up: bool = True
    ) -> dict[str, tuple[float, ...]]:
        """Values of every trial by round, for `rounds` rounds or as many as the user wants.

        After Ctrl-C this returns the complete rounds, and the next call raises KeyboardInterrupt.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        values: dict[str, list[float]] = {name: [] for name in trials}
        try:
            for trial in trials.values() if warm_up else ():
                trial()
            for _ in range(self.rounds or (min(rounds, _QUICK_ROUNDS) if self.quick else rounds)):
                for name, one in [(name, trial()) for name, trial in trials.items()]:
                    values[name].append(one)
        except KeyboardInterrupt:
            self.interrupted = True
            if not all(values.values()):
                raise
        return {name: tuple(of_one) for name, of_one in values.items()}


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured."""

    what: str  # one line for people
    unit: str  # also the key of the median in JSON: frames_per_second, seconds, bytes, ...
    values: tuple[float, ...]  # by round
    ratios: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # to other figures of the group, by round
    facts: Mapping[str, Any] = field(default_factory=dict)  # further values, by JSON key

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.values)

    def document(self) -> dict[str, Any]:
        """The form in the JSON document."""
        return {
            "what": self.what,
            "unit": self.unit,
            self.unit: self.median,
            "spread": spread(self.values),
            "rounds": len(self.values),
            "ratios": {
                name: {"median": statistics.median(values), "spread": spread(values)}
                for name, values in self.ratios.items()
            },
            **self.facts,
        }


def spread(values: Sequence[float]) -> dict[str, float]:
    """The smallest and the largest value, and the lower and upper quartile."""
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * list(values)
    return {"min": min(values), "lower_quartile": lower, "upper_quartile": upper, "max": max(values)}


def figures(
    measured: Mapping[str, tuple[float, ...]],
    unit: str,
    texts: Mapping[str, str],
    references: Mapping[str, Sequence[str]] = {},
    facts: Mapping[str, Mapping[str, Any]] = {},
) -> Iterator[tuple[str, Figure]]:
    """Figures of trials that took turns; `references` names, for some trials, the trials to compare them with."""
    for name, values in measured.items():
        ratios = {
            other: tuple(one / of_other for one, of_other in zip(values, measured[other], strict=True))
            for other in references.get(name, ())
            if other in measured
        }
        yield name, Figure(texts[name], unit, values, ratios, facts.get(name, {}))
