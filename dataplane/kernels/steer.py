"""The fused steering kernel: parse, match, hash, index, assign in one pass over a batch (rules, sections 6 to 10).

There are two code paths. Nearly all frames are *plain*: at most one tag, TCP or UDP over unfragmented IPv4 without
options or over IPv6 without extension headers. The positions of their fields follow from arithmetic, so straight-line
code handles them (`_steer_plain`). `steer_any` handles every frame, field by field, with the parser of
`kernels/parse.py`. `steer_any` and the functions that both paths share implement the rules. The plain path must give
the same results, only faster; tests compare the two.

A kernel call costs time for each array argument. So the kernel gets a snapshot and the work columns of a batch as
tables of addresses (`describe_snapshot`, `describe_columns`), which are made once and used for many batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX
from dataplane.kernels.encapsulation import look_inside
from dataplane.kernels.match import (
    VID,
    mac_row,
    match_address,
    match_any,
    match_sender,
    packet_filter_accepts,
)
from dataplane.kernels.memory import (
    address_of,
    multiply_folded,
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
from dataplane.kernels.parse import CLASSES, IPV4_TCP, IPV6, IPV6_TCP, UNPARSEABLE, parse
from dataplane.kernels.toeplitz import (
    hash_bytes,
    multiply_4_bytes,
    multiply_8_bytes,
    multiply_12_bytes,
    multiply_16_bytes,
    multiply_36_bytes,
)
from dataplane.kernels.work import (
    NO_PROCESSOR,
    NO_TARGET,
    OUT_OF_BAND_ROW,
    PACKET_FILTER,
    RUNT,
    TAGGED,
    TRANSMIT,
    WORK_ROW,
)

_FIRST_EX_KIND = 7  # code of IPV6_EX in HASH_KINDS; from here on the substituted addresses count (HSH-16, HSH-17)

#: The steering parameters for packets of one class on one target (a row of the snapshot's targets): everything that
#: hash, index and assign need. `switch.compile` writes these rows.
CLASS_ROW = np.dtype(
    [
        ("flow_seed", np.uint64),  # the start value of flow keys of this target: `flow_seed`
        ("entry_slot", np.uint32),  # slot of entry 0 of the indirection table, or of the default or primary processor
        ("window", np.uint32),  # offset of the key's windows for this input in `toeplitz_windows`, in bytes
        ("target", np.uint16),  # target, hash kind and flags (0) have the layout of a WORK_ROW
        ("hash_kind", np.uint8),  # code of HASH_KINDS, 0 = no hash (HSH-09, HSH-19)
        ("flags", np.uint8),
        ("key", np.uint16),  # number of the key
        ("first_index", np.uint16),  # table index of `entry_slot`: 0, or DEFAULT_ or PRIMARY_PROCESSOR_INDEX
        ("table_mask", np.uint8),  # entries of the indirection table - 1 (HSH-27); 0 if the table is not used
        ("unused", np.uint8, 7),
    ]
)
_CLASS_BYTES = CLASS_ROW.itemsize
#: Bytes of all rows of one target, which lie together.
CLASSES_BYTES = CLASSES * _CLASS_BYTES
_FLOW_SEED, _ENTRY_SLOT, _WINDOW, _TARGET, _HASH_KIND, _KEY, _FIRST_INDEX, _TABLE_MASK = 0, 8, 12, 16, 18, 20, 22, 24
_BYTE_TABLE_BYTES = 36 * 256 * 4

_SNAPSHOT_NUMBERS = 16
#: The table that describes a snapshot: byte offsets of its int64 numbers. The number at _BYTE_TABLES is 0 if hashes are
#: computed by carry-less products.
(
    _MACS, _MAC_MASK, _MAC_SHIFT, _FILTERS, _GENERAL, _GENERAL_COUNT, _TESTS, _PACKET_FILTER_BITS, _PERMANENT_ADDRESS,
    _INNER_HEADERS, _LISTED, _LISTED_COUNT, _CLASS_ROWS, _WINDOWS, _BYTE_TABLES, _SLOT_PROCESSORS,
) = range(0, 8 * _SNAPSHOT_NUMBERS, 8)  # fmt: skip

#: The table that describes work columns: byte offsets of their addresses. The one at _OUT_OF_BAND is 0 if nobody reads
#: that column.
_ROWS, _ASSIGNED, _OUT_OF_BAND = range(0, 24, 8)
_WORK_BYTES = WORK_ROW.itemsize
_TIMESTAMP, _FLOW_KEY, _LENGTH, _SLOT, _WHAT = 0, 8, 16, 20, 24  # in WORK_ROW; WHAT: target, hash kind, flags, drop
_OUT_OF_BAND_BYTES = OUT_OF_BAND_ROW.itemsize

_FLOW_START, _FLOW_FACTOR = np.uint64(0x2545_F491_4F6C_DD1D), np.uint64(0xD6E8_FEB8_6659_FD93)
#: The last word that goes into a flow key: ports, protocol from bit 32 on, from bit 48 on the bits that say which
#: fields are present, and a bit that is always set.
_IS_IPV6, _HAS_HOME, _HAS_ROUTING, _HAS_PORTS = 1, 2, 4, 8
_IS_LAST = 1 << 60

_TCP, _UDP = 6, 17
_TAG_TYPE, _IPV4_TYPE, _IPV6_TYPE = 0x0081, 0x0008, 0xDD86  # EtherTypes as `read_u16` reads them, little-endian
_PLAIN_BYTES_MIN = 42  # a tag, and IPv4 up to the ports
# in the first 8 bytes of an IPv4 header: version, header length, more-fragments flag and fragment offset
_IPV4_MASK, _IPV4_PLAIN = np.uint64(0xFF3F_0000_0000_00FF), np.uint64(0x45)
_PREFETCH_FRAMES = 16


#: For one protocol: when its packets are plain, and the values that are then known.
_PLAIN_ROW = np.dtype(
    [
        ("bytes_min", np.uint32),  # bytes after the IP header; a number no packet can have if the protocol is not plain
        ("class_row", np.uint32),  # offset of the CLASS_ROW of its class in the rows of a target, in bytes
        ("flow_end", np.uint64),  # the last word of its flow key, without the ports
    ]
)
_PLAIN_BYTES = _PLAIN_ROW.itemsize
_BYTES_MIN, _CLASS, _FLOW_END = 0, 4, 8


def _plain_protocols() -> npt.NDArray[np.uint64]:
    """Tables of 256 _PLAIN_ROWs, by protocol, for three kinds of NIC and for IPv4 and IPv6: flat (3, 2, 256).

    Kind 0 is the usual NIC. Kind 1 looks inside tunnels: there UDP is not plain, because it may be a tunnel. Kind 2 has
    general filters: there nothing is plain.
    """
    table = np.zeros((3, 2, 256), _PLAIN_ROW)
    table["bytes_min"] = 1 << 16
    for family, (tcp, bits) in enumerate([(IPV4_TCP, _HAS_PORTS), (IPV6_TCP, _HAS_PORTS | _IS_IPV6)]):
        for protocol, kind, bytes_min in [(_TCP, tcp, 20), (_UDP, tcp + 1, 8)]:
            flow_end = protocol << 32 | bits << 48 | _IS_LAST
            table[: 2 if protocol == _TCP else 1, family, protocol] = bytes_min, kind * _CLASS_BYTES, flow_end
    return table.reshape(-1).view(np.uint64)


_PLAIN_PROTOCOLS = _plain_protocols()
_PLAIN_FAMILY_BYTES = 256 * _PLAIN_BYTES


def describe_snapshot(snapshot: Any, byte_tables: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.int64], int]:
    """(the table of a `SnapshotArrays` for `steer`, the memory address of this table).

    The arrays must live as long as the table is used. `byte_tables` holds the byte tables of the snapshot's keys, one
    after the other; if it is empty, hashes are computed by carry-less multiplication.
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
    """Write `table`. Compiled, because every update needs it, and numpy takes microseconds for one array's address."""
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
    """The start value of the flow keys of a target; the same computation as `_mix`, in Python."""
    product = (int(_FLOW_START) ^ target_id) * int(_FLOW_FACTOR)
    return product >> 64 ^ product % 2**64


def describe_columns(work: Any) -> npt.NDArray[np.int64]:
    """The table of a `WorkColumns` for `steer`: addresses of its columns, which must live as long as it is used."""
    out_of_band = work.out_of_band.ctypes.data if len(work.out_of_band) else 0
    return np.array([work.rows.ctypes.data, work.processor.ctypes.data, out_of_band], np.int64)


@njit(inline="always")
def _field(table: int, offset: int) -> int:
    return np.int64(read_u64(table + offset))


@njit(inline="always")
def _mix(key: Any, first: Any, second: Any) -> Any:
    """Mix two words into a key: the 128-bit product of key XOR first and constant XOR second, folded to 64 bits."""
    return multiply_folded(key ^ first, _FLOW_FACTOR ^ second)


@njit(inline="always")
def _mix_address(key: Any, address: int) -> Any:
    return _mix(key, read_u64(address), read_u64(address + 8))


@njit(inline="always")
def _flow_key(
    start: int, ether_type: int, kind: int, source: int, destination: int, ports: int, protocol: int,
    home: int, routing: int, key: Any,
) -> Any:  # fmt: skip
    """The 64-bit flow key (ORD-01), mixed from the words that identify the flow.

    `key` is the start value, from target and direction. The next word is the addresses: one word for IPv4; for IPv6
    they are mixed into one word, together with the Home Address and the type 2 routing address if present, because
    these change the hash. The last word has protocol, ports, and which fields are present. For frames that cannot be
    parsed the words are both MAC addresses and the EtherType instead.
    """
    if kind == UNPARSEABLE:
        return _mix(key, read_u64(start), read_u32(start + 8) | (np.uint64(ether_type) << np.uint64(32)))
    present = np.uint64(_IS_IPV6 if kind >= IPV6 else 0)
    if kind < IPV6:
        addresses = read_u64(source)
    else:
        addresses = _mix_address(_mix_address(_FLOW_START, source), destination)
        if home >= 0:
            addresses = _mix_address(addresses, home)
            present |= np.uint64(_HAS_HOME)
        if routing >= 0:
            addresses = _mix_address(addresses, routing)
            present |= np.uint64(_HAS_ROUTING)
    last = np.uint64(protocol) << np.uint64(32)
    if ports >= 0:
        last |= read_u32(ports)
        present |= np.uint64(_HAS_PORTS)
    return _mix(key, addresses, last | (present << np.uint64(48)) | np.uint64(_IS_LAST))


@njit(cache=True, nogil=True)
def _hash_by_tables(
    table: int, hash_kind: int, source: int, destination: int, ports: int, home: int, routing: int
) -> Any:
    """The hash of type `hash_kind` with the byte table of a key at address `table`; 0 for kind 0."""
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
    """The same hash with the windows of a key for this type; windows of input that the type leaves out are 0.

    The two addresses of IPv4 are adjacent, so one product of 8 bytes covers both.
    """
    if hash_kind == 0:
        return np.uint64(0)
    if hash_kind <= 3:
        value = multiply_8_bytes(source, windows)
        return value ^ multiply_4_bytes(ports, windows + 16) if ports >= 0 else value
    if hash_kind >= _FIRST_EX_KIND:
        source = home if home >= 0 else source
        destination = routing if routing >= 0 else destination
    value = multiply_16_bytes(source, windows) ^ multiply_16_bytes(destination, windows + 32)
    return value ^ multiply_4_bytes(ports, windows + 64) if ports >= 0 else value


@njit(inline="always")
def _write_row(at: int, wire_length: int, flow_key: Any, entry_slot: int, what: Any) -> None:
    """Write the WORK_ROW at an address, without its timestamp; `what` is target, hash kind, flags and drop code."""
    write_u64(at + _FLOW_KEY, flow_key)
    write_u64(at + _LENGTH, wire_length | (entry_slot << 32))
    write_u64(at + _WHAT, what)


@njit(inline="always")
def _write_out_of_band(columns: int, row: int, value: Any, filter_id: int, index: Any, tci: Any) -> None:
    """Write the OUT_OF_BAND_ROW, if there is a reader of rows; the low 16 bits of `tci` are the TCI."""
    out_of_band = _field(columns, _OUT_OF_BAND)
    if out_of_band != 0:
        at = out_of_band + _OUT_OF_BAND_BYTES * row
        write_u64(at, value | np.uint64(filter_id) << np.uint64(32))
        write_u32(at + 8, index | tci << np.uint64(16))


@njit(inline="always")
def _drop(columns: int, row: int, wire_length: int, reason: int, tci: Any, flags: int) -> int:
    what = NO_TARGET | (flags << 24) | (reason << 32)
    _write_row(_field(columns, _ROWS) + _WORK_BYTES * row, wire_length, np.uint64(0), 0, what)
    write_u16(_field(columns, _ASSIGNED) + 2 * row, NO_PROCESSOR)
    _write_out_of_band(columns, row, np.uint64(0), 0, np.uint64(DEFAULT_PROCESSOR_INDEX), tci)
    return NO_PROCESSOR


@njit(cache=True, nogil=True)
def steer_any(
    start: int, captured_end: int, wire_end: int, snapshot: int, columns: int, row: int, transmit_by_source: bool
) -> int:
    """Steer the frame at memory address `start` into row `row`; returns its processor, NO_PROCESSOR if dropped.

    `snapshot` and `columns` are the addresses of the tables that describe them.
    """
    ether_type = np.int64(-1)
    l3 = start + 14
    tci, flags = np.uint64(0), np.int64(0)
    if start + 14 <= captured_end:
        ether_type = np.int64(read_u16_be(start + 12))
        if ether_type == 0x8100:
            ether_type = np.int64(-1)
            if start + 16 <= captured_end:
                tci, flags = read_u16_be(start + 14), np.int64(TAGGED)
                # a frame that ends just after its tag has no EtherType: it is not IP, but it is no runt either
                ether_type = np.int64(read_u16_be(start + 16)) if start + 18 <= captured_end else 0
                l3 = start + 18
    if ether_type < 0:  # too short for its addresses or its tag (MOD-10)
        return _drop(columns, row, wire_end - start, RUNT, np.uint64(0), 0)
    vid = np.int64(tci) & VID

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
    classes, filter_id = np.int64(-1), np.int64(0)
    if transmit_by_source:
        address = (read_u32_be(header + 6) << np.uint64(16)) | read_u16_be(header + 10)
        classes, filter_id = match_sender(
            macs, mac_mask, mac_shift, filters, general, general_count, tests, address, vid
        )
        if classes >= 0:
            flags |= TRANSMIT
    if classes < 0:
        address = read_u64_be(header) >> np.uint64(16)
        classes, filter_id = match_any(macs, mac_mask, mac_shift, filters, general, general_count, tests, address, vid)
        if classes < 0:
            bits, permanent_address = _field(snapshot, _PACKET_FILTER_BITS), read_u64(snapshot + _PERMANENT_ADDRESS)
            listed, listed_count = _field(snapshot, _LISTED), _field(snapshot, _LISTED_COUNT)
            if not packet_filter_accepts(bits, permanent_address, listed, listed_count, address):
                return _drop(columns, row, wire_end - start, PACKET_FILTER, tci, flags)
            classes = np.int64(0)  # the rows of the default VPort or queue come first

    # hash
    class_row = _field(snapshot, _CLASS_ROWS) + classes + kind * _CLASS_BYTES
    hash_kind, first_index = np.int64(read_u8(class_row + _HASH_KIND)), read_u16(class_row + _FIRST_INDEX)
    key = read_u64(class_row + _FLOW_SEED)
    if flags & TRANSMIT:
        key = _mix(key, np.uint64(TRANSMIT), np.uint64(0))
        if first_index == PRIMARY_PROCESSOR_INDEX:
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
    entry = value & read_u8(class_row + _TABLE_MASK)
    entry_slot = np.int64(read_u32(class_row + _ENTRY_SLOT) + entry)
    processor = np.int64(read_u16(_field(snapshot, _SLOT_PROCESSORS) + 2 * entry_slot))
    what = np.int64(read_u16(class_row + _TARGET)) | (hash_kind << 16) | (flags << 24)
    _write_row(_field(columns, _ROWS) + _WORK_BYTES * row, wire_end - start, flow_key, entry_slot, what)
    write_u16(_field(columns, _ASSIGNED) + 2 * row, processor)
    _write_out_of_band(columns, row, value, filter_id, first_index | entry, tci)
    return processor


class _Span(NamedTuple):
    """The tables of one span, read once for all its frames: memory addresses, except the masks and the flag."""

    snapshot: int
    macs: int
    mac_mask: int
    mac_shift: int
    filters: int
    class_rows: int
    windows: int
    byte_tables: int
    slot_processors: int
    columns: int
    work_rows: int
    assigned: int
    timestamps: int
    transmit_by_source: bool


@njit(inline="always")
def _steer_plain(span: Any, is_ipv6: bool, plain: int, start: int, l3: int, wire: int, tag: Any, row: int) -> int:
    """Steer a plain frame; returns its processor, or -1 if `steer_any` must handle the frame.

    `plain` is the address of the _PLAIN_ROW of its protocol. `tag` holds the TCI in its low 16 bits and the flags from
    bit 24 on, as in `what` of `_write_row`; it is 0 for an untagged frame.
    """
    source, ports = l3 + (8 if is_ipv6 else 12), l3 + (40 if is_ipv6 else 20)
    if span.transmit_by_source:
        address = (read_u32_be(start + 6) << np.uint64(16)) | read_u16_be(start + 10)
        if mac_row(span.macs, span.mac_mask, span.mac_shift, address)[0]:
            return -1
    address = read_u64_be(start) >> np.uint64(16)
    classes, filter_id = match_address(span.macs, span.mac_mask, span.mac_shift, span.filters, address, tag)
    if classes < 0:
        snapshot = span.snapshot
        if not packet_filter_accepts(
            _field(snapshot, _PACKET_FILTER_BITS), read_u64(snapshot + _PERMANENT_ADDRESS),
            _field(snapshot, _LISTED), _field(snapshot, _LISTED_COUNT), address,
        ):  # fmt: skip
            return -1
        classes = np.int64(0)

    class_row = span.class_rows + classes + np.int64(read_u32(plain + _CLASS))
    if span.byte_tables == 0:
        windows = span.windows + np.int64(read_u32(class_row + _WINDOW))
        value = multiply_36_bytes(source, windows) if is_ipv6 else multiply_12_bytes(source, windows)
    else:
        table = span.byte_tables + np.int64(read_u16(class_row + _KEY)) * _BYTE_TABLE_BYTES
        hash_kind, destination = np.int64(read_u8(class_row + _HASH_KIND)), source + (16 if is_ipv6 else 4)
        value = _hash_by_tables(table, hash_kind, source, destination, ports, -1, -1)
    addresses = _mix_address(_mix_address(_FLOW_START, source), source + 16) if is_ipv6 else read_u64(source)
    flow_key = _mix(read_u64(class_row + _FLOW_SEED), addresses, read_u64(plain + _FLOW_END) | read_u32(ports))
    entry = value & read_u8(class_row + _TABLE_MASK)
    entry_slot = np.int64(read_u32(class_row + _ENTRY_SLOT) + entry)
    processor = np.int64(read_u16(span.slot_processors + 2 * entry_slot))
    at = span.work_rows + _WORK_BYTES * row
    write_u64(at + _TIMESTAMP, read_u64(span.timestamps + 8 * row))
    what = read_u32(class_row + _TARGET) | (tag & np.uint64(0xFF00_0000))
    _write_row(at, wire, flow_key, entry_slot, what)
    write_u16(span.assigned + 2 * row, processor)
    _write_out_of_band(span.columns, row, value, filter_id, read_u16(class_row + _FIRST_INDEX) | entry, tag)
    return processor


@njit(cache=True, nogil=True)
def _steer_span(
    base: int, starts: int, captured_lengths: int, wire_lengths: int, timestamps: int, first: int, end: int,
    snapshot: int, columns: int, transmit_by_source: bool, counters: int, dropped: int,
) -> None:  # fmt: skip
    """Steer frames `first` to `end` - 1, which are of one span; the other integers are memory addresses.

    `counters` is the address of a row of the `counts` of `steer`; `dropped` is the index of its last counter.
    """
    span = _Span(
        snapshot, _field(snapshot, _MACS), _field(snapshot, _MAC_MASK), read_u64(snapshot + _MAC_SHIFT),
        _field(snapshot, _FILTERS), _field(snapshot, _CLASS_ROWS), _field(snapshot, _WINDOWS),
        _field(snapshot, _BYTE_TABLES), _field(snapshot, _SLOT_PROCESSORS), columns, _field(columns, _ROWS),
        _field(columns, _ASSIGNED), timestamps, transmit_by_source,
    )  # fmt: skip
    kind_of_nic = np.int64(_field(snapshot, _INNER_HEADERS) != 0)
    if _field(snapshot, _GENERAL_COUNT) != 0:
        kind_of_nic = np.int64(2)
    plain_ipv4 = address_of(_PLAIN_PROTOCOLS) + 2 * kind_of_nic * _PLAIN_FAMILY_BYTES
    plain_ipv6 = plain_ipv4 + _PLAIN_FAMILY_BYTES
    i, last = first - 1, end - 1
    while i < last:  # a range would need a second counter, and so another register
        i += 1
        ahead = base + np.int64(read_u64(starts + 8 * min(i + _PREFETCH_FRAMES, last)))
        prefetch_address(ahead)
        prefetch_address(ahead + 63)
        start = base + np.int64(read_u64(starts + 8 * i))
        wire = np.int64(read_u32(wire_lengths + 4 * i))
        captured = np.int64(read_u32(captured_lengths + 4 * i))  # may exceed `wire`: plain packets end within `wire`
        processor = np.int64(-1)
        if captured >= _PLAIN_BYTES_MIN:
            # no branch: which frames have a tag is unpredictable
            is_tagged = np.int64(read_u16(start + 12) == _TAG_TYPE)
            tag = (read_u16_be(start + 14) | np.uint64(TAGGED << 24)) & np.uint64(-is_tagged)
            l3 = start + 14 + 4 * is_tagged
            ether_type = read_u16(l3 - 2)
            if ether_type == _IPV4_TYPE:
                plain = plain_ipv4 + _PLAIN_BYTES * np.int64(read_u8(l3 + 9))
                total = np.int64(read_u16_be(l3 + 2))
                if (
                    (read_u64(l3) & _IPV4_MASK == _IPV4_PLAIN)
                    & (total - 20 >= np.int64(read_u32(plain + _BYTES_MIN)))
                    & (l3 + total <= start + wire)
                ):
                    processor = _steer_plain(span, False, plain, start, l3, wire, tag, i)
            elif ether_type == _IPV6_TYPE:
                plain = plain_ipv6 + _PLAIN_BYTES * np.int64(read_u8(l3 + 6))
                total = np.int64(read_u16_be(l3 + 4))
                if (
                    (np.int64(read_u8(l3)) >> 4 == 6)
                    & (total >= np.int64(read_u32(plain + _BYTES_MIN)))
                    & (l3 + 40 + total <= start + wire)
                    & (l3 + 44 <= start + captured)
                ):
                    processor = _steer_plain(span, True, plain, start, l3, wire, tag, i)
        if processor < 0:
            write_u64(span.work_rows + _WORK_BYTES * i + _TIMESTAMP, read_u64(timestamps + 8 * i))
            captured_end = start + min(captured, wire)
            processor = steer_any(start, captured_end, start + wire, snapshot, columns, i, transmit_by_source)
            processor = min(processor, dropped)
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
    """Steer frames `first` to `end` - 1 of a batch into the rows with the same numbers.

    `data` holds the bytes; `frame_start`, `captured_length`, `wire_length` and `timestamp_ns` are (frames,). Span s of
    the batch ends before frame `span_ends[s]`. One snapshot steers the whole span (MOD-08), and `snapshot_tables[s]` is
    the address of the table from `describe_snapshot`. `column_table` is the table from `describe_columns`. `counts`
    (spans, processors + 1) gets the number of these frames for each processor and, last, the number of dropped ones.

    With `transmit_by_source`, a frame whose source address is in a filter is a send of that VPort, with the hash that
    its sender would attach; its completion is steered (TX-01 to TX-05).
    """
    # numba counts a reference whenever an array is passed to an inlined function, so the functions take addresses
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
    """Divide the selection vector of a batch: by span, then by processor, then by part of the batch.

    Threads steer the parts; part p has `counts[p]` from `steer`. `counts` (parts, spans, processors + 1) is overwritten
    with the start of the rows of each part, span and processor in the selection vector. `offsets` (spans,
    processors + 1) gets the start of the rows of each processor and, last, the end of those of the last processor.
    Returns the number of dropped rows, which have no place.
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
    """Write the row numbers `first_row` to `end_row` - 1 to their places in `selection`, without dropped rows.

    `processor` (rows,) is the column of `WorkColumns`. `places` (spans, processors + 1), from `divide_selection`, is
    the place of the next row of each processor, and moves on with every row.
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
