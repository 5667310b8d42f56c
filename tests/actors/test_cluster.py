"""Simulated hosts on a cluster of several nodes: several raylets on this machine, each with its own object store."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from actors.placement import free_processors, seats
from actors.system import run_on_ray, run_side_by_side
from benchmarks.cluster import small_cluster
from dataplane.engine.experiment import NicRun, RunResult
from dataplane.engine.inline import run_inline
from dataplane.errors import ExitCode, UserError
from dataplane.receive.work import work_bytes
from dataplane.traffic.batch import FrameBatch
from tests.actors.small_hosts import (
    KeptRows,
    SmallTraffic,
    ignore_progress,
    plain,
    small_experiment,
    small_traffic,
    source_of,
)

pytestmark = pytest.mark.ray

SEED, FRAMES = 5, 300

#: A node that is gone is found out in a second or two, not in a quarter of a minute.
_SOON = {"initial_delay_ms": 500, "period_ms": 300, "timeout_ms": 500, "failure_threshold": 3}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without processors for the driver, and two workers with room for one host of two actors each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SOON.items():
            patch.setenv(f"RAY_health_check_{name}", str(value))
        patch.delenv("RAY_TMPDIR", raising=False)  # and again when the cluster is gone
        with small_cluster(workers=2, processors=2) as nodes:
            yield nodes


@pytest.fixture(autouse=True)
def _everything_free(cluster: Cluster) -> None:
    """Begin when the nodes know that nothing of the previous test remains; they exchange this only now and then."""
    del cluster
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    there = sum(node["Resources"].get("CPU", 0.0) for node in nodes if node["Alive"])
    while sum(free_processors()) < there:
        threading.Event().wait(0.05)


def nic_run(seed: int, source: Any = None, processors: int = 1) -> NicRun:
    """A small NIC that keeps its rows."""
    return NicRun(small_experiment(seed, processors, 10), source or source_of(seed, FRAMES), KeptRows())


def check_equal_to_inline(seed: int, run: NicRun, result: RunResult) -> None:
    """Result and rows are those of a run in one process (ENG-01)."""
    rows = KeptRows()
    assert plain(result) == plain(run_inline(run.experiment, source_of(seed, FRAMES), rows, ignore_progress))
    assert run.sink == rows


def place(result: RunResult) -> dict[str, Any]:
    """The placement of a host."""
    placement: dict[str, Any] = result.engine_facts["placement"]
    return placement


@pytest.mark.usefixtures("cluster")
def test_hosts_are_spread_and_whole() -> None:
    """A NIC and its processors are on one node, other NICs on other nodes; bytes to the driver are counted."""
    runs = [nic_run(seed) for seed in (1, 2)]
    done = run_side_by_side(runs, ignore_progress)
    for seed, run, result in zip((1, 2), runs, done.results, strict=True):
        check_equal_to_inline(seed, run, result)
        assert place(result)["processors"] == [place(result)["nic"]] != [place(result)["driver"]]
        received = result.engine_facts["bytes_to_driver_per_frame"]
        assert received["rows"] > work_bytes(FRAMES) / FRAMES
        assert received["reports"] > received["progress"] > 0
        assert "object_store_bytes_per_frame" not in result.engine_facts
    assert place(done.results[0])["nic"] != place(done.results[1])["nic"]


@pytest.mark.usefixtures("cluster")
def test_rows_that_nobody_wants_stay_on_the_node() -> None:
    """Without a sink a run sends the driver its progress and its report, whatever the number of frames."""
    sizes = []
    for loops in (1, 4):
        experiment = small_experiment(SEED, 1, 10)
        result = run_on_ray(experiment, Repeated(loops), None, ignore_progress)
        assert result.arrived == loops * FRAMES
        received = result.engine_facts["bytes_to_driver_per_frame"]
        assert set(received) == {"progress", "reports"}
        sizes.append(received["reports"] * result.arrived)
    assert sizes[1] < 1.5 * sizes[0]  # windows grow with the time, flows do not


@dataclass(frozen=True)
class Repeated:
    """The traffic several times; all frames of later repetitions arrive at the moment at which the first one ends."""

    times: int

    def __call__(self) -> SmallTraffic:
        """Open the source."""
        return _Repeated(small_traffic(SEED, FRAMES).frames, self.times)


class _Repeated(SmallTraffic):
    def __init__(self, frames: FrameBatch, times: int) -> None:
        super().__init__(frames)
        self._times = times

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        for time in range(self._times):
            for batch in super().batches(batch_frames):
                late = batch.timestamp_ns.clip(self.frames.timestamp_ns[-1]) if time else batch.timestamp_ns
                yield replace(batch, first_frame=batch.first_frame + time * FRAMES, timestamp_ns=late)


@pytest.mark.usefixtures("cluster")
def test_processors_elsewhere() -> None:
    """Over the object store the processors of a NIC may be on other nodes, which fetch its batches (ENG-01)."""
    run = nic_run(SEED, processors=3)
    result = run_side_by_side([run], ignore_progress, transport="object-store", buffers=3).results[0]
    check_equal_to_inline(SEED, run, result)
    assert len(place(result)["processors"]) == 2
    # columns, selection and offsets of each batch
    assert result.engine_facts["object_store_bytes_per_frame"] > work_bytes(FRAMES) / FRAMES


@pytest.mark.usefixtures("cluster")
def test_cluster_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """If other programs use all processors, the error is one line, and the program does not wait for ever."""
    monkeypatch.setattr("actors.placement.PLACEMENT_SECONDS", 1)
    with seats([2, 2]), pytest.raises(UserError, match="no free processors for a simulated host for 1 s") as caught:
        run_side_by_side([nic_run(SEED)], ignore_progress)
    assert caught.value.exit_code == ExitCode.INCONCLUSIVE


@dataclass(frozen=True)
class WaitingSource:
    """A source that opens one pipe when frames are requested, and yields them when another pipe is opened."""

    seed: int
    begun: Path
    go: Path

    def __call__(self) -> SmallTraffic:
        """Open the source."""
        source = _Waiting(small_traffic(self.seed, FRAMES).frames, self)
        given = small_traffic(self.seed, FRAMES)
        source.timestamp_regressions, source.findings = given.timestamp_regressions, given.findings
        return source


class _Waiting(SmallTraffic):
    def __init__(self, frames: FrameBatch, plan: WaitingSource) -> None:
        super().__init__(frames)
        self._plan = plan

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        self._plan.begun.open("w").close()
        self._plan.go.open().close()
        yield from super().batches(batch_frames)


def test_node_added_while_running(cluster: Cluster, tmp_path: Path) -> None:
    """While hosts fill all workers, the next host goes to a worker that joins, and the others continue."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    first = [nic_run(1, WaitingSource(1, begun, go)), nic_run(2)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_side_by_side, first, ignore_progress)
        begun.open().close()  # both are ready by now
        added = cluster.add_node(num_cpus=2)
        later = nic_run(3)
        result = run_side_by_side([later], ignore_progress).results[0]
        go.open("w").close()
        before = running.result().results
    check_equal_to_inline(3, later, result)
    for seed, run, one in zip((1, 2), first, before, strict=True):
        check_equal_to_inline(seed, run, one)
    assert place(result)["nic"].endswith(added.node_id[:8])
    assert len({place(one)["nic"] for one in (*before, result)}) == 3


@dataclass(frozen=True)
class DoomedSource:
    """A source that kills its node in the middle of the first attempt."""

    seed: int
    mark: Path  # gets the id of that node

    def __call__(self) -> SmallTraffic:
        """Open the source."""
        source = _Doomed(small_traffic(self.seed, FRAMES).frames, self.mark)
        given = small_traffic(self.seed, FRAMES)
        source.timestamp_regressions, source.findings = given.timestamp_regressions, given.findings
        return source


class _Doomed(SmallTraffic):
    def __init__(self, frames: FrameBatch, mark: Path) -> None:
        super().__init__(frames)
        self._mark = mark

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        for number, batch in enumerate(super().batches(batch_frames)):
            if number == 15 and not self._mark.exists():
                self._mark.write_text(ray.get_runtime_context().get_node_id())
                os.kill(os.getppid(), signal.SIGKILL)  # the raylet: the node is gone, its processes will follow it
                threading.Event().wait()
            yield batch


def test_node_that_dies_costs_its_host_only(cluster: Cluster, tmp_path: Path) -> None:
    """The run is repeated on another node with equal results and rows; the other NIC is not affected (ENG-02)."""
    mark = tmp_path / "node"
    cluster.add_node(num_cpus=2)
    runs = [nic_run(1), nic_run(2, DoomedSource(2, mark))]
    results = run_side_by_side(runs, ignore_progress).results
    for seed, run, result in zip((1, 2), runs, results, strict=True):
        check_equal_to_inline(seed, run, result)
    assert [result.engine_facts["attempts"] for result in results] == [1, 2]
    assert not place(results[1])["nic"].endswith(mark.read_text()[:8])
