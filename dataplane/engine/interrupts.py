"""Ctrl-C between things that have to be whole, as batches, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C takes effect behind the block; a second one in the middle of it."""
    shield = InterruptShield()
    shield.install()
    try:
        with shield:
            yield
    finally:
        shield.remove()


class InterruptShield:
    """While entered, SIGINT waits; leaving raises the KeyboardInterrupt that came meanwhile.

    Whoever does not want to wait sends another one, which is not held up: `torn` says that it came out of the inside.

    `install` puts the shield in the place of Python's handler and `remove` undoes that. Outside the main thread, where
    no signal is ever delivered, both do nothing.
    """

    def __init__(self) -> None:
        self.torn = False
        self._busy = False
        self._pending = False
        self._installed = False
        self._before: Any = None

    def install(self) -> None:
        """Take over SIGINT."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
            self._installed = True

    def remove(self) -> None:
        """Give SIGINT back."""
        if self._installed:
            signal.signal(signal.SIGINT, self._before)
            self._installed = False

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._busy or self._pending:
            raise KeyboardInterrupt
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
