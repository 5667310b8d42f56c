"""Work columns: what the NIC front end says about each frame of a batch, and what the processors add.

One row for each frame, in arrival order. The arrays may lie anywhere: in this process for the inline engine, in a slot
of the descriptor ring for the Ray engine. Rows grouped by processor are a *selection vector* (row numbers) with
offsets; columns are never gathered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

NO_TARGET = 0xFFFF  # dropped before any target was found
NO_PROCESSOR = 0xFFFF

#: Codes of the `drop` column and what users read; `queue_full` is the processor's (PRC-01).
NOT_DROPPED, RUNT, PACKET_FILTER, QUEUE_FULL = range(4)
DROP_REASONS = ("", "runt", "packet filter", "queue_full")

#: Bits of the `flags` column.
TAGGED = 1  # the frame carried a VLAN tag, whatever its value (RX-10)
TRANSMIT = 2  # a send: the work is its completion (TX-01)

#: `completion_ns` of a frame that no processor completed.
NOT_COMPLETED = -1


class WorkColumns(NamedTuple):
    """Columns of a batch, all of the same length."""

    timestamp_ns: npt.NDArray[np.int64]
    wire_length: npt.NDArray[np.uint32]
    flow_key: npt.NDArray[np.uint64]  # ORD-01
    hash_value: npt.NDArray[np.uint32]  # 0 without hash: see hash_kind (HSH-28)
    filter_id: npt.NDArray[np.uint32]  # filter that matched, 0 = none
    entry_slot: npt.NDArray[np.uint32]  # steering parameter that chose the processor (SteeringSnapshot.entry_slots)
    target: npt.NDArray[np.uint16]  # row of the snapshot's targets, NO_TARGET when dropped
    processor: npt.NDArray[np.uint16]  # row of the snapshot's processors, NO_PROCESSOR when dropped
    table_index: npt.NDArray[np.uint16]  # table index, or 0xFFFF default / 0xFFFE primary processor
    oob_8021q: npt.NDArray[np.uint16]  # low 16 bits of the 8021Q OOB (RX-10)
    hash_kind: npt.NDArray[np.uint8]  # code of HASH_KINDS
    flags: npt.NDArray[np.uint8]  # TAGGED, TRANSMIT
    drop: npt.NDArray[np.uint8]  # code of DROP_REASONS
    completion_ns: npt.NDArray[np.int64]  # set by the processor; NOT_COMPLETED when dropped


WORK_DTYPES: dict[str, Any] = {
    "timestamp_ns": np.int64,
    "wire_length": np.uint32,
    "flow_key": np.uint64,
    "hash_value": np.uint32,
    "filter_id": np.uint32,
    "entry_slot": np.uint32,
    "target": np.uint16,
    "processor": np.uint16,
    "table_index": np.uint16,
    "oob_8021q": np.uint16,
    "hash_kind": np.uint8,
    "flags": np.uint8,
    "drop": np.uint8,
    "completion_ns": np.int64,
}


def work_bytes(rows: int) -> int:
    """Bytes that `work_columns_in` needs for `rows` frames, each column on a cache line of its own."""
    return sum(_padded(rows * np.dtype(dtype).itemsize) for dtype in WORK_DTYPES.values())


def work_columns_in(buffer: npt.NDArray[np.uint8], rows: int) -> WorkColumns:
    """Lay the columns of `rows` frames out in `buffer` (uint8, at least `work_bytes(rows)`, 64-byte aligned)."""
    at = 0
    columns: list[Any] = []
    for dtype in WORK_DTYPES.values():
        size = rows * np.dtype(dtype).itemsize
        columns.append(buffer[at : at + size].view(dtype))
        at += _padded(size)
    return WorkColumns(*columns)


def new_work_columns(rows: int) -> WorkColumns:
    """Columns for `rows` frames in memory of this process."""
    columns: list[Any] = [np.zeros(rows, dtype) for dtype in WORK_DTYPES.values()]
    return WorkColumns(*columns)


def first_rows(columns: WorkColumns, low: int, high: int) -> WorkColumns:
    """Rows `low` to `high - 1` as views."""
    views: list[Any] = [column[low:high] for column in columns]
    return WorkColumns(*views)


def _padded(size: int) -> int:
    return (size + 63) & ~63
