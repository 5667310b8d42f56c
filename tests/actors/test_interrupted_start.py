"""Ctrl-C at chosen points of starts and ends, without Ray: all is undone, or Ctrl-C is too late and the user told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from actors import live, session, system
from actors.state import Process, State, StateFiles
from cli import main
from dataplane.engine.experiment import NicRun
from dataplane.engine.interrupts import last_steps
from dataplane.scenario import STARTER_FILE
from tests.actors.small_hosts import ignore_progress, small_experiment, source_of


def interrupt() -> None:
    """Send Ctrl-C to this process."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Set signals as at the start of a program; restore them afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Holder:
    """The pipe through which `up` says that the cluster may stay."""

    def __init__(self) -> None:
        self.told = ""

    def write(self, text: str) -> None:
        """Interrupt as soon as it is written."""
        self.told += text
        interrupt()

    def close(self) -> None:
        """Do nothing."""


def test_interrupt_behind_the_end_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that was told to stay stays: line and exit status say that it is up, and `down` finds it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    holder = Holder()

    def hold(state: State, actors: int, undo: ExitStack) -> tuple[State, str, Any]:
        return replace(state, holder=state.starter, folder=str(tmp_path / "folder")), "127.0.0.1:1", holder

    monkeypatch.setattr(live, "_hold_cluster", hold)
    monkeypatch.setattr(live, "_start_supervisor", lambda plan, name, undo: None)
    monkeypatch.setattr(live, "load_kernels", lambda snapshot, plans: None)
    monkeypatch.setattr(live, "ray_session", lambda address, **options: nullcontext())
    context = SimpleNamespace(gcs_address="127.0.0.1:1")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    code = main(["up", str(STARTER_FILE), "--out", str(tmp_path / "run")])
    assert (code, holder.told) == (0, "stay\n")
    assert "is up" in capsys.readouterr().out
    assert StateFiles().find(None).holder is not None


def test_interrupt_while_the_holder_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `up` has ended, so has the process for the cluster: no other process would wait for it."""
    started: list[Any] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([sys.executable, "-c", "input()"], **options)
            started.append(self)
            interrupt()

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    monkeypatch.setattr(live, "load_kernels", lambda snapshot, plans: None)
    files = StateFiles(tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        live.up(live.UpOptions(STARTER_FILE, "early", tmp_path / "run", False, None, 1, True), files)
    [holder] = started
    assert holder.returncode is not None
    holder.stdout.close()
    assert files.names() == []


def test_interrupt_while_the_supervisor_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detached actor that was started is ended: in another user's cluster nobody else would end it."""
    killed: list[str] = []

    class Supervisor:
        @classmethod
        def options(cls, **options: Any) -> type[Supervisor]:
            return cls

        @staticmethod
        def remote(plan: Any) -> str:
            interrupt()
            return "supervisor"

    context = SimpleNamespace(get_node_id=lambda: "0" * 56)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(ray, "remote", lambda **options: lambda actor_class: Supervisor)
    monkeypatch.setattr(ray, "kill", killed.append)
    plan: Any = None
    with pytest.raises(KeyboardInterrupt), ExitStack() as undo:
        live._start_supervisor(plan, "lab", undo)
    assert killed == ["supervisor"]


def test_interrupt_while_a_dataplane_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the results of `down` are in place: they are reported, and everything is removed."""
    me = Process.running(os.getpid())
    assert me is not None
    files = StateFiles(tmp_path)
    files.claim(State("lab", str(tmp_path / "run"), me, "127.0.0.1:1", me))
    ended: list[Process] = []

    def end(process: Process) -> None:
        interrupt()
        ended.append(process)

    stop = SimpleNamespace(remote=lambda: None)
    monkeypatch.setattr(live, "ray_session", lambda address, **options: nullcontext())
    monkeypatch.setattr(live, "_supervisor", lambda state, **options: SimpleNamespace(stop=stop))
    monkeypatch.setattr(live, "_answer", lambda answer, name, **options: "outcome")
    monkeypatch.setattr(live, "_end", end)
    monkeypatch.setattr(ray, "kill", lambda actor: None)
    outcome: object = live.down("lab", files)
    assert outcome == "outcome"
    assert ended == [me]
    assert files.names() == []


@pytest.mark.parametrize("is_finished", [False, True])
def test_interrupt_while_ray_is_shut_down(monkeypatch: pytest.MonkeyPatch, is_finished: bool) -> None:
    """Ray is shut down completely; then the interrupt takes effect, unless there is nothing left to interrupt."""
    done: list[str] = []

    def shutdown() -> None:
        interrupt()
        done.append("shut down")

    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", shutdown)
    raised = nullcontext() if is_finished else pytest.raises(KeyboardInterrupt)
    with raised, last_steps() as only_the_end_is_left, session.ray_session(None, actors=1) as folder:
        if is_finished:
            only_the_end_is_left()
    assert done == ["shut down"]
    assert folder is not None
    assert not Path(folder).exists()


def test_interrupt_while_a_run_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a full cluster a run may wait for a minute; Ctrl-C ends it at once."""

    @contextmanager
    def seats(actors: list[int], node: str | None) -> Iterator[None]:
        interrupt()
        yield

    monkeypatch.setattr(system, "ray_session", lambda address, **options: nullcontext())
    monkeypatch.setattr(system, "_load_all_kernels", lambda hosts: None)
    monkeypatch.setattr(system, "seats", seats)
    run = NicRun(small_experiment(0, 1, 1), source_of(0, 50), None)
    with pytest.raises(KeyboardInterrupt):
        system.run_side_by_side([run], ignore_progress)
