"""The kernel that turns work columns into the columns of the per-frame table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.work import NO_PROCESSOR, NO_TARGET, NOT_DROPPED, TAGGED, TRANSMIT

_NO_ENTRY = 0xFFFE  # indices from here on stand for the primary or the default processor, not for a table entry
_BLOCK_ROWS = 1024  # a multiple of 8, for whole bytes of bits; the rows of a block fit into the first-level cache


class TableColumns(NamedTuple):
    """Columns to fill, named as in the table; the last two are empty if frames are only steered. Null values are 0."""

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
#: Conditions on a row, numbered by their place in `bits` and `counts` of `write_table`. (As plain ints they would be
#: literals, for which numba compiles `_pack` again.)
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

    `target_ids` (targets,) are the ids of the snapshot's targets. `is_it` (rows,) is scratch. For each condition,
    `bits` (CONDITIONS, bytes) gets a bit for each row, the lowest bit first as in Arrow, and `counts` (CONDITIONS,) the
    number of set bits.

    The kernel goes column by column, so that the compiler uses vector instructions, and block by block for the cache.
    It has no slices, because loading a kernel with slices takes longer than steering a small capture. Row numbers are
    unsigned, because numba would test signed ones for negative indices.
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
    """Write the booleans of rows `first` to `end` - 1 as bits, and count the true ones.

    Counting uses vector instructions. Often all booleans of a block are equal, and then whole bytes are written.
    """
    count = np.int64(0)
    for i in range(first, end):
        count += is_it[i]
    counts[condition] += count
    alike = 0xFF if count else 0  # bits after the last row are never read
    mixed = count != 0 and count != np.int64(end - first)
    for at in range(first >> np.uint64(3), (end + np.uint64(7)) >> np.uint64(3)):
        byte = alike
        if mixed:
            byte = 0
            for i in range(at << np.uint64(3), min((at << np.uint64(3)) + np.uint64(8), end)):
                byte |= np.int64(is_it[i]) << np.int64(i & np.uint64(7))
        bits[condition, at] = byte
