"""The models of the update protocol in docs/proofs: the smallest search, and the message without spin."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "docs" / "proofs" / "check.sh"


@pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc are not installed")
def test_smallest_search() -> None:
    """The hand-over loses, reorders and blocks nothing; without the wait it reorders (EPO-04, EPO-07, EPO-08)."""
    done = subprocess.run([CHECK, "quick"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in sorted(lines[:-1])] == ["holds", "holds", "reordered", "wrong_time"], done
    assert all(" ok " in line for line in lines[:-1])
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc are not installed")
def test_a_verdict_can_be_wrong() -> None:
    """A variant that fails in an unexpected way is reported, so the "ok" of a check means something."""
    flags = ["-DFRAMES=3", "-DUPDATES=2", "-DROOM=1", "-DNO_WAIT"]
    done = subprocess.run(
        [CHECK, "check", "deadlock", "hand_over", *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith("reordered")
    assert "WRONG, expected deadlock" in done.stdout


def test_missing_tools_are_named(tmp_path: Path) -> None:
    """Without spin one line says how to get it, and the exit code differs from that of a failed check."""
    environment = os.environ | {"PATH": str(tmp_path)}
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run([shell, CHECK], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr == "spin is missing: sudo apt-get install spin gcc\n"
