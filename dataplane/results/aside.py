"""Writes results under a temporary name and renames them, so that a file with the final name is complete."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from dataplane.errors import UserError
from dataplane.paths import is_text

#: This machine in names of files, to tell the processes of several that share a folder apart.
MACHINE = re.sub(r"[^A-Za-z0-9]", "_", os.uname().nodename) or "_"

#: The file that makes a directory one of a run.
RUN_MARK = "summary.json"

#: Why nothing more can be written, and what to do. The system seldom says which file it was.
_NO_ROOM = {
    errno.ENOSPC: "its disk is full: make room or give a name elsewhere",
    errno.EDQUOT: "your share of its disk is full: make room or give a name elsewhere",
    errno.EFBIG: "a file of it is larger than files may be: raise the limit (ulimit -f) or give a name elsewhere",
}


@contextmanager
def written_aside(path: Path, *, overwrite: bool, directory: bool = False) -> Iterator[Path]:
    """A temporary path next to `path`; it is renamed to `path` if the block succeeds, and removed if it fails.

    The block makes a directory there if `directory`, else a file. Raises UserError if `path` is not free, see
    `check_free`. If the name has been taken meanwhile, the results keep another name next to it, which the UserError
    gives.
    """
    check_free(path, overwrite=overwrite, directory=directory)
    made_parent = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _beside(path, "partial")
    remove_abandoned(path)
    try:
        yield aside
        _rename(aside, path, overwrite=overwrite, directory=directory)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise UserError(f"{path} cannot be written, {_NO_ROOM[error.errno]}") from error
    finally:
        _remove(aside)
        if made_parent:
            with suppress(OSError):  # it is not empty
                path.parent.rmdir()


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """A temporary path that replaces one of vmmq's own files; readers see either the old or the new file."""
    aside = _beside(path, "partial")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def check_free(path: Path, *, overwrite: bool, directory: bool = False) -> None:
    """UserError if results, a directory or a file, may not be written to `path`.

    The name exists, another process is writing it, or Arrow, which writes some of the files, does not accept the name.
    """
    if not is_text(path):
        raise UserError(f"{path} is not UTF-8: give another name")
    for writer, aside in _written(path):
        if writer.may_run:
            over = "" if writer.machine == MACHINE else f", or remove {aside} if that is over"
            raise UserError(f"{path} is being written by {writer}: give another name{over}")
    if not path.exists():
        return
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is a device or a pipe, which results do not replace: give the name of a file")
    if not overwrite:
        raise UserError(f"{path} exists: give another name or --overwrite")
    if path.is_dir() != directory:
        what, wanted = ("file", "directory") if directory else ("directory", "file")
        raise UserError(f"{path} is a {what}, and a {wanted} is to be written: give another name")
    if directory and any(path.iterdir()) and not (path / RUN_MARK).exists():
        raise UserError(f"{path} is a directory but not one of a run: it is not overwritten; give another name")


def check_ending(path: Path, endings: Collection[str]) -> None:
    """UserError for a name with none of these endings, which stand for the known formats."""
    if path.suffix not in endings:
        raise UserError(f"{path}: unknown output format {path.suffix!r}: end the name in {', '.join(endings)}")


def check_writable(path: Path) -> None:
    """OSError if nothing with that name can be created; missing parent folders are created and stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _beside(path, "partial")
    aside.mkdir()
    aside.rmdir()


def free_name(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number that is neither taken nor being written."""
    path, number = parent / name, 2
    while path.exists() or any(writer.may_run for writer, _ in _written(path)):
        path, number = parent / f"{name}-{number}", number + 1
    return path


def shown(message: str) -> str:
    """A message without what the names of our own unfinished files begin with: the user asked for what is behind it."""
    return re.sub(rf"\.partial-\d+@{MACHINE}-", "", message)


def directory_name(name: str) -> str:
    """The name of a scenario as that of one directory, whatever it has been called."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "scenario"


def remove_abandoned(path: Path) -> None:
    """Remove what processes of this machine that are no more left beside `path`; what had its name gets it back."""
    for writer, aside in _written(path):
        if writer.may_run:
            continue
        if aside.name.startswith(".replaced-") and not path.exists():
            aside.rename(path)
        else:
            _remove(aside)


class _Writer(NamedTuple):
    """Who writes something."""

    process: int
    machine: str

    @property
    def may_run(self) -> bool:
        """Whether another process may be at it, as far as can be told: this one has nothing aside before it begins."""
        if self.machine != MACHINE:
            return True
        return self.process != os.getpid() and process_start(self.process) is not None

    def __str__(self) -> str:
        return f"process {self.process}" + (f" of {self.machine}" if self.machine != MACHINE else "")


def process_start(process: int) -> int | None:
    """When a process of this machine began, in clock ticks; None when it has ended, even if nobody has asked how."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _beside(path: Path, what: str) -> Path:
    """A name of this process for what is going to be `path`, or was: same folder, same ending."""
    return path.parent / f".{what}-{os.getpid()}@{MACHINE}-{path.name}"


def _written(path: Path) -> Iterator[tuple[_Writer, Path]]:
    """What processes, running or not, have beside `path`, each with its process."""
    for what in ("partial", "replaced"):
        for aside in path.parent.glob(f".{what}-*@*-{glob.escape(path.name)}"):
            process, _, machine = aside.name.removeprefix(f".{what}-").removesuffix(f"-{path.name}").partition("@")
            if process.isdecimal() and "-" not in machine:
                yield _Writer(int(process), machine), aside


def _rename(aside: Path, path: Path, *, overwrite: bool, directory: bool) -> None:
    """Rename the results to `path`; if that name has been taken meanwhile, to another one, with a UserError."""
    try:
        check_free(path, overwrite=overwrite, directory=directory)
    except UserError as error:
        other = free_name(path.parent, path.name)
        aside.rename(other)
        raise UserError(f"{error}; the results are in {other}") from None
    if not path.exists():
        aside.rename(path)
        return
    replaced = _beside(path, "replaced")
    path.rename(replaced)
    try:
        aside.rename(path)
    except BaseException:
        if not path.exists():
            replaced.rename(path)
        raise
    _remove(replaced)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
