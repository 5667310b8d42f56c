"""Rows that are kept aside until the end of a run."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dataplane.processor import rows as module
from dataplane.processor.rows import RowLog

ROW = np.dtype([("window", np.int64), ("slot", np.uint32)])


@pytest.mark.parametrize("memory_bytes", [1, 100, 1 << 20])
def test_rows_come_back_in_order(monkeypatch: pytest.MonkeyPatch, memory_bytes: int) -> None:
    """Rows come back as they were added, whatever fits into memory; they can be pickled; added arrays are copied."""
    monkeypatch.setattr(module, "_MEMORY_BYTES", memory_bytes)
    log, given, buffer = RowLog(ROW), [], np.zeros(5, ROW)
    for i in range(40):
        buffer["window"], buffer["slot"] = i, np.arange(5) + i
        log.append(buffer[: i % 6])
        given += buffer[: i % 6].tolist()
    rows = log.rows()
    del log
    assert rows.dtype == ROW
    assert rows.tolist() == given
    assert pickle.loads(pickle.dumps(rows)).tolist() == given


def test_nothing_was_added() -> None:
    """No rows are an empty array of the dtype."""
    assert RowLog(ROW).rows().dtype == ROW
    assert len(RowLog(ROW).rows()) == 0


def test_the_file_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file is visible in the folder for temporary files, not even while the rows are used."""
    monkeypatch.setattr(module, "_MEMORY_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = RowLog(ROW)
    log.append(np.ones(3, ROW))
    assert log.rows().tolist() == [(1, 1)] * 3
    assert list(tmp_path.iterdir()) == []
