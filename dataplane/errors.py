"""Errors of the user: what went wrong, where, and what to do, without a traceback."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class ExitCode(IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    FINDINGS = 1  # done, but with findings: a diff, a lint error, a failed check
    WRONG_INPUT = 2  # wrong usage or wrong input
    INCONCLUSIVE = 3  # inconclusive or interrupted


class UserError(Exception):
    """Something the user can correct; `str()` is text for the terminal, with one line for each problem."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WRONG_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


_REMEDIES = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.ENOENT: "check the name",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "a part of the name is a file: check the name",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOSPC: "make room or give a name elsewhere",
    errno.EDQUOT: "make room or give a name elsewhere",
    errno.EROFS: "give a name elsewhere",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def system_problem(error: OSError) -> str:
    """A line for the user: what the system refused, for which file, and what to do if that is known."""
    place = f"{error.filename}: " if error.filename else ""
    remedy = f"; {_REMEDIES[error.errno]}" if error.errno in _REMEDIES else ""
    return f"{place}{error.strerror or error}{remedy}"


def each(function: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    """The function of each; one UserError with everything that is wrong with any, a line for each."""
    made, wrong = [], []
    for one in given:
        try:
            made.append(function(one))
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return made
