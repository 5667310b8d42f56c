"""Limits of somebody else's code."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest

from dataplane.update.foreign import OverdueError, foreign_code


def test_code_that_never_ends_is_ended() -> None:
    """OverdueError comes out of a loop, even of one that catches all that programs usually catch."""

    def endless() -> None:
        while True:
            with suppress(Exception):
                pass

    with pytest.raises(OverdueError), foreign_code(0.0):
        endless()


def test_prints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints does not get between our results; what is printed behind it does go there."""
    with foreign_code():
        print("theirs")
    print("ours")
    assert capsys.readouterr() == ("ours\n", "theirs\n")


def test_code_that_ends_is_left_alone() -> None:
    """What it returns and what it raises come through."""
    stdout = sys.stdout
    with pytest.raises(ZeroDivisionError), foreign_code():
        raise ZeroDivisionError
    with foreign_code():
        value = 7
    assert value == 7
    assert sys.stdout is stdout
