"""The frame inside a VXLAN or NVGRE packet, for adapters with the optional encapsulation feature (HSH-30)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import address_of, read_u8, read_u16_be
from dataplane.kernels.parse import (
    IPV4,
    IPV4_UDP,
    IPV6,
    IPV6_EX,
    IPV6_EX_UDP,
    IPV6_UDP,
    UNPARSEABLE,
    offset_of,
    parse,
)

_GRE = 47
_VXLAN_PORT = 4789
_VXLAN_INNER, _GRE_INNER = 16, 8  # bytes from the UDP or GRE header to the inner frame
_GRE_KEY_ONLY, _TRANSPARENT_ETHERNET = 0x2000, 0x6558


@njit(cache=True, nogil=True)
def _inner_frame(l3: int, captured_end: int, kind: int, ports: int, protocol: int) -> int:
    """Address of the inner Ethernet frame of a parsed packet, 0 if the packet is not encapsulated."""
    inner = 0
    if kind == IPV4_UDP or kind == IPV6_UDP or kind == IPV6_EX_UDP:
        if np.int64(read_u16_be(ports + 2)) != _VXLAN_PORT or ports + 9 > captured_end:
            return 0
        if read_u8(ports + 8) & np.uint64(8) == 0:  # the I flag: a VXLAN network identifier follows
            return 0
        inner = ports + _VXLAN_INNER
    elif protocol == _GRE:
        header = l3 + 40
        if kind == IPV4:
            if np.int64(read_u16_be(l3 + 6)) & 0x3FFF != 0:
                return 0
            header = l3 + (np.int64(read_u8(l3)) & 15) * 4
        elif kind != IPV6 or np.int64(read_u8(l3 + 6)) != _GRE:
            return 0
        if header + 4 > captured_end or np.int64(read_u16_be(header)) != _GRE_KEY_ONLY:
            return 0
        if np.int64(read_u16_be(header + 2)) != _TRANSPARENT_ETHERNET:
            return 0
        inner = header + _GRE_INNER
    else:
        return 0
    return inner if inner + 14 <= captured_end and inner + 14 <= _packet_end(l3, kind) else 0


@njit(cache=True, nogil=True)
def _packet_end(l3: int, kind: int) -> int:
    """The address just after a parsed IP packet."""
    if kind < IPV6:
        return l3 + np.int64(read_u16_be(l3 + 2))
    return l3 + 40 + np.int64(read_u16_be(l3 + 4))


@njit(cache=True, nogil=True)
def look_inside(
    start: int, l3: int, captured_end: int, kind: int, source: int, destination: int, ports: int, protocol: int,
    home: int, routing: int,
) -> Any:  # fmt: skip
    """(Ethernet header to match, then the values of `parse` for the packet to hash); positions are memory addresses.

    The arguments describe the outer frame. If the inner packet has TCP or UDP ports, it is hashed; otherwise the outer
    packet is hashed as if it had no ports.
    """
    inner = _inner_frame(l3, captured_end, kind, ports, protocol) if kind != UNPARSEABLE else 0
    if inner == 0:
        return start, kind, source, destination, ports, protocol, home, routing
    end = _packet_end(l3, kind)
    captured_end = min(captured_end, end)
    ether_type, inner_l3 = np.int64(read_u16_be(inner + 12)), inner + 14
    if ether_type == 0x8100:
        ether_type, inner_l3 = np.int64(0), inner + 18
        if inner_l3 <= captured_end:
            ether_type = np.int64(read_u16_be(inner + 16))
    within = parse(inner_l3, ether_type, captured_end, end)
    if within[3] >= 0:
        return inner, within[0], within[1], within[2], within[3], within[4], within[5], within[6]
    outer_kind = IPV4 if kind < IPV6 else IPV6 if kind < IPV6_EX else IPV6_EX
    return inner, outer_kind, source, destination, -1, protocol, home, routing


@njit(cache=True, nogil=True)
def look_inside_frame(frame: npt.NDArray[np.uint8], l3: int, wire: int, ether_type: int) -> Any:
    """`look_inside` for `explain`: one whole frame, with offsets in the frame; layer 3 begins at offset `l3`."""
    base = address_of(frame)
    captured_end = base + min(frame.shape[0], wire)
    kind, source, destination, ports, protocol, home, routing = parse(base + l3, ether_type, captured_end, base + wire)
    header, kind, source, destination, ports, protocol, home, routing = look_inside(
        base, base + l3, captured_end, kind, source, destination, ports, protocol, home, routing
    )
    return (
        header - base, kind, offset_of(source, base), offset_of(destination, base), offset_of(ports, base),
        offset_of(home, base), offset_of(routing, base),
    )  # fmt: skip
