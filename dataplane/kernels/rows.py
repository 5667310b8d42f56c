"""Kernel that lays work columns out as the columns of the per-frame table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.work import NO_PROCESSOR, NO_TARGET, NOT_DROPPED, TAGGED, TRANSMIT

_NO_ENTRY = 0xFFFE  # and above: the primary or the default processor in place of a table entry
_BLOCK_ROWS = 1024  # whole bytes of bits; the rows fit the first-level cache


class TableColumns(NamedTuple):
    """Columns to be filled, named as in the table; the last two are empty where frames are only steered.

    What is null holds 0.
    """

    packet: npt.NDArray[np.uint64]
    timestamp_ns: npt.NDArray[np.int64]
    length: npt.NDArray[np.uint32]
    direction: npt.NDArray[np.int16]  # 0 receive, 1 transmit
    target_id: npt.NDArray[np.uint16]  # vport_id or queue_id
    filter_id: npt.NDArray[np.uint32]
    hash_type: npt.NDArray[np.int16]  # code of HASH_KINDS
    hash_value: npt.NDArray[np.uint32]
    indirection_table_index: npt.NDArray[np.uint16]
    processor: npt.NDArray[np.int16]
    vlan_id: npt.NDArray[np.uint16]
    user_priority: npt.NDArray[np.uint8]
    drop_reason: npt.NDArray[np.int16]  # code of DROP_REASONS
    completion_ns: npt.NDArray[np.int64]
    latency_ns: npt.NDArray[np.int64]


CONDITIONS = 7
#: What a row may have or be, and where the bits are that say so. (For a plain number numba would compile `_pack` anew.)
HAS_TARGET, HAS_HASH, HAS_ENTRY, HAS_PROCESSOR, HAS_TAG, IS_DROPPED, IS_KEPT = np.arange(CONDITIONS)


@njit(cache=True, nogil=True)
def write_table(
    work: Any,
    first_frame: int,
    target_ids: npt.NDArray[np.uint16],
    table: TableColumns,
    is_it: npt.NDArray[np.bool_],
    bits: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill `table` from a `WorkColumns` whose first row is frame number `first_frame`.

    `target_ids` are by target row; `is_it` is scratch, as long as there are rows. `bits` (CONDITIONS, bytes) gets a bit
    for each row, lowest first as Arrow has them, and `counts` (CONDITIONS,) how many of them are set. Column by column,
    because the compiler makes vectors of that, and a block of rows at a time. (Slices would do for blocks, but to load
    a kernel that has one takes longer than steering a small capture. Unsigned, because a negative index counts from
    the end.)
    """
    rows, out_of_band, all_rows = work.rows, work.out_of_band, np.uint64(len(work.rows))
    served = len(table.completion_ns) != 0
    for condition in range(CONDITIONS):
        counts[condition] = 0
    for block in range((len(rows) + _BLOCK_ROWS - 1) // _BLOCK_ROWS):
        first = np.uint64(block * _BLOCK_ROWS)
        end = min(first + np.uint64(_BLOCK_ROWS), all_rows)
        for i in range(first, end):
            table.packet[i] = np.uint64(first_frame) + i
            table.timestamp_ns[i] = rows[i].timestamp_ns
            table.length[i] = rows[i].wire_length
            table.direction[i] = (rows[i].flags & TRANSMIT) != 0
            table.hash_type[i] = rows[i].hash_kind
            table.drop_reason[i] = rows[i].drop
            table.filter_id[i] = out_of_band[i].filter_id

        for i in range(first, end):
            is_it[i] = rows[i].target != NO_TARGET
            table.target_id[i] = target_ids[rows[i].target] if is_it[i] else 0
        _pack(is_it, first, end, HAS_TARGET, bits, counts)

        for i in range(first, end):
            is_it[i] = table.hash_type[i] != 0
            table.hash_value[i] = out_of_band[i].hash_value if is_it[i] else 0
        _pack(is_it, first, end, HAS_HASH, bits, counts)

        for i in range(first, end):
            is_it[i] = out_of_band[i].table_index < _NO_ENTRY
            table.indirection_table_index[i] = out_of_band[i].table_index if is_it[i] else 0
        _pack(is_it, first, end, HAS_ENTRY, bits, counts)

        for i in range(first, end):
            is_it[i] = work.processor[i] != NO_PROCESSOR
            table.processor[i] = work.processor[i] if is_it[i] else 0
        _pack(is_it, first, end, HAS_PROCESSOR, bits, counts)

        for i in range(first, end):
            is_it[i] = (rows[i].flags & TAGGED) != 0
            table.vlan_id[i] = out_of_band[i].tci & 0xFFF if is_it[i] else 0
            table.user_priority[i] = out_of_band[i].tci >> 13 if is_it[i] else 0
        _pack(is_it, first, end, HAS_TAG, bits, counts)

        for i in range(first, end):
            is_it[i] = table.drop_reason[i] != NOT_DROPPED
        _pack(is_it, first, end, IS_DROPPED, bits, counts)
        for i in range(first, end):
            is_it[i] = table.drop_reason[i] == NOT_DROPPED
        _pack(is_it, first, end, IS_KEPT, bits, counts)
        if served:
            for i in range(first, end):
                table.completion_ns[i] = work.completion_ns[i] if is_it[i] else 0
                table.latency_ns[i] = work.completion_ns[i] - table.timestamp_ns[i] if is_it[i] else 0


@njit(cache=True, nogil=True)
def _pack(
    is_it: npt.NDArray[np.bool_],
    first: np.uint64,
    end: np.uint64,
    condition: np.int64,
    bits: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
) -> None:
    """Write a block of answers as bits and count them: vectors do that at once, and often all are alike."""
    count = np.int64(0)
    for i in range(first, end):
        count += is_it[i]
    counts[condition] += count
    alike = 0xFF if count else 0  # nobody reads the bits behind the last row
    mixed = count != 0 and count != np.int64(end - first)
    for at in range(first >> np.uint64(3), (end + np.uint64(7)) >> np.uint64(3)):
        byte = alike
        if mixed:
            byte = 0
            for i in range(at << np.uint64(3), min((at << np.uint64(3)) + np.uint64(8), end)):
                byte |= np.int64(is_it[i]) << np.int64(i & np.uint64(7))
        bits[condition, at] = byte
