"""Kernels that make frames: which flow frame k belongs to, and the bytes of its headers.

Nothing is remembered between frames and no templates are kept: the headers of a flow are computed from its identity, a
number, each time. That takes a few nanoseconds, no memory per flow, and makes frame k a function of (seed, k) alone.

A flow's tuple is a permutation of its identity, so different flows never share one: the remote end has 26 address bits
(16.0.0.0 to 19.255.255.255, or 2001:db8:0:1::/64) and 15 port bits (32768 to 65535); the local end has one address for
each destination (192.168.0.0 on, or 2001:db8:0:2::/64) and port 443. Payloads are zero bytes, so every checksum is
right although only the headers and the first bytes behind them are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import store_u64_be
from dataplane.kernels.random import below, draw, mix64, random_u64
from dataplane.kernels.toeplitz import hash_bytes

#: Indices into the `settings` array of uint64: seeds, and shares in units of 2**-16.
FLOW_SEED, FRAME_SEED, LENGTH_SEED, UDP_SHARE, IPV6_SHARE, TRANSMIT_SHARE = range(6)
SETTINGS = 6

#: Bytes written for a frame: tag, IPv4 and TCP fit into 64, with IPv6 into 80; a tunnel puts 50 bytes in front.
IPV4_BYTES, IPV6_BYTES, TUNNEL_BYTES = 64, 80, 50
#: What one frame takes in the buffer, and how far behind its place stores reach, both at most.
STRIDE_MAX, OVERRUN_MAX = 144, 16

#: Flow identities are counted modulo 2**41, the bits of address and port.
IDENTITIES = 1 << 41

_GATEWAY_MAC = np.uint64(0x02005E100001)
_LOCAL_PORT, _REMOTE_PORT_MIN = 443, 0x8000
_LOCAL_NETWORK, _REMOTE_NETWORK = 0xC0A80000, 0x10000000
_LOCAL_PREFIX, _REMOTE_PREFIX = np.uint64(0x20010DB800000002), np.uint64(0x20010DB800000001)
_PREFIX_SUM = 2 * (0x2001 + 0x0DB8) + 1 + 2
_HOP_LIMIT = 64
_U16, _U32, _U48 = np.uint64(16), np.uint64(32), np.uint64(48)


@njit(inline="always")
def _fold(total: int) -> int:
    """The internet checksum of words whose sum is `total`."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@njit(inline="always")
def _scramble(identity: int) -> int:
    """A permutation of the 41-bit numbers: odd multipliers and shifts to the right can be undone."""
    mask = np.uint64(IDENTITIES - 1)
    x = (np.uint64(identity) * np.uint64(0x9E3779B97F4A7C15)) & mask
    x ^= x >> np.uint64(21)
    x = (x * np.uint64(0xBF58476D1CE4E5B9)) & mask
    return np.int64(x ^ (x >> np.uint64(20)))


@njit(inline="always")
def _store(out: npt.NDArray[np.uint8], at: int, word0: int, word1: int, word2: int, word3: int) -> None:
    """Store four 16-bit words in network order."""
    high = (np.uint64(word0) << _U48) | (np.uint64(word1) << _U32)
    store_u64_be(out, at, high | (np.uint64(word2) << _U16) | np.uint64(word3))


@njit(inline="always")
def _sum(address: int) -> int:
    return (address & 0xFFFF) + (address >> 16)


@njit(inline="always")
def write_frame(
    out: npt.NDArray[np.uint8],
    at: int,
    frame: int,
    identity: int,
    length: int,
    settings: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.uint64],
    destination_mac: npt.NDArray[np.uint64],
    destination_tag: npt.NDArray[np.int64],
) -> Any:
    """Write the start of a frame of a flow at out[at:]; returns (wire length, bytes written, network header, destination).

    `length` is raised to what the headers need. The frame's number goes into the IPv4 identification and the TCP
    sequence number. `destinations` is an alias table; `destination_tag` a TCI, or -1 for none.
    """
    attributes = random_u64(settings[FLOW_SEED], np.uint64(identity))
    more = mix64(attributes)
    destination = draw(destinations, more, attributes)
    is_udp = (attributes >> _U48) < settings[UDP_SHARE]
    is_transmit = ((attributes >> _U32) & np.uint64(0xFFFF)) < settings[TRANSMIT_SHARE]
    is_ipv6 = (more & np.uint64(0xFFFF)) < settings[IPV6_SHARE]

    remote = _scramble(identity + np.int64(settings[FLOW_SEED] >> np.uint64(23)))
    remote_host, remote_port = remote >> 15, _REMOTE_PORT_MIN | (remote & 0x7FFF)
    local_host = destination & 0xFFFF
    source_host = local_host if is_transmit else remote_host
    target_host = remote_host if is_transmit else local_host
    source_port = _LOCAL_PORT if is_transmit else remote_port
    target_port = remote_port if is_transmit else _LOCAL_PORT
    source_mac = destination_mac[destination] if is_transmit else _GATEWAY_MAC
    target_mac = _GATEWAY_MAC if is_transmit else destination_mac[destination]

    tag = destination_tag[destination]
    network = at + (18 if tag >= 0 else 14)
    transport = network + (40 if is_ipv6 else 20)
    wire = max(length, transport - at + (8 if is_udp else 20))
    segment = wire - (transport - at)  # transport header and payload
    protocol = 17 if is_udp else 6
    # behind the ports: TCP sequence, acknowledgment, data offset and flags, window; or UDP length and zero bytes
    word2 = segment if is_udp else (frame >> 16) & 0xFFFF
    word3 = 0 if is_udp else frame & 0xFFFF
    flags, window = (0, 0) if is_udp else (0x5010, 0xFFFF)
    total = source_port + target_port + word2 + word3 + flags + window + protocol + segment

    store_u64_be(out, at, (target_mac << _U16) | (source_mac >> _U32))
    store_u64_be(out, at + 8, (source_mac << _U32) | np.uint64(0x81000000) | np.uint64(tag & 0xFFFF))
    if is_ipv6:
        size = IPV6_BYTES
        store_u64_be(out, at + IPV6_BYTES - 8, np.uint64(0))
        _store(out, network - 2, 0x86DD, 0, 0, 0)
        _store(out, network, 0x6000, 0, segment, protocol << 8 | _HOP_LIMIT)
        store_u64_be(out, network + 8, _LOCAL_PREFIX if is_transmit else _REMOTE_PREFIX)
        store_u64_be(out, network + 16, np.uint64(source_host))
        store_u64_be(out, network + 24, _REMOTE_PREFIX if is_transmit else _LOCAL_PREFIX)
        store_u64_be(out, network + 32, np.uint64(target_host))
        checksum = _fold(total + _PREFIX_SUM + _sum(source_host) + _sum(target_host))
    else:
        size = IPV4_BYTES
        store_u64_be(out, at + IPV4_BYTES - 8, np.uint64(0))
        source = source_host + (_LOCAL_NETWORK if is_transmit else _REMOTE_NETWORK)
        target = target_host + (_REMOTE_NETWORK if is_transmit else _LOCAL_NETWORK)
        addresses = _sum(source) + _sum(target)
        hops = _HOP_LIMIT << 8 | protocol
        identification = frame & 0xFFFF
        header_checksum = _fold(0x4500 + segment + 20 + identification + 0x4000 + hops + addresses)  # don't fragment
        _store(out, network - 2, 0x0800, 0x4500, segment + 20, identification)
        _store(out, network + 6, 0x4000, hops, header_checksum, source >> 16)
        _store(out, network + 12, source >> 16, source & 0xFFFF, target >> 16, target & 0xFFFF)
        checksum = _fold(total + addresses)
    udp_checksum = 0xFFFF if checksum == 0 else checksum  # 0 would mean "none" (RFC 768)
    _store(out, transport, source_port, target_port, word2, udp_checksum if is_udp else word3)
    _store(out, transport + 8, 0, 0, flags, window)
    _store(out, transport + 16, 0 if is_udp else checksum, 0, 0, 0)
    return wire, size, network, destination


@njit(cache=True, nogil=True, error_model="numpy")
def generate(
    first: int,
    flows: npt.NDArray[np.uint64],
    flows_each: int,
    identities: npt.NDArray[np.int64],
    churn_frames: int,
    lengths: npt.NDArray[np.uint64],
    length_bytes: npt.NDArray[np.int64],
    tunnel: npt.NDArray[np.uint8],
    settings: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.uint64],
    destination_mac: npt.NDArray[np.uint64],
    destination_tag: npt.NDArray[np.int64],
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> None:
    """Write frames `first`, `first` + 1, ... as many as `wire_length` has elements.

    `flows` is an alias table whose entries stand for `flows_each` equally likely flows each (one of the two numbers is
    1). `identities` maps flows to identities when it is not empty. Every `churn_frames` frames all identities grow by one: the
    oldest flow leaves, a new one comes. `lengths` is an alias table over `length_bytes`. `tunnel`, when not empty, is put
    in front of every frame.
    """
    seed, length_seed = settings[FRAME_SEED], settings[LENGTH_SEED]
    generation, age = first // churn_frames, first % churn_frames
    used = 0
    for i in range(len(wire_length)):
        frame = first + i
        random = random_u64(seed, np.uint64(frame))
        other = random_u64(length_seed, np.uint64(frame))
        flow = draw(flows, random, other) * flows_each + below(random, flows_each)
        identity = identities[flow] if len(identities) > 0 else flow + generation
        length = length_bytes[draw(lengths, other, random)]
        wire, size, _, _ = write_frame(
            packed,
            used + len(tunnel),
            frame,
            identity,
            length - len(tunnel),
            settings,
            destinations,
            destination_mac,
            destination_tag,
        )
        stride = size
        if len(tunnel) > 0:
            wire, size = wire + len(tunnel), size + len(tunnel)
            _write_tunnel(packed, used, wire, tunnel)
            stride = (size + 15) & ~15
        wire_length[i] = wire
        captured_length[i] = min(wire, size)
        frame_start[i] = used
        used += stride
        age += 1
        if age == churn_frames:
            age = 0
            generation += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _write_tunnel(out: npt.NDArray[np.uint8], at: int, wire: int, tunnel: npt.NDArray[np.uint8]) -> None:
    """Outer Ethernet, IPv4, UDP and VXLAN headers with the two lengths and the IPv4 checksum filled in."""
    for i in range(TUNNEL_BYTES):
        out[at + i] = tunnel[i]
    total = 0
    for position, value in ((16, wire - 14), (38, wire - 34)):
        out[at + position] = value >> 8
        out[at + position + 1] = value & 0xFF
    for i in range(14, 34, 2):
        total += np.int64(out[at + i]) << 8 | np.int64(out[at + i + 1])
    checksum = _fold(total)
    out[at + 24] = checksum >> 8
    out[at + 25] = checksum & 0xFF


@njit(cache=True, nogil=True, error_model="numpy")
def find_colliding(
    toeplitz_tables: npt.NDArray[np.uint32],
    mask: int,
    settings: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.uint64],
    destination_mac: npt.NDArray[np.uint64],
    destination_tag: npt.NDArray[np.int64],
    out: npt.NDArray[np.int64],
) -> None:
    """The first identities whose 4-tuple hash, with the key of their destination, has no bit of `mask` (HSH-07, HSH-13).

    `toeplitz_tables` holds the byte tables of the destinations' keys one behind the other.
    """
    scratch = np.zeros(STRIDE_MAX + OVERRUN_MAX, np.uint8)
    found, identity = 0, 0
    while found < len(out):
        _, size, network, destination = write_frame(
            scratch, 0, 0, identity, 0, settings, destinations, destination_mac, destination_tag
        )
        start, count = (network + 8, 36) if size == IPV6_BYTES else (network + 12, 12)
        value = hash_bytes(toeplitz_tables, destination * 36 * 256, 0, scratch, start, count)
        if np.int64(value) & mask == 0:
            out[found] = identity
            found += 1
        identity += 1
