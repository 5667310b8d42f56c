"""Every scenario that comes with the project runs, and shows what its comment promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import configs
from dataplane.commands import INLINE, RunOptions, run_experiment

CONFIGS = {file.stem: file for file in sorted(Path(configs.__file__).parent.glob("*.toml"))}


def summary_of(name: str, directory: Path) -> dict[str, Any]:
    """Run a scenario; its summary."""
    options = RunOptions(CONFIGS[name], None, directory / name, False, None)
    return run_experiment(options, INLINE, lambda frames, share: None).summary


@pytest.mark.parametrize("name", CONFIGS)
def test_scenario_runs(name: str, tmp_path: Path) -> None:
    """It ends with all checks held and no findings about its input (MOD-11, ENG-03)."""
    summary = summary_of(name, tmp_path)
    assert summary["arrived"] > 0
    assert all(summary["checks"].values())
    assert summary["findings"] == []


def test_quick_start_is_interesting(tmp_path: Path) -> None:
    """One processor is hot and drops a little, others idle half the time; every VPort gets traffic."""
    summary = summary_of("quick-start", tmp_path)
    loads = sorted(row["load"] for row in summary["processors"])
    assert loads[-1] > 0.95
    assert loads[len(loads) // 2] < 0.75
    assert 0 < summary["dropped"]["queue_full"] < 0.01 * summary["arrived"]
    assert all(row["received"] for row in summary["vports"])


def test_real_traffic_has_both_directions(tmp_path: Path) -> None:
    """Frames from and to the virtual machines are sends and receives of their VPorts (TX-01, TX-07, RX-01)."""
    summary = summary_of("real-traffic", tmp_path)
    for row in summary["vports"][1:]:
        assert row["received"] > 0
        assert row["completions"] > 0
