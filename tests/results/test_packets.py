"""The per-frame table."""

from __future__ import annotations

import numpy as np

from dataplane.receive.work import new_work_columns
from dataplane.results.packets import SERVED_PACKET_SCHEMA, PacketTable, as_strings
from dataplane.switch.configuration import HashType
from dataplane.switch.snapshot import compile_snapshot
from tests.batches import batch_of
from tests.kernels.test_vectors import one_vport
from tests.reference.vectors import KEYS


def test_rows_do_not_change_with_the_work_columns() -> None:
    """Rows handed over stay what they were when the work columns are filled for the next batch.

    A file is written in a thread that lags behind; every column of the work is overwritten here before it is looked at.
    """
    batch = batch_of([bytes(60)] * 5)
    work = new_work_columns(5)
    work.hash_kind[:] = 1
    work.table_index[:] = 7
    table = PacketTable(compile_snapshot(one_vport(KEYS["ms_default"], HashType.IPV4), 0))
    rows = table.batch(batch, work, served=True)
    before = as_strings(rows).to_pylist()
    for column in work:
        column[:] = np.arange(1, 6, dtype=column.dtype)
    assert as_strings(rows).to_pylist() == before
    assert as_strings(rows).schema == SERVED_PACKET_SCHEMA
