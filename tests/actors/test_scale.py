"""Scaling experiments on a cluster of this machine: equal results, NICs side by side, nodes that come and go."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from actors.scale_ray import RaySite
from actors.system import ray_session
from dataplane.scale.experiment import ScaleOptions, ScalePlan, carry_out, plan
from dataplane.scale.points import GridOptions
from tests.scale.examples import written

pytestmark = pytest.mark.ray


def planned(directory: Path, grid: GridOptions) -> ScalePlan:
    """A small experiment in that directory."""
    return plan(ScaleOptions(written(directory), grid, directory / "out"))


def test_both_engines_and_side_by_side(tmp_path: Path) -> None:
    """Every point of a grid ends; results are equal on every engine and number of actors (no finding says otherwise)."""
    todo = planned(
        tmp_path,
        GridOptions(processors="2", nics="1,2", engine="inline,ray", processors_per_actor="1,2", repeat=1),
    )
    with ray_session(None, actors=8), closing(RaySite(todo.jobs)) as site:
        carry_out(todo, todo.waiting, site, lambda frames, share: None)
    assert not todo.failures
    summary = todo.summary()
    assert not summary.findings
    rows = {(row.engine, row.nics, row.processors_per_actor): row for row in todo.rows.values()}
    assert len(rows) == 6
    assert rows["inline", 1, None].results_digest == rows["ray", 1, 2].results_digest
    assert rows["ray", 2, 1].frames == 4_000
    assert [rows["ray", nics, per_actor].workers for nics, per_actor in ((1, 1), (1, 2), (2, 1))] == [3, 2, 6]
    assert all(row.seconds > 0 for row in rows.values())
    assert all((row.peak_memory_bytes is None) == (row.engine == "ray") for row in rows.values())
