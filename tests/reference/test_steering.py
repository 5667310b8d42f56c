"""The reference's parser, matcher and assignment against vectors and examples worked out by hand.

Frames of the examples are built by scapy, so that no parser is tested with frames of its own author.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    HAO,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from dataplane.ids import BROADCAST_ADDRESS, NdisVersion, ProcessorNumber, format_mac
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    ReceiveQueue,
    RssState,
    VPort,
)
from dataplane.switch.configuration import Test as Comparison  # under its own name pytest would collect it
from tests.reference import steering, vectors
from tests.reference.steering import SteeredFrame, flow_identity, parse, parse_and_hash

K1 = vectors.KEYS["ms_default"]
K2 = vectors.KEYS["nvidia_example"]
M1, M2, STRANGER = 0x00155D_010201, 0x00155D_010202, 0x00155D_0000AA
IPV4_TYPES = HashType.IPV4 | HashType.TCP_IPV4


def cpu(number: int) -> ProcessorNumber:
    """A processor of group 0."""
    return ProcessorNumber(0, number)


def cpus(*numbers: int) -> tuple[ProcessorNumber, ...]:
    """Processors of group 0."""
    return tuple(cpu(number) for number in numbers)


def rss(types: HashType, table: tuple[int, ...], default: int, key: bytes = K1) -> RssState:
    """RSS switched on."""
    return RssState(True, types, key, cpus(*table), cpu(default))


def equal(address: int) -> FieldTest:
    """The destination-address test of most filters."""
    return FieldTest(MacField.DESTINATION_ADDRESS, address)


def masked(mask: int, result: int) -> FieldTest:
    """A destination-address test under a mask."""
    return FieldTest(MacField.DESTINATION_ADDRESS, mask, Comparison.MASK_EQUAL, result)


def vlan(vlan_id: int, test: Comparison = Comparison.EQUAL, result: int = 0) -> FieldTest:
    """A VLAN id test."""
    return FieldTest(MacField.VLAN_ID, vlan_id, test, result)


def switch(*vports: VPort, filters: tuple[Filter, ...] = (), **changes: Any) -> AdapterConfiguration:
    """Switch mode with processors 0..15 and the default VPort on processor 0 unless `vports` bring their own."""
    if not any(vport.vport_id == 0 for vport in vports):
        vports = (VPort(0, True, cpu(0)), *vports)
    configuration = AdapterConfiguration(
        mode=Mode.SWITCH,
        ndis_version=NdisVersion(6, 60),
        rss_processors=cpus(*range(16)),
        rss_base_processor=cpu(0),
        permanent_address=0x00155D_000001,
        filters=filters,
        vports=vports,
    )
    return replace(configuration, **changes)


def ether(payload: Any, destination: int = M1, source: int = STRANGER, tags: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A frame; `tags` are (priority, VLAN id) pairs."""
    layers = Ether(dst=format_mac(destination), src=format_mac(source))
    for priority, vlan_id in tags:
        layers /= Dot1Q(prio=priority, vlan=vlan_id)
    return bytes(layers / payload)


def tcp4(source: str, destination: str, source_port: int, destination_port: int) -> Any:
    """A TCP packet over IPv4."""
    return IP(src=source, dst=destination) / TCP(sport=source_port, dport=destination_port)


def ipv6(*layers: Any) -> Any:
    """A packet 2001:db8::10 > 2001:db8::20 with the given layers."""
    packet = IPv6(src="2001:db8::10", dst="2001:db8::20")
    for layer in layers:
        packet /= layer
    return packet


def steer(configuration: AdapterConfiguration, frame: bytes, direction: str = "rx") -> SteeredFrame:
    """Steer a frame that was captured whole."""
    return steering.steer(configuration, frame, len(frame), direction)


def hashed(row: SteeredFrame) -> tuple[str, int | None, ProcessorNumber | None]:
    """The values that most examples state: type, value, processor."""
    return row.hash_type, row.hash_value, row.processor


# --- parse and hash ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors.PACKETS, ids=lambda vector: vector.name)
def test_packet_vectors(vector: vectors.PacketVector) -> None:
    """Every packet vector gets its type, value and input bytes (HSH-06 to HSH-25, RX-17)."""
    expected = (vector.hash_type, vector.hash_value, vector.data)
    assert expected == parse_and_hash(vector.frame, len(vector.frame), vector.enabled_types, vector.key)
    assert vector.hash_information == (vector.hash_type | 1 if vector.hash_type else 0)


@pytest.mark.parametrize("vector", vectors.OUT_OF_BAND, ids=lambda vector: f"{vector.tci:04x}")
def test_out_of_band_vectors(vector: vectors.OutOfBandVector) -> None:
    """The tag on the wire and its OOB value have different bit orders (RX-10)."""
    assert vector.tag == steering.Tag.from_tci(vector.tci)
    assert vector.out_of_band == vector.tag.out_of_band()


def test_runts() -> None:
    """Frames below 14 bytes, or that end inside an 802.1Q tag, are runts; one that ends after it is not (MOD-10)."""
    addresses = bytes(12)
    assert parse(bytes(13), 13) is None
    assert parse(bytes(14), 14) is not None
    assert parse(addresses + b"\x81\x00\x00", 15) is None
    tag_only = parse(addresses + b"\x81\x00\x00\x07\x08", 17)
    assert tag_only is not None
    assert (steering.Tag(0, 0, 7), 0) == (tag_only.tag, tag_only.ether_type)
    assert parse(addresses + b"\x88\xa8", 14) is not None


def test_only_the_outermost_8021q_tag() -> None:
    """The inner tag is the EtherType, 802.1ad is no tag, and nothing after either is parsed (MOD-10, RX-11)."""
    packet = tcp4("10.1.0.1", "10.1.0.2", 1, 2)
    double = parse(ether(packet, tags=((0, 10), (0, 20))), 100)
    assert double is not None
    assert (steering.Tag(0, 0, 10), 0x8100, None) == (double.tag, double.ether_type, double.packet)
    outer_8021ad = parse(bytes(12) + b"\x88\xa8\x00\x0a\x08\x00" + bytes(packet), 100)
    assert outer_8021ad is not None
    assert (outer_8021ad.tag, outer_8021ad.ether_type, outer_8021ad.packet) == (None, 0x88A8, None)


def test_capture_cut_short() -> None:
    """Lengths count on the wire; the ports must be captured, the rest of the transport header need not (HSH-32)."""
    frame = ether(tcp4("66.9.149.187", "161.142.100.80", 2794, 1766) / (b"x" * 100))
    types = int(IPV4_TYPES)
    assert parse_and_hash(frame[:38], len(frame), types, K1)[:2] == (HashType.TCP_IPV4, 0x51CCC178)
    assert parse_and_hash(frame[:37], len(frame), types, K1) == (0, 0, b"")
    assert parse_and_hash(frame[:38], 38, types, K1) == (0, 0, b"")


def test_total_length_against_the_wire() -> None:
    """Padding behind the packet changes nothing; a packet longer than the frame is unparseable (HSH-22, HSH-26)."""
    frame = ether(tcp4("66.9.149.187", "161.142.100.80", 2794, 1766))
    types = int(IPV4_TYPES)
    expected = (HashType.TCP_IPV4, 0x51CCC178)
    assert expected == parse_and_hash(frame + bytes(6), len(frame) + 6, types, K1)[:2]
    assert parse_and_hash(frame[:-1], len(frame) - 1, types, K1) == (0, 0, b"")


@pytest.mark.parametrize(
    ("layers", "unparseable"),
    [
        ((IPv6(version=5),), "IP version 5"),
        ((IPv6(), TCP(), b"x"), ""),
        ((IPv6(plen=19), TCP()), "transport header"),
        ((IPv6(plen=7), UDP()), "transport header"),
        ((IPv6(plen=8), UDP()), ""),
        ((IPv6(plen=21), TCP()), "beyond the frame"),
        ((IPv6(nh=0, plen=8), b"\x06\x01" + bytes(30)), "extension header runs past"),
        ((IPv6(nh=44, plen=4), bytes(8)), "Fragment header runs past"),
        ((IPv6(nh=51), b"\x3b\x00" + bytes(6)), ""),
        ((IPv6(nh=51), b"\x3b\x01" + bytes(6)), "extension header runs past"),
        ((IPv6(nh=60), b"\x3b\x00\x01\x04" + bytes(4)), ""),
        ((IPv6(nh=60), b"\x3b\x00\x01\x05" + bytes(12)), "option runs past"),
        ((IPv6(nh=60), b"\x3b\x00\x00\x00\x00\x00\x00\x01"), "option runs past"),
        ((IPv6(nh=60), b"\x3b\x02\xc9\x10" + bytes(16) + b"\x01\x03" + bytes(2)), "option runs past"),
        ((IPv6(nh=0), b"\x3b\x00\x01\x05" + bytes(12)), ""),
    ],
)
def test_ipv6_that_cannot_be_parsed(layers: tuple[Any, ...], unparseable: str) -> None:
    """Exactly inconsistent versions, lengths and chains give no packet (HSH-22, HSH-23)."""
    packet = layers[0]
    for layer in layers[1:]:
        packet /= layer
    frame = bytes(Ether(type=0x86DD)) + bytes(packet)
    parsed = parse(frame, len(frame))
    assert parsed is not None
    assert unparseable in parsed.unparseable
    assert (parsed.packet is None) == bool(unparseable)


def test_addresses_in_extension_headers() -> None:
    """The first Home Address and type 2 routing address are found, also one after the other and before a fragment.

    HSH-16, HSH-17, HSH-25, HSH-26.
    """
    home = IPv6ExtHdrDestOpt(options=[HAO(hoa="3ffe::7")])
    other_home = IPv6ExtHdrDestOpt(options=[HAO(hoa="3ffe::8")])
    routing = IPv6ExtHdrRouting(type=2, addresses=["3ffe::9"])
    frame = ether(ipv6(home, routing, other_home, IPv6ExtHdrFragment(m=1, nh=6), bytes(8)))
    parsed = parse(frame, len(frame))
    assert parsed is not None
    assert parsed.packet is not None
    assert bytes.fromhex("3ffe" + "00" * 13 + "07") == parsed.packet.home_address
    assert bytes.fromhex("3ffe" + "00" * 13 + "09") == parsed.packet.routing_address
    assert (parsed.packet.protocol, parsed.packet.fragmented, parsed.packet.ports) == (6, True, None)


def test_other_routing_types_substitute_nothing() -> None:
    """A type 0 Routing header is skipped (HSH-17, HSH-23)."""
    frame = ether(ipv6(IPv6ExtHdrRouting(type=0, addresses=["3ffe::9"]), UDP(sport=1, dport=2)))
    parsed = parse(frame, len(frame))
    assert parsed is not None
    assert parsed.packet is not None
    assert (parsed.packet.routing_address, parsed.packet.ports) == (None, b"\x00\x01\x00\x02")


def test_levels_before_sets() -> None:
    """A TCP packet with a Home Address and types TCP_IPV6 | IPV6_EX takes the only TCP type (HSH-09, HSH-19)."""
    home = IPv6ExtHdrDestOpt(options=[HAO(hoa="3ffe::7")])
    frame = ether(ipv6(home, TCP(sport=1, dport=2)))
    types = int(HashType.TCP_IPV6 | HashType.IPV6_EX)
    hash_type, _, data = parse_and_hash(frame, len(frame), types, K1)
    header_addresses = bytes.fromhex("20010db8" + "00" * 11 + "10" + "20010db8" + "00" * 11 + "20")
    assert (HashType.TCP_IPV6, header_addresses + b"\x00\x01\x00\x02") == (hash_type, data)


# --- receive ----------------------------------------------------------------------------------------------------------


def test_official_vectors_steered_by_a_table() -> None:
    """OFF-v4-1 to OFF-v4-5 through a table of four entries (RX-12, HSH-01, HSH-07, HSH-27)."""
    vport = VPort(1, True, cpu(2), rss(IPV4_TYPES, (2, 4, 6, 8), 2))
    configuration = switch(vport, filters=(Filter(1, 1, (equal(M1),), untagged_or_zero=True),))
    tuples = [
        ("66.9.149.187", "161.142.100.80", 2794, 1766),
        ("199.92.111.2", "65.69.140.83", 14230, 4739),
        ("24.19.198.95", "12.22.207.184", 12898, 38024),
        ("38.27.205.30", "209.142.163.6", 48228, 2217),
        ("153.39.163.191", "202.188.127.2", 44251, 1303),
    ]
    expected = [
        (0x51CCC178, 0, 2),
        (0xC626B0EA, 2, 6),
        (0x5C2B394A, 2, 6),
        (0xAFC7327F, 3, 8),
        (0x10E828A2, 2, 6),
    ]
    rows = [steer(configuration, ether(tcp4(*numbers))) for numbers in tuples]
    assert [
        SteeredFrame("rx", 1, None, 1, "tcp_ipv4", value, index, cpu(processor), None, None, None)
        for value, index, processor in expected
    ] == rows


def test_two_vports_with_different_keys_and_tables() -> None:
    """The same tuples get the key and the table of the VPort they are sent to (RSS-01, HSH-01, RX-28)."""
    configuration = switch(
        VPort(1, True, cpu(2), rss(IPV4_TYPES, (2, 4), 2)),
        VPort(2, True, cpu(4), rss(IPV4_TYPES, (4, 6, 8, 10), 4, K2)),
        filters=(Filter(1, 1, (equal(M1),), True), Filter(2, 2, (equal(M2),), True)),
    )
    expected = {
        5201: ((0x80BCB996, 2), (0xBBD1FF52, 8)),
        5202: ((0xDB6D48AF, 4), (0x7EA2C9F9, 6)),
        5203: ((0x49F3E97E, 2), (0x0700ED34, 4)),
    }
    for port, results in expected.items():
        packet = tcp4("3.3.3.1", "3.3.3.2", port, 5001)
        rows = [steer(configuration, ether(packet, destination)) for destination in (M1, M2)]
        assert [("tcp_ipv4", value, cpu(processor)) for value, processor in results] == [hashed(row) for row in rows]


def test_type_fallback_and_fragments() -> None:
    """With TCP_IPV4 | IPV4 everything but unfragmented TCP is hashed by addresses (HSH-09, HSH-10)."""
    vport = VPort(1, True, cpu(2), rss(IPV4_TYPES, (2, 4, 6, 8), 2))
    configuration = switch(vport, filters=(Filter(1, 1, (equal(M1),), True),))
    ip: dict[str, Any] = {"src": "10.1.0.1", "dst": "10.1.0.2"}
    by_address = ("ipv4", 0xAEBBFBAF, cpu(8))
    tcp = TCP(sport=1042, dport=80)
    assert ("tcp_ipv4", 0x2BECED78, cpu(2)) == hashed(steer(configuration, ether(IP(**ip) / TCP(sport=1040, dport=80))))
    assert by_address == hashed(steer(configuration, ether(IP(**ip) / UDP(sport=1040, dport=80))))
    assert by_address == hashed(steer(configuration, ether(IP(**ip) / ICMP())))
    assert hashed(steer(configuration, ether(IP(**ip) / tcp)))[1] == 0xE2A3BD90
    assert by_address == hashed(steer(configuration, ether(IP(**ip, flags="MF") / tcp)))
    assert by_address == hashed(steer(configuration, ether(IP(**ip, frag=185, proto=6) / b"1234")))


def test_ipv6_extension_headers_are_skipped() -> None:
    """Hop-by-Hop and Destination Options do not change the hash; ICMPv6 is hashed by addresses (HSH-12, HSH-13)."""
    vport = VPort(1, True, cpu(2), rss(HashType.TCP_IPV6 | HashType.IPV6, (2, 4, 6, 8), 2))
    configuration = switch(vport, filters=(Filter(1, 1, (equal(M1),), True),))
    tcp = TCP(sport=1001, dport=80)
    for layers in ((), (IPv6ExtHdrHopByHop(),), (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt())):
        row = steer(configuration, ether(ipv6(*layers, tcp)))
        assert ("tcp_ipv6", 0xE1D32325, cpu(4)) == hashed(row)
    assert ("ipv6", 0x47468E9C, cpu(2)) == hashed(steer(configuration, ether(ipv6(ICMPv6EchoRequest()))))


def test_ex_types_without_extension_headers() -> None:
    """Only EX types enabled: header addresses, recorded as EX (HSH-18, HSH-19, HSH-20)."""
    vport = VPort(1, True, cpu(2), rss(HashType.TCP_IPV6_EX | HashType.IPV6_EX, (2, 4, 6, 8), 2))
    configuration = switch(vport, filters=(Filter(1, 1, (equal(M1),), True),))
    ports: dict[str, Any] = {"sport": 1007, "dport": 80}
    assert ("tcp_ipv6_ex", 0x1AFABB5B, cpu(8)) == hashed(steer(configuration, ether(ipv6(TCP(**ports)))))
    assert ("ipv6_ex", 0x47468E9C, cpu(2)) == hashed(steer(configuration, ether(ipv6(UDP(**ports)))))


def test_tagged_packets_hash_like_untagged_ones() -> None:
    """MAC and VLAN filter, priority and id out of band, hash unchanged (FLT-22, RX-09, RX-10, HSH-26)."""
    vport = VPort(1, True, cpu(2), rss(IPV4_TYPES | HashType.IPV6 | HashType.TCP_IPV6, (2, 4, 6, 8), 2))
    configuration = switch(
        vport,
        filters=(
            Filter(
                1,
                1,
                (equal(M1), vlan(30)),
            ),
        ),
    )
    row = steer(configuration, ether(tcp4("10.1.0.1", "10.1.0.2", 1046, 80), tags=((2, 30),)))
    assert (("tcp_ipv4", 0x060415E4, cpu(2)), 30, 2) == (hashed(row), row.vlan_id, row.user_priority)
    assert steering.Tag(2, 0, 30).out_of_band() == 0x1E2
    row = steer(configuration, ether(ipv6(TCP(sport=1006, dport=80)), tags=((0, 30),)))
    assert (("tcp_ipv6", 0x4167640D, cpu(4)), 30, 0) == (hashed(row), row.vlan_id, row.user_priority)


def test_no_hash_goes_to_the_default_processor() -> None:
    """ARP and a doubly tagged packet are not hashed; RSS off means primary processor (RX-13, RX-14, HSH-21)."""
    vport = VPort(1, True, cpu(1), rss(IPV4_TYPES, (2, 4), 6))
    configuration = switch(vport, filters=(Filter(1, 1, (equal(M1),)),))
    assert ("none", None, cpu(6)) == hashed(steer(configuration, ether(ARP())))
    double = ether(tcp4("10.1.0.1", "10.1.0.2", 1, 2), tags=((0, 10), (0, 20)))
    assert ("none", None, cpu(6)) == hashed(steer(configuration, double))
    off = replace(configuration, vports=(VPort(0, True, cpu(0)), VPort(1, True, cpu(1))))
    row = steer(off, ether(tcp4("10.1.0.1", "10.1.0.2", 1, 2)))
    assert (("none", None, cpu(1)), None) == (hashed(row), row.indirection_table_index)


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        # FLT-16, FLT-17, FLT-28: untagged, VID 0, VID 100, VID 101
        (Filter(1, 1, (equal(M1),), untagged_or_zero=True), (True, True, False, False)),
        # FLT-20
        (Filter(1, 1, (equal(M1),)), (True, True, True, True)),
        # FLT-22
        (Filter(1, 1, (equal(M1), vlan(100))), (False, False, True, False)),
        # FLT-27
        (Filter(1, 1, (vlan(100),)), (False, False, True, False)),
        # FLT-33
        (Filter(1, 1, (equal(M1), vlan(100), vlan(101))), (False, False, False, False)),
        (Filter(1, 1, (equal(M1), equal(M2))), (False, False, False, False)),
        # FLT-12, FLT-28: a VLAN test never passes without a VLAN id
        (Filter(1, 1, (equal(M1), vlan(100, Comparison.NOT_EQUAL))), (False, False, False, True)),
        (Filter(1, 1, (vlan(1, Comparison.MASK_EQUAL, result=0),)), (False, False, True, False)),
        (Filter(1, 1, (vlan(0x0FFF, Comparison.MASK_EQUAL, result=101),)), (False, False, False, True)),
        (Filter(1, 1, (equal(M1), vlan(0x0FFE, Comparison.MASK_EQUAL, result=100))), (False, False, True, True)),
        (Filter(1, 1, (vlan(0x0FFE, Comparison.MASK_EQUAL, result=101),)), (False, False, False, False)),
        (Filter(1, 1, (FieldTest(MacField.DESTINATION_ADDRESS, M2, Comparison.NOT_EQUAL),)), (True, True, True, True)),
        (Filter(1, 1, (masked(0xFFFFFF_000000, 0x00155D_000000),)), (True, True, True, True)),
        (Filter(1, 1, (masked(0xFFFFFF_000000, 0x00155E_000000),)), (False, False, False, False)),
    ],
)
def test_filter_semantics(filters: Filter, matches: tuple[bool, ...]) -> None:
    """Each kind of filter takes exactly its VLANs; other frames go to the default VPort (RX-02, RX-07)."""
    configuration = switch(VPort(1, True, cpu(2)), filters=(filters,))
    tags: list[tuple[tuple[int, int], ...]] = [(), ((5, 0),), ((5, 100),), ((5, 101),)]
    rows = [steer(configuration, ether(ARP(), tags=tag)) for tag in tags]
    assert [(1, 1) if match else (0, 0) for match in matches] == [(row.vport_id, row.filter_id) for row in rows]


def test_target_order() -> None:
    """Nondefault VPorts by id before the default one, then the target's lowest matching filter (FLT-37, FLT-38)."""
    filters = (
        Filter(1, 0, (equal(M1),)),
        Filter(2, 2, (equal(M1),)),
        Filter(3, 1, (vlan(7),)),
        Filter(4, 1, (equal(M1), vlan(9))),
        Filter(5, 1, (equal(M1),)),
    )
    configuration = switch(VPort(1, True, cpu(2)), VPort(2, True, cpu(4)), filters=filters)
    row = steer(configuration, ether(ARP(), tags=((0, 9),)))
    assert (row.vport_id, row.filter_id) == (1, 4)
    without_vport_1 = replace(configuration, filters=filters[:2])
    row = steer(without_vport_1, ether(ARP()))
    assert (row.vport_id, row.filter_id) == (2, 2)


def test_deactivated_vports_attract_nothing() -> None:
    """Frames for a deactivated VPort are unmatched (RX-03, VPT-18)."""
    configuration = switch(VPort(1, False, cpu(2)), filters=(Filter(1, 1, (equal(M1),)),))
    row = steer(configuration, ether(ARP()))
    assert (0, 0, cpu(0)) == (row.vport_id, row.filter_id, row.processor)


@pytest.mark.parametrize(
    ("packet_filter", "accepted"),
    [
        (PacketFilter.PROMISCUOUS, "own stranger listed multicast broadcast"),
        (PacketFilter.DIRECTED, "own"),
        (PacketFilter.MULTICAST, "listed"),
        (PacketFilter.ALL_MULTICAST, "listed multicast"),
        (PacketFilter.BROADCAST, "broadcast"),
        (PacketFilter.DIRECTED | PacketFilter.BROADCAST, "own broadcast"),
        (PacketFilter.SOURCE_ROUTING, ""),
        (PacketFilter(0), ""),
    ],
)
def test_packet_filter(packet_filter: PacketFilter, accepted: str) -> None:
    """The packet filter decides only about unmatched frames; drops keep the columns of their tag (RX-07, RX-08)."""
    configuration = switch(
        packet_filter=packet_filter,
        multicast_list=(0x01005E_010203,),
        filters=(Filter(3, 0, (equal(M1),)),),
    )
    destinations = {
        "own": configuration.permanent_address,
        "stranger": STRANGER,
        "listed": 0x01005E_010203,
        "multicast": 0x01005E_010204,
        "broadcast": BROADCAST_ADDRESS,
    }
    rows = {name: steer(configuration, ether(ARP(), to, tags=((3, 5),))) for name, to in destinations.items()}
    assert set(accepted.split()) == {name for name, row in rows.items() if row.drop_reason is None}
    dropped = SteeredFrame("rx", None, None, 0, "none", None, None, None, 5, 3, "packet filter")
    assert all(row == dropped for name, row in rows.items() if name not in accepted.split())
    matched = steer(configuration, ether(ARP()))
    assert (matched.filter_id, matched.drop_reason) == (3, None)


def test_runts_are_dropped() -> None:
    """The row of a runt has only a drop reason (MOD-10)."""
    row = steer(switch(), bytes(13))
    assert SteeredFrame("rx", None, None, 0, "none", None, None, None, None, None, "runt") == row


def test_vmq() -> None:
    """Running queues take their frames to their processor, others nothing; no hash (RX-03, RX-14, RX-19, QUE-05)."""
    configuration = switch(
        filters=(Filter(1, 1, (equal(M1),)), Filter(2, 2, (equal(M2),))),
        mode=Mode.VMQ,
        vports=(),
        rss_base_processor=cpu(9),
        queues=(ReceiveQueue(1, True, cpu(3)), ReceiveQueue(2, False, cpu(4))),
    )
    packet = tcp4("10.1.0.1", "10.1.0.2", 1, 2)
    running = steer(configuration, ether(packet, M1))
    not_running = steer(configuration, ether(packet, M2))
    assert SteeredFrame("rx", None, 1, 1, "none", None, None, cpu(3), None, None, None) == running
    assert SteeredFrame("rx", None, 0, 0, "none", None, None, cpu(9), None, None, None) == not_running


def test_native_rss_and_receive_hash() -> None:
    """Native RSS uses the reduced table; receive hash hashes without spreading (RSS-23, RSS-26, RX-14)."""
    native = rss(IPV4_TYPES, (1, 2, 3, 1), 7)
    frame = ether(tcp4("24.19.198.95", "12.22.207.184", 12898, 38024))  # 0x5c2b394a: entry 2
    neutral = switch(mode=Mode.NEUTRAL, vports=(), rss_base_processor=cpu(9))
    spread = replace(neutral, native_rss=native, native_table_in_use=cpus(1, 2, 1, 1))
    row = steer(spread, frame)
    assert SteeredFrame("rx", None, 0, 0, "tcp_ipv4", 0x5C2B394A, 2, cpu(1), None, None, None) == row
    assert cpu(7) == steer(spread, ether(ARP())).processor
    only_hashed = replace(neutral, receive_hash=RssState(True, IPV4_TYPES, K1))
    row = steer(only_hashed, frame)
    assert SteeredFrame("rx", None, 0, 0, "tcp_ipv4", 0x5C2B394A, None, cpu(9), None, None, None) == row
    assert ("none", None, cpu(9)) == hashed(steer(neutral, frame))


def test_native_table_in_use() -> None:
    """Entries naming a processor beyond the queues wrap around by order of first appearance (RSS-26)."""
    assert cpus(5, 3, 5, 5, 3) == steering.native_table_in_use(cpus(5, 3, 8, 5, 1), 2)
    assert cpus(5, 3, 8, 5, 5) == steering.native_table_in_use(cpus(5, 3, 8, 5, 1), 3)
    assert cpus(5, 3, 8, 5, 1) == steering.native_table_in_use(cpus(5, 3, 8, 5, 1), 4)


# --- transmit ---------------------------------------------------------------------------------------------------------


def test_transmit_by_source_mac() -> None:
    """A send of a VPort completes where the hash of the packet as it stands points to (TX-01, TX-02, TX-05)."""
    filters = (Filter(1, 1, (equal(M1),), True), Filter(2, 2, (equal(M2),), True))
    vport = VPort(1, True, cpu(1), rss(IPV4_TYPES, (2, 4, 6, 8), 10))
    configuration = switch(vport, VPort(2, True, cpu(5)), filters=filters)
    packet = tcp4("199.92.111.2", "65.69.140.83", 14230, 4739)  # 0xc626b0ea: entry 2

    def sent(source: int, payload: Any) -> SteeredFrame:
        frame = ether(payload, STRANGER, source)
        return steering.steer_by_source_mac(configuration, frame, len(frame))

    assert SteeredFrame("tx", 1, None, 1, "tcp_ipv4", 0xC626B0EA, 2, cpu(6), None, None, None) == sent(M1, packet)
    assert SteeredFrame("tx", 1, None, 1, "none", None, None, cpu(10), None, None, None) == sent(M1, ARP())
    assert SteeredFrame("tx", 2, None, 2, "none", None, None, cpu(5), None, None, None) == sent(M2, packet)
    assert sent(STRANGER, packet).direction == "rx"
    with pytest.raises(ValueError, match="not a send"):
        steer(configuration, ether(packet, M1, STRANGER), "tx")


def test_the_sender_is_found_by_vlan_first() -> None:
    """If two VPorts share an address, the tag decides; if no condition fits, the first by FLT-37 is the sender."""
    filters = (
        Filter(1, 0, (equal(M1),)),
        Filter(2, 1, (equal(M1), vlan(100))),
        Filter(3, 2, (equal(M1), vlan(200))),
        Filter(4, 3, (vlan(200),)),
    )
    vports = [VPort(vport_id, True, cpu(vport_id)) for vport_id in (1, 2, 3)]
    with_default = switch(*vports, filters=filters)
    without_default = replace(with_default, filters=filters[1:])

    def sender(configuration: AdapterConfiguration, *tags: tuple[int, int]) -> tuple[int | None, int]:
        row = steer(configuration, ether(ARP(), STRANGER, M1, tags), "tx")
        return row.vport_id, row.filter_id

    assert sender(with_default, (0, 100)) == (1, 2)
    assert sender(with_default, (0, 200)) == (2, 3)
    assert sender(with_default) == (0, 1)
    assert sender(without_default) == (1, 2)
    assert sender(without_default, (0, 300)) == (1, 2)


def test_deactivated_vports_send_nothing() -> None:
    """Only activated VPorts have sends (TX-08 is no case of a capture)."""
    configuration = switch(VPort(1, False, cpu(1)), filters=(Filter(1, 1, (equal(M1),)),))
    frame = ether(ARP(), STRANGER, M1)
    assert steering.steer_by_source_mac(configuration, frame, len(frame)).direction == "rx"


# --- flow -------------------------------------------------------------------------------------------------------------


def test_flow_identity_bytes() -> None:
    """The canonical bytes, spelled out (ORD-01)."""
    tcp = ether(tcp4("66.9.149.187", "161.142.100.80", 2794, 1766))
    assert flow_identity(tcp, len(tcp), "rx", 1) == bytes.fromhex("00 0001 04 420995bb a18e6450 06 0aea 06e6")
    home = IPv6ExtHdrDestOpt(options=[HAO(hoa="3ffe::7")])
    fragment = ether(ipv6(home, IPv6ExtHdrFragment(m=1, nh=17), b"x" * 8))
    addresses = "20010db8" + "00" * 11 + "10" + "20010db8" + "00" * 11 + "20"
    expected = bytes.fromhex("01 0102 06" + addresses + "01" + "3ffe" + "00" * 13 + "07" + "11")
    assert expected == flow_identity(fragment, len(fragment), "tx", 0x0102)
    arp = ether(ARP(), tags=((0, 5),))
    assert bytes.fromhex("00 0000 00 00155d0000aa 00155d010201 0806") == flow_identity(arp, len(arp), "rx", 0)
    with pytest.raises(ValueError, match="runt"):
        flow_identity(bytes(3), 3, "rx", 0)


def test_what_makes_a_flow() -> None:
    """VLAN tag, padding and MAC addresses of an IP packet do not matter; direction and target do (ORD-01)."""
    packet = tcp4("66.9.149.187", "161.142.100.80", 2794, 1766)
    plain, other = ether(packet), ether(packet, M2, M1, ((1, 9),)) + bytes(9)
    assert flow_identity(plain, len(plain), "rx", 1) == flow_identity(other, len(other), "rx", 1)
    assert flow_identity(plain, len(plain), "rx", 1) != flow_identity(plain, len(plain), "tx", 1)
    assert flow_identity(plain, len(plain), "rx", 1) != flow_identity(plain, len(plain), "rx", 2)
