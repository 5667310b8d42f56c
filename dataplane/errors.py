"""Errors of the user: what went wrong, where, and what to do, without a traceback."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    FINDINGS = 1  # done, but with findings: a diff, a lint error, a failed check
    WRONG_INPUT = 2  # wrong usage or wrong input
    INCONCLUSIVE = 3  # inconclusive or interrupted


class UserError(Exception):
    """Something the user can put right; `str()` is one line fit for the terminal."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WRONG_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code
