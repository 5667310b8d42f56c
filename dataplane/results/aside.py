"""Results under a name of their own: written aside, then renamed, so that what has the name is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataplane.errors import UserError

#: The file that makes a directory one of a run.
RUN_MARK = "summary.json"


@contextmanager
def written_aside(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Raises UserError when `path` exists and `overwrite` is false, or is a directory that is no run directory.
    """
    check_free(path, overwrite=overwrite)
    made_parent = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".partial-{os.getpid()}-{path.name}"  # same ending as the name it will get
    remove_abandoned(path)
    try:
        yield aside
        if path.exists():
            _remove(path)
        aside.rename(path)
    finally:
        _remove(aside)
        if made_parent and not any(path.parent.iterdir()):
            path.parent.rmdir()


def check_free(path: Path, *, overwrite: bool) -> None:
    """UserError when results may not be put at `path`."""
    if not path.exists():
        return
    if not overwrite:
        raise UserError(f"{path} exists: give another name or --overwrite")
    if path.is_dir() and any(path.iterdir()) and not (path / RUN_MARK).exists():
        raise UserError(f"{path} is a directory but not one of a run: it is not overwritten; give another name")


def free_name(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number that is not taken."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path


def remove_abandoned(path: Path) -> None:
    """Remove what processes that are no more left beside `path`."""
    for aside in path.parent.glob(f".partial-*-{path.name}"):
        process = aside.name.removeprefix(".partial-").removesuffix(f"-{path.name}")
        if process.isdigit() and (int(process) == os.getpid() or not Path(f"/proc/{process}").exists()):
            _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
