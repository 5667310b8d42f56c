"""Encapsulated frames (HSH-30): the kernel against the reference for any frames, both against frames built by scapy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    HAO,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from dataplane.ids import format_mac
from dataplane.receive.steering import steer_batch
from dataplane.receive.work import new_work_columns
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration, Filter, HashType, PacketFilter, VPort
from tests.batches import batch_of
from tests.kernels.test_steer import reference_row, steered_rows
from tests.reference import steering as reference
from tests.reference import vectors
from tests.reference.frames import Frame, adapter_configurations, encapsulated_frames, frames
from tests.reference.steering import ParsedPacket, flow_identity, parse
from tests.reference.test_frames import reach
from tests.reference.test_steering import cpu, equal, masked, rss, switch, vlan
from tests.reference.toeplitz import toeplitz

K1 = vectors.KEYS["ms_default"]
TUNNEL, GUEST, STRANGER, PERMANENT = 0x00155D_010201, 0x00155D_010202, 0x00155D_0000AA, 0x00155D_000001
ALL_TYPES = HashType(sum(HashType))
VXLAN_BYTES, NVGRE_BYTES = 16, 8  # UDP and VXLAN header; GRE header with a key


# --- any frame --------------------------------------------------------------------------------------------------------


@given(st.data(), adapter_configurations(), st.booleans(), st.sampled_from((True, True, True, False)))
def test_every_column_equals_the_reference(
    data: st.DataObject, configuration: AdapterConfiguration, transmit_by_source: bool, inner_headers: bool
) -> None:
    """Each frame's row follows HSH-30; without the feature it follows the outer headers."""
    configuration = replace(configuration, inner_headers=inner_headers)
    given_frames = data.draw(st.lists(encapsulated_frames() | frames(), min_size=1, max_size=10))
    rows = steered_rows(configuration, given_frames, transmit_by_source=transmit_by_source)
    steer = reference.steer_by_source_mac if transmit_by_source else reference.steer
    for frame, row in zip(given_frames, rows, strict=True):
        expected = reference_row(steer(configuration, frame.data, frame.wire_length))
        assert {name: row[name] for name in expected} == expected, frame


@given(st.data(), adapter_configurations(), st.booleans())
def test_flow_keys_tell_flows_apart(
    data: st.DataObject, configuration: AdapterConfiguration, transmit_by_source: bool
) -> None:
    """Two frames have the same flow key exactly if they are of the same inner or outer flow (ORD-01, HSH-30)."""
    configuration = replace(configuration, inner_headers=True)
    given_frames = data.draw(st.lists(encapsulated_frames() | frames(), min_size=2, max_size=10))
    steer = reference.steer_by_source_mac if transmit_by_source else reference.steer
    keys: dict[bytes, int] = {}
    for frame, flow_key in zip(
        given_frames, flow_keys(configuration, given_frames, transmit_by_source=transmit_by_source), strict=True
    ):
        steered = steer(configuration, frame.data, frame.wire_length)
        if steered.drop_reason:
            continue
        target_id = steered.queue_id if steered.vport_id is None else steered.vport_id
        assert target_id is not None
        identity = flow_identity(frame.data, frame.wire_length, steered.direction, target_id, inner_headers=True)
        assert flow_key == keys.setdefault(identity, flow_key), frame
    assert len(set(keys.values())) == len(keys)


def flow_keys(
    configuration: AdapterConfiguration, given_frames: list[Frame], *, transmit_by_source: bool = False
) -> list[int]:
    """The kernel's flow key of each frame."""
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    work = new_work_columns(len(given_frames))
    steer_batch(batch, compile_snapshot(configuration, 0), work, transmit_by_source=transmit_by_source)
    return [int(key) for key in work.flow_key]


#: What `encapsulated_frames` must reach.
REACHED: dict[str, Callable[[Seen], bool]] = {
    "VXLAN over IPv4": lambda seen: seen.encapsulated and seen.outer.version == 4 and seen.outer.protocol == 17,
    "VXLAN over IPv6": lambda seen: seen.encapsulated and seen.outer.version == 6 and seen.outer.protocol == 17,
    "NVGRE over IPv4": lambda seen: seen.encapsulated and seen.outer.version == 4 and seen.outer.protocol == 47,
    "NVGRE over IPv6": lambda seen: seen.encapsulated and seen.outer.version == 6 and seen.outer.protocol == 47,
    "IPv4 ports": lambda seen: seen.encapsulated and seen.hashed.version == 4 and seen.hashed.ports is not None,
    "IPv6 ports": lambda seen: seen.encapsulated and seen.hashed.version == 6 and seen.hashed.ports is not None,
    "EX ports": lambda seen: seen.encapsulated and bool(seen.hashed.home_address and seen.hashed.ports),
    "no ports": lambda seen: seen.encapsulated and seen.hashed.ports is None,
    "EX without ports": lambda seen: seen.encapsulated and bool(seen.hashed.home_address) and not seen.hashed.ports,
    "port of VXLAN only": lambda seen: not seen.encapsulated and (seen.outer.ports or b"")[2:] == b"\x12\xb5",
    "protocol of NVGRE only": lambda seen: not seen.encapsulated and seen.outer.protocol == 47,
}


class Seen(NamedTuple):
    """A frame whose outer packet is parseable."""

    outer: ParsedPacket
    encapsulated: bool
    hashed: ParsedPacket  # with inner headers


def test_encapsulated_frames_reach() -> None:
    """The strategy behind these tests reaches each outcome of HSH-30: a check of the check."""

    def view(frame: Frame) -> list[Seen]:
        outer, parsed = parse(*frame), parse(*frame, inner_headers=True)
        if outer is None or outer.packet is None or parsed is None or parsed.packet is None:
            return []
        return [Seen(outer.packet, parsed.encapsulated, parsed.packet)]

    reach(encapsulated_frames(), REACHED, view)


# --- examples ---------------------------------------------------------------------------------------------------------


def adapter(*filters: Filter, types: HashType = ALL_TYPES, **changes: Any) -> AdapterConfiguration:
    """Two VPorts with RSS; by default 1 has the tunnel endpoint's address and 2 the guest's."""
    spread = rss(types, (4, 5, 6, 7), 9)
    vports = (VPort(1, True, cpu(1), spread), VPort(2, True, cpu(2), spread))
    filters = filters or (Filter(1, 1, (equal(TUNNEL),)), Filter(2, 2, (equal(GUEST),)))
    return switch(*vports, filters=filters, inner_headers=True, **changes)


def inner(packet: Any, *tags: Packet, destination: int = GUEST, source: int = STRANGER) -> Any:
    """An inner frame to the guest."""
    frame = Ether(dst=format_mac(destination), src=format_mac(source))
    for tag in tags:
        frame /= tag
    return frame / packet


def outer(packet: Any, *tags: Packet, source: int = STRANGER) -> bytes:
    """A whole frame to the tunnel endpoint."""
    frame = Ether(dst=format_mac(TUNNEL), src=format_mac(source))
    for tag in tags:
        frame /= tag
    return bytes(frame / packet)


def ip4(**fields: Any) -> Any:
    """The IPv4 header outside."""
    return IP(src="10.0.0.1", dst="10.0.0.2", **fields)


def ip6(*headers: Packet) -> Any:
    """The IPv6 header outside, with extension headers."""
    packet = IPv6(src="2001:db8::1", dst="2001:db8::2")
    for header in headers:
        packet /= header
    return packet


def vxlan(frame: Any, **fields: Any) -> Any:
    """UDP and VXLAN in front of a frame; `fields` are those of VXLAN."""
    given: dict[str, Any] = {"vni": 5001, "flags": "Instance"} | fields
    return UDP(sport=51234, dport=4789) / VXLAN(**given) / frame


def nvgre(frame: Any, **fields: Any) -> Any:
    """GRE with a key in front of a frame."""
    given: dict[str, Any] = {"key_present": 1, "key": 0x00138801, "proto": 0x6558} | fields
    return GRE(**given) / frame


#: The packets of the published vectors: each hash value is known.
TCP4 = IP(src="66.9.149.187", dst="161.142.100.80") / TCP(sport=2794, dport=1766)
UDP4 = IP(src="66.9.149.187", dst="161.142.100.80") / UDP(sport=2794, dport=1766)
TCP6 = IPv6(src="3ffe:2501:200:1fff::7", dst="3ffe:2501:200:3::1") / TCP(sport=2794, dport=1766)
MOBILE = (
    IPv6(src="2001:db8::77", dst="2001:db8::88")
    / IPv6ExtHdrDestOpt(options=[HAO(hoa="3ffe:2501:200:1fff::7")])
    / IPv6ExtHdrRouting(type=2, addresses=["3ffe:2501:200:3::1"])
    / TCP(sport=2794, dport=1766)
)
TCP4_HASH, IP4_HASH, TCP6_HASH = 0x51CCC178, 0x323E8FC2, 0x40207D3D
HOME = IPv6ExtHdrDestOpt(options=[HAO(hoa="2001:db8::99")])


def hash_of(*addresses: str) -> int:
    """The 2-tuple hash."""
    return toeplitz(b"".join(ip_address(address).packed for address in addresses), K1)


OUTER_4, OUTER_6 = hash_of("10.0.0.1", "10.0.0.2"), hash_of("2001:db8::1", "2001:db8::2")


def steer(
    configuration: AdapterConfiguration, frame: bytes | Frame, *, transmit_by_source: bool = False
) -> reference.SteeredFrame:
    """The row of a frame, on which reference and kernel must agree."""
    frame = frame if isinstance(frame, Frame) else Frame(frame, len(frame))
    steered = (reference.steer_by_source_mac if transmit_by_source else reference.steer)(configuration, *frame)
    # frames around it, so that bytes behind its end are seen if somebody reads them
    neighbour = Frame(outer(ip4() / vxlan(inner(UDP4))), 200)
    row = steered_rows(configuration, [neighbour, frame, neighbour], transmit_by_source=transmit_by_source)[1]
    expected = reference_row(steered)
    assert {name: row[name] for name in expected} == expected
    return steered


def cut(frame: bytes, from_end: int) -> Frame:
    """The last bytes were not captured."""
    return Frame(frame[:-from_end], len(frame))


INSIDE = {
    "VXLAN over IPv4": (outer(ip4() / vxlan(inner(TCP4))), "tcp_ipv4", TCP4_HASH),
    "VXLAN over IPv4 with options": (
        outer(ip4(options=[IPOption_NOP()] * 8) / vxlan(inner(TCP4))), "tcp_ipv4", TCP4_HASH,
    ),
    "VXLAN over IPv6": (outer(ip6() / vxlan(inner(TCP4))), "tcp_ipv4", TCP4_HASH),
    "VXLAN behind extension headers": (
        outer(ip6(IPv6ExtHdrHopByHop(), HOME) / vxlan(inner(TCP4))), "tcp_ipv4", TCP4_HASH,
    ),
    "VXLAN in an atomic fragment": (outer(ip6(IPv6ExtHdrFragment()) / vxlan(inner(TCP4))), "tcp_ipv4", TCP4_HASH),
    "VXLAN with reserved bits": (
        outer(ip4() / UDP(dport=4789) / (b"\xff" * 8) / inner(UDP4)), "udp_ipv4", TCP4_HASH,
    ),
    "GRE over IPv4": (outer(ip4() / nvgre(inner(TCP6))), "tcp_ipv6", TCP6_HASH),
    "GRE over IPv6": (outer(ip6() / nvgre(inner(TCP6))), "tcp_ipv6", TCP6_HASH),
    "inner home and routing address": (outer(ip4() / vxlan(inner(MOBILE))), "tcp_ipv6_ex", TCP6_HASH),
    "inner tag": (outer(ip4() / vxlan(inner(TCP4, Dot1Q(vlan=9)))), "tcp_ipv4", TCP4_HASH),
    "outer tag": (outer(ip4() / nvgre(inner(TCP4)), Dot1Q(vlan=8)), "tcp_ipv4", TCP4_HASH),
    "both tagged": (outer(ip6() / vxlan(inner(TCP4, Dot1Q(vlan=9))), Dot1Q(vlan=8)), "tcp_ipv4", TCP4_HASH),
    "inner padding": (outer(ip4() / vxlan(inner(TCP4 / (b"x" * 9)))) + b"\0" * 9, "tcp_ipv4", TCP4_HASH),
    "cut behind the inner ports": (cut(outer(ip4() / vxlan(inner(TCP4))), 16), "tcp_ipv4", TCP4_HASH),
    "lying UDP length": (
        outer(ip4() / UDP(sport=1, dport=4789, len=9) / VXLAN(flags="Instance") / inner(TCP4)), "tcp_ipv4", TCP4_HASH,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "hash_type", "hash_value"), INSIDE.values(), ids=INSIDE)
def test_inner_packet_is_hashed(frame: bytes | Frame, hash_type: str, hash_value: int) -> None:
    """The inner MAC selects the VPort; inner addresses and ports are hashed, as known from the vectors (HSH-30)."""
    steered = steer(adapter(), frame)
    assert (2, 2, hash_type, hash_value) == (
        steered.vport_id, steered.filter_id, steered.hash_type, steered.hash_value,
    )  # fmt: skip
    assert steered.processor == cpu(4 + hash_value % 4)


@pytest.mark.parametrize("frame", [value[0] for value in INSIDE.values()], ids=INSIDE)
def test_without_the_feature(frame: bytes | Frame) -> None:
    """Without the feature the outer headers are used like those of any other packet (HSH-30)."""
    steered = steer(replace(adapter(), inner_headers=False), frame)
    assert steered.vport_id == 1
    assert steered.hash_value not in {TCP4_HASH, TCP6_HASH, None}


INNER_TCP4_BYTES = len(bytes(TCP4))  # 40
OUTSIDE = {
    "inner ARP": (outer(ip4() / vxlan(inner(ARP()))), "ipv4", OUTER_4),
    "inner ICMP": (outer(ip4() / nvgre(inner(IP() / ICMP()))), "ipv4", OUTER_4),
    "inner first fragment": (
        outer(ip6() / vxlan(inner(IP(flags="MF") / UDP() / (b"x" * 8)))), "ipv6", OUTER_6,
    ),
    "inner IPv6 fragment": (
        outer(ip4() / vxlan(inner(IPv6() / IPv6ExtHdrFragment(m=1, nh=6) / TCP()))), "ipv4", OUTER_4,
    ),
    "inner ports not captured": (cut(outer(ip4() / vxlan(inner(TCP4))), 17), "ipv4", OUTER_4),
    "nothing but inner addresses captured": (
        cut(outer(ip4() / vxlan(inner(TCP4))), INNER_TCP4_BYTES), "ipv4", OUTER_4,
    ),
    "inner packet behind the end of the outer one": (
        outer(ip4(len=20 + VXLAN_BYTES + 14 + INNER_TCP4_BYTES - 1) / vxlan(inner(TCP4))), "ipv4", OUTER_4,
    ),
    "inner addresses at the end of the outer packet": (
        outer(ip4(len=20 + NVGRE_BYTES + 14) / nvgre(inner(TCP4))), "ipv4", OUTER_4,
    ),
    "inner tag without EtherType inside the outer packet": (
        outer(ip4(len=20 + NVGRE_BYTES + 17) / nvgre(inner(TCP4, Dot1Q(vlan=9)))), "ipv4", OUTER_4,
    ),
    "inner tag cut": (cut(outer(ip4() / vxlan(inner(TCP4, Dot1Q(vlan=9)))), INNER_TCP4_BYTES + 4), "ipv4", OUTER_4),
    "two inner tags": (outer(ip4() / vxlan(inner(TCP4, Dot1Q(vlan=9), Dot1Q(vlan=9)))), "ipv4", OUTER_4),
    "inner service tag": (outer(ip4() / vxlan(inner(TCP4, Dot1AD(vlan=9)))), "ipv4", OUTER_4),
    "outer home address": (
        outer(ip6(HOME) / vxlan(inner(ARP()))), "ipv6_ex", hash_of("2001:db8::99", "2001:db8::2"),
    ),
    "a tunnel in the tunnel": (
        outer(ip4() / vxlan(inner(ip4() / nvgre(inner(TCP4))))), "ipv4", OUTER_4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "hash_type", "hash_value"), OUTSIDE.values(), ids=OUTSIDE)
def test_outer_addresses_are_hashed(frame: bytes | Frame, hash_type: str, hash_value: int) -> None:
    """Without inner ports, or unparseable: the inner MAC counts, and the outer 2-tuple is hashed (HSH-30)."""
    steered = steer(adapter(), frame)
    assert (2, hash_type, hash_value) == (steered.vport_id, steered.hash_type, steered.hash_value)


NOT_ENCAPSULATED = {
    "another port": outer(ip4() / UDP(sport=4789, dport=4788) / VXLAN(flags="Instance") / inner(TCP4)),
    "TCP": outer(ip4() / TCP(sport=1, dport=4789) / VXLAN(flags="Instance") / inner(TCP4)),
    "no I flag": outer(ip4() / vxlan(inner(TCP4), flags=0xF7)),
    "outer fragment": outer(ip4(flags="MF") / vxlan(inner(TCP4))),
    "outer IPv6 fragment": outer(ip6(IPv6ExtHdrFragment(m=1)) / vxlan(inner(TCP4))),
    "fragment of GRE": outer(ip4(flags="MF") / nvgre(inner(TCP4))),
    "GRE without key": outer(ip4() / nvgre(inner(TCP4), key_present=0)),
    "GRE with sequence number": outer(ip4() / nvgre(inner(TCP4), seqnum_present=1)),
    "GRE version 1": outer(ip4() / nvgre(inner(TCP4), version=1)),
    "GRE with IP inside": outer(ip4() / nvgre(TCP4, proto=0x0800)),
    "GRE behind an extension header": outer(ip6(IPv6ExtHdrHopByHop()) / nvgre(inner(TCP4))),
    "13 bytes inside captured": cut(outer(ip4() / vxlan(inner(TCP4))), INNER_TCP4_BYTES + 1),
    "13 bytes inside captured of GRE": cut(outer(ip6() / nvgre(inner(TCP4))), INNER_TCP4_BYTES + 1),
    "13 bytes inside the outer packet": outer(ip4(len=20 + VXLAN_BYTES + 13) / vxlan(inner(TCP4))),
    "13 bytes inside the outer packet of GRE": outer(ip4(len=20 + NVGRE_BYTES + 13) / nvgre(inner(TCP4))),
    "outer packet unparseable": outer(ip4(len=2000) / vxlan(inner(TCP4))),
    "the end of UDP": outer(ip4() / UDP(dport=4789)),
    "the end of IP": outer(ip4(proto=47)),
    "no IP at all": outer(ARP()),
}


@pytest.mark.parametrize("frame", NOT_ENCAPSULATED.values(), ids=NOT_ENCAPSULATED)
def test_everything_else_is_as_ever(frame: bytes | Frame) -> None:
    """Packets that only resemble tunnels are steered and distinguished by their outer headers (HSH-30)."""
    frame = frame if isinstance(frame, Frame) else Frame(frame, len(frame))
    configuration = adapter()
    without = replace(configuration, inner_headers=False)
    steered = steer(configuration, frame)
    assert steered.vport_id == 1
    assert steered == steer(without, frame)
    assert flow_keys(configuration, [frame]) == flow_keys(without, [frame])


def test_vlan_conditions_test_the_outer_tag() -> None:
    """VLAN conditions and 8021Q OOB use the outer tag, address tests use the inner frame (HSH-30)."""
    configuration = adapter(Filter(1, 1, (equal(GUEST),), untagged_or_zero=True), Filter(2, 2, (equal(GUEST), vlan(8))))
    inner_tag = outer(ip4() / vxlan(inner(TCP4, Dot1Q(vlan=8))))
    steered = steer(configuration, inner_tag)
    assert (steered.vport_id, steered.vlan_id, steered.user_priority) == (1, None, None)
    both = outer(ip4() / vxlan(inner(TCP4, Dot1Q(vlan=9, prio=1))), Dot1Q(vlan=8, prio=5))
    steered = steer(configuration, both)
    assert (steered.vport_id, steered.vlan_id, steered.user_priority) == (2, 8, 5)


def test_masked_filters_test_the_inner_address() -> None:
    """General filters look at the inner address as well (HSH-30, FLT-12)."""
    configuration = adapter(Filter(1, 1, (masked(0xFF, 0x01),)), Filter(2, 2, (masked(0xFF, 0x02),)))
    assert steer(configuration, outer(ip4() / vxlan(inner(TCP4)))).vport_id == 2


@pytest.mark.parametrize(
    ("packet_filter", "destination", "accepted"),
    [
        (PacketFilter.DIRECTED, PERMANENT, True),
        (PacketFilter.DIRECTED, STRANGER, False),
        (PacketFilter.BROADCAST, 0xFFFF_FFFF_FFFF, True),
        (PacketFilter.MULTICAST, 0x01005E_010203, True),
        (PacketFilter.MULTICAST, 0x01005E_010204, False),
        (PacketFilter.ALL_MULTICAST, 0x01005E_010204, True),
        (PacketFilter.ALL_MULTICAST, STRANGER, False),
    ],
)
def test_packet_filter_tests_the_inner_address(packet_filter: PacketFilter, destination: int, accepted: bool) -> None:
    """The packet filter decides about unmatched encapsulated frames by their inner address (HSH-30, RX-07)."""
    configuration = adapter(packet_filter=packet_filter, multicast_list=(0x01005E_010203,))
    steered = steer(configuration, outer(ip4() / vxlan(inner(TCP4, destination=destination))))
    assert (0 if accepted else None, None if accepted else "packet filter") == (steered.vport_id, steered.drop_reason)


def test_sends_are_known_by_the_inner_source() -> None:
    """With by-source-mac a frame is a send of the VPort that the inner source address names (HSH-30, TX-01)."""
    frame = outer(ip4() / vxlan(inner(TCP4, source=GUEST, destination=STRANGER)), source=TUNNEL)
    steered = steer(adapter(), frame, transmit_by_source=True)
    assert (steered.direction, steered.vport_id, steered.hash_value) == ("tx", 2, TCP4_HASH)
    frame = outer(ip4() / vxlan(inner(TCP4)), source=TUNNEL)
    steered = steer(adapter(), frame, transmit_by_source=True)
    assert (steered.direction, steered.vport_id, steered.hash_value) == ("rx", 2, TCP4_HASH)


@pytest.mark.parametrize(
    ("types", "packet", "hash_type", "hash_value"),
    [
        (HashType.IPV4 | HashType.IPV6, TCP4, "ipv4", IP4_HASH),
        (HashType.IPV4 | HashType.TCP_IPV4, UDP4, "ipv4", IP4_HASH),
        (HashType.IPV4 | HashType.TCP_IPV4, TCP6, "none", None),
        (HashType.UDP_IPV4, TCP4, "none", None),
        (HashType.TCP_IPV4 | HashType.UDP_IPV4, IP() / ICMP(), "none", None),
        (HashType.IPV6 | HashType.TCP_IPV6, IP() / ICMP(), "none", None),
        (HashType.TCP_IPV6, MOBILE, "tcp_ipv6", toeplitz(
            ip_address("2001:db8::77").packed + ip_address("2001:db8::88").packed + bytes.fromhex("0aea06e6"), K1
        )),
    ],
)  # fmt: skip
def test_falling_back(types: HashType, packet: Any, hash_type: str, hash_value: int | None) -> None:
    """With inner ports the inner packet is hashed by any type; without, the outer packet, without ports (HSH-09)."""
    steered = steer(adapter(types=types), outer(ip4() / vxlan(inner(packet))))
    assert (2, hash_type, hash_value) == (steered.vport_id, steered.hash_type, steered.hash_value)


def test_runts_are_outer() -> None:
    """Short inner frames are no runts; short outer frames are runts as usual (HSH-30, MOD-10)."""
    frame = outer(ip4() / vxlan(inner(TCP4)), Dot1Q(vlan=8))
    assert steer(adapter(), frame[:15]).drop_reason == "runt"
    assert steer(adapter(), Frame(frame[:15], len(frame))).drop_reason == "runt"


def test_flows() -> None:
    """With inner ports the flow is the inner one; without, the outer one without ports (HSH-30, ORD-01)."""
    alike = [
        outer(ip4() / vxlan(inner(TCP4))),
        outer(ip6(HOME) / vxlan(inner(TCP4, Dot1Q(vlan=9), source=PERMANENT)), Dot1Q(vlan=8)),
        outer(ip4() / nvgre(inner(TCP4))),
        bytes(inner(TCP4)),  # as it comes out of the tunnel
    ]
    another = [
        outer(ip4() / vxlan(inner(UDP4))),  # the hash would be the same
        outer(ip4() / vxlan(inner(IP(src="66.9.149.187", dst="161.142.100.80") / TCP(sport=2794, dport=1767)))),
    ]
    without_ports = [
        outer(ip4() / vxlan(inner(ARP()))),
        outer(ip4() / UDP(sport=1, dport=4789) / VXLAN(flags="Instance") / inner(IP(src="1.2.3.4") / ICMP())),
    ]
    other_outer = [
        outer(ip4() / nvgre(inner(ARP()))),  # the protocol of the outer header
        outer(ip6() / vxlan(inner(ARP()))),
        outer(ip6(HOME) / vxlan(inner(ARP()))),
    ]
    groups = [alike, *[[frame] for frame in another], without_ports, *[[frame] for frame in other_outer]]
    keys = [set(flow_keys(adapter(), [Frame(frame, len(frame)) for frame in group])) for group in groups]
    assert [1] * len(groups) == [len(of_group) for of_group in keys]
    assert len(set.union(*keys)) == len(groups)
    identities = [{flow_identity(f, len(f), "rx", 2, inner_headers=True) for f in group} for group in groups]
    assert [1] * len(groups) == [len(of_group) for of_group in identities]
    assert identities[0] == {bytes.fromhex("00 0002 04 420995bb a18e6450 06 0aea 06e6")}
    assert identities[3] == {bytes.fromhex("00 0002 04 0a000001 0a000002 11")}
