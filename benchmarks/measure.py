"""Timing that survives a shared machine: what is compared is measured in turns, and all rounds are kept.

A *trial* is one round of one subject and returns what it measured: frames a second, seconds, bytes.
`Session.take_turns` plays the trials of several subjects one after the other, round by round, so that what disturbs the
machine disturbs all of them, and a ratio is one of two trials of the same round. A `Figure` is what comes of it.
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

#: Seconds that a round of something short is repeated for: many times what it takes to look at the clock.
_ROUND_SECONDS = 0.02

#: At most, in a quick measurement.
_QUICK_ROUNDS = 3


def seconds(act: Callable[[], object]) -> Trial:
    """Seconds that `act` takes."""

    def trial() -> float:
        started = time.perf_counter()
        act()
        return time.perf_counter() - started

    return trial


def rate(act: Callable[[], object], amount: float, clock: Callable[[], float] = time.perf_counter) -> Trial:
    """Amount a second, where one call of `act` does `amount`; what is short is repeated in every round."""

    def seconds_of(repetitions: int) -> float:
        started = clock()
        for _ in range(repetitions):
            act()
        return clock() - started

    return repeated_rate(seconds_of, amount)


def repeated_rate(seconds_of: Callable[[int], float], amount: float) -> Trial:
    """As `rate` for something that says itself how many seconds so many repetitions have taken."""
    repetitions = 0

    def trial() -> float:
        nonlocal repetitions
        if not repetitions:  # what is short is begun once for nothing, and once to see how short it is
            first = seconds_of(1)
            if first >= _ROUND_SECONDS:
                repetitions = 1
                return amount / first
            repetitions = max(1, round(_ROUND_SECONDS / max(seconds_of(1), 1e-9)))
        return amount * repetitions / seconds_of(repetitions)

    return trial


@contextmanager
def one_core() -> Iterator[int]:
    """This thread and what it starts on one core, whose number is given."""
    before = os.sched_getaffinity(0)
    core = max(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class Session:
    """One call of `vmmq bench`: how much of it is wanted, and whether somebody has had enough."""

    rounds: int | None = None  # None: as many as each series needs
    quick: bool = False
    tell: Callable[[str], object] = lambda text: None  # what is being measured, for people who wait
    interrupted: bool = False
    #: What went wrong without ending anything, one line each.
    findings: list[str] = field(default_factory=list)

    def take_turns(
        self, trials: Mapping[str, Trial], rounds: int, *, warm_up: bool = True
    ) -> dict[str, tuple[float, ...]]:
        """Values of every trial by round: `rounds` of them, or as many as the user wants.

        After Ctrl-C the rounds that are complete are given, and the next call raises KeyboardInterrupt.
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
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else is to be known, by JSON key

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)

    def document(self) -> dict[str, Any]:
        """As in the JSON document."""
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
    """Smallest and largest value and the quartiles between which half of them lie."""
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * list(values)
    return {"min": min(values), "lower_quartile": lower, "upper_quartile": upper, "max": max(values)}


def figures(
    measured: Mapping[str, tuple[float, ...]],
    unit: str,
    texts: Mapping[str, str],
    references: Mapping[str, Sequence[str]] = {},
    facts: Mapping[str, Mapping[str, Any]] = {},
) -> Iterator[tuple[str, Figure]]:
    """Figures of trials that took turns; `references` names, for some, those of the others to compare with."""
    for name, values in measured.items():
        ratios = {
            other: tuple(one / of_other for one, of_other in zip(values, measured[other], strict=True))
            for other in references.get(name, ())
            if other in measured
        }
        yield name, Figure(texts[name], unit, values, ratios, facts.get(name, {}))
