"""Results under a name of their own: written aside, then renamed, so that what has the name is whole."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataplane.errors import UserError

#: The file that makes a directory one of a run.
RUN_MARK = "summary.json"


@contextmanager
def written_aside(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Raises UserError when `path` is not free, as `check_free` says. When it has been taken meanwhile, what was written
    gets a name beside it, and the UserError says which.
    """
    check_free(path, overwrite=overwrite)
    made_parent = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    remove_abandoned(path)
    try:
        yield aside
        _rename(aside, path, overwrite=overwrite)
    finally:
        _remove(aside)
        if made_parent:
            with suppress(OSError):  # it is not empty
                path.parent.rmdir()


def check_free(path: Path, *, overwrite: bool) -> None:
    """UserError when results may not be put at `path`: it is there, or another process is writing it."""
    if writer := next((process for process, _ in _written(path) if _is_other(process)), None):
        raise UserError(f"{path} is being written by process {writer}: give another name")
    if not path.exists():
        return
    if not overwrite:
        raise UserError(f"{path} exists: give another name or --overwrite")
    if path.is_dir() and any(path.iterdir()) and not (path / RUN_MARK).exists():
        raise UserError(f"{path} is a directory but not one of a run: it is not overwritten; give another name")


def check_writable(directory: Path) -> None:
    """OSError when no directory of that name can be made; what is missing above it is made and stays."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(directory)
    aside.mkdir()
    aside.rmdir()


def free_name(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number that is neither taken nor being written."""
    path, number = parent / name, 2
    while path.exists() or any(_is_other(process) for process, _ in _written(path)):
        path, number = parent / f"{name}-{number}", number + 1
    return path


def remove_abandoned(path: Path) -> None:
    """Remove what processes that are no more left beside `path`."""
    for process, aside in _written(path):
        if not _is_other(process):
            _remove(aside)


def _aside(path: Path) -> Path:
    """Where this process writes what is going to be `path`: same folder, same ending."""
    return path.parent / f".partial-{os.getpid()}-{path.name}"


def _written(path: Path) -> Iterator[tuple[int, Path]]:
    """What processes, running or not, have written for `path`, each with its process."""
    for aside in path.parent.glob(f".partial-*-{glob.escape(path.name)}"):
        process = aside.name.removeprefix(".partial-").removesuffix(f"-{path.name}")
        if process.isdigit():
            yield int(process), aside


def _is_other(process: int) -> bool:
    """Whether a process runs that is not this one, which has nothing aside before it begins."""
    return process != os.getpid() and Path(f"/proc/{process}").exists()


def _rename(aside: Path, path: Path, *, overwrite: bool) -> None:
    """Give what was written its name; a name beside it, and a UserError, when that has been taken meanwhile."""
    try:
        check_free(path, overwrite=overwrite)
    except UserError as error:
        other = free_name(path.parent, path.name)
        aside.rename(other)
        raise UserError(f"{error}; the results are in {other}") from None
    _remove(path)
    aside.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
