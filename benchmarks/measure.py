"""Timing that survives a shared machine: what is compared is measured in turns, and medians are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Timing(NamedTuple):
    """Seconds of one subject over all rounds."""

    median: float
    best: float
    worst: float


def in_turns(subjects: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, Timing]:
    """Call every subject once to warm up, then `rounds` times in turns."""
    for subject in subjects.values():
        subject()
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            started = time.perf_counter()
            subject()
            seconds[name].append(time.perf_counter() - started)
    return {name: Timing(statistics.median(values), min(values), max(values)) for name, values in seconds.items()}
