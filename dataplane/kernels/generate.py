"""Kernels that make synthetic frames: the flow of frame k, and the bytes of its headers.

Frames keep no state: flow, length and bytes of frame k are functions of (seed, k). The headers of a flow are a function
of its identity, a number. They are stored as a record of RECORD_BYTES for each flow, or made again for every frame if
flows are too many to store, or come and go. To write a frame, the kernel copies the record of its flow and fills in the
fields that depend on the length.

The tuple of a flow is a permutation of its identity, so no two flows have the same tuple. The remote end has 26 address
bits (16.0.0.0 to 19.255.255.255, or 2001:db8:0:1::/64) and 15 port bits (32768 to 65535). The local end has port 443
and one address for each destination (from 192.168.0.0, or in 2001:db8:0:2::/64). Payloads are zero bytes, so every
checksum is correct although only the headers and the first bytes after them are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import address_of, prefetch_address, read_u64, write_u16_be, write_u64, write_u64_be
from dataplane.kernels.random import below, draw, mix64, random_u64

#: Indices into the `settings` array of uint64: seeds, and shares in units of 2**-16.
FLOW_SEED, FRAME_SEED, LENGTH_SEED, UDP_SHARE, IPV6_SHARE, TRANSMIT_SHARE = range(6)
SETTINGS = 6

#: Bytes written for a frame. Headers with a tag, IPv4 and TCP fit into 64 bytes; with IPv6, 80 bytes hold everything
#: except the urgent pointer.
IPV4_BYTES, IPV6_BYTES = 64, 80

#: A record is 80 bytes of headers without lengths and checksums, then two 64-bit words with what is needed to fill
#: these in. The word at _SUMS has the sums of the other words of the transport checksum (upper half) and of the IPv4
#: checksum (lower half). The word at _LAYOUT has one byte each, from the lowest: bytes to write; bytes of headers;
#: offsets of IP length, IP checksum, UDP length, transport checksum and transport header; bytes of the IP header that
#: the IP length counts. If a protocol lacks a field, its offset is that of a field that is written later.
RECORD_BYTES = 96
_SUMS, _LAYOUT = 80, 88

#: Ethernet, IPv4, UDP and VXLAN headers of a tunnel (RFC 7348).
TUNNEL_BYTES = 50

#: Flow identities are numbers modulo 2**41: 26 bits of address and 15 of port.
IDENTITIES = 1 << 41

_GATEWAY_MAC = np.uint64(0x02005E100001)
_LOCAL_PORT, _REMOTE_PORT_MIN = 443, 0x8000
_LOCAL_NETWORK, _REMOTE_NETWORK = 0xC0A80000, 0x10000000
_LOCAL_PREFIX, _REMOTE_PREFIX = np.uint64(0x20010DB800000002), np.uint64(0x20010DB800000001)
_PREFIX_SUM = 2 * (0x2001 + 0x0DB8) + 1 + 2
_HOP_LIMIT = 64
_DO_NOT_FRAGMENT = 0x4000
_U16, _U32, _U48 = np.uint64(16), np.uint64(32), np.uint64(48)
_PREFETCH_FRAMES = 16
_BLOCK_FRAMES = 1024


@njit(inline="always")
def _fold(total: Any) -> Any:
    """The internet checksum of 16-bit words whose sum is `total`."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@njit(inline="always")
def _scramble(identity: Any) -> Any:
    """A permutation of the 41-bit numbers: products with odd numbers and XORs with right shifts are invertible."""
    mask = np.uint64(IDENTITIES - 1)
    x = (np.uint64(identity) * np.uint64(0x9E3779B97F4A7C15)) & mask
    x ^= x >> np.uint64(21)
    x = (x * np.uint64(0xBF58476D1CE4E5B9)) & mask
    return np.int64(x ^ (x >> np.uint64(20)))


@njit(inline="always")
def _write_words(at: int, word0: int, word1: int, word2: int, word3: int) -> None:
    """Write four 16-bit words in network order."""
    high = (np.uint64(word0) << _U48) | (np.uint64(word1) << _U32)
    write_u64_be(at, high | (np.uint64(word2) << _U16) | np.uint64(word3))


@njit(inline="always")
def _sum(address: int) -> int:
    return (address & 0xFFFF) + (address >> 16)


@njit(cache=True, nogil=True, error_model="numpy")
def choose(
    first: int,
    flows: npt.NDArray[np.uint64],
    flows_each: int,
    churn_frames: int,
    lengths: npt.NDArray[np.uint64],
    length_bytes: npt.NDArray[np.int64],
    settings: npt.NDArray[np.uint64],
    out_flow: npt.NDArray[np.int64],
    out_length: npt.NDArray[np.int64],
) -> None:
    """Write flow and length of frames `first`, `first` + 1, ... into `out_flow` and `out_length` (frames,).

    `flows` is an alias table. Each of its entries stands for `flows_each` equally likely flows; either `flows_each` is
    1 or the table has one entry. `lengths` is an alias table over the indices of `length_bytes`. After every
    `churn_frames` frames all flow numbers grow by one: the oldest flow leaves and a new one comes.
    """
    # random numbers in separate loops: the compiler turns these into vector instructions
    flow_seed, length_seed = settings[FRAME_SEED], settings[LENGTH_SEED]
    for i in range(len(out_flow)):
        out_flow[i] = np.int64(random_u64(flow_seed, np.uint64(first + i)))
    for i in range(len(out_length)):
        out_length[i] = np.int64(random_u64(length_seed, np.uint64(first + i)))
    for i in range(len(out_length)):
        out_length[i] = length_bytes[draw(lengths, np.uint64(out_length[i]))]
    generation, age = first // churn_frames, first % churn_frames
    for i in range(len(out_flow)):
        random = np.uint64(out_flow[i])
        out_flow[i] = draw(flows, random) * flows_each + below(random, flows_each) + generation
        age += 1
        if age == churn_frames:
            age = 0
            generation += 1


@njit(inline="always")
def _build(
    at: int,
    identity: int,
    settings: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.uint64],
    destination_mac: npt.NDArray[np.uint64],
    destination_tag: npt.NDArray[np.int64],
) -> Any:
    """Write the record of one flow at memory address `at`; returns the destination of the flow."""
    attributes = random_u64(settings[FLOW_SEED], np.uint64(identity))
    more = mix64(attributes)
    destination = draw(destinations, more)
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

    for i in range(0, RECORD_BYTES, 8):
        write_u64(at + i, np.uint64(0))
    tag = destination_tag[destination]
    network = 18 if tag >= 0 else 14
    transport = network + (40 if is_ipv6 else 20)
    protocol = 17 if is_udp else 6
    flags, window = (0, 0) if is_udp else (0x5010, 0xFFFF)  # 5 words of header, ACK
    sum_transport = source_port + target_port + flags + window + protocol
    sum_ip = 0
    write_u64_be(at, (target_mac << _U16) | (source_mac >> _U32))
    write_u64_be(at + 8, (source_mac << _U32) | np.uint64(0x81000000) | np.uint64(tag & 0xFFFF))
    if is_ipv6:
        _write_words(at + network - 2, 0x86DD, 0, 0, 0)
        _write_words(at + network, 0x6000, 0, 0, protocol << 8 | _HOP_LIMIT)
        write_u64_be(at + network + 8, _LOCAL_PREFIX if is_transmit else _REMOTE_PREFIX)
        write_u64_be(at + network + 16, np.uint64(source_host))
        write_u64_be(at + network + 24, _REMOTE_PREFIX if is_transmit else _LOCAL_PREFIX)
        write_u64_be(at + network + 32, np.uint64(target_host))
        sum_transport += _PREFIX_SUM + _sum(source_host) + _sum(target_host)
    else:
        source = source_host + (_LOCAL_NETWORK if is_transmit else _REMOTE_NETWORK)
        target = target_host + (_REMOTE_NETWORK if is_transmit else _LOCAL_NETWORK)
        hops = _HOP_LIMIT << 8 | protocol
        _write_words(at + network - 2, 0x0800, 0x4500, 0, 0)
        _write_words(at + network + 6, _DO_NOT_FRAGMENT, hops, 0, 0)
        _write_words(at + network + 12, source >> 16, source & 0xFFFF, target >> 16, target & 0xFFFF)
        sum_transport += _sum(source) + _sum(target)
        sum_ip = 0x4500 + _DO_NOT_FRAGMENT + hops + _sum(source) + _sum(target)
    _write_words(at + transport, source_port, target_port, 0, 0)
    _write_words(at + transport + 8, 0, 0, flags, window)

    write_u64(at + _SUMS, (np.uint64(sum_transport) << _U32) | np.uint64(sum_ip))
    checksum = transport + (6 if is_udp else 16)
    ip_length = network + (4 if is_ipv6 else 2)
    layout = np.uint64(IPV6_BYTES if is_ipv6 else IPV4_BYTES)
    layout |= np.uint64(transport + (8 if is_udp else 20)) << np.uint64(8)
    layout |= np.uint64(ip_length) << _U16
    layout |= np.uint64(ip_length if is_ipv6 else network + 10) << np.uint64(24)
    layout |= np.uint64(transport + 4 if is_udp else checksum) << _U32
    layout |= np.uint64(checksum) << np.uint64(40)
    layout |= np.uint64(transport) << _U48
    layout |= np.uint64(0 if is_ipv6 else 20) << np.uint64(56)
    write_u64(at + _LAYOUT, layout)
    return destination


@njit(cache=True, nogil=True, error_model="numpy")
def build_records(
    identities: npt.NDArray[np.int64],
    settings: npt.NDArray[np.uint64],
    destinations: npt.NDArray[np.uint64],
    destination_mac: npt.NDArray[np.uint64],
    destination_tag: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Write the records of the flows `identities` (n,) into `out` (n * RECORD_BYTES,), one after the other.

    `destinations` is an alias table over the rows of `destination_mac` and `destination_tag` (destinations,);
    `destination_tag` holds the tag control information, or -1 for no tag.
    """
    records = address_of(out)
    for i in range(len(identities)):
        _build(records + i * RECORD_BYTES, identities[i], settings, destinations, destination_mac, destination_tag)


@njit(cache=True, nogil=True, error_model="numpy")
def write_frames(
    record: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    records: npt.NDArray[np.uint8],
    headroom: int,
    used: int,
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> int:
    """Write frame i from record number `record[i]`, `length[i]` bytes long, but at least as long as its headers.

    `headroom` bytes before each frame stay free and count as part of it. Frames start at multiples of 16, the first one
    after the first `used` bytes of `packed`; returns the number of bytes of `packed` that are used afterwards.
    """
    used, records_at, packed_at = np.int64(used), address_of(records), address_of(packed)
    for i in range(len(record)):
        ahead = min(i + _PREFETCH_FRAMES, len(record) - 1)
        prefetch_address(records_at + record[ahead] * RECORD_BYTES)
        prefetch_address(records_at + record[ahead] * RECORD_BYTES + RECORD_BYTES - 1)
        source = records_at + record[i] * RECORD_BYTES
        layout = np.int64(read_u64(source + _LAYOUT))
        sums = np.int64(read_u64(source + _SUMS))
        size, headers, ip_header = layout & 0xFF, (layout >> 8) & 0xFF, (layout >> 56) & 0xFF
        ip_length_at, ip_checksum_at = (layout >> 16) & 0xFF, (layout >> 24) & 0xFF
        udp_length_at, checksum_at = (layout >> 32) & 0xFF, (layout >> 40) & 0xFF
        transport = (layout >> 48) & 0xFF

        at = packed_at + used + headroom
        for k in range(0, IPV6_BYTES, 16):  # an IPv4 frame needs 64 bytes: the next frame overwrites the rest
            low, high = read_u64(source + k), read_u64(source + k + 8)
            write_u64(at + k, low)
            write_u64(at + k + 8, high)
        wire = max(length[i] - headroom, headers)
        segment = wire - transport  # transport header and payload
        ip_length = segment + ip_header
        # no branches on properties of a flow: they would be mispredicted
        is_udp = np.int64(checksum_at - transport == 6)
        checksum = _fold((sums >> 32) + segment + (segment & -is_udp))
        checksum |= -(is_udp & np.int64(checksum == 0)) & 0xFFFF  # in UDP, 0 means "no checksum" (RFC 768)
        ip_checksum = _fold((sums & 0xFFFF_FFFF) + ip_length)
        write_u16_be(at + ip_checksum_at, ip_checksum)
        write_u16_be(at + ip_length_at, ip_length)
        write_u16_be(at + udp_length_at, segment)
        write_u16_be(at + checksum_at, checksum)

        wire_length[i] = wire + headroom
        captured_length[i] = min(wire, size) + headroom
        frame_start[i] = used
        used += np.int64((size + headroom + 15) & ~15)
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def make_frames(
    first: int,
    flows: npt.NDArray[np.uint64],
    flows_each: int,
    churn_frames: int,
    lengths: npt.NDArray[np.uint64],
    length_bytes: npt.NDArray[np.int64],
    settings: npt.NDArray[np.uint64],
    records: npt.NDArray[np.uint8],
    headroom: int,
    wire_length: npt.NDArray[np.uint32],
    captured_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> None:
    """`choose` and `write_frames` for flows with stored records, in blocks small enough for the cache."""
    flow, length = np.empty(_BLOCK_FRAMES, np.int64), np.empty(_BLOCK_FRAMES, np.int64)
    used = np.int64(0)
    for low in range(0, len(frame_start), _BLOCK_FRAMES):
        high = min(low + _BLOCK_FRAMES, len(frame_start))
        count = high - low
        choose(
            first + low, flows, flows_each, churn_frames, lengths, length_bytes, settings, flow[:count], length[:count]
        )
        used = write_frames(
            flow[:count], length[:count], records, headroom, used,
            wire_length[low:high], captured_length[low:high], frame_start[low:high], packed,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def encapsulate(
    outer: npt.NDArray[np.uint8],
    wire_length: npt.NDArray[np.uint32],
    frame_start: npt.NDArray[np.int64],
    packed: npt.NDArray[np.uint8],
) -> None:
    """Write the TUNNEL_BYTES of `outer` into the headroom of every frame; fill in lengths and the IPv4 checksum."""
    packed_at = address_of(packed)
    for i in range(len(wire_length)):
        at, wire = frame_start[i], np.int64(wire_length[i])
        frame = packed_at + at
        for k in range(TUNNEL_BYTES):
            packed[at + k] = outer[k]
        write_u16_be(frame + 16, wire - 14)
        write_u16_be(frame + 38, wire - 34)
        total = np.int64(0)
        for k in range(14, 34, 2):
            total += (np.int64(packed[at + k]) << 8) + np.int64(packed[at + k + 1])
        write_u16_be(frame + 24, _fold(total))


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
    """Find the first identities whose 4-tuple hash has no bit of `mask` set (HSH-07, HSH-13), and write them to `out`.

    The hash uses the key of the flow's destination; `toeplitz_tables` holds the byte tables of these keys one after the
    other. In frames made here addresses and ports are adjacent, so the input bytes of the hash are as well.
    """
    scratch = np.zeros(RECORD_BYTES, np.uint8)
    record = address_of(scratch)
    found, identity = 0, 0
    value: Any
    while found < len(out):
        destination = _build(record, identity, settings, destinations, destination_mac, destination_tag)
        layout = np.int64(read_u64(record + _LAYOUT))
        count = 36 if layout & 0xFF == IPV6_BYTES else 12
        start = ((layout >> 48) & 0xFF) + 4 - count
        value = np.int64(0)
        for i in range(count):
            value ^= np.int64(toeplitz_tables[(destination * 36 + i) * 256 + scratch[start + i]])
        if value & mask == 0:
            out[found] = identity
            found += 1
        identity += 1
