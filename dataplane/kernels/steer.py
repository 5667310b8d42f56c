"""The fused steering kernel: parse, match, hash, index, assign in one pass over a batch (rules, sections 6 to 10)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.encapsulation import look_inside
from dataplane.kernels.match import (
    FILTER_ID,
    LAST_RANK,
    RANK,
    TARGET,
    filter_field,
    match_address,
    match_general,
    match_sender,
    packet_filter_accepts,
)
from dataplane.kernels.memory import address_of, read_u16_be, read_u32, read_u32_be, read_u64, read_u64_be
from dataplane.kernels.parse import CLASSES, IPV6, UNPARSEABLE, parse
from dataplane.kernels.toeplitz import hash_bytes

_RUNT, _PACKET_FILTER = 1, 2  # codes of DROP_REASONS
_TAGGED, _TRANSMIT = 1, 2  # bits of WorkColumns.flags
_NO_ROW = 0xFFFF
_DEFAULT_INDEX, _PRIMARY_INDEX = 0xFFFF, 0xFFFE
_TABLE_ENTRIES_MAX, _SLOTS_PER_TARGET, _DEFAULT_SLOT, _PRIMARY_SLOT = 128, 130, 128, 129  # see switch.snapshot
_FIRST_EX_KIND = 7  # codes of HASH_KINDS from IPV6_EX on use the substituted addresses (HSH-16, HSH-17)

_FLOW_SEED = np.uint64(0x2545_F491_4F6C_DD1D)
_FLOW_MULTIPLIER = np.uint64(0xD6E8_FEB8_6659_FD93)


@njit(inline="always")
def _mix(key: Any, word: Any) -> Any:
    key = (key ^ word) * _FLOW_MULTIPLIER
    return key ^ (key >> np.uint64(32))


@njit(inline="always")
def _flow_key(
    start: int, ether_type: int, kind: int, source: int, destination: int, ports: int, protocol: int,
    home: int, routing: int, scope: Any,
) -> Any:  # fmt: skip
    """The 64-bit flow key (ORD-01): a multiply-xorshift mix of the words that name the flow.

    Word 0 is the scope (direction, target); then for IPv4 one word of addresses, for IPv6 two words for each address;
    the Home Address and the type 2 routing address where present, since they change the hash; then protocol, ports and
    what is present. Frames that cannot be parsed have both MAC addresses and the EtherType instead.
    """
    key = _mix(_FLOW_SEED, scope)
    if kind == UNPARSEABLE:
        key = _mix(key, read_u64(start))
        return _mix(key, read_u32(start + 8) | (np.uint64(ether_type) << np.uint64(32)))
    present = np.uint64(kind >= IPV6)
    if kind < IPV6:
        key = _mix(key, read_u64(source))
    else:
        key = _mix(_mix(key, read_u64(source)), read_u64(source + 8))
        key = _mix(_mix(key, read_u64(destination)), read_u64(destination + 8))
        if home >= 0:
            key = _mix(_mix(key, read_u64(home)), read_u64(home + 8))
            present |= np.uint64(2)
        if routing >= 0:
            key = _mix(_mix(key, read_u64(routing)), read_u64(routing + 8))
            present |= np.uint64(4)
    last = np.uint64(protocol) << np.uint64(32)
    if ports >= 0:
        last |= read_u32(ports)
        present |= np.uint64(8)
    return _mix(key, last | (present << np.uint64(48)) | np.uint64(1 << 60))


@njit(cache=True, nogil=True)
def steer(
    data: npt.NDArray[np.uint8],
    frame_start: npt.NDArray[np.int64],
    captured_length: npt.NDArray[np.uint32],
    wire_length: npt.NDArray[np.uint32],
    snapshot: Any,
    transmit_by_source: bool,
    work: Any,
) -> None:
    """Steer every frame of a batch with one snapshot (MOD-08) into the columns of `work` (a `WorkColumns`).

    `snapshot` is a `SnapshotArrays`. With `transmit_by_source` a frame whose source address is in a filter is a send of
    that VPort, carrying the hash its sender would attach; its completion is what gets steered (TX-01 to TX-05).
    """
    # numba counts a reference whenever an array is taken out of a tuple: once here, not for each frame
    macs, mac_mask = address_of(snapshot.macs), snapshot.macs.shape[0] - 1
    mac_shift, filters, targets = snapshot.mac_shift[0], address_of(snapshot.filters), snapshot.targets
    general, general_count = address_of(snapshot.general_filters), snapshot.general_filters.shape[0]
    tests = address_of(snapshot.general_tests)
    packet_filter, permanent_address = np.int64(snapshot.settings[0]), snapshot.settings[1]
    inner_headers = snapshot.settings[2] != 0
    listed, listed_count = address_of(snapshot.multicast_list), snapshot.multicast_list.shape[0]
    hash_kinds = snapshot.hash_kinds
    toeplitz_tables = address_of(snapshot.toeplitz_tables)
    base = address_of(data)
    indirection_tables = snapshot.indirection_tables
    flow_key_out = work.flow_key
    hash_value_out = work.hash_value
    filter_id_out = work.filter_id
    entry_slot_out = work.entry_slot
    target_out = work.target
    processor_out = work.processor
    table_index_out = work.table_index
    oob_8021q_out = work.oob_8021q
    hash_kind_out = work.hash_kind
    flags_out = work.flags
    drop_out = work.drop
    for i in range(frame_start.shape[0]):
        start = base + frame_start[i]
        wire = np.int64(wire_length[i])
        captured_end = start + min(np.int64(captured_length[i]), wire)
        hash_value_out[i] = 0
        filter_id_out[i] = 0
        entry_slot_out[i] = 0
        oob_8021q_out[i] = 0
        hash_kind_out[i] = 0
        flags_out[i] = 0
        drop_out[i] = 0
        flow_key_out[i] = 0
        table_index_out[i] = _DEFAULT_INDEX
        ether_type = np.int64(-1)
        l3 = start + 14
        vid = np.int64(0)
        if start + 14 <= captured_end:
            ether_type = np.int64(read_u16_be(start + 12))
            if ether_type == 0x8100:
                ether_type = np.int64(-1)
                if start + 16 <= captured_end:
                    tci = np.int64(read_u16_be(start + 14))
                    # a frame that ends right behind its tag has no EtherType: not IP, but no runt
                    ether_type = np.int64(read_u16_be(start + 16)) if start + 18 <= captured_end else 0
                    l3 = start + 18
                    vid = tci & 0xFFF
                    oob_8021q_out[i] = (tci >> 13) | ((tci >> 9) & 8) | (vid << 4)
                    flags_out[i] = _TAGGED
        if ether_type < 0:  # too short for its addresses or its tag (MOD-10)
            drop_out[i] = _RUNT
            target_out[i] = _NO_ROW
            processor_out[i] = _NO_ROW
            continue

        # the packet to hash, and the Ethernet header to match
        kind, source, destination, ports, protocol, home, routing = parse(l3, ether_type, captured_end, start + wire)
        header = start
        if inner_headers:
            header, kind, source, destination, ports, protocol, home, routing = look_inside(
                start, l3, captured_end, kind, source, destination, ports, protocol, home, routing
            )

        # match
        address = read_u64_be(header) >> np.uint64(16)
        target = np.int64(-1)
        if transmit_by_source:
            source_address = (read_u32_be(header + 6) << np.uint64(16)) | read_u16_be(header + 10)
            target, sender_filter_id = match_sender(
                macs, mac_mask, mac_shift, filters, general, general_count, tests, source_address, vid
            )
            filter_id_out[i] = sender_filter_id
        if target >= 0:
            flags_out[i] |= _TRANSMIT
        else:
            row = match_address(macs, mac_mask, mac_shift, filters, address, vid)
            if row >= 0:
                target = filter_field(filters, row, TARGET)
                filter_id_out[i] = filter_field(filters, row, FILTER_ID)
            if general_count != 0:
                before = filter_field(filters, row, RANK) if row >= 0 else LAST_RANK
                row = match_general(general, general_count, tests, address, vid, before)
                if row >= 0:
                    target = filter_field(general, row, TARGET)
                    filter_id_out[i] = filter_field(general, row, FILTER_ID)
            if target < 0:
                if not packet_filter_accepts(packet_filter, permanent_address, listed, listed_count, address):
                    drop_out[i] = _PACKET_FILTER
                    target_out[i] = _NO_ROW
                    processor_out[i] = _NO_ROW
                    continue
                target = np.int64(0)
        target_out[i] = target

        # hash
        scope = np.uint64(targets[target].target_id) | (np.uint64(flags_out[i] & _TRANSMIT) << np.uint64(16))
        flow_key_out[i] = _flow_key(start, ether_type, kind, source, destination, ports, protocol, home, routing, scope)
        fields = targets[target]
        hash_kind = np.int64(hash_kinds[target * CLASSES + kind])
        if not fields.spread and flags_out[i] & _TRANSMIT:  # without RSS a sender attaches no hash (TX-05)
            hash_kind = np.int64(0)
        value = np.uint64(0)
        if hash_kind != 0:
            table = toeplitz_tables + 4 * np.int64(fields.key_first)
            if kind < IPV6:
                value = hash_bytes(table, 0, source, 8)
                if hash_kind == 2 or hash_kind == 3:
                    value ^= hash_bytes(table, 8, ports, 4)
            else:
                if hash_kind >= _FIRST_EX_KIND:
                    source = home if home >= 0 else source
                    destination = routing if routing >= 0 else destination
                value = hash_bytes(table, 0, source, 16) ^ hash_bytes(table, 16, destination, 16)
                if hash_kind != 4 and hash_kind != 7:
                    value ^= hash_bytes(table, 32, ports, 4)
            hash_value_out[i] = value
            hash_kind_out[i] = hash_kind

        # index and assign
        slot = target * _SLOTS_PER_TARGET
        if not fields.spread:
            processor_out[i] = fields.primary_processor
            table_index_out[i] = _PRIMARY_INDEX
            slot += _PRIMARY_SLOT
        elif hash_kind != 0:
            index = np.int64(value & np.uint64(fields.table_mask))
            processor_out[i] = indirection_tables[target * _TABLE_ENTRIES_MAX + index]
            table_index_out[i] = index
            slot += index
        else:
            processor_out[i] = fields.default_processor
            slot += _DEFAULT_SLOT
        entry_slot_out[i] = slot


@njit(cache=True, nogil=True)
def group_by_processor(
    processor: npt.NDArray[np.uint16],
    first_row: int,
    end_row: int,
    offsets: npt.NDArray[np.int64],
    selection: npt.NDArray[np.uint32],
) -> None:
    """Stable counting sort of the row numbers `first_row` to `end_row - 1` by processor, dropped rows left out.

    `processor` (n,), `offsets` (processors + 1,), `selection` (n,): the rows of processor p become
    `selection[offsets[p]:offsets[p + 1]]`, ascending; nothing outside [first_row, end_row) of `selection` is written.
    """
    offsets[:] = 0
    count = offsets.shape[0] - 1
    for i in range(first_row, end_row):
        if processor[i] != _NO_ROW:
            offsets[np.int64(processor[i]) + 1] += 1
    offsets[0] = first_row
    for p in range(count):
        offsets[p + 1] += offsets[p]
    for i in range(first_row, end_row):
        if processor[i] != _NO_ROW:
            p = np.int64(processor[i])
            selection[offsets[p]] = i
            offsets[p] += 1
    for p in range(count, 0, -1):  # each offset has moved to the start of the next group
        offsets[p] = offsets[p - 1]
    offsets[0] = first_row


@njit(cache=True, nogil=True)
def count_dropped(drop: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64]) -> None:
    """Add the number of rows of each drop code to `counts`."""
    for i in range(drop.shape[0]):
        counts[drop[i]] += 1


__all__ = ["count_dropped", "group_by_processor", "steer"]
