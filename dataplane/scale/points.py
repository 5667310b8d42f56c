"""The points of a scaling experiment: read from the command line, with everything that is wrong at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from dataplane.scale.variants import AXES

EngineName = Literal["inline", "ray"]

ENGINES: tuple[EngineName, ...] = ("inline", "ray")
NICS_MAX = 1_000
BATCH_FRAMES_MIN, BATCH_FRAMES_MAX = 64, 1 << 24  # smaller ones measure nothing but calls
REPEATS_MAX = 100

_WHOLE = re.compile(r"[0-9]+(?:_[0-9]+)*(?:[eE][0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Point:
    """One way to run the scenario."""

    axis: str | None  # what of the scenario is changed, a name of `AXES`; None: nothing
    value: int | None  # to what
    engine: EngineName
    nics: int  # copies of the NIC side by side
    batch_frames: int
    processors_per_actor: int | None  # None: the inline engine has no actors

    def __str__(self) -> str:
        parts = [f"{self.axis} {self.value:,}"] if self.axis else []
        parts += [self.engine, f"{self.nics:,} NIC{'s' if self.nics != 1 else ''}"]
        parts += [f"batches of {self.batch_frames:,}"]
        if each := self.processors_per_actor:
            parts.append(f"{each:,} processor{'s' if each != 1 else ''} per actor")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Run:
    """A point with one of its seeds."""

    point: Point
    repeat: int  # from 0

    def __str__(self) -> str:
        return f"{self.point}, repeat {self.repeat}"


@dataclass(frozen=True, slots=True)
class GridOptions:
    """What the user asks for, as written; None is what was left out."""

    processors: str | None = None
    nics: str | None = None
    batch: str | None = None
    engine: str | None = None
    processors_per_actor: str | None = None
    grow: tuple[str, ...] = ()
    repeat: int = 3


def read_points(options: GridOptions, batch_frames: Mapping[EngineName, int], problems: list[str]) -> list[Point]:
    """The points in the order in which they are run; what is wrong is added to `problems`, a line each.

    `batch_frames`, by engine, are used where the user does not say.
    """
    if not 1 <= options.repeat <= REPEATS_MAX:
        problems.append(f"--repeat {options.repeat}: 1 to {REPEATS_MAX} runs of every point")
    if options.grow:
        return _growth(options, batch_frames["inline"], problems)
    numbers = _Numbers(problems)
    processors: list[int] | list[None] = numbers.read(
        "--processors", options.processors, 1, AXES["processors"].highest
    ) or [None]
    nics = numbers.read("--nics", options.nics, 1, NICS_MAX) or [1]
    batches: list[int] | list[None] = numbers.read("--batch", options.batch, BATCH_FRAMES_MIN, BATCH_FRAMES_MAX) or [
        None
    ]
    per_actor = numbers.read("--processors-per-actor", options.processors_per_actor, 1, 2048) or [1]
    engines = _engines("inline" if options.engine is None else options.engine, problems)
    if options.processors_per_actor is not None and engines and "ray" not in engines:
        problems.append("--processors-per-actor is for --engine ray")
    # with an unknown engine nothing runs, but what else is wrong with the points shall be told
    every = product(engines or ENGINES[:1], nics, batches, processors, per_actor)
    return _distinct(
        Point(
            None if count is None else "processors",
            count,
            engine,
            copies,
            batch or batch_frames[engine],
            None if engine == "inline" else each,
        )
        for engine, copies, batch, count, each in every
    )


def _growth(options: GridOptions, batch_frames: int, problems: list[str]) -> list[Point]:
    grid = ("processors", "nics", "batch", "engine", "processors_per_actor")
    if given := [f"--{name.replace('_', '-')}" for name in grid if getattr(options, name) is not None]:
        problems.append(f"--grow has a grid of its own: leave {', '.join(given)} out, or --grow")
    points = []
    for text in options.grow:
        axis, equals, values = text.partition("=")
        if axis not in AXES:
            problems.append(f"--grow {text}: {axis!r} is not known; there is {', '.join(AXES)}")
            continue
        listed = _Numbers(problems).read(f"--grow {axis}", values if equals else None, 1, AXES[axis].highest)
        chosen: Sequence[int] = listed if equals else AXES[axis].values
        points += [Point(axis, value, "inline", 1, batch_frames, None) for value in chosen]
    return _distinct(points)


def _engines(text: str, problems: list[str]) -> list[EngineName]:
    found: list[EngineName] = []
    for part in text.split(","):
        match = [name for name in ENGINES if name == part.strip()]
        if not match:
            problems.append(f"--engine {text}: {part.strip()!r} is not known; there is {' and '.join(ENGINES)}")
        found += match
    return found


@dataclass(frozen=True, slots=True)
class _Numbers:
    problems: list[str]

    def read(self, option: str, text: str | None, low: int, high: int) -> list[int]:
        """The numbers of a list that can be used; none for None. What is wrong with others does not hide them."""
        if text is None:
            return []
        option = f"{option}{'=' if option.startswith('--grow') else ' '}{text}"
        found = []
        for part in map(str.strip, text.split(",")):
            if not _WHOLE.fullmatch(part):
                self.problems.append(f"{option}: {part!r} is not a whole number")
            elif not low <= (number := _whole(part, high)) <= high:
                self.problems.append(f"{option}: {part} is not {low:,} to {high:,}")
            else:
                found.append(number)
        return found


def _whole(text: str, high: int) -> int:
    """The number; anything beyond `high` when it has so many digits that nobody wants it."""
    digits, _, power = text.lower().partition("e")
    if int(power or 0) > 18 or len(digits) > 20:
        return high + 1
    return int(digits) * int("1" + "0" * int(power or 0))


def _distinct(points: Iterable[Point]) -> list[Point]:
    return list(dict.fromkeys(points))


def runs_of(points: Sequence[Point], repeats: int) -> list[Run]:
    """Every point once, then every point again: a machine that has a slow minute has it for all of them."""
    return [Run(point, repeat) for repeat in range(repeats) for point in points]
