"""Limits for user code."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.update.foreign import OverdueError, foreign_code


def test_code_that_never_ends_is_ended() -> None:
    """OverdueError ends a loop, even one that catches everything that programs usually catch."""

    def endless() -> None:
        while True:
            with suppress(Exception):
                pass

    with pytest.raises(OverdueError), foreign_code(0.0):
        endless()


def test_prints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints of user code do not go to the results on standard output; prints after it do."""
    with foreign_code():
        print("theirs")
    print("ours")
    assert capsys.readouterr() == ("ours\n", "theirs\n")


def test_code_that_ends_is_left_alone() -> None:
    """Return values and exceptions of user code are passed on."""
    stdout = sys.stdout
    with pytest.raises(ZeroDivisionError), foreign_code():
        raise ZeroDivisionError
    with foreign_code():
        value = 7
    assert value == 7
    assert sys.stdout is stdout


def test_signals_do_not_go_to_the_watchdog() -> None:
    """If the main thread blocks Ctrl-C, threads that we have started do not deliver it."""
    with foreign_code():
        pass
    [watchdog] = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
    status = Path(f"/proc/self/task/{watchdog.native_id}/status").read_text()
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    assert blocked & 1 << signal.SIGINT - 1
    assert blocked & 1 << signal.SIGTERM - 1
