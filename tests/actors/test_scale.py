"""Scaling experiments on a cluster of this machine: equal results, NICs side by side, nodes that come and go."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from actors.scale_ray import RaySite
from dataplane.scale.experiment import ScaleOptions, ScalePlan, carry_out, plan
from dataplane.scale.points import GridOptions, Run
from dataplane.scale.schedule import Assignment
from tests.actors import test_cluster
from tests.scale.examples import written

pytestmark = pytest.mark.ray

cluster = test_cluster.cluster  # a fixture: two nodes beside the driver's


def planned(directory: Path, grid: GridOptions) -> ScalePlan:
    """A small experiment in that directory."""
    return plan(ScaleOptions(written(directory), grid, directory / "out"))


@pytest.mark.usefixtures("cluster")
def test_both_engines_and_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every point of a grid ends, with equal results on both engines, and no task is cancelled that has ended.

    Ray ends the process whose task is cancelled between its result and its end.
    """
    cancelled: list[Any] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    todo = planned(
        tmp_path,
        GridOptions(processors="2", nics="1,2", engine="inline,ray", processors_per_actor="2", repeat=1),
    )
    with closing(RaySite(todo.jobs)) as site:
        carry_out(todo, todo.waiting, site, lambda frames, share: None)
    assert not todo.failures
    assert not cancelled
    summary = todo.summary()
    assert not summary.findings
    rows = {(row.engine, row.nics, row.processors_per_actor): row for row in todo.rows.values()}
    assert len(rows) == 4
    assert rows["inline", 1, None].results_digest == rows["ray", 1, 2].results_digest
    assert rows["ray", 2, 2].frames == 4_000
    assert [rows["ray", nics, 2].workers for nics in (1, 2)] == [2, 4]
    assert all(row.seconds > 0 for row in rows.values())
    assert all((row.peak_memory_bytes is None) == (row.engine == "ray") for row in rows.values())


def test_a_node_that_goes_costs_its_points_and_one_that_comes_gets_some(cluster: Cluster, tmp_path: Path) -> None:
    """Runs of a lost node are repeated on other nodes, a new node gets runs as well, and every point ends."""
    todo = planned(tmp_path, GridOptions(repeat=8))
    with closing(RaySite(todo.jobs)) as site:
        doomed, added = site.nodes()[0], list[Any]()
        placed: dict[str, list[Run]] = {}

        def start(assignment: Assignment) -> None:
            placed.setdefault(assignment.nodes[0], []).append(assignment.run)
            RaySite.start(site, assignment)
            if assignment.nodes[0] == doomed and not added:
                [raylet] = [node for node in cluster.worker_nodes if node.node_id == doomed]
                cluster.remove_node(raylet, allow_graceful=False)  # at once: the run must not have ended before
                added.append(cluster.add_node(num_cpus=2))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site, "start", start)
            carry_out(todo, todo.waiting, site, lambda frames, share: None)
    assert not todo.failures
    assert len(todo.rows) == 8
    assert placed[doomed][0] in [run for node, runs in placed.items() if node != doomed for run in runs]
    assert placed[added[0].node_id]
