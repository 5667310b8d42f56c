"""Kernels that walk the records of a capture and write the position, time and lengths of every frame.

Each scan reads `data` from `position` to `end`, continues the columns at row `row`, and returns `(row, position,
status)`: where it stopped and why. Called again with these values (and with more data after NEED_MORE), it continues as
if it had never stopped. So the result does not depend on how the input was cut.

Nothing is copied: `frame_start` is the offset of a frame in `data`. A scan reads only the record headers. It prefetches
the first bytes of every frame, so that they are in a cache when the frames are steered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import address_of, prefetch_address, read_u16_be, read_u32, read_u32_be

#: Why a scan stopped.
FULL, NEED_MORE, DAMAGED, CONTROL_BLOCK, FOREIGN_LINK_TYPE = range(5)

#: No frame is longer than this, whatever snap length a capture claims; a longer record is damaged.
CAPTURED_LENGTH_MAX = 1 << 24

#: Times are limited to +-2**62 ns (years 1823 to 2116), so that repeated captures can be shifted without overflow.
TIMESTAMP_MAX_NS = 1 << 62

#: Columns of an interface table, one row for each pcapng interface of the section.
LINK_TYPE, SNAP_LENGTH, FCS_BYTES, TIME_KIND, TIME_FACTOR, TIME_OFFSET_NS = range(6)
INTERFACE_COLUMNS = 6

#: How `TIME_FACTOR` turns time units into nanoseconds.
MULTIPLY, DIVIDE, BINARY_FRACTION = range(3)

_ETHERNET = 1
_PCAP_RECORD_HEADER = 16
_SECTION_HEADER, _INTERFACE_DESCRIPTION, _OBSOLETE_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_PREFETCH_RECORDS = 16  # how many records ahead, assuming that they are as long as the current one
_HEADER_BYTES = 62  # Ethernet, a tag, IPv6 and ports


@njit(inline="always")
def _u32(address: int, big_endian: bool) -> Any:
    return np.int64(read_u32_be(address)) if big_endian else np.int64(read_u32(address))


@njit(inline="always")
def _u16(address: int, big_endian: bool) -> Any:
    value = np.int64(read_u16_be(address))
    return value if big_endian else (value >> 8) | ((value & 0xFF) << 8)


@njit(inline="always")
def _prefetch_headers(frame: int) -> None:
    """Prefetch the cache lines with the Ethernet, IP and transport headers of the frame at an address."""
    prefetch_address(frame)
    prefetch_address(frame + _HEADER_BYTES - 1)


@njit(cache=True, nogil=True)
def touch_pages(data: npt.NDArray[np.uint8], low: int, high: int, page_bytes: int) -> int:
    """Read a byte of every page, so that the page is mapped; the sum is returned so that no read is optimised away."""
    total = 0
    for at in range(low, high, page_bytes):
        total += data[at]
    return total


@njit(cache=True, nogil=True)
def scan_pcap(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    big_endian: bool,
    unit_ns: int,
    snap_length: int,
    fcs_bytes: int,
    long_fractions: npt.NDArray[np.int64],
    row: int,
    timestamp_ns: npt.NDArray[np.int64],
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
) -> Any:
    """Scan records of a classic capture; `unit_ns` is the unit of the fraction of a second, 1000 or 1 ns.

    A fraction that is a second or more is added as it is, and counted in `long_fractions` (1,).
    """
    base, status = address_of(data), FULL
    while row < len(timestamp_ns):
        start = position + _PCAP_RECORD_HEADER
        if start > end:
            status = NEED_MORE
            break
        recorded = _u32(base + position + 8, big_endian)
        if recorded > snap_length:
            status = DAMAGED
            break
        if start + recorded > end:
            status = NEED_MORE
            break
        prefetch_address(base + position + _PREFETCH_RECORDS * (recorded + _PCAP_RECORD_HEADER))
        wire = max(_u32(base + position + 12, big_endian), recorded) - fcs_bytes
        _prefetch_headers(base + start)
        seconds, fraction_ns = _u32(base + position, big_endian), _u32(base + position + 4, big_endian) * unit_ns
        if fraction_ns >= 1_000_000_000:
            long_fractions[0] += 1
        timestamp_ns[row] = seconds * 1_000_000_000 + fraction_ns
        wire_length[row] = max(wire, 0)
        captured_length[row] = max(min(recorded, wire), 0)
        frame_start[row] = start
        row += 1
        position = start + recorded
    return row, position, status


@njit(cache=True, nogil=True)
def _to_ns(units: np.uint64, kind: int, factor: int, offset_ns: int) -> Any:
    """Convert a time in units of a pcapng interface (uint64) to ns since the epoch, limited to +-TIMESTAMP_MAX_NS."""
    limit = np.uint64(TIMESTAMP_MAX_NS)
    if kind == MULTIPLY:
        ns = units * np.uint64(factor) if units <= limit // np.uint64(factor) else limit
    elif kind == DIVIDE:
        ns = units // np.uint64(factor)
    else:
        seconds = units >> np.uint64(factor) if factor < 64 else np.uint64(0)
        fraction = units & ((np.uint64(1) << np.uint64(factor)) - np.uint64(1)) if factor < 64 else units
        bits = factor
        if bits > 34:  # 34 bits resolve 0.06 ns, and the product with 10**9 still fits in 64 bits
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
    row: int,
    timestamp_ns: npt.NDArray[np.int64],
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
) -> Any:
    """Scan blocks of a pcapng section up to a block that starts a section or an interface (CONTROL_BLOCK).

    `interfaces` is the (n, INTERFACE_COLUMNS) table of the section. A Simple Packet Block has no time: it gets the time
    of the previous frame (`last_timestamp_ns` for the first one). Unknown blocks are skipped; if one ends after `end`,
    so does the returned `position`. The scan also stops at damaged blocks (DAMAGED) and at a frame that is not Ethernet
    (FOREIGN_LINK_TYPE).
    """
    base, status = address_of(data), FULL
    while row < len(timestamp_ns):
        if position + 12 > end:
            status = NEED_MORE
            break
        block_type, block_length = _u32(base + position, big_endian), _u32(base + position + 4, big_endian)
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
        if _u32(base + after - 4, big_endian) != block_length:
            status = DAMAGED
            break
        if not is_packet:
            position = after
            continue
        prefetch_address(base + position + _PREFETCH_RECORDS * block_length)

        header = 16 if block_type == _SIMPLE_PACKET else 32
        if block_length < header:
            status = DAMAGED
            break
        interface, start, room = 0, position + header - 4, block_length - header
        if block_type == _ENHANCED_PACKET:
            interface = _u32(base + position + 8, big_endian)
        elif block_type == _OBSOLETE_PACKET:
            interface = _u16(base + position + 8, big_endian)
        if interface >= len(interfaces):
            status = DAMAGED
            break
        if interfaces[interface, LINK_TYPE] != _ETHERNET:
            status = FOREIGN_LINK_TYPE
            break
        if block_type == _SIMPLE_PACKET:
            # the block does not say where its padding begins: the two limits give the captured length
            start = position + 12
            original = _u32(base + position + 8, big_endian)
            recorded = min(original, room)
            if interfaces[interface, SNAP_LENGTH] > 0:
                recorded = min(recorded, interfaces[interface, SNAP_LENGTH])
            time_ns = timestamp_ns[row - 1] if row > 0 else last_timestamp_ns
        else:
            start = position + 28
            recorded, original = _u32(base + position + 20, big_endian), _u32(base + position + 24, big_endian)
            high, low = _u32(base + position + 12, big_endian), _u32(base + position + 16, big_endian)
            units = (np.uint64(high) << np.uint64(32)) | np.uint64(low)
            kind, factor = interfaces[interface, TIME_KIND], interfaces[interface, TIME_FACTOR]
            time_ns = _to_ns(units, kind, factor, interfaces[interface, TIME_OFFSET_NS])
        if recorded > room:
            status = DAMAGED
            break
        wire = max(original, recorded) - interfaces[interface, FCS_BYTES]
        _prefetch_headers(base + start)
        timestamp_ns[row] = time_ns
        wire_length[row] = max(wire, 0)
        captured_length[row] = max(min(recorded, wire), 0)
        frame_start[row] = start
        row += 1
        position = after
    return row, position, status


@njit(cache=True, nogil=True)
def count_steps_back(timestamp_ns: npt.NDArray[np.int64], largest: int) -> Any:
    """(number of timestamps below an earlier one, largest timestamp); `largest` is that of earlier calls (TIM-02)."""
    regressions = 0
    for i in range(len(timestamp_ns)):
        regressions += timestamp_ns[i] < largest
        largest = max(largest, timestamp_ns[i])
    return regressions, largest
