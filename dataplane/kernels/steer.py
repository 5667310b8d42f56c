"""The fused steering kernel: parse, match, hash, index, assign in one pass over a batch (rules, sections 6 to 10).

There are two ways for a frame. *Plain* frames, which nearly all are, carry at most one tag and whole IPv4 without
options or IPv6 without extension headers, and TCP or UDP: where their fields lie is a matter of arithmetic, and they
go through straight-line code. `steer_any` takes every frame, one field after the other, with the parser of
`kernels/parse.py`. The rules are in `steer_any` and in the functions that both share; the plain way is only allowed to
be faster, and tests compare the two.

Calling a kernel costs time for each array it is given, so a snapshot and the work columns of a batch are given as
tables of addresses (`describe_snapshot`, `describe_columns`), made once and used for many batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.encapsulation import look_inside
from dataplane.kernels.match import mac_row, match_address, match_any, match_sender, packet_filter_accepts
from dataplane.kernels.memory import (
    address_of,
    prefetch_address,
    read_u8,
    read_u16,
    read_u16_be,
    read_u32,
    read_u32_be,
    read_u64,
    read_u64_be,
    write_u16,
    write_u32,
    write_u64,
)
from dataplane.kernels.parse import CLASSES, IPV4, IPV4_TCP, IPV6, IPV6_TCP, UNPARSEABLE, parse
from dataplane.kernels.toeplitz import (
    hash_bytes,
    multiply_1_word,
    multiply_3_words,
    multiply_4_words,
    multiply_9_words,
    reverse_bits,
)
from dataplane.kernels.work import NO_PROCESSOR, NO_TARGET, PACKET_FILTER, RUNT, TAGGED, TRANSMIT, WORK_ROW

_DEFAULT_INDEX = 0xFFFF
_SLOTS_PER_TARGET, _DEFAULT_SLOT, _PRIMARY_SLOT = 130, 128, 129  # see switch.snapshot
_SLOT_TO_INDEX = _DEFAULT_SLOT ^ _DEFAULT_INDEX  # the same for the primary processor: 129 is index 0xFFFE
_FIRST_EX_KIND = 7  # codes of HASH_KINDS from IPV6_EX on use the substituted addresses (HSH-16, HSH-17)

#: What hash, index and assign need to know for packets of one class on one target (a row of a snapshot's targets).
CLASS_ROW = np.dtype(
    [
        ("flow_seed", np.uint64),  # what flow keys of this target begin with: `flow_seed`
        ("flow_end", np.uint64),  # last word of the flow key of a plain frame, but for the ports
        ("entry_slot", np.uint32),  # of entry 0 of the indirection table, or of the default or the primary processor
        ("window", np.uint32),  # where the key's windows for this input begin in `toeplitz_windows`, in bytes
        ("target", np.uint16),  # this and the hash kind as a WORK_ROW has them
        ("hash_kind", np.uint8),  # code of HASH_KINDS, 0 = no hash (HSH-09, HSH-19)
        ("table_mask", np.uint8),  # entries of the indirection table - 1 (HSH-27); 0 where the table is not used
        ("key", np.uint16),  # number of the key
        ("unused", np.uint16),
    ]
)
_CLASS_BYTES = CLASS_ROW.itemsize
_FLOW_SEED, _FLOW_END, _ENTRY_SLOT, _WINDOW, _TARGET, _HASH_KIND, _TABLE_MASK, _KEY = 0, 8, 16, 20, 24, 26, 27, 28
_BYTE_TABLE_BYTES = 36 * 256 * 4

_SNAPSHOT_NUMBERS = 16
#: The table that describes a snapshot: where its int64 numbers lie. BYTE_TABLES is 0 for hashes by carry-less products.
(
    _MACS, _MAC_MASK, _MAC_SHIFT, _FILTERS, _GENERAL, _GENERAL_COUNT, _TESTS, _PACKET_FILTER_BITS, _PERMANENT_ADDRESS,
    _INNER_HEADERS, _LISTED, _LISTED_COUNT, _CLASS_ROWS, _WINDOWS, _BYTE_TABLES, _SLOT_PROCESSORS,
) = range(0, 8 * _SNAPSHOT_NUMBERS, 8)  # fmt: skip

#: The table that describes work columns: the address of each. HASH_VALUE is 0 where nobody wants it and what follows.
_ROWS, _ASSIGNED, _HASH_VALUE, _FILTER_ID, _TABLE_INDEX, _OOB_8021Q = range(0, 48, 8)
_WORK_BYTES = WORK_ROW.itemsize
_TIMESTAMP, _FLOW_KEY, _LENGTH, _SLOT, _WHAT = 0, 8, 16, 20, 24  # offsets; WHAT: target, hash kind, flags and drop

_FLOW_MULTIPLIER = np.uint64(0xD6E8_FEB8_6659_FD93)
#: The last word of a flow key: ports, protocol from bit 32 on, what there is of everything from bit 48 on, and a bit
#: that is always set.
_IS_IPV6, _HAS_HOME, _HAS_ROUTING, _HAS_PORTS = 1, 2, 4, 8
_IS_LAST = 1 << 60

_TCP, _UDP = 6, 17
_PLAIN_BYTES_MIN = 42  # a tag, and IPv4 up to the ports
# first 8 bytes of an IPv4 header: version, header length, and all of the fragment word but the two flags above it
_IPV4_MASK, _IPV4_PLAIN = np.uint64(0xFF3F_0000_0000_00FF), np.uint64(0x45)
_PREFETCH_FRAMES = 16


def describe_snapshot(snapshot: Any, byte_tables: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.int64], int]:
    """What `steer` reads of a `SnapshotArrays`, which must outlive its use; and the address of that.

    `byte_tables` has the byte tables of the snapshot's keys, one behind the other; without any, hashes are computed by
    carry-less multiplication.
    """
    table = np.empty(_SNAPSHOT_NUMBERS, np.int64)
    address = _describe(
        snapshot.macs, snapshot.mac_shift, snapshot.filters, snapshot.general_filters, snapshot.general_tests,
        snapshot.settings, snapshot.multicast_list, snapshot.class_rows, snapshot.toeplitz_windows,
        snapshot.slot_processors, byte_tables, table,
    )  # fmt: skip
    return table, address


@njit(cache=True)
def _describe(
    macs: npt.NDArray[Any], mac_shift: npt.NDArray[np.uint64], filters: npt.NDArray[Any],
    general_filters: npt.NDArray[Any], general_tests: npt.NDArray[Any], settings: npt.NDArray[np.uint64],
    multicast_list: npt.NDArray[np.uint64], class_rows: npt.NDArray[Any], toeplitz_windows: npt.NDArray[np.uint64],
    slot_processors: npt.NDArray[np.uint16], byte_tables: npt.NDArray[np.uint32], table: npt.NDArray[np.int64],
) -> int:  # fmt: skip
    """Compiled because every update needs it, and numpy takes microseconds to tell the address of one array."""
    at = address_of(table)
    write_u64(at + _MACS, address_of(macs))
    write_u64(at + _MAC_MASK, len(macs) - 1)
    write_u64(at + _MAC_SHIFT, mac_shift[0])
    write_u64(at + _FILTERS, address_of(filters))
    write_u64(at + _GENERAL, address_of(general_filters))
    write_u64(at + _GENERAL_COUNT, len(general_filters))
    write_u64(at + _TESTS, address_of(general_tests))
    write_u64(at + _PACKET_FILTER_BITS, settings[0])
    write_u64(at + _PERMANENT_ADDRESS, settings[1])
    write_u64(at + _INNER_HEADERS, settings[2])
    write_u64(at + _LISTED, address_of(multicast_list))
    write_u64(at + _LISTED_COUNT, len(multicast_list))
    write_u64(at + _CLASS_ROWS, address_of(class_rows))
    write_u64(at + _WINDOWS, address_of(toeplitz_windows))
    write_u64(at + _BYTE_TABLES, address_of(byte_tables) if len(byte_tables) != 0 else 0)
    write_u64(at + _SLOT_PROCESSORS, address_of(slot_processors))
    return int(at)


def flow_seed(target_id: int) -> int:
    """What the flow keys of a target begin with: `_mix` in Python."""
    key = (0x2545_F491_4F6C_DD1D ^ target_id) * int(_FLOW_MULTIPLIER) % 2**64
    return key ^ (key >> 32)


def flow_end(kind: int) -> int:
    """The last word of the flow key of a plain frame of a class, but for its ports; of other classes it is not used."""
    protocol = _TCP if kind in (IPV4_TCP, IPV6_TCP) else _UDP
    return protocol << 32 | (_HAS_PORTS | (_IS_IPV6 if kind >= IPV6 else 0)) << 48 | _IS_LAST


def describe_columns(work: Any) -> npt.NDArray[np.int64]:
    """Where `steer` writes: the addresses of the columns of a `WorkColumns`, which must outlive its use."""
    hash_values = work.hash_value.ctypes.data if len(work.hash_value) else 0
    rest = [column.ctypes.data for column in (work.filter_id, work.table_index, work.oob_8021q)]
    return np.array([work.rows.ctypes.data, work.processor.ctypes.data, hash_values, *rest], np.int64)


@njit(inline="always")
def _field(table: int, offset: int) -> int:
    return np.int64(read_u64(table + offset))


@njit(inline="always")
def _mix(key: Any, word: Any) -> Any:
    key = (key ^ word) * _FLOW_MULTIPLIER
    return key ^ (key >> np.uint64(32))


@njit(inline="always")
def _flow_key(
    start: int, ether_type: int, kind: int, source: int, destination: int, ports: int, protocol: int,
    home: int, routing: int, key: Any,
) -> Any:  # fmt: skip
    """The 64-bit flow key (ORD-01): a multiply-xorshift mix of the words that name the flow.

    `key` is what the target and the direction have come to; then for IPv4 one word of addresses, for IPv6 two words for
    each address; the Home Address and the type 2 routing address where present, since they change the hash; then
    protocol, ports and what is present. Frames that cannot be parsed have both MAC addresses and the EtherType instead.
    """
    if kind == UNPARSEABLE:
        key = _mix(key, read_u64(start))
        return _mix(key, read_u32(start + 8) | (np.uint64(ether_type) << np.uint64(32)))
    present = np.uint64(_IS_IPV6 if kind >= IPV6 else 0)
    if kind < IPV6:
        key = _mix(key, read_u64(source))
    else:
        key = _mix(_mix(key, read_u64(source)), read_u64(source + 8))
        key = _mix(_mix(key, read_u64(destination)), read_u64(destination + 8))
        if home >= 0:
            key = _mix(_mix(key, read_u64(home)), read_u64(home + 8))
            present |= np.uint64(_HAS_HOME)
        if routing >= 0:
            key = _mix(_mix(key, read_u64(routing)), read_u64(routing + 8))
            present |= np.uint64(_HAS_ROUTING)
    last = np.uint64(protocol) << np.uint64(32)
    if ports >= 0:
        last |= read_u32(ports)
        present |= np.uint64(_HAS_PORTS)
    return _mix(key, last | (present << np.uint64(48)) | np.uint64(_IS_LAST))


@njit(cache=True, nogil=True)
def _hash_by_tables(
    table: int, hash_kind: int, source: int, destination: int, ports: int, home: int, routing: int
) -> Any:
    """The hash of type `hash_kind` with the byte table of a key; 0 for kind 0."""
    if hash_kind == 0:
        return np.uint64(0)
    if hash_kind <= 3:
        value = hash_bytes(table, 0, source, 4) ^ hash_bytes(table, 4, destination, 4)
        if hash_kind != 1:
            value ^= hash_bytes(table, 8, ports, 4)
        return value
    if hash_kind >= _FIRST_EX_KIND:
        source = home if home >= 0 else source
        destination = routing if routing >= 0 else destination
    value = hash_bytes(table, 0, source, 16) ^ hash_bytes(table, 16, destination, 16)
    if hash_kind != 4 and hash_kind != _FIRST_EX_KIND:
        value ^= hash_bytes(table, 32, ports, 4)
    return value


@njit(inline="always")
def _hash_by_windows(
    windows: int, hash_kind: int, source: int, destination: int, ports: int, home: int, routing: int
) -> Any:
    """The same with a key's windows for this type: those of inputs that it leaves out are 0."""
    if hash_kind == 0:
        return np.uint64(0)
    if hash_kind <= 3:
        value = multiply_1_word(source, windows) ^ multiply_1_word(destination, windows + 8)
        return reverse_bits(value ^ multiply_1_word(ports, windows + 16) if ports >= 0 else value)
    if hash_kind >= _FIRST_EX_KIND:
        source = home if home >= 0 else source
        destination = routing if routing >= 0 else destination
    value = multiply_4_words(source, windows) ^ multiply_4_words(destination, windows + 32)
    return reverse_bits(value ^ multiply_1_word(ports, windows + 64) if ports >= 0 else value)


@njit(inline="always")
def _out_of_band(tci: int) -> int:
    """Low 16 bits of the 8021Q OOB: priority, CFI and VID in the order of the structure (RX-10); 0 for no tag."""
    return (tci >> 13) | ((tci >> 9) & 8) | ((tci & 0xFFF) << 4)


@njit(inline="always")
def _write_row(at: int, wire_length: int, flow_key: Any, entry_slot: int, what: Any) -> None:
    """Write the WORK_ROW at an address, but for its arrival; `what` is target, hash kind, flags and drop code."""
    write_u64(at + _FLOW_KEY, flow_key)
    write_u64(at + _LENGTH, wire_length | (entry_slot << 32))
    write_u64(at + _WHAT, what)


@njit(inline="always")
def _table_index(entry_slot: int, target: int) -> int:
    """Index of a slot in the table of its target, or what stands for the default and the primary processor."""
    slot = entry_slot - target * _SLOTS_PER_TARGET
    return slot ^ _SLOT_TO_INDEX if slot >= _DEFAULT_SLOT else slot


@njit(inline="always")
def _write_rest(columns: int, row: int, value: Any, filter_id: int, index: int, tci: int) -> None:
    """Write what a reader of rows wants beside, if there is one."""
    hash_values = _field(columns, _HASH_VALUE)
    if hash_values != 0:
        write_u32(hash_values + 4 * row, value)
        write_u32(_field(columns, _FILTER_ID) + 4 * row, filter_id)
        write_u16(_field(columns, _TABLE_INDEX) + 2 * row, index)
        write_u16(_field(columns, _OOB_8021Q) + 2 * row, _out_of_band(tci))


@njit(inline="always")
def _drop(columns: int, row: int, wire_length: int, reason: int, tci: int, flags: int) -> int:
    what = NO_TARGET | (flags << 24) | (reason << 32)
    _write_row(_field(columns, _ROWS) + _WORK_BYTES * row, wire_length, np.uint64(0), 0, what)
    write_u16(_field(columns, _ASSIGNED) + 2 * row, NO_PROCESSOR)
    _write_rest(columns, row, np.uint64(0), 0, _DEFAULT_INDEX, tci)
    return NO_PROCESSOR


@njit(cache=True, nogil=True)
def steer_any(
    start: int, captured_end: int, wire_end: int, snapshot: int, columns: int, row: int, transmit_by_source: bool
) -> int:
    """Steer the frame at memory address `start` into row `row`; returns its processor, NO_PROCESSOR if dropped."""
    ether_type = np.int64(-1)
    l3 = start + 14
    tci, flags = np.int64(0), np.int64(0)
    if start + 14 <= captured_end:
        ether_type = np.int64(read_u16_be(start + 12))
        if ether_type == 0x8100:
            ether_type = np.int64(-1)
            if start + 16 <= captured_end:
                tci, flags = np.int64(read_u16_be(start + 14)), np.int64(TAGGED)
                # a frame that ends right behind its tag has no EtherType: not IP, but no runt
                ether_type = np.int64(read_u16_be(start + 16)) if start + 18 <= captured_end else 0
                l3 = start + 18
    if ether_type < 0:  # too short for its addresses or its tag (MOD-10)
        return _drop(columns, row, wire_end - start, RUNT, 0, 0)
    vid = tci & 0xFFF

    # the packet to hash, and the Ethernet header to match
    kind, source, destination, ports, protocol, home, routing = parse(l3, ether_type, captured_end, wire_end)
    header = start
    if _field(snapshot, _INNER_HEADERS) != 0:
        header, kind, source, destination, ports, protocol, home, routing = look_inside(
            start, l3, captured_end, kind, source, destination, ports, protocol, home, routing
        )

    # match
    macs, mac_mask, mac_shift = _field(snapshot, _MACS), _field(snapshot, _MAC_MASK), read_u64(snapshot + _MAC_SHIFT)
    filters, general, tests = _field(snapshot, _FILTERS), _field(snapshot, _GENERAL), _field(snapshot, _TESTS)
    general_count = _field(snapshot, _GENERAL_COUNT)
    target, filter_id = np.int64(-1), np.int64(0)
    if transmit_by_source:
        address = (read_u32_be(header + 6) << np.uint64(16)) | read_u16_be(header + 10)
        target, filter_id = match_sender(
            macs, mac_mask, mac_shift, filters, general, general_count, tests, address, vid
        )
        if target >= 0:
            flags |= TRANSMIT
    if target < 0:
        address = read_u64_be(header) >> np.uint64(16)
        target, filter_id = match_any(macs, mac_mask, mac_shift, filters, general, general_count, tests, address, vid)
        if target < 0:
            bits, permanent_address = _field(snapshot, _PACKET_FILTER_BITS), read_u64(snapshot + _PERMANENT_ADDRESS)
            listed, listed_count = _field(snapshot, _LISTED), _field(snapshot, _LISTED_COUNT)
            if not packet_filter_accepts(bits, permanent_address, listed, listed_count, address):
                return _drop(columns, row, wire_end - start, PACKET_FILTER, tci, flags)
            target = np.int64(0)

    # hash
    class_row = _field(snapshot, _CLASS_ROWS) + (target * CLASSES + kind) * _CLASS_BYTES
    hash_kind, entry_slot = np.int64(read_u8(class_row + _HASH_KIND)), np.int64(read_u32(class_row + _ENTRY_SLOT))
    key = read_u64(class_row + _FLOW_SEED)
    if flags & TRANSMIT:
        key = _mix(key, np.uint64(TRANSMIT))
        if entry_slot == target * _SLOTS_PER_TARGET + _PRIMARY_SLOT:
            hash_kind = np.int64(0)  # without RSS a sender attaches no hash (TX-05)
    byte_tables = _field(snapshot, _BYTE_TABLES)
    if byte_tables != 0:
        table = byte_tables + np.int64(read_u16(class_row + _KEY)) * _BYTE_TABLE_BYTES
        value = _hash_by_tables(table, hash_kind, source, destination, ports, home, routing)
    else:
        windows = _field(snapshot, _WINDOWS) + np.int64(read_u32(class_row + _WINDOW))
        value = _hash_by_windows(windows, hash_kind, source, destination, ports, home, routing)
    flow_key = _flow_key(start, ether_type, kind, source, destination, ports, protocol, home, routing, key)

    # index and assign (HSH-27, RX-12 to RX-14)
    entry_slot += np.int64(value & read_u8(class_row + _TABLE_MASK))
    processor = np.int64(read_u16(_field(snapshot, _SLOT_PROCESSORS) + 2 * entry_slot))
    what = target | (hash_kind << 16) | (flags << 24)
    _write_row(_field(columns, _ROWS) + _WORK_BYTES * row, wire_end - start, flow_key, entry_slot, what)
    write_u16(_field(columns, _ASSIGNED) + 2 * row, processor)
    _write_rest(columns, row, value, filter_id, _table_index(entry_slot, target), tci)
    return processor


@njit(cache=True, nogil=True)
def _steer_span(
    base: int, starts: int, captured_lengths: int, wire_lengths: int, timestamps: int, first: int, end: int,
    snapshot: int, columns: int, transmit_by_source: bool, counters: int, dropped: int,
) -> None:  # fmt: skip
    """The frames of one span; all but their numbers are addresses, and `dropped` is the last of the counters."""
    macs, mac_mask, mac_shift = _field(snapshot, _MACS), _field(snapshot, _MAC_MASK), read_u64(snapshot + _MAC_SHIFT)
    filters, class_rows = _field(snapshot, _FILTERS), _field(snapshot, _CLASS_ROWS)
    windows, byte_tables = _field(snapshot, _WINDOWS), _field(snapshot, _BYTE_TABLES)
    slot_processors = _field(snapshot, _SLOT_PROCESSORS)
    # what the plain way leaves to the other one: filters that no address finds, sends, and what may be a tunnel
    any_only = _field(snapshot, _GENERAL_COUNT) != 0
    plain_udp = np.int64(_UDP if _field(snapshot, _INNER_HEADERS) == 0 else -1)
    work_rows, assigned = _field(columns, _ROWS), _field(columns, _ASSIGNED)
    i, last = first - 1, end - 1
    while i < last:  # a range would keep a second counter, and a register more
        i += 1
        ahead = base + np.int64(read_u64(starts + 8 * min(i + _PREFETCH_FRAMES, last)))
        prefetch_address(ahead)
        prefetch_address(ahead + 63)
        start = base + np.int64(read_u64(starts + 8 * i))
        wire = np.int64(read_u32(wire_lengths + 4 * i))
        captured = min(np.int64(read_u32(captured_lengths + 4 * i)), wire)
        at = work_rows + _WORK_BYTES * i
        write_u64(at + _TIMESTAMP, read_u64(timestamps + 8 * i))
        is_plain = False
        if captured >= _PLAIN_BYTES_MIN and not any_only:
            is_tagged = np.int64(np.int64(read_u16_be(start + 12)) == 0x8100)
            l3 = start + 14 + 4 * is_tagged
            ether_type = np.int64(read_u16_be(l3 - 2))
            tci = np.int64(read_u16_be(start + 14)) & -is_tagged
            if ether_type == 0x0800:
                head = read_u64(l3)
                protocol = np.int64(read_u8(l3 + 9))
                total = np.int64(read_u16_be(l3 + 2))
                is_udp = np.int64(protocol == plain_udp)
                is_plain = (
                    (head & _IPV4_MASK == _IPV4_PLAIN)
                    & ((protocol == _TCP) | (protocol == plain_udp))
                    & (total >= 40 - 12 * is_udp)
                    & (l3 + total <= start + wire)
                )
                kind = IPV4 + 1 + is_udp
                source = l3 + 12
            elif ether_type == 0x86DD:
                protocol = np.int64(read_u8(l3 + 6))
                total = np.int64(read_u16_be(l3 + 4))
                is_udp = np.int64(protocol == plain_udp)
                is_plain = (
                    (np.int64(read_u8(l3)) >> 4 == 6)
                    & ((protocol == _TCP) | (protocol == plain_udp))
                    & (total >= 20 - 12 * is_udp)
                    & (l3 + 40 + total <= start + wire)
                    & (l3 + 44 <= start + captured)
                )
                kind = IPV6 + 1 + is_udp
                source = l3 + 8
            if is_plain and transmit_by_source:
                address = (read_u32_be(start + 6) << np.uint64(16)) | read_u16_be(start + 10)
                is_plain = not mac_row(macs, mac_mask, mac_shift, address)[0]
            if is_plain:
                address = read_u64_be(start) >> np.uint64(16)
                target, filter_id = match_address(macs, mac_mask, mac_shift, filters, address, tci & 0xFFF)
                if target < 0:
                    is_plain = packet_filter_accepts(
                        _field(snapshot, _PACKET_FILTER_BITS), read_u64(snapshot + _PERMANENT_ADDRESS),
                        _field(snapshot, _LISTED), _field(snapshot, _LISTED_COUNT), address,
                    )  # fmt: skip
                    target = np.int64(0)
        if not is_plain:
            processor = steer_any(start, start + captured, start + wire, snapshot, columns, i, transmit_by_source)
            counter = counters + 8 * min(processor, dropped)
            write_u64(counter, read_u64(counter) + np.uint64(1))
            continue

        class_row = class_rows + (target * CLASSES + kind) * _CLASS_BYTES
        key_windows = windows + np.int64(read_u32(class_row + _WINDOW))
        key = read_u64(class_row + _FLOW_SEED)
        if kind < IPV6:  # addresses and ports follow each other
            ports = source + 8
            key = _mix(key, read_u64(source))
            value = reverse_bits(multiply_3_words(source, key_windows)) if byte_tables == 0 else np.uint64(0)
        else:
            ports = source + 32
            key = _mix(_mix(key, read_u64(source)), read_u64(source + 8))
            key = _mix(_mix(key, read_u64(source + 16)), read_u64(source + 24))
            value = reverse_bits(multiply_9_words(source, key_windows)) if byte_tables == 0 else np.uint64(0)
        if byte_tables != 0:
            table = byte_tables + np.int64(read_u16(class_row + _KEY)) * _BYTE_TABLE_BYTES
            destination = source + (4 if kind < IPV6 else 16)
            hash_kind = np.int64(read_u8(class_row + _HASH_KIND))
            value = _hash_by_tables(table, hash_kind, source, destination, ports, -1, -1)
        key = _mix(key, read_u64(class_row + _FLOW_END) | read_u32(ports))
        what = read_u32(class_row + _TARGET)  # target, hash kind, and the mask of the table
        entry_slot = np.int64(read_u32(class_row + _ENTRY_SLOT)) + np.int64(value & (what >> np.uint64(24)))
        processor = np.int64(read_u16(slot_processors + 2 * entry_slot))
        flags = np.uint64(is_tagged) << np.uint64(24)
        _write_row(at, wire, key, entry_slot, (what & np.uint64(0xFF_FFFF)) | flags)
        write_u16(assigned + 2 * i, processor)
        _write_rest(columns, i, value, filter_id, _table_index(entry_slot, target), tci)
        counter = counters + 8 * processor
        write_u64(counter, read_u64(counter) + np.uint64(1))


@njit(cache=True, nogil=True)
def steer(
    data: npt.NDArray[np.uint8],
    frame_start: npt.NDArray[np.int64],
    captured_length: npt.NDArray[np.uint32],
    wire_length: npt.NDArray[np.uint32],
    timestamp_ns: npt.NDArray[np.int64],
    first: int,
    end: int,
    span_ends: npt.NDArray[np.int64],
    snapshot_tables: npt.NDArray[np.int64],
    column_table: npt.NDArray[np.int64],
    transmit_by_source: bool,
    counts: npt.NDArray[np.int64],
) -> None:
    """Steer frames `first` to `end` - 1 of a batch into the rows of the same numbers.

    Span s of the batch ends before frame `span_ends[s]`, and `snapshot_tables[s]` is the address of the table of the
    one snapshot that steers it (MOD-08; `describe_snapshot`). `column_table` is that of `describe_columns`. `counts`
    (spans, processors + 1) is filled with the number of these frames of each processor and, last, of dropped ones. With
    `transmit_by_source` a frame whose source address is in a filter is a send of that VPort, carrying the hash its
    sender would attach; its completion is what gets steered (TX-01 to TX-05).
    """
    # numba counts a reference whenever an array is handed to an inlined function: addresses, not arrays
    base, starts = address_of(data), address_of(frame_start)
    captured_lengths, wire_lengths = address_of(captured_length), address_of(wire_length)
    timestamps, columns = address_of(timestamp_ns), address_of(column_table)
    dropped = counts.shape[1] - 1
    counts[:] = 0
    span_first = first
    for span in range(span_ends.shape[0]):
        span_end = min(span_ends[span], end)
        _steer_span(
            base, starts, captured_lengths, wire_lengths, timestamps, span_first, span_end, snapshot_tables[span],
            columns, transmit_by_source, address_of(counts) + 8 * counts.shape[1] * span, dropped,
        )  # fmt: skip
        span_first = max(span_first, span_end)


@njit(cache=True, nogil=True)
def divide_selection(
    span_ends: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> int:
    """Give each processor its part of the selection vector in every span, and within it one to each part of the rows.

    `counts` (parts, spans, processors + 1) is overwritten with where the rows of each part, span and processor begin;
    `offsets` (spans, processors + 1) gets where those of each processor begin, and where the last end. Returns how many
    rows are dropped, and have no place.
    """
    at, selected = np.int64(0), np.int64(0)
    processors = offsets.shape[1] - 1
    for span in range(span_ends.shape[0]):
        span_first = at
        for p in range(processors):
            offsets[span, p] = at
            for part in range(counts.shape[0]):
                rows = counts[part, span, p]
                counts[part, span, p] = at
                at += rows
        offsets[span, processors] = at
        selected += at - span_first
        at = span_ends[span]
    return int(at - selected)


@njit(cache=True, nogil=True)
def select_rows(
    processor: npt.NDArray[np.uint16],
    first_row: int,
    end_row: int,
    span_ends: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    selection: npt.NDArray[np.uint32],
) -> None:
    """Write the row numbers `first_row` to `end_row` - 1 to their places in `selection`, dropped rows left out.

    `places` (spans, processors + 1) says where the next row of each processor goes, and is moved on.
    """
    span_first = first_row
    for span in range(span_ends.shape[0]):
        span_end = min(span_ends[span], end_row)
        places_of_span = places[span]
        for row in range(span_first, span_end):
            p = np.int64(processor[row])
            if p != NO_PROCESSOR:
                selection[places_of_span[p]] = row
                places_of_span[p] += 1
        span_first = max(span_first, span_end)


@njit(cache=True, nogil=True)
def count_dropped(drop: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64]) -> None:
    """Add the number of rows of each drop code to `counts`."""
    for i in range(drop.shape[0]):
        counts[drop[i]] += 1
