"""Hypothesis strategies: frames of every kind, well-formed or with false fields, and legal adapter configurations.

Addresses, ports and VLAN ids come from small pools, so that frames often match filters, and flows often share values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from dataplane.ids import BROADCAST_ADDRESS, NdisVersion, ProcessorNumber
from dataplane.switch.configuration import (
    HASH_SECRET_KEY_BYTES,
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    ReceiveQueue,
    RssState,
    Test,
    VPort,
)
from tests.reference.steering import native_table_in_use

PERMANENT_ADDRESS = 0x00155D_000001
MULTICAST_ADDRESS = 0x01005E_010203
#: Addresses of filters, destinations and sources unless the caller brings a pool.
MAC_ADDRESSES = (
    PERMANENT_ADDRESS,
    0x00155D_010201,
    0x00155D_010202,
    0x00155D_010203,
    MULTICAST_ADDRESS,
    0x01005E_010204,
    BROADCAST_ADDRESS,
)
VLAN_IDS = (1, 2, 100, 4094)
IPV4_ADDRESSES = tuple(bytes.fromhex(text) for text in ("420995bb", "a18e6450", "0a010001", "0a010002"))
IPV6_ADDRESSES = tuple(
    bytes.fromhex(text)
    for text in (
        "3ffe25010200" + "1fff" + "00" * 7 + "07",
        "3ffe25010200" + "0003" + "00" * 7 + "01",
        "20010db8" + "00" * 11 + "10",
    )
)
PORTS = tuple(bytes.fromhex(text) for text in ("0aea", "06e6", "0035"))

TCP, UDP, ICMP, ICMPV6, NO_NEXT_HEADER, ESP, GRE = 6, 17, 1, 58, 59, 50, 47
FRAGMENT, AUTHENTICATION, ROUTING, DESTINATION_OPTIONS = 44, 51, 43, 60
EIGHT_BYTE_UNIT_HEADERS = (0, ROUTING, DESTINATION_OPTIONS, 135, 139, 140)


class Frame(NamedTuple):
    """Captured bytes of a frame and its length on the wire without FCS."""

    data: bytes
    wire_length: int


def _rarely(draw: st.DrawFn, unlikely: int = 8) -> bool:
    """True in about one of `unlikely` draws; shrinks to False. Ends of a range are drawn too often for this."""
    return draw(st.integers(0, unlikely - 1)) == unlikely // 2


# --- frames -----------------------------------------------------------------------------------------------------------


def frames(macs: Sequence[int] = MAC_ADDRESSES, vlan_ids: Sequence[int] = VLAN_IDS) -> st.SearchStrategy[Frame]:
    """Any frame: mostly structured ones, now and then plain random bytes; `macs` are 48-bit addresses.

    It draws no tunnels; `encapsulated_frames` does.
    """
    structured = structured_frames(macs, vlan_ids)
    return st.integers(0, 15).flatmap(lambda kind: random_frames() if kind == 7 else structured)


@st.composite
def random_frames(draw: st.DrawFn) -> Frame:
    """Bytes without any structure, runts included, captured whole or cut."""
    data = draw(st.binary(max_size=100))
    return _cut(draw, data)


@st.composite
def structured_frames(
    draw: st.DrawFn, macs: Sequence[int] = MAC_ADDRESSES, vlan_ids: Sequence[int] = VLAN_IDS
) -> Frame:
    """An Ethernet frame: tags, then IPv4, IPv6 or other contents, then padding; it may be truncated anywhere."""
    header, payload = draw(ethernet_headers(macs, vlan_ids)), draw(_ether_types_and_packets())
    padding = b"\x00" * draw(st.sampled_from((0, 0, 1, 18, 46)))
    return _cut(draw, header + payload + padding, len(header) + 2)


@st.composite
def ethernet_headers(draw: st.DrawFn, macs: Sequence[int], vlan_ids: Sequence[int]) -> bytes:
    """Everything before the last EtherType."""
    address = st.sampled_from(macs)
    return draw(address).to_bytes(6, "big") + draw(address).to_bytes(6, "big") + draw(tags(vlan_ids))


@st.composite
def _ether_types_and_packets(draw: st.DrawFn) -> bytes:
    """An EtherType and what follows."""
    kind = draw(st.sampled_from(("ipv4", "ipv4", "ipv4", "ipv6", "ipv6", "ipv6", "ipv6", "other")))
    if kind == "ipv4":
        return b"\x08\x00" + draw(ipv4_packets())
    if kind == "ipv6":
        return b"\x86\xdd" + draw(ipv6_packets())
    # ARP, an LLC length, an inner customer tag, IP under the wrong EtherType
    ether_type = draw(st.sampled_from((b"\x08\x06", b"\x00\x2e", b"\x88\xa8", b"\x08\x00", b"\x86\xdd")))
    return ether_type + draw(st.one_of(st.binary(max_size=60), ipv4_packets(), ipv6_packets()))


@st.composite
def encapsulated_frames(
    draw: st.DrawFn, macs: Sequence[int] = MAC_ADDRESSES, vlan_ids: Sequence[int] = VLAN_IDS
) -> Frame:
    """A frame inside a VXLAN or NVGRE packet (HSH-30), now and then inside something that only resembles one.

    Outer and inner headers are as varied as any; the outer packet may end anywhere inside the frame, which itself may
    be cut anywhere.
    """
    outer_header, inner_header = draw(ethernet_headers(macs, vlan_ids)), draw(ethernet_headers(macs, vlan_ids))
    protocol = draw(st.sampled_from((UDP, UDP, GRE)))
    tunnel_header = draw(vxlan_headers() if protocol == UDP else nvgre_headers())
    inner_frame = inner_header + draw(_ether_types_and_packets()) + b"\x00" * draw(st.sampled_from((0, 0, 1, 18)))
    inside, behind = tunnel_header + inner_frame, b""
    if _rarely(draw, 4):  # the rest lies in the frame but behind the outer packet
        near = st.integers(-3, 3).map(lambda offset: len(tunnel_header + inner_header) + 2 + offset)
        end = draw(st.one_of(near, st.integers(0, len(inside))))
        inside, behind = inside[:end], inside[end:]
    if draw(st.booleans()):
        packet = b"\x08\x00" + draw(ipv4_packets((protocol, inside)))
    else:
        packet = b"\x86\xdd" + draw(ipv6_packets((protocol, inside)))
    inner_frame_at = len(outer_header + packet) - len(inside) + len(tunnel_header)
    packet_at = draw(
        st.sampled_from((len(outer_header) + 2, inner_frame_at + 14, inner_frame_at + len(inner_header) + 2))
    )
    return _cut(draw, outer_header + packet + behind, packet_at)


@st.composite
def vxlan_headers(draw: st.DrawFn) -> bytes:
    """A UDP and a VXLAN header: mostly with the right destination port and the I flag, among any reserved bits."""
    source_port = draw(st.sampled_from((*PORTS, b"\x12\xb5")))
    destination_port = PORTS[0] if _rarely(draw) else b"\x12\xb5"
    flags = draw(st.sampled_from((*[0x08] * 6, 0xFF, 0x88, 0x00, 0xF7)))
    network_identifier = draw(st.sampled_from((0, 1, 0xFFFFFF)))
    udp_length_and_checksum = draw(st.sampled_from((b"\x00\x00\x00\x00", b"\x00\x64\xab\xcd")))
    return (
        source_port
        + destination_port
        + udp_length_and_checksum
        + bytes([flags])
        + draw(st.sampled_from((b"\x00" * 3, b"\xff" * 3)))
        + (network_identifier << 8).to_bytes(4, "big")
    )


@st.composite
def nvgre_headers(draw: st.DrawFn) -> bytes:
    """A GRE header of 8 bytes: mostly the flags and the protocol type of NVGRE."""
    flags = draw(st.sampled_from((*[0x2000] * 8, 0x0000, 0x3000, 0xA000, 0x2001)))
    protocol_type = draw(st.sampled_from((*[0x6558] * 8, 0x0800, 0x6559)))
    key = draw(st.sampled_from((0, 1, 0xFFFFFFFF)))
    return flags.to_bytes(2, "big") + protocol_type.to_bytes(2, "big") + key.to_bytes(4, "big")


@st.composite
def tags(draw: st.DrawFn, vlan_ids: Sequence[int] = VLAN_IDS) -> bytes:
    """No tag, one or two 802.1Q tags, or an 802.1ad tag (which is none: MOD-10)."""
    tpids = draw(st.sampled_from((*[()] * 4, *[(0x8100,)] * 4, (0x8100, 0x8100), (0x88A8,), (0x88A8, 0x8100))))
    vlan_id = st.sampled_from((0, *vlan_ids, 4095))
    return b"".join(
        tpid.to_bytes(2, "big") + (draw(st.integers(0, 15)) << 12 | draw(vlan_id)).to_bytes(2, "big") for tpid in tpids
    )


def _cut(draw: st.DrawFn, data: bytes, packet_at: int = 14) -> Frame:
    """The whole frame, a frame cut on the wire (its lengths are then false), or one captured only in part (HSH-32)."""
    how = draw(st.sampled_from((*["whole"] * 7, "wire", "capture", "capture")))
    if how == "whole":
        return Frame(data, len(data))
    # anywhere, or next to the end of a tag, an IP header, a pair of ports
    near = st.sampled_from((23, 24, 20, 19, 44, 43, 40, 39, 0, -1, -2, -3)).map(lambda offset: packet_at + offset)
    captured = min(draw(st.one_of(near, near, st.integers(0, len(data)))), len(data))
    return Frame(data[:captured], captured if how == "wire" else len(data))


def _lying(draw: st.DrawFn, length: int, largest: int) -> int:
    """A length field: usually the truth, sometimes a little off or anything."""
    if not _rarely(draw):
        return min(length, largest)
    lie = draw(st.one_of(st.integers(-9, 9).map(lambda difference: length + difference), st.integers(0, largest)))
    return max(0, min(lie, largest))


@st.composite
def transport(draw: st.DrawFn, protocol: int) -> bytes:
    """What follows the IP headers: whole or short TCP and UDP headers with pooled ports, else a few bytes."""
    if protocol not in (TCP, UDP):
        return draw(st.binary(max_size=24))
    port = st.one_of(st.sampled_from(PORTS), st.binary(min_size=2, max_size=2))
    needed = 20 if protocol == TCP else 8
    rest = b"\x50" * (needed - 4) + draw(st.binary(max_size=4))
    whole = draw(port) + draw(port) + rest
    return whole[: draw(st.integers(0, needed))] if _rarely(draw) else whole


@st.composite
def ipv4_packets(draw: st.DrawFn, carrying: tuple[int, bytes] | None = None) -> bytes:
    """An IPv4 packet with any IHL, options, fragment fields, protocol and, rarely, lies about version and length.

    `carrying` is the protocol and what follows the header, instead of anything.
    """
    protocol = (
        carrying[0] if carrying else draw(st.sampled_from((*[TCP] * 4, *[UDP] * 4, ICMP, ESP, AUTHENTICATION, 4, 255)))
    )
    address = st.one_of(st.sampled_from(IPV4_ADDRESSES), st.binary(min_size=4, max_size=4))
    ihl = draw(st.sampled_from((5, 5, 5, 5, 5, 6, 7, 15)))
    options = draw(st.binary(min_size=(ihl - 5) * 4, max_size=(ihl - 5) * 4))
    body = carrying[1] if carrying else draw(transport(protocol))
    version = draw(st.integers(0, 15)) if _rarely(draw, 16) else 4
    stated_ihl = draw(st.sampled_from((4, 0, 6, 15))) if _rarely(draw) else ihl
    # reserved and DF bits alone do not fragment; MF and offsets do
    flags_and_offset = draw(st.sampled_from((*[0] * 10, 0x4000, 0x8000, 0x2000, 0x2001, 0x0001, 0x00B9, 0x1FFF)))
    total_length = _lying(draw, ihl * 4 + len(body), 0xFFFF)
    return (
        bytes([version << 4 | stated_ihl, draw(st.sampled_from((0, 0xB8)))])
        + total_length.to_bytes(2, "big")
        + b"\x12\x34"
        + flags_and_offset.to_bytes(2, "big")
        + bytes([draw(st.sampled_from((1, 64))), protocol])
        + b"\x00\x00"
        + draw(address)
        + draw(address)
        + options
        + body
    )


@st.composite
def ipv6_packets(draw: st.DrawFn, carrying: tuple[int, bytes] | None = None) -> bytes:
    """An IPv6 packet with any chain of extension headers, any upper layer and, rarely, lies about its fields.

    `carrying` is the upper layer's number and bytes, instead of anything.
    """
    numbers_above = (*[TCP] * 4, *[UDP] * 4, ICMPV6, NO_NEXT_HEADER, ESP, 4, 254, 255)
    upper_layer = carrying[0] if carrying else draw(st.sampled_from(numbers_above))
    numbers = (*EIGHT_BYTE_UNIT_HEADERS, *[DESTINATION_OPTIONS, ROUTING, FRAGMENT] * 2, AUTHENTICATION)
    chains = st.lists(st.sampled_from(numbers), max_size=4)
    chain = draw(st.just([]) | chains if carrying else chains)  # GRE counts only without extension headers (HSH-30)
    following = [*chain, upper_layer][1:]
    headers = [
        draw(extension_headers(number, following_number))
        for number, following_number in zip(chain, following, strict=True)
    ]
    body = b"".join(headers) + (carrying[1] if carrying else draw(transport(upper_layer)))
    version = draw(st.integers(0, 15)) if _rarely(draw, 16) else 6
    address = st.one_of(st.sampled_from(IPV6_ADDRESSES), st.binary(min_size=16, max_size=16))
    return (
        (version << 28 | draw(st.sampled_from((0, 0xABCDE)))).to_bytes(4, "big")
        + _lying(draw, len(body), 0xFFFF).to_bytes(2, "big")
        + bytes([chain[0] if chain else upper_layer, 64])
        + draw(address)
        + draw(address)
        + body
    )


@st.composite
def extension_headers(draw: st.DrawFn, number: int, next_header: int) -> bytes:
    """One extension header of the kind `number`; rarely its length byte lies."""
    if number == FRAGMENT:
        return bytes([next_header, draw(st.integers(0, 255))]) + draw(_fragment_fields())
    if number == AUTHENTICATION:
        words = draw(st.sampled_from((0, 1, 2, 4, 6)))
        return bytes([next_header, _lying(draw, words, 255)]) + b"\x51" * (words * 4 + 6)
    if number == ROUTING:
        content = draw(_routing_contents())
    elif number in (DESTINATION_OPTIONS, 0):
        content = draw(_options())
    else:
        units = draw(st.integers(0, 3))
        content = draw(st.binary(min_size=units * 8 + 6, max_size=units * 8 + 6))
    return bytes([next_header, _lying(draw, (len(content) + 2) // 8 - 1, 255)]) + content


@st.composite
def _fragment_fields(draw: st.DrawFn) -> bytes:
    """Offset, reserved bits, M and identification; often an atomic fragment (HSH-24)."""
    offset = draw(st.sampled_from((*[0] * 8, 1, 185, 0x1FFF)))
    reserved_and_more = draw(st.sampled_from((*[0] * 4, 2, 4, 6, 1, 7)))
    return (offset << 3 | reserved_and_more).to_bytes(2, "big") + b"\x00\x00\x00\x2a"


@st.composite
def _routing_contents(draw: st.DrawFn) -> bytes:
    """A Routing header after its first two bytes: often type 2 with one address (HSH-17), else any type and length."""
    address = st.one_of(st.sampled_from(IPV6_ADDRESSES), st.binary(min_size=16, max_size=16))
    routing_type = draw(st.sampled_from((2, 2, 2, 0, 3, 4, 253)))
    addresses = draw(st.sampled_from((1, 1, 1, 0, 2)))
    return (
        bytes([routing_type, draw(st.integers(0, 2))]) + b"\x00" * 4 + b"".join(draw(address) for _ in range(addresses))
    )


@st.composite
def _options(draw: st.DrawFn) -> bytes:
    """Options after the first two bytes of their header, padded to a multiple of 8; rarely one option is too long."""
    home_address = st.one_of(st.sampled_from(IPV6_ADDRESSES), st.binary(min_size=16, max_size=16)).map(
        lambda address: b"\xc9\x10" + address
    )
    home_address_of_wrong_length = st.binary(max_size=20).map(lambda data: bytes([0xC9, len(data)]) + data)
    unknown = st.builds(
        lambda kind, data: bytes([kind, len(data)]) + data,
        st.sampled_from((1, 4, 5, 0x3E, 0xC2)),
        st.binary(max_size=10),
    )
    option = st.one_of(st.just(b"\x00"), home_address, home_address, home_address_of_wrong_length, unknown)
    content = b"".join(draw(st.lists(option, max_size=3)))
    missing = -(len(content) + 2) % 8
    if _rarely(draw):
        # an option that states more bytes than its header has left, or a type without a length
        return content + (b"\xc9" + b"\xff" * (missing - 1) if missing else b"\xc9\xff" + b"\x00" * 6)
    if missing == 1:
        return content + b"\x00"
    return content + (b"\x01" + bytes([missing - 2]) + b"\x00" * (missing - 2) if missing else b"")


# --- configurations ---------------------------------------------------------------------------------------------------

NDIS_VERSIONS = {
    Mode.SWITCH: (NdisVersion(6, 30), NdisVersion(6, 60), NdisVersion(6, 80), NdisVersion(6, 80)),  # OID-13
    Mode.VMQ: (NdisVersion(6, 20), NdisVersion(6, 30), NdisVersion(6, 80)),
    Mode.NEUTRAL: (NdisVersion(6, 20), NdisVersion(6, 60), NdisVersion(6, 80)),
}
#: RSSv2 tracks inactive steering parameters, even outside the RSS processor set (UPD-17).
RSS_VERSION_2 = NdisVersion(6, 80)
TABLE_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
UDP_TYPES = HashType.UDP_IPV4 | HashType.UDP_IPV6 | HashType.UDP_IPV6_EX
HASH_TYPES = tuple(kind for kind in HashType if kind)
KEYS = tuple(
    bytes.fromhex(text)
    for text in (
        "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa",
        "6d5a" * 20,
        "00" * 40,
    )
)


@st.composite
def adapter_configurations(
    draw: st.DrawFn,
    modes: Sequence[Mode] = (Mode.SWITCH, Mode.SWITCH, Mode.VMQ, Mode.NEUTRAL),
    macs: Sequence[int] = MAC_ADDRESSES,
    vlan_ids: Sequence[int] = VLAN_IDS,
) -> AdapterConfiguration:
    """A configuration that control could have produced, with filters from the given pools."""
    mode = draw(st.sampled_from(modes))
    version = draw(st.sampled_from(NDIS_VERSIONS[mode]))
    processors = draw(st.sampled_from(((0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 16))).flatmap(_rss_processors))
    vlan_filtering = draw(st.sampled_from((True, True, False)))
    target_ids = [0, *sorted(draw(st.sets(st.integers(1, 9), max_size=4)))] if mode is not Mode.NEUTRAL else [0]
    filters = draw(_filter_sets(target_ids, _filter_tests(version, vlan_filtering, macs, vlan_ids)))
    configuration = AdapterConfiguration(
        mode=mode,
        ndis_version=version,
        rss_processors=processors,
        rss_base_processor=draw(st.sampled_from(processors)),
        permanent_address=PERMANENT_ADDRESS,
        packet_filter=PacketFilter(
            draw(st.one_of(*[st.just(PacketFilter.PROMISCUOUS.value)] * 3, st.integers(0, 0x3F), st.integers(0, 0x1F)))
        ),
        multicast_list=tuple(draw(st.sets(st.sampled_from((MULTICAST_ADDRESS, 0x01005E_010204, BROADCAST_ADDRESS))))),
        vlan_filtering=vlan_filtering,
        filters=filters,
    )
    return draw(_with_targets(configuration, target_ids))


def _rss_processors(first: tuple[int, int]) -> st.SearchStrategy[tuple[ProcessorNumber, ...]]:
    group, number = first
    return st.integers(1, 8).map(lambda count: tuple(ProcessorNumber(group, number + i) for i in range(count)))


@st.composite
def _with_targets(draw: st.DrawFn, configuration: AdapterConfiguration, target_ids: list[int]) -> AdapterConfiguration:
    version, processors = configuration.ndis_version, configuration.rss_processors
    processor = st.sampled_from(processors)
    if configuration.mode is Mode.SWITCH:
        return replace(
            configuration,
            vports=tuple(draw(_vports(target_id, version, processors)) for target_id in target_ids),
        )
    if configuration.mode is Mode.VMQ:
        with_filters = {candidate.target_id for candidate in configuration.filters}
        return replace(
            configuration,
            queues=tuple(
                # Running needs allocation complete and a filter (QUE-05)
                ReceiveQueue(queue_id, queue_id in with_filters and not _rarely(draw, 4), draw(processor))
                for queue_id in target_ids
                if queue_id
            ),
        )
    what = draw(st.sampled_from(("rss", "rss", "hash", "neither")))  # they exclude each other: RSS-22
    if what == "hash":
        enabled = draw(_enabled_rss(version, processors))
        return replace(configuration, receive_hash=RssState(True, enabled.hash_types, enabled.hash_secret_key))
    if what == "neither":
        return configuration
    rss = draw(rss_states(version, processors))
    if not rss.enabled:
        return replace(configuration, native_rss=rss)
    in_use = native_table_in_use(rss.indirection_table, draw(st.integers(1, 8)))
    return replace(configuration, native_rss=rss, native_table_in_use=in_use)


@st.composite
def _vports(draw: st.DrawFn, vport_id: int, version: NdisVersion, processors: tuple[ProcessorNumber, ...]) -> VPort:
    on_a_vf = vport_id != 0 and _rarely(draw)
    return VPort(
        vport_id=vport_id,
        activated=vport_id == 0 or not _rarely(draw, 4),  # VPT-16
        primary_processor=draw(st.sampled_from(processors)),
        rss=RssState() if on_a_vf else draw(rss_states(version, processors)),  # RSS-21
        attached_to_vf=on_a_vf,
    )


@st.composite
def rss_states(draw: st.DrawFn, version: NdisVersion, processors: tuple[ProcessorNumber, ...]) -> RssState:
    """RSS of a VPort or an adapter: on, off, or off with everything tracked under RSSv2 (UPD-17, UPD-20)."""
    what = draw(st.sampled_from(("on", "on", "on", "off")))
    if what == "on":
        return draw(_enabled_rss(version, processors))
    if version < RSS_VERSION_2:
        return RssState()  # RSS-05, RSS-08
    anywhere = (*processors, ProcessorNumber(2, 63))
    tracked = draw(_enabled_rss(version, anywhere))
    return RssState(
        False, tracked.hash_types, tracked.hash_secret_key, tracked.indirection_table, tracked.default_processor
    )


@st.composite
def _enabled_rss(draw: st.DrawFn, version: NdisVersion, processors: tuple[ProcessorNumber, ...]) -> RssState:
    """RSS with any types, key and table; the default processor need not be in the table (RSS-03)."""
    processor = st.sampled_from(processors)
    allowed = HASH_TYPES if version >= RSS_VERSION_2 else tuple(kind for kind in HASH_TYPES if not kind & UDP_TYPES)
    hash_types = HashType.NONE
    for kind in draw(st.one_of(st.just(allowed), st.sets(st.sampled_from(allowed), min_size=1))):
        hash_types |= kind
    size = draw(st.sampled_from(TABLE_SIZES))
    pattern = draw(st.lists(processor, min_size=1, max_size=min(size, 16)))
    return RssState(
        enabled=True,
        hash_types=hash_types,
        hash_secret_key=draw(
            st.one_of(st.sampled_from(KEYS), st.binary(min_size=HASH_SECRET_KEY_BYTES, max_size=HASH_SECRET_KEY_BYTES))
        ),
        indirection_table=tuple(pattern[i % len(pattern)] for i in range(size)),
        default_processor=draw(processor),
    )


@st.composite
def _filter_sets(
    draw: st.DrawFn, target_ids: list[int], tests: st.SearchStrategy[tuple[tuple[FieldTest, ...], bool]]
) -> tuple[Filter, ...]:
    """Filters with ascending ids, gaps where one has been cleared (FLT-30), targets in any order (FLT-38)."""
    filter_ids = sorted(draw(st.sets(st.integers(1, 16), max_size=8)))
    filters = []
    for filter_id in filter_ids:
        field_tests, untagged_or_zero = draw(tests)
        filters.append(Filter(filter_id, draw(st.sampled_from(target_ids)), field_tests, untagged_or_zero))
    return tuple(filters)


@st.composite
def _filter_tests(
    draw: st.DrawFn, version: NdisVersion, vlan_filtering: bool, macs: Sequence[int], vlan_ids: Sequence[int]
) -> tuple[tuple[FieldTest, ...], bool]:
    """The tests of one filter and its UNTAGGED_OR_ZERO flag, every legal combination of both."""
    kinds = ["flag"]  # FLT-16
    if vlan_filtering:
        kinds += ["vlan", "vlan", "vlan only", "contradictory vlan"]  # FLT-22, FLT-26, FLT-27, FLT-33
    if version > NdisVersion(6, 20):
        kinds += ["any vlan"]  # FLT-19, FLT-20
    kind = draw(st.sampled_from(kinds))
    tests = []
    if kind != "vlan only":
        tests.append(draw(address_tests(macs)))
        if _rarely(draw):
            tests.append(draw(address_tests(macs)))  # a second one on the same field, mostly contradictory (FLT-33)
    if "vlan" in kind.split() and kind != "any vlan":
        tests.append(draw(vlan_tests(vlan_ids)))
    if kind == "contradictory vlan":
        tests.append(draw(vlan_tests(vlan_ids)))
    order = draw(st.permutations(tests))
    return tuple(order), kind == "flag"


@st.composite
def address_tests(draw: st.DrawFn, macs: Sequence[int]) -> FieldTest:
    """A destination-address test, mostly for equality (FLT-12)."""
    value = draw(st.sampled_from(macs))
    kind = draw(st.sampled_from((*[Test.EQUAL] * 6, Test.MASK_EQUAL, Test.NOT_EQUAL)))
    if kind is not Test.MASK_EQUAL:
        return FieldTest(MacField.DESTINATION_ADDRESS, value, kind)
    mask = draw(st.sampled_from((0xFFFF_FF00_0000, 0x0100_0000_0000, 0xFFFF_FFFF_FFFE, 0)))
    result = draw(st.sampled_from((value & mask, value & mask, value)))  # bits outside the mask never match
    return FieldTest(MacField.DESTINATION_ADDRESS, mask, kind, result)


@st.composite
def vlan_tests(draw: st.DrawFn, vlan_ids: Sequence[int]) -> FieldTest:
    """A VLAN id test, mostly for equality; values are 1..4094 (FLT-14)."""
    value = draw(st.sampled_from(vlan_ids))
    kind = draw(st.sampled_from((*[Test.EQUAL] * 6, Test.MASK_EQUAL, Test.NOT_EQUAL)))
    if kind is not Test.MASK_EQUAL:
        return FieldTest(MacField.VLAN_ID, value, kind)
    mask = draw(st.sampled_from((0xFF0, 1, 4094)))
    return FieldTest(MacField.VLAN_ID, mask, kind, value & mask)
