"""Folders in which the Ray clusters that vmmq starts keep sockets and logs. Needs no Ray.

The process that starts a cluster holds a lock on a file in its folder. The lock ends with the process, however that
ends. If the lock of a folder is free, its process was killed; the next process that makes a folder removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX = "vmmq-ray-"
_LOCK = "in-use"

#: Limit for the temporary folder's name: Ray adds about 80 characters for its sockets, whose names have at most 107.
_PARENT_LENGTH_MAX = 24


@contextmanager
def cluster_folder(parent: Path | None = None) -> Iterator[str]:
    """A new folder in `parent` (default: the folder for temporary files), which is removed at the end."""
    if parent is None:
        temporary = tempfile.gettempdir()
        parent = Path(temporary if len(temporary) <= _PARENT_LENGTH_MAX else "/tmp")
    _remove_abandoned(parent)
    with ExitStack() as undo:
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        unlocked = Path(folder, f".{_LOCK}")
        fcntl.flock(undo.enter_context(unlocked.open("xb")), fcntl.LOCK_EX)
        unlocked.rename(Path(folder, _LOCK))  # other processes find it only after it is locked
        yield folder


def _remove_abandoned(parent: Path) -> None:
    """Remove this user's folders that are no longer in use."""
    for path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), path.open("rb") as lock:  # locked, of another user, or just removed
            if os.fstat(lock.fileno()).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)
