"""The per-frame table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.engine.experiment import CompleteRows, EpochSpan
from dataplane.kernels.work import NO_PROCESSOR, NO_TARGET
from dataplane.receive.work import DROP_REASONS, WorkColumns, new_work_columns
from dataplane.results.packets import (
    PACKET_SCHEMA,
    SERVED_PACKET_SCHEMA,
    PacketTable,
    ParquetPackets,
    as_strings,
    open_packet_file,
)
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import HashType
from dataplane.switch.snapshot import HASH_KIND_NAMES, SteeringSnapshot
from tests.kernels.test_vectors import one_vport
from tests.reference.vectors import KEYS


def test_rows_do_not_change_with_the_work_columns() -> None:
    """Rows that were handed over do not change when the work columns are filled for the next batch.

    A thread writes the file later; here every column of the work is overwritten before the file is read.
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
        column.view(np.uint8)[:] += 1
    assert as_strings(rows).to_pylist() == before
    assert as_strings(rows).schema == SERVED_PACKET_SCHEMA
    assert [row["packet"] for row in before] == [10, 11, 12, 13, 14]
    assert [row["epoch"] for row in before] == [0, 0, 1, 1, 1]


def test_bytes_do_not_depend_on_what_was_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal rows give files with equal bytes, padding included (ENG-01)."""
    work = new_work_columns(1003)
    work.hash_kind[::3] = 1
    work.flags[::5] = 1
    snapshot = compile_snapshot(one_vport(KEYS["ms_default"], HashType.IPV4), 0)
    allocate = pa.allocate_buffer
    files = []
    for rubbish in (0x55, 0xAA):

        def dirty(size: int, rubbish: int = rubbish) -> pa.Buffer:
            buffer = allocate(size)
            np.frombuffer(buffer, np.uint8)[:] = rubbish
            return buffer

        monkeypatch.setattr(pa, "allocate_buffer", dirty)
        path = tmp_path / f"{rubbish}.arrow"
        file = open_packet_file(path)
        rows = PacketTable(snapshot).served_batch(CompleteRows(0, work, (EpochSpan(1003, 0, snapshot.target_ids),)))
        file.write(rows.select(PACKET_SCHEMA.names))
        file.close()
        files.append(path.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("count", [1, 7, 64, 1024, 2501])
@pytest.mark.parametrize("share_missing", [0.0, 0.3, 1.0])
def test_every_column_says_what_the_work_says(tmp_path: Path, count: int, share_missing: float) -> None:
    """Each row has the values of its frame, null if unknown, in memory and in a Parquet file."""
    random = np.random.default_rng(count)
    missing = random.random((6, count)) < share_missing
    work = new_work_columns(count)
    work.timestamp_ns[:] = random.integers(0, 1 << 40, count)
    work.completion_ns[:] = work.timestamp_ns + random.integers(0, 1 << 30, count)
    work.wire_length[:] = random.integers(0, 1 << 31, count)
    work.filter_id[:] = random.integers(0, 9, count)
    work.target[:] = np.where(missing[0], NO_TARGET, 0)
    work.hash_kind[:] = np.where(missing[1], 0, random.integers(1, len(HASH_KIND_NAMES), count))
    work.hash_value[:] = random.integers(0, 1 << 32, count)
    work.table_index[:] = np.where(missing[2], random.integers(0xFFFE, 0x10000, count), random.integers(0, 128, count))
    snapshot = compile_snapshot(one_vport(KEYS["ms_default"], HashType.IPV4), 0)
    work.processor[:] = np.where(missing[3], NO_PROCESSOR, random.integers(0, len(snapshot.processors), count))
    work.flags[:] = np.where(missing[4], 0, 1) | (random.integers(0, 2, count) << 1)
    work.tci[:] = random.integers(0, 1 << 16, count)
    work.drop[:] = np.where(missing[5], 0, random.integers(1, len(DROP_REASONS), count))
    rows = PacketTable(snapshot).served_batch(
        CompleteRows(1000, work, (EpochSpan(count // 2, 4, snapshot.target_ids), EpochSpan(count, 5, (0,))))
    )
    expected = [_row(work, snapshot, i, 1000 + i, 4 if i < count // 2 else 5) for i in range(count)]
    assert as_strings(rows).to_pylist() == expected
    file = ParquetPackets(tmp_path / "a.parquet", served=True)
    file.write(rows)
    file.close()
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == expected
    assert pq.read_metadata(tmp_path / "a.parquet").metadata[b"vmmq.schema_version"] == b"1"


def test_bytes_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However frames are divided into batches, the file is the same, row groups included; none is empty (TIM-01)."""
    monkeypatch.setattr(ParquetPackets, "_ROWS_IN_GROUP", 100)
    work = new_work_columns(300)
    work.hash_kind[::3] = 1
    snapshot = compile_snapshot(one_vport(KEYS["ms_default"], HashType.IPV4), 0)
    rows = PacketTable(snapshot).served_batch(CompleteRows(0, work, (EpochSpan(300, 0, snapshot.target_ids),)))
    files = set()
    for size in (1, 7, 100, 130, 300):
        file = ParquetPackets(tmp_path / f"{size}.parquet", served=True)
        for first in range(0, 300, size):
            file.write(rows.slice(first, size))
        file.close()
        files.add((tmp_path / f"{size}.parquet").read_bytes())
    assert len(files) == 1
    metadata = pq.ParquetFile(tmp_path / "7.parquet").metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [100, 100, 100]


def _row(work: WorkColumns, snapshot: SteeringSnapshot, i: int, packet: int, epoch: int) -> dict[str, Any]:
    tagged, known = bool(work.flags[i] & 1), work.target[i] != NO_TARGET
    index, kind, completed = int(work.table_index[i]), int(work.hash_kind[i]), work.drop[i] == 0
    return {
        "packet": packet,
        "timestamp_ns": int(work.timestamp_ns[i]),
        "length": int(work.wire_length[i]),
        "direction": "tx" if work.flags[i] & 2 else "rx",
        "vport_id": int(snapshot.target_ids[0]) if known else None,
        "queue_id": None,
        "filter_id": int(work.filter_id[i]),
        "hash_type": HASH_KIND_NAMES[kind],
        "hash_value": int(work.hash_value[i]) if kind else None,
        "indirection_table_index": index if index < 0xFFFE else None,
        "processor": None if work.processor[i] == NO_PROCESSOR else str(snapshot.processors[work.processor[i]]),
        "vlan_id": int(work.tci[i]) & 0xFFF if tagged else None,
        "user_priority": int(work.tci[i]) >> 13 if tagged else None,
        "drop_reason": None if completed else DROP_REASONS[work.drop[i]],
        "epoch": epoch,
        "completion_ns": int(work.completion_ns[i]) if completed else None,
        "latency_ns": int(work.completion_ns[i] - work.timestamp_ns[i]) if completed else None,
    }
