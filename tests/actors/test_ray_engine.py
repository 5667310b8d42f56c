"""The Ray engine on a real cluster of this machine: equal results, recovery, clean ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.doorbell import PeerLostError
from actors.host import Follower, HostLostError, SimulatedHost
from actors.session import ray_session
from actors.system import run_on_ray, run_side_by_side
from dataplane.engine.experiment import NicRun
from dataplane.engine.inline import run_inline
from dataplane.errors import ExitCode, UserError
from dataplane.traffic.batch import FrameBatch
from tests.actors.processes import DeadlySource, actors_below, descendants, wait_for_end
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One Ray for all tests here: starting it takes seconds."""
    with ray_session(None, actors=6):
        yield


@pytest.fixture(autouse=True)
def no_actors_left() -> Iterator[None]:
    """The actors of a run end with the run, however it ends."""
    yield
    for process in [*actors_below(os.getpid(), "NicActor"), *actors_below(os.getpid(), "ProcessorActor")]:
        assert wait_for_end(process)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("transport", "processors_per_actor", "batch_frames", "buffers"),
    [("ring", 1, 7, 2), ("object-store", 2, 20, 3)],
)
def test_equal_to_inline(transport: str, processors_per_actor: int, batch_frames: int, buffers: int) -> None:
    """Results and rows equal those of the inline engine over either transport (ENG-01, ENG-03)."""
    experiment = small_experiment(SEED, 3, 100)
    expected_rows, rows = KeptRows(), KeptRows()
    expected = run_inline(experiment, source_of(SEED, FRAMES), expected_rows, ignore_progress)
    actual = run_on_ray(
        replace(experiment, batch_frames=batch_frames),
        source_of(SEED, FRAMES),
        rows,
        ignore_progress,
        processors_per_actor=processors_per_actor,
        transport="ring" if transport == "ring" else "object-store",
        buffers=buffers,
    )
    assert plain(expected) == plain(actual)
    assert expected_rows == rows
    assert actual.engine_facts["attempts"] == 1


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("victim", "transport", "processors"),
    [("ProcessorActor", "ring", 2), ("NicActor", "ring", 1), ("ProcessorActor", "object-store", 1)],
)
def test_killed_actor_changes_nothing(victim: str, transport: str, processors: int, tmp_path: Path) -> None:
    """After kill -9 of an actor in the middle, results and rows are those of an undisturbed run (ENG-02)."""
    experiment = small_experiment(SEED, processors, 10)
    expected_rows, rows = KeptRows(), KeptRows()
    expected = run_inline(experiment, source_of(SEED, FRAMES), expected_rows, ignore_progress)
    actual = run_on_ray(
        experiment,
        DeadlySource(SEED, FRAMES, batch=20, title=victim, mark=tmp_path / "killed"),
        rows,
        ignore_progress,
        transport="ring" if transport == "ring" else "object-store",
        buffers=2,
    )
    assert plain(expected) == plain(actual)
    assert expected_rows == rows
    assert actual.engine_facts["attempts"] == 2


@pytest.mark.usefixtures("cluster")
def test_host_that_keeps_dying_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every attempt loses an actor the user gets one line, not a hanging program."""
    monkeypatch.setattr("actors.system.ATTEMPTS", 1)
    experiment = small_experiment(SEED, 1, 10)
    source = DeadlySource(SEED, 50, batch=1, title="NicActor", mark=tmp_path / "killed", always=True)
    with pytest.raises(UserError, match=r"1 attempts.*inline") as caught:
        run_on_ray(experiment, source, None, ignore_progress)
    assert caught.value.exit_code == ExitCode.INCONCLUSIVE


class DamagedSource(SmallTraffic):
    """Ends with an error of the user."""

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """After the first batch."""
        yield next(super().batches(batch_frames))
        raise UserError("the capture is damaged behind byte 1000", ExitCode.FINDINGS)


def damaged_source() -> DamagedSource:
    """A picklable factory."""
    return DamagedSource(small_traffic(SEED, FRAMES).frames)


@pytest.mark.usefixtures("cluster")
def test_errors_of_the_source_reach_the_user() -> None:
    """An error of the source in its process is reported here in the same words."""
    with pytest.raises(UserError, match=r"^the capture is damaged behind byte 1000$") as caught:
        run_on_ray(small_experiment(SEED, 1, 10), damaged_source, None, ignore_progress)
    assert caught.value.exit_code == ExitCode.FINDINGS


@ray.remote(num_cpus=0)
def failing(error: Exception) -> None:
    """Make an actor end in this way."""
    raise error


@pytest.mark.usefixtures("cluster")
def test_who_fails_is_told_from_who_only_noticed() -> None:
    """If an actor fails, its own error is reported, even if the errors of its lost peers arrive first."""
    follower = Follower(None, ignore_progress)

    def take(*errors: Exception) -> None:
        calls = [failing.remote(error) for error in errors]
        follower.take(SimulatedHost(None, (), object(), calls), calls[0])

    with pytest.raises(UserError, match=r"^the disk is full$"):
        take(PeerLostError("the NIC is gone"), UserError("the disk is full"))
    with pytest.raises(ZeroDivisionError):
        take(PeerLostError("the NIC is gone"), PeerLostError("the NIC is gone"), ZeroDivisionError())
    with pytest.raises(HostLostError):
        take(PeerLostError("the NIC is gone"), PeerLostError("the NIC is gone"))


class Elsewhere:
    """An actor for a node that does not exist."""

    def work(self) -> None:
        """Nothing."""


@pytest.mark.usefixtures("cluster")
def test_actor_for_a_node_that_has_died_meanwhile_is_lost() -> None:
    """This counts as if the actor had died with its node: the run begins again, on existing nodes."""
    options: dict[str, Any] = {"scheduling_strategy": NodeAffinitySchedulingStrategy("0f" * 28, soft=False)}
    actor: Any = ray.remote(num_cpus=0, **options)(Elsewhere).remote()
    call = actor.work.remote()
    with pytest.raises(HostLostError):
        Follower(None, ignore_progress).take(SimulatedHost(None, (), object(), [call]), call)


class EndlessSource(SmallTraffic):
    """A source that repeats its frames for ever."""

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """The frames again and again, at later and later times."""
        frames = self.frames
        while True:
            yield frames
            frames = replace(
                frames,
                first_frame=frames.first_frame + len(frames),
                timestamp_ns=frames.timestamp_ns + (frames.timestamp_ns[-1] - frames.timestamp_ns[0]),
            )


def endless_source() -> EndlessSource:
    """A picklable factory."""
    return EndlessSource(small_traffic(SEED, FRAMES).frames)


def whole_program() -> None:
    """Run two NICs on their own Ray until interrupted; report when frames flow, and the results."""
    rows = KeptRows(), KeptRows()
    runs = [NicRun(small_experiment(SEED, 2, FRAMES), endless_source, one) for one in rows]
    results = run_side_by_side(runs, lambda frames, share: print("running", flush=True)).results
    told = []
    for result, kept in zip(results, rows, strict=True):
        served = sum(report.counters["accepted"] + report.counters["dropped"] for report in result.processors)
        finished = served + sum(result.dropped.values())
        told.append([result.interrupted, result.arrived, finished, kept.frames])
    print(json.dumps(told))


def test_interrupted_program_finishes_what_it_took_and_leaves_nothing() -> None:
    """Ctrl-C on a terminal reaches every process and ends all NICs of a run.

    Nothing that arrived is lost (ENG-03), no file or process remains.
    """
    shared_memory_before = set(os.listdir("/dev/shm"))
    folder = Path(tempfile.mkdtemp())  # not pytest's: its name would be too long for Ray
    program = subprocess.Popen(
        [sys.executable, "-c", "from tests.actors.test_ray_engine import whole_program; whole_program()"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
        start_new_session=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "running\n"
    processes = [process for process, _ in descendants(program.pid)]
    os.killpg(program.pid, signal.SIGINT)
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    nics = json.loads(output.splitlines()[-1])
    assert len(nics) == 2
    for interrupted, arrived, finished, rows in nics:
        assert interrupted
        assert arrived > 0
        assert arrived == finished == rows
    assert len(processes) > 4
    assert all(wait_for_end(process) for process in processes)
    folder.rmdir()  # it is empty
    assert set(os.listdir("/dev/shm")) <= shared_memory_before
