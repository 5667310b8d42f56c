"""Kernels that walk the records of a capture: find every frame, keep its header bytes, note its time and lengths.

Each scan reads `data` from `position` to `end`, continues the columns at row `row` and the packed header buffer at byte
`used`, and returns `(row, used, position, status)`: where it stopped and why. Called again with what it returned (and
more data, if it asked for that) it goes on as if it had never stopped, so nothing depends on how the input was cut.

Header split: of a frame longer than `keep_bytes` only the first `keep_bytes` are copied, unless it is IPv6 with an
extension header behind its first header: the parser has to walk such a chain to its end (HSH-23). Frames start at
multiples of 16 in the packed buffer, so that whole 16-byte words can be moved; what lies between frames is rubbish.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import load_u8, load_u16_be, load_u32, load_u32_be, load_u64, prefetch, store_u64

#: Why a scan stopped.
FULL, NEED_MORE, DAMAGED, CONTROL_BLOCK, FOREIGN_LINK_TYPE = range(5)

#: No frame is longer than this, whatever snap length a capture claims: such a record header is rubbish.
CAPTURED_LENGTH_MAX = 1 << 24

#: Times are kept in +-2**62 ns (years 1823 to 2116), which leaves room to shift repeated captures.
TIMESTAMP_MAX_NS = 1 << 62

#: Columns of an interface table, one row for each pcapng interface of the section.
LINK_TYPE, SNAP_LENGTH, FCS_BYTES, TIME_KIND, TIME_FACTOR, TIME_OFFSET_NS = range(6)
INTERFACE_COLUMNS = 6

#: How `TIME_FACTOR` turns time units into nanoseconds.
MULTIPLY, DIVIDE, BINARY_FRACTION = range(3)

_ETHERNET = 1
_PCAP_RECORD_HEADER = 16
_SECTION_HEADER, _INTERFACE_DESCRIPTION, _OBSOLETE_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
#: Extension headers with a number below 64: 0, 43, 44, 51, 60; with 135, 139 and 140 these are all (HSH-23).
_EXTENSION_HEADERS = (1 << 0) | (1 << 43) | (1 << 44) | (1 << 51) | (1 << 60)
_PREFETCH_RECORDS = 8


@njit(inline="always")
def _u32(data: npt.NDArray[np.uint8], position: int, big_endian: bool) -> Any:
    return np.int64(load_u32_be(data, position)) if big_endian else np.int64(load_u32(data, position))


@njit(inline="always")
def _u16(data: npt.NDArray[np.uint8], position: int, big_endian: bool) -> Any:
    value = np.int64(load_u16_be(data, position))
    return value if big_endian else (value >> 8) | ((value & 0xFF) << 8)


@njit(cache=True, nogil=True)
def _has_extension_header(data: npt.NDArray[np.uint8], start: int) -> Any:
    """True for IPv6 whose first next header is an extension header; the frame has at least 64 bytes at `start`."""
    network = start + 14
    ether_type = np.int64(load_u16_be(data, start + 12))
    if ether_type == 0x8100:
        ether_type = np.int64(load_u16_be(data, start + 16))
        network = start + 18
    if ether_type != 0x86DD:
        return False
    next_header = np.int64(load_u8(data, network + 6))
    if next_header < 64:
        return (_EXTENSION_HEADERS >> next_header) & 1 == 1
    return next_header in (135, 139, 140)


@njit(inline="always")
def _kept(data: npt.NDArray[np.uint8], start: int, captured: int, keep_bytes: int) -> int:
    if captured <= keep_bytes or _has_extension_header(data, start):
        return captured
    return keep_bytes


@njit(inline="always")
def _copy(data: npt.NDArray[np.uint8], start: int, count: int, packed: npt.NDArray[np.uint8], used: int) -> None:
    """Copy in 16-byte steps; `packed` has room for the last one, at the end of `data` single bytes are moved."""
    if start + count + 16 <= len(data):
        for i in range(0, count, 16):
            low, high = load_u64(data, start + i), load_u64(data, start + i + 8)
            store_u64(packed, used + i, low)
            store_u64(packed, used + i + 8, high)
    else:
        for i in range(count):
            packed[used + i] = data[start + i]


@njit(cache=True, nogil=True)
def scan_pcap(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    big_endian: bool,
    unit_ns: int,
    snap_length: int,
    fcs_bytes: int,
    keep_bytes: int,
    row: int,
    used: int,
    timestamp_ns: npt.NDArray[np.int64],
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> Any:
    """Records of a classic capture; `unit_ns` is 1000 or 1, the unit of the fraction of the second."""
    status = FULL
    while row < len(timestamp_ns):
        start = position + _PCAP_RECORD_HEADER
        if start > end:
            status = NEED_MORE
            break
        recorded = _u32(data, position + 8, big_endian)
        if recorded > snap_length:
            status = DAMAGED
            break
        if start + recorded > end:
            status = NEED_MORE
            break
        prefetch(data, position + _PREFETCH_RECORDS * (recorded + _PCAP_RECORD_HEADER))
        wire = max(_u32(data, position + 12, big_endian), recorded) - fcs_bytes
        captured = max(min(recorded, wire), 0)
        kept = _kept(data, start, captured, keep_bytes)
        if used + kept + 16 > len(packed):
            break
        seconds, fraction = _u32(data, position, big_endian), _u32(data, position + 4, big_endian)
        timestamp_ns[row] = seconds * 1_000_000_000 + fraction * unit_ns
        wire_length[row] = max(wire, 0)
        captured_length[row] = kept
        frame_start[row] = used
        _copy(data, start, kept, packed, used)
        used += (kept + 15) & ~15
        row += 1
        position = start + recorded
    return row, used, position, status


@njit(cache=True, nogil=True)
def _to_ns(units: np.uint64, kind: int, factor: int, offset_ns: int) -> Any:
    """Time units of a pcapng interface, a uint64, as ns since the epoch within +-TIMESTAMP_MAX_NS."""
    limit = np.uint64(TIMESTAMP_MAX_NS)
    if kind == MULTIPLY:
        ns = units * np.uint64(factor) if units <= limit // np.uint64(factor) else limit
    elif kind == DIVIDE:
        ns = units // np.uint64(factor)
    else:
        seconds = units >> np.uint64(factor) if factor < 64 else np.uint64(0)
        fraction = units & ((np.uint64(1) << np.uint64(factor)) - np.uint64(1)) if factor < 64 else units
        bits = factor
        if bits > 34:  # 34 bits of a second are 0.06 ns, and times 10**9 they still fit in 64 bits
            fraction = fraction >> np.uint64(bits - 34) if bits < 98 else np.uint64(0)
            bits = 34
        ns = limit
        if seconds < limit // np.uint64(1_000_000_000):
            ns = seconds * np.uint64(1_000_000_000) + ((fraction * np.uint64(1_000_000_000)) >> np.uint64(bits))
    signed = np.int64(min(ns, limit)) + offset_ns
    return max(min(signed, TIMESTAMP_MAX_NS), -TIMESTAMP_MAX_NS)


@njit(cache=True, nogil=True)
def scan_pcapng(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    big_endian: bool,
    interfaces: npt.NDArray[np.int64],
    last_timestamp_ns: int,
    keep_bytes: int,
    row: int,
    used: int,
    timestamp_ns: npt.NDArray[np.int64],
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> Any:
    """Blocks of a pcapng section up to the next one that changes it (CONTROL_BLOCK) or is not understood.

    `interfaces` is the (n, INTERFACE_COLUMNS) table of the section. A Simple Packet Block carries no time: it gets the
    time of the frame before it (`last_timestamp_ns` for the first one). Unknown blocks are skipped; one that runs past
    `end` leaves `position` behind `end`. FOREIGN_LINK_TYPE stops at a frame that is not Ethernet.
    """
    status = FULL
    while row < len(timestamp_ns):
        if position + 12 > end:
            status = NEED_MORE
            break
        block_type, block_length = _u32(data, position, big_endian), _u32(data, position + 4, big_endian)
        if block_type in (_SECTION_HEADER, _INTERFACE_DESCRIPTION):
            status = CONTROL_BLOCK
            break
        if block_length < 12 or block_length & 3 != 0:
            status = DAMAGED
            break
        after = position + block_length
        is_packet = block_type in (_OBSOLETE_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET)
        if is_packet and block_length > CAPTURED_LENGTH_MAX:
            status = DAMAGED
            break
        if after > end:
            if not is_packet:
                position = after
            status = NEED_MORE
            break
        if _u32(data, after - 4, big_endian) != block_length:
            status = DAMAGED
            break
        if not is_packet:
            position = after
            continue
        prefetch(data, position + _PREFETCH_RECORDS * block_length)

        header = 16 if block_type == _SIMPLE_PACKET else 32
        if block_length < header:
            status = DAMAGED
            break
        interface, start, room = 0, position + header - 4, block_length - header
        if block_type == _ENHANCED_PACKET:
            interface = _u32(data, position + 8, big_endian)
        elif block_type == _OBSOLETE_PACKET:
            interface = _u16(data, position + 8, big_endian)
        if interface >= len(interfaces):
            status = DAMAGED
            break
        if interfaces[interface, LINK_TYPE] != _ETHERNET:
            status = FOREIGN_LINK_TYPE
            break
        if block_type == _SIMPLE_PACKET:
            # the padding is not told from the frame, so the captured length follows from the two limits
            start = position + 12
            original = _u32(data, position + 8, big_endian)
            recorded = min(original, room)
            if interfaces[interface, SNAP_LENGTH] > 0:
                recorded = min(recorded, interfaces[interface, SNAP_LENGTH])
            time_ns = timestamp_ns[row - 1] if row > 0 else last_timestamp_ns
        else:
            start = position + 28
            recorded, original = _u32(data, position + 20, big_endian), _u32(data, position + 24, big_endian)
            high, low = _u32(data, position + 12, big_endian), _u32(data, position + 16, big_endian)
            units = (np.uint64(high) << np.uint64(32)) | np.uint64(low)
            kind, factor = interfaces[interface, TIME_KIND], interfaces[interface, TIME_FACTOR]
            time_ns = _to_ns(units, kind, factor, interfaces[interface, TIME_OFFSET_NS])
        if recorded > room:
            status = DAMAGED
            break
        wire = max(original, recorded) - interfaces[interface, FCS_BYTES]
        captured = max(min(recorded, wire), 0)
        kept = _kept(data, start, captured, keep_bytes)
        if used + kept + 16 > len(packed):
            break
        timestamp_ns[row] = time_ns
        wire_length[row] = max(wire, 0)
        captured_length[row] = kept
        frame_start[row] = used
        _copy(data, start, kept, packed, used)
        used += (kept + 15) & ~15
        row += 1
        position = after
    return row, used, position, status


@njit(cache=True, nogil=True)
def clamp_timestamps(timestamp_ns: npt.NDArray[np.int64], largest: int, out: npt.NDArray[np.int64]) -> Any:
    """Write the running maximum of the timestamps, begun with `largest`; returns (steps back, new maximum) (TIM-02)."""
    regressions = 0
    for i in range(len(timestamp_ns)):
        if timestamp_ns[i] < largest:
            regressions += 1
        else:
            largest = timestamp_ns[i]
        out[i] = largest
    return regressions, largest
