"""Somebody else's code, as that of a policy: it ends, and standard output stays ours."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

#: How long a policy may take for anything that it is asked, on the wall's clock.
FOREIGN_SECONDS = 30.0


class OverdueError(BaseException):
    """Foreign code did not end in time. No `Exception`: code that catches all of those would go on."""


@contextmanager
def foreign_code(seconds: float = FOREIGN_SECONDS) -> Iterator[None]:
    """Run the block with its prints on standard error; OverdueError inside it when it takes longer than `seconds`.

    A block that waits inside a function written in C notices when that comes back, not before.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    ended = False

    def stop() -> None:
        with lock:
            if not ended:
                _raise_in(thread, OverdueError)

    watch = threading.Timer(seconds, stop)
    watch.daemon = True
    watch.start()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with lock:
            ended = True
        watch.cancel()


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
