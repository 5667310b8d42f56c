"""Runs foreign code, such as a policy: within a time limit, and without its prints on standard output."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from time import monotonic

#: The longest wall-clock time that a policy may take for one call.
FOREIGN_SECONDS = 30.0

_LOOK_SECONDS = 1.0


class OverdueError(BaseException):
    """Foreign code did not end in time. Not an `Exception`, because code that catches every `Exception` would go on."""


@contextmanager
def foreign_code(seconds: float = FOREIGN_SECONDS) -> Iterator[None]:
    """Run the block with its prints on standard error; raises OverdueError in it if it takes longer than `seconds`.

    If the block waits inside a C function, the error is raised only when that function returns.
    """
    _watchdog.watch(seconds)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _watchdog.release()


class _Watchdog:
    """A thread that looks at the clock every second: policies are asked too often to start a thread each time."""

    def __init__(self) -> None:
        # a plain lock is released completely: an error from outside can interrupt anything written in Python
        self._lock = threading.Lock()
        self._deadlines: dict[int, float] = {}  # by thread
        self._looks_at = 0.0
        self._sooner = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, seconds: float) -> None:
        """Start the time limit of the calling thread."""
        deadline = monotonic() + seconds
        with self._lock:
            self._deadlines[threading.get_ident()] = deadline
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
            # only existing threads handle signals: some of these block them for a while
            before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        elif deadline < self._looks_at:
            self._sooner.set()

    def release(self) -> None:
        """End the time limit of the calling thread."""
        with self._lock:
            self._deadlines.pop(threading.get_ident(), None)

    def _look(self) -> None:
        while True:
            self._sooner.clear()
            now = monotonic()
            with self._lock:
                for thread in [thread for thread, deadline in self._deadlines.items() if deadline <= now]:
                    del self._deadlines[thread]
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OverdueError))
                self._looks_at = min([now + _LOOK_SECONDS, *self._deadlines.values()])
            self._sooner.wait(self._looks_at - now)


_watchdog = _Watchdog()
