"""The per-frame table."""

from __future__ import annotations

import numpy as np

from dataplane.engine.experiment import CompleteRows, EpochSpan
from dataplane.receive.work import new_work_columns
from dataplane.results.packets import SERVED_PACKET_SCHEMA, PacketTable, as_strings
from dataplane.switch.configuration import HashType
from dataplane.switch.snapshot import compile_snapshot
from tests.kernels.test_vectors import one_vport
from tests.reference.vectors import KEYS


def test_rows_do_not_change_with_the_work_columns() -> None:
    """Rows handed over stay what they were when the work columns are filled for the next batch.

    A file is written in a thread that lags behind; every column of the work is overwritten here before it is looked at.
    Each row has the epoch that steered it (EPO-02).
    """
    work = new_work_columns(5)
    work.hash_kind[:] = 1
    work.table_index[:] = 7
    snapshot = compile_snapshot(one_vport(KEYS["ms_default"], HashType.IPV4), 0)
    spans = (EpochSpan(2, 0, snapshot.target_ids), EpochSpan(5, 1, snapshot.target_ids))
    rows = PacketTable(snapshot).served_batch(CompleteRows(10, work, spans))
    before = as_strings(rows).to_pylist()
    for column in work:
        column[:] = np.arange(1, 6, dtype=column.dtype)
    assert as_strings(rows).to_pylist() == before
    assert as_strings(rows).schema == SERVED_PACKET_SCHEMA
    assert [row["packet"] for row in before] == [10, 11, 12, 13, 14]
    assert [row["epoch"] for row in before] == [0, 0, 1, 1, 1]
