"""When Ctrl-C takes effect."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.engine.interrupts import interrupt_when_loaded, uninterrupted

_INTERRUPTED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(1000): pass\nis_whole = True\n"


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Ctrl-C as in a process of the command line; afterwards as before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt_when_loaded()
    yield
    signal.signal(signal.SIGINT, before)


def test_an_import_is_not_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interrupt comes when the module is completely loaded, also if a shield replaces the handler."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("interrupted_a", "interrupted_b"):
        (tmp_path / f"{name}.py").write_text(_INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        importlib.import_module("interrupted_a")
        time.sleep(10)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        importlib.import_module("interrupted_b")
    assert sys.modules["interrupted_a"].is_whole
    assert sys.modules["interrupted_b"].is_whole


def test_llvm_is_not_interrupted() -> None:
    """A callback from llvmlite ends before the interrupt comes: an exception in it would be lost."""
    done: list[bool] = []
    code = compile(_INTERRUPTED + "done.append(True)\n", "/packages/llvmlite/binding/executionengine.py", "exec")
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        exec(code, {"done": done})
        time.sleep(10)
    assert done == [True]


def test_an_import_without_end_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that never finishes loading delays Ctrl-C only for a while."""
    monkeypatch.setattr("dataplane.engine.interrupts._IMPORT_S", 0.1)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "interrupted_c.py").write_text(_INTERRUPTED + "import time\ntime.sleep(10)\n")
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module("interrupted_c")


def test_elsewhere_it_comes_at_once() -> None:
    """Other times Ctrl-C works as usual; a process that ignores SIGINT continues to ignore it."""
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt_when_loaded()
    os.kill(os.getpid(), signal.SIGINT)
