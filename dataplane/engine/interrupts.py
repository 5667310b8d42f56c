"""Ctrl-C between things that have to be whole, as batches, never inside one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

#: How long after an interrupt that had to wait the next attempt is, and for how long an import may keep it.
_AGAIN_S = 0.02
_IMPORT_S = 3.0


def interrupt_when_loaded() -> None:
    """Let Ctrl-C wait for the end of imports and of what LLVM calls back.

    C code takes a KeyboardInterrupt there for a module that cannot be imported, loses it, or jumps to a kernel that is
    not there. A process that ignores SIGINT goes on doing so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _WhenLoaded())


def ignore_interrupts() -> None:
    """From now on Ctrl-C comes too late: what it would undo is done, and the exit status has to say so."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _WhenLoaded:
    """A handler of SIGINT that sends it once more while modules or kernels are being loaded."""

    def __init__(self) -> None:
        self._first_s: float | None = None  # when the one came that has not been raised yet

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        self._first_s = self._first_s or now_s
        is_importing, is_in_llvm = _loading(frame)
        if is_in_llvm or (is_importing and now_s - self._first_s < _IMPORT_S):
            again = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.main_thread().ident, number))
            again.daemon = True
            again.start()
            return
        self._first_s = None
        raise KeyboardInterrupt


def _loading(frame: FrameType | None) -> tuple[bool, bool]:
    """Whether an import is under way, and whether LLVM is."""
    is_importing = is_in_llvm = False
    while frame is not None:
        is_importing |= frame.f_code.co_filename.startswith("<frozen importlib")
        is_in_llvm |= "/llvmlite/" in frame.f_code.co_filename
        frame = frame.f_back
    return is_importing, is_in_llvm


@contextmanager
def uninterrupted() -> Iterator[InterruptShield]:
    """Ctrl-C takes effect behind the block; a second one in the middle of it. The shield says whether one waits."""
    with interrupt_shield() as shield, shield:
        yield shield


@contextmanager
def last_steps() -> Iterator[Callable[[], None]]:
    """Gives what to call when nothing is left but to write results and clear up: from then on one Ctrl-C has no effect.

    It would come too late to spare any work, and would cost the results. A second one is as ever.
    """
    with interrupt_shield() as shield:
        yield shield.raise_only_second


@contextmanager
def interrupt_shield() -> Iterator[InterruptShield]:
    """A shield in the place of the handler of SIGINT, for the block.

    Outside the main thread, where no signal is ever delivered, it does nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    shield = InterruptShield(before)
    if threading.current_thread() is not threading.main_thread():
        yield shield
        return
    signal.signal(signal.SIGINT, shield.on_interrupt)
    try:
        yield shield
    finally:
        signal.signal(signal.SIGINT, before)


class InterruptShield:
    """While entered, SIGINT waits; leaving raises the KeyboardInterrupt that came meanwhile.

    Whoever does not want to wait sends another one, which is not held up: `torn` says that it came out of the inside.
    """

    def __init__(self, before: Any) -> None:
        """`before`: the handler that the shield stands in front of."""
        self.torn = False
        self._busy = False
        self._pending = False
        self._before = before

    def raise_only_second(self) -> None:
        """One that comes from now on is forgotten."""
        self._busy = True

    @property
    def pending(self) -> bool:
        """Whether a KeyboardInterrupt waits to be raised."""
        return self._pending

    def on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if not self._busy or self._pending:
            if callable(self._before):
                self._before(number, frame)
            else:
                raise KeyboardInterrupt
        else:
            self._pending = True

    def __enter__(self) -> None:
        self._busy = True

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._busy = False
        self.torn = kind is not None
        if self._pending and not self.torn:
            self._pending = False
            raise KeyboardInterrupt
