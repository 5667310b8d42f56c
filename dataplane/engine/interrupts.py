"""Ctrl-C takes effect between units that must be complete, such as batches, and never inside one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

#: Time until a delayed interrupt is tried again, and the longest time for which an import may delay it.
_AGAIN_S = 0.02
_IMPORT_S = 3.0


def interrupt_when_loaded() -> None:
    """Let Ctrl-C wait for the end of imports and of callbacks from LLVM.

    There, C code would take a KeyboardInterrupt for a failed import, lose it, or jump to a kernel that does not exist.
    A process that ignores SIGINT continues to ignore it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _WhenLoaded())


def ignore_interrupts() -> None:
    """From now on Ctrl-C has no effect: the work that it would stop is done, and the exit status has to say so."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _WhenLoaded:
    """A handler of SIGINT that sends it once more while modules or kernels are being loaded."""

    def __init__(self) -> None:
        self._first_s: float | None = None  # time of the interrupt that has not been raised yet

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
    """Whether an import is in progress, and whether LLVM is running."""
    is_importing = is_in_llvm = False
    while frame is not None:
        is_importing |= frame.f_code.co_filename.startswith("<frozen importlib")
        is_in_llvm |= "/llvmlite/" in frame.f_code.co_filename
        frame = frame.f_back
    return is_importing, is_in_llvm


@contextmanager
def uninterrupted() -> Iterator[InterruptShield]:
    """Ctrl-C takes effect after the block, a second one immediately. The shield says whether one is pending."""
    with interrupt_shield() as shield, shield:
        yield shield


@contextmanager
def last_steps() -> Iterator[Callable[[], None]]:
    """Gives a function to call before the last steps, writing results and cleaning up: then one Ctrl-C has no effect.

    It would save no work and would lose the results. A second one takes effect as usual.
    """
    with interrupt_shield() as shield:
        yield shield.raise_only_second


@contextmanager
def interrupt_shield() -> Iterator[InterruptShield]:
    """A shield that replaces the handler of SIGINT during the block.

    Outside the main thread, where signals are never delivered, it does nothing.
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
    """While entered, it holds SIGINT back; leaving it raises the pending KeyboardInterrupt.

    A second SIGINT is not held back: `torn` says that its KeyboardInterrupt was raised inside the block.
    """

    def __init__(self, before: Any) -> None:
        """`before`: the handler that the shield replaces."""
        self.torn = False
        self._busy = False
        self._pending = False
        self._before = before

    def raise_only_second(self) -> None:
        """Ignore the first SIGINT that arrives from now on."""
        self._busy = True

    @property
    def pending(self) -> bool:
        """Whether a KeyboardInterrupt is pending."""
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
