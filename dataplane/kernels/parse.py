"""Finds the hash input of a frame: the only parser of the project (MOD-10, HSH-06 to HSH-26, HSH-32).

The parser copies nothing. It works on memory addresses (see `memory.address_of`) and returns the positions of addresses
and ports. The steering kernel hashes the bytes there, and `explain` shows them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import address_of, read_u8, read_u16_be

#: Packet classes: what the headers contain, independent of the enabled hash types. Packets of the IPv6 classes "EX"
#: have a Home Address option or a type 2 Routing header (HSH-19). UNPARSEABLE includes everything that is not IP
#: (HSH-21, HSH-22).
IPV4, IPV4_TCP, IPV4_UDP, IPV6, IPV6_TCP, IPV6_UDP, IPV6_EX, IPV6_EX_TCP, IPV6_EX_UDP, UNPARSEABLE = range(10)
CLASSES = 10

_TCP, _UDP = 6, 17
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 43, 44, 51, 60
_MOBILITY, _HIP, _SHIM6 = 135, 139, 140
_HOME_ADDRESS_OPTION = 0xC9

#: What `parse` returns: (class, source, destination, ports, protocol, home, routing). All but class and protocol are
#: memory addresses of these fields, -1 = absent. `source` and `destination` are the fields of the IP header; for EX
#: hash types `home` and `routing` replace them.
Parsed = tuple[int, int, int, int, int, int, int]


@njit(inline="always")
def parse(l3: int, ether_type: int, captured_end: int, wire_end: int) -> Any:
    """Parse the network and transport headers that start at memory address `l3`.

    `captured_end` is the address just after the captured bytes; only these bytes are read. `wire_end` is the address
    just after the frame as it was on the wire; lengths in headers are compared with it (HSH-32).
    """
    if ether_type == 0x0800:
        if l3 + 20 > captured_end:
            return UNPARSEABLE, -1, -1, -1, 0, -1, -1
        version_ihl = np.int64(read_u8(l3))
        header = (version_ihl & 15) * 4
        total = np.int64(read_u16_be(l3 + 2))
        if version_ihl >> 4 != 4 or header < 20 or total < header or l3 + total > wire_end:
            return UNPARSEABLE, -1, -1, -1, 0, -1, -1
        protocol = np.int64(read_u8(l3 + 9))
        if np.int64(read_u16_be(l3 + 6)) & 0x3FFF != 0:  # MF or an offset: a fragment (HSH-10)
            return IPV4, l3 + 12, l3 + 16, -1, protocol, -1, -1
        if protocol == _TCP:
            if total - header < 20 or l3 + header + 4 > captured_end:
                return UNPARSEABLE, -1, -1, -1, 0, -1, -1
            return IPV4_TCP, l3 + 12, l3 + 16, l3 + header, protocol, -1, -1
        if protocol == _UDP:
            if total - header < 8 or l3 + header + 4 > captured_end:
                return UNPARSEABLE, -1, -1, -1, 0, -1, -1
            return IPV4_UDP, l3 + 12, l3 + 16, l3 + header, protocol, -1, -1
        return IPV4, l3 + 12, l3 + 16, -1, protocol, -1, -1
    if ether_type == 0x86DD:
        return _parse_ipv6(l3, captured_end, wire_end)
    return UNPARSEABLE, -1, -1, -1, 0, -1, -1


@njit(inline="always")
def offset_of(address: int, base: int) -> int:
    """The offset from `base` of a field that `parse` found; -1, absent, stays -1."""
    return address - base if address >= 0 else -1


@njit(cache=True, nogil=True)
def parse_frame(frame: npt.NDArray[np.uint8], wire: int) -> Any:
    """Parse one whole frame for `explain`: (tagged, TCI, EtherType, layer 3 offset), then `Parsed` with frame offsets.

    It calls the same parser as steering does. The layer 3 offset of a runt is -1.
    """
    base = address_of(frame)
    captured = min(frame.shape[0], wire)
    if captured < 14:
        return False, 0, 0, -1, UNPARSEABLE, -1, -1, -1, 0, -1, -1
    ether_type = np.int64(read_u16_be(base + 12))
    tagged, tci, l3 = False, np.int64(0), 14
    if ether_type == 0x8100:
        if captured < 16:
            return False, 0, 0, -1, UNPARSEABLE, -1, -1, -1, 0, -1, -1
        tagged, tci, l3 = True, np.int64(read_u16_be(base + 14)), 18
        ether_type = np.int64(read_u16_be(base + 16)) if captured >= 18 else 0
    kind, source, destination, ports, protocol, home, routing = parse(
        base + l3, ether_type, base + captured, base + wire
    )
    return (
        tagged, tci, ether_type, l3, kind, offset_of(source, base), offset_of(destination, base),
        offset_of(ports, base), protocol, offset_of(home, base), offset_of(routing, base),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _parse_ipv6(l3: int, captured_end: int, wire_end: int) -> Any:
    if l3 + 40 > captured_end or np.int64(read_u8(l3)) >> 4 != 6:
        return UNPARSEABLE, -1, -1, -1, 0, -1, -1
    end = l3 + 40 + np.int64(read_u16_be(l3 + 4))
    if end > wire_end:
        return UNPARSEABLE, -1, -1, -1, 0, -1, -1
    protocol = np.int64(read_u8(l3 + 6))
    at = l3 + 40
    home, routing = -1, -1
    fragmented = False
    while True:
        if protocol == _FRAGMENT:
            length = 8
        elif protocol == _AUTHENTICATION:
            length = 12  # the minimum; the header's own length replaces it below
        elif (
            protocol == _HOP_BY_HOP
            or protocol == _ROUTING
            or protocol == _DESTINATION_OPTIONS
            or protocol == _MOBILITY
            or protocol == _HIP
            or protocol == _SHIM6
        ):
            length = 8
        else:
            break
        if at + 8 > end or at + 8 > captured_end:
            return UNPARSEABLE, -1, -1, -1, 0, -1, -1
        extension = np.int64(read_u8(at + 1))
        if protocol == _AUTHENTICATION:
            length = (extension + 2) * 4
        elif protocol != _FRAGMENT:
            length = (extension + 1) * 8
        if at + length > end or at + length > captured_end:
            return UNPARSEABLE, -1, -1, -1, 0, -1, -1
        if protocol == _DESTINATION_OPTIONS:
            found = _home_address(at + 2, at + length)
            if found == -2:
                return UNPARSEABLE, -1, -1, -1, 0, -1, -1
            if home == -1:
                home = found
        elif protocol == _ROUTING and routing == -1 and extension == 2 and np.int64(read_u8(at + 2)) == 2:
            routing = at + 8
        next_header = np.int64(read_u8(at))
        if protocol == _FRAGMENT and np.int64(read_u16_be(at + 2)) & 0xFFF9 != 0:
            protocol = next_header
            fragmented = True  # the bytes after it differ between fragments, so they are not parsed (HSH-25)
            break
        protocol = next_header
        at += length
    has_ex = home != -1 or routing != -1
    kind = IPV6_EX if has_ex else IPV6
    ports = -1
    if not fragmented and (protocol == _TCP or protocol == _UDP):
        if end - at < (20 if protocol == _TCP else 8) or at + 4 > captured_end:
            return UNPARSEABLE, -1, -1, -1, 0, -1, -1
        ports = at
        kind += 1 if protocol == _TCP else 2
    return kind, l3 + 8, l3 + 24, ports, protocol, home, routing


@njit(cache=True, nogil=True)
def _home_address(at: int, end: int) -> int:
    """Position of the address in the first Home Address option; -1 without one, -2 if an option exceeds the header."""
    found = -1
    while at < end:
        option = np.int64(read_u8(at))
        if option == 0:  # Pad1 has no length byte
            at += 1
            continue
        if at + 2 > end:
            return -2
        length = np.int64(read_u8(at + 1))
        if at + 2 + length > end:
            return -2
        if option == _HOME_ADDRESS_OPTION and length == 16 and found == -1:
            found = at + 2
        at += 2 + length
    return found
