"""State files of dataplanes, tested without a dataplane."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from actors.state import Process, State, StateFiles
from dataplane.errors import UserError
from dataplane.results.aside import MACHINE


def state_of(name: str, directory: Path) -> State:
    """A dataplane that this process starts."""
    me = Process.running(os.getpid())
    assert me is not None
    return State(name, str(directory / "run"), me)


def dead_process() -> Process:
    """A process that has ended."""
    child = subprocess.Popen(["sleep", "60"])
    process = Process.running(child.pid)
    assert process is not None
    assert process.is_running
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Process.running(child.pid) is None, "it has ended, though nobody has asked how"
    child.wait()
    return process


def test_name_is_taken_until_it_is_given_back(tmp_path: Path) -> None:
    """A name of a dataplane that starts or runs cannot be claimed; a state file reads back as it was written."""
    files = StateFiles(tmp_path / "state")
    starting = state_of("a", tmp_path)
    files.claim(starting)
    with pytest.raises(UserError, match="is being started"):
        files.claim(starting)
    with pytest.raises(UserError, match="being started"):
        files.find("a")
    running = replace(starting, address="127.0.0.1:1", holder=starting.starter, folder="/nowhere")
    files.write(running)
    assert files.find("a") == files.find(None) == running
    with pytest.raises(UserError, match="runs already"):
        files.claim(starting)
    files.remove("a")
    files.claim(starting)


def test_stale_files_vanish_silently(tmp_path: Path) -> None:
    """A file whose holder (or starter) has ended counts as missing; so does an unreadable file."""
    files = StateFiles(tmp_path / "state")
    dead = dead_process()
    left = tmp_path / "cluster"
    left.mkdir()
    unfinished = tmp_path / f".partial-{dead.id}@{MACHINE}-run"
    unfinished.mkdir()
    files.claim(replace(state_of("a", tmp_path), address="127.0.0.1:1", holder=dead, folder=str(left)))
    files.claim(replace(state_of("b", tmp_path), starter=dead))
    (tmp_path / "state" / "c.json").write_text("{}")
    assert files.names() == []
    assert list((tmp_path / "state").iterdir()) == []
    assert not left.exists()
    assert not unfinished.exists()
    files.claim(state_of("a", tmp_path))


def test_reused_process_id_is_another_process() -> None:
    """Process ids are reused, so a process is also identified by its start time."""
    me = Process.running(os.getpid())
    assert me is not None
    assert not replace(me, started=me.started + 1).is_running


def test_the_only_dataplane_needs_no_name(tmp_path: Path) -> None:
    """Without a name: the only dataplane, else the one with the default name, else an error that asks for a name."""
    files = StateFiles(tmp_path / "state")
    with pytest.raises(UserError, match="vmmq up"):
        files.find(None)
    with pytest.raises(UserError, match="no name"):
        files.find("../a")
    for name in ("a", "b"):
        running = replace(state_of(name, tmp_path), address="127.0.0.1:1")
        files.claim(running)
        files.write(running)
        if name == "a":
            assert files.find(None).name == "a"
    with pytest.raises(UserError, match=r"a, b.*--name"):
        files.find(None)
    files.claim(replace(state_of("vmmq", tmp_path), address="127.0.0.1:1"))
    assert files.find(None).name == "vmmq"


def test_a_dataplane_is_taken_down_by_one(tmp_path: Path) -> None:
    """A second process is refused and changes nothing; when the first one ends or fails, others may start."""
    files, others = StateFiles(tmp_path / "state"), StateFiles(tmp_path / "state")
    running = replace(state_of("a", tmp_path), address="127.0.0.1:1")
    files.claim(running)
    with files.taking_down("a") as state:
        assert state == running
        with pytest.raises(UserError, match="is being taken down"), others.taking_down(None):
            pass
        assert others.find("a") == running  # other commands ask the dataplane itself
    with others.taking_down("a"):
        others.remove("a")
        with pytest.raises(UserError, match="no dataplane a runs"), files.taking_down("a"):
            pass
