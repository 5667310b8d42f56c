"""The distance between cores."""

from __future__ import annotations

import os

import pytest

from benchmarks.cores import seconds_between_cores
from benchmarks.screen import fact


def test_a_line_takes_its_time() -> None:
    """The time is longer than that of an instruction, and the affinity of this process is restored."""
    before = os.sched_getaffinity(0)
    seconds = seconds_between_cores()
    assert os.sched_getaffinity(0) == before
    assert (seconds is None) == (len(before) < 2)
    assert seconds is None or seconds > 1e-9
    assert fact("between_cores_seconds", 45.2e-9) == "45.2 ns"


def test_one_core_is_not_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a single core there is nothing to measure."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert seconds_between_cores() is None
