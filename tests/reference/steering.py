"""A second, slow implementation of steering: from one frame and a configuration to one row of `vmmq steer`.

The kernels of the dataplane are compared with it. It follows the rules one sentence at a time, keeps every
intermediate result in a named value, and shares nothing with the dataplane but the configuration values it reads.

Where the rules leave room, a function states the reading it has chosen. A disagreement with the dataplane is
then a disagreement about a sentence, not about code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dataplane.ids import BROADCAST_ADDRESS, DEFAULT_QUEUE_ID, DEFAULT_VPORT_ID, NO_FILTER_ID, ProcessorNumber
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    RssState,
    Test,
)
from tests.reference.toeplitz import indirection_table_index, toeplitz

TPID_8021Q = 0x8100
ETHER_TYPE_IPV4 = 0x0800
ETHER_TYPE_IPV6 = 0x86DD

TCP = 6
UDP = 17
#: Transport bytes an unfragmented packet must have (HSH-22).
TRANSPORT_HEADER_BYTES = {TCP: 20, UDP: 8}

HOP_BY_HOP = 0
ROUTING = 43
FRAGMENT = 44
AUTHENTICATION = 51
DESTINATION_OPTIONS = 60
MOBILITY = 135
HOST_IDENTITY = 139
SHIM6 = 140
#: Extension headers of (n + 1) * 8 bytes (HSH-23); AUTHENTICATION and FRAGMENT have lengths of their own.
EIGHT_BYTE_UNIT_HEADERS = (HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY, HOST_IDENTITY, SHIM6)

PAD1 = 0
HOME_ADDRESS = 0xC9

#: Encapsulation (HSH-30).
ETHERNET_HEADER_BYTES = 14
VXLAN_PORT = (4789).to_bytes(2, "big")
VXLAN_INSTANCE_FLAG = 0x08
UDP_AND_VXLAN_HEADER_BYTES = 16
GRE = 47
#: Nothing but the key is present, version 0; then the protocol type of bridged Ethernet.
NVGRE_FIRST_BYTES = bytes.fromhex("2000 6558")
NVGRE_HEADER_BYTES = 8

RUNT = "runt"
PACKET_FILTER = "packet filter"

#: Names of the column `hash_type`.
HASH_TYPE_NAMES = {
    HashType.NONE: "none",
    HashType.IPV4: "ipv4",
    HashType.TCP_IPV4: "tcp_ipv4",
    HashType.UDP_IPV4: "udp_ipv4",
    HashType.IPV6: "ipv6",
    HashType.TCP_IPV6: "tcp_ipv6",
    HashType.UDP_IPV6: "udp_ipv6",
    HashType.IPV6_EX: "ipv6_ex",
    HashType.TCP_IPV6_EX: "tcp_ipv6_ex",
    HashType.UDP_IPV6_EX: "udp_ipv6_ex",
}


# --- parse ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tag:
    """The outermost 802.1Q tag of a frame (MOD-10)."""

    user_priority: int  # PCP, 0..7
    canonical_format_id: int  # DEI, 0..1
    vlan_id: int  # VID, 0..4095

    @classmethod
    def from_tci(cls, tci: int) -> Tag:
        """Split the 16 bits after the TPID into their fields."""
        return cls(tci >> 13, tci >> 12 & 1, tci & 0xFFF)

    def out_of_band(self) -> int:
        """The 8021Q OOB value (RX-10): priority in bits 0-2, format bit 3, VLAN id in bits 4-15."""
        return self.user_priority | self.canonical_format_id << 3 | self.vlan_id << 4


class UnparseableError(Exception):
    """The headers of an IP packet cannot be interpreted: no hash at all (HSH-22)."""


@dataclass(frozen=True, slots=True)
class _Packet:
    """An IP packet: the bytes that were captured of it, and the length it claims or has."""

    captured: bytes
    length: int

    def take(self, start: int, length: int, what: str) -> bytes:
        """`length` bytes from `start`; UnparseableError if they reach past the packet or were not captured (HSH-32)."""
        if start + length > self.length:
            raise UnparseableError(f"{what} runs past the packet")
        if start + length > len(self.captured):
            raise UnparseableError(f"{what} was not captured")
        return self.captured[start : start + length]

    def shortened(self, length: int, what: str) -> _Packet:
        """The same packet with the length its header states; UnparseableError when that is beyond the frame."""
        if length > self.length:
            raise UnparseableError(f"{what} is beyond the frame")
        return _Packet(self.captured[:length], length)

    def behind(self, headers_length: int) -> _Packet:
        """What follows the first `headers_length` bytes, to the end of the packet."""
        return _Packet(self.captured[headers_length:], self.length - headers_length)


@dataclass(frozen=True, slots=True)
class ParsedPacket:
    """The parts of a parseable IP packet that a hash or a flow can use."""

    version: int  # 4 or 6
    source: bytes  # of the IP header, 4 or 16 bytes
    destination: bytes
    protocol: (
        int  # IPv4 protocol; IPv6: the next-header value the chain ended with, behind a real Fragment header its own
    )
    fragmented: bool  # really fragmented: atomic IPv6 fragments are not (HSH-10, HSH-24)
    ports: bytes | None  # source and destination port, 4 bytes; None without TCP/UDP header or when fragmented
    home_address: bytes | None = None  # of the first Home Address option (HSH-16, HSH-26)
    routing_address: bytes | None = None  # of the first type 2 Routing header (HSH-17)
    has_extension_headers: bool = False  # of any kind, IPv6 only
    upper_layer: _Packet | None = None  # what follows these headers up to the packet's end; None when fragmented


@dataclass(frozen=True, slots=True)
class ParsedFrame:
    """A frame that is not a runt."""

    destination: int  # MAC address, 48 bits
    source: int
    tag: Tag | None
    ether_type: int  # the one behind the tag (RX-11); 0 when the frame ends before it
    packet: ParsedPacket | None  # None: neither IPv4 nor IPv6, or unparseable
    unparseable: str = ""  # why an IP packet could not be parsed (HSH-22, HSH-32)
    encapsulated: bool = False  # the addresses are those of an inner frame, `packet` is what HSH-30 says


def parse(frame: bytes, wire_length: int, inner_headers: bool = False) -> ParsedFrame | None:
    """Parse a frame of `wire_length` bytes without FCS, of which `frame` was captured; None for a runt (MOD-10).

    With `inner_headers` the addresses and the packet of an encapsulated frame are what HSH-30 makes them: the inner
    addresses; the inner packet if it has ports, otherwise the outer packet as one without ports. Tag and EtherType
    are always those of the outer frame.
    """
    outer = _parse_frame(frame, wire_length)
    if outer is None or outer.packet is None or not inner_headers:
        return outer
    inner_frame = _inner_frame(outer.packet)
    if inner_frame is None:
        return outer
    inner = _parse_frame(inner_frame.captured, inner_frame.length)  # None when it ends inside its tag: not IP
    if inner is not None and inner.packet is not None and inner.packet.ports is not None:
        packet = inner.packet
    else:
        packet = replace(outer.packet, ports=None)
    destination = int.from_bytes(inner_frame.captured[0:6], "big")
    source = int.from_bytes(inner_frame.captured[6:12], "big")
    return ParsedFrame(destination, source, outer.tag, outer.ether_type, packet, encapsulated=True)


def _inner_frame(outer: ParsedPacket) -> _Packet | None:
    """The Ethernet frame inside a VXLAN or NVGRE packet (HSH-30); it ends with the outer packet. None: none there.

    Readings: the length in the UDP header, the reserved bits of VXLAN, the network identifiers and the key mean
    nothing here. GRE counts behind an IPv6 header only without extension headers in between.
    """
    if outer.upper_layer is None:
        return None
    content = outer.upper_layer.captured  # ends with the packet
    flags = int.from_bytes(content[8:9], "big")
    is_vxlan = outer.protocol == UDP and content[2:4] == VXLAN_PORT and flags & VXLAN_INSTANCE_FLAG != 0
    is_nvgre = outer.protocol == GRE and not outer.has_extension_headers and content[0:4] == NVGRE_FIRST_BYTES
    at = UDP_AND_VXLAN_HEADER_BYTES if is_vxlan else NVGRE_HEADER_BYTES
    if not (is_vxlan or is_nvgre) or len(content) < at + ETHERNET_HEADER_BYTES:
        return None
    return _Packet(content[at:], outer.upper_layer.length - at)


def _parse_frame(frame: bytes, wire_length: int) -> ParsedFrame | None:
    """Parse a frame by its own headers alone.

    Readings: a frame ends inside its tag when the four bytes TPID and TCI are not all there; a frame of 16 or 17 bytes
    has its tag but no EtherType, which counts as EtherType 0. A frame whose MAC addresses, EtherType or tag were not
    captured cannot be steered and is a runt as well. Bytes behind `wire_length` do not belong to the frame.
    """
    frame = frame[:wire_length]
    if len(frame) < 14:
        return None
    tag, ether_type_at = None, 12
    if int.from_bytes(frame[12:14], "big") == TPID_8021Q:
        if len(frame) < 16:
            return None
        tag, ether_type_at = Tag.from_tci(int.from_bytes(frame[14:16], "big")), 16
    ether_type_bytes = frame[ether_type_at : ether_type_at + 2]
    ether_type = int.from_bytes(ether_type_bytes, "big") if len(ether_type_bytes) == 2 else 0
    packet_at = ether_type_at + 2
    packet, unparseable = None, ""
    try:
        if ether_type == ETHER_TYPE_IPV4:
            packet = _parse_ipv4(_Packet(frame[packet_at:], wire_length - packet_at))
        elif ether_type == ETHER_TYPE_IPV6:
            packet = _parse_ipv6(_Packet(frame[packet_at:], wire_length - packet_at))
    except UnparseableError as why:
        unparseable = str(why)
    return ParsedFrame(
        int.from_bytes(frame[0:6], "big"), int.from_bytes(frame[6:12], "big"), tag, ether_type, packet, unparseable
    )


def _parse_ipv4(packet: _Packet) -> ParsedPacket:
    """Parse an IPv4 packet (HSH-06, HSH-07, HSH-10, HSH-22).

    Options are skipped unread (HSH-07), so they need not be captured where nothing behind them is needed.
    """
    header = packet.take(0, 20, "the IPv4 header")
    header_length = (header[0] & 0xF) * 4
    if header[0] >> 4 != 4:
        raise UnparseableError(f"IP version {header[0] >> 4} under the EtherType of IPv4")
    if header_length < 20:
        raise UnparseableError(f"IHL {header_length // 4} is less than 5")
    total_length = int.from_bytes(header[2:4], "big")
    if total_length < header_length:
        raise UnparseableError(f"total length {total_length} is less than the header's {header_length}")
    packet = packet.shortened(total_length, "the IPv4 total length")
    more_fragments_or_offset = int.from_bytes(header[6:8], "big") & 0x3FFF
    fragmented = more_fragments_or_offset != 0
    protocol = header[9]
    ports = None if fragmented else _ports(packet, header_length, protocol)
    upper_layer = None if fragmented else packet.behind(header_length)
    return ParsedPacket(4, header[12:16], header[16:20], protocol, fragmented, ports, upper_layer=upper_layer)


def _parse_ipv6(packet: _Packet) -> ParsedPacket:
    """Parse an IPv6 packet and its chain of extension headers (HSH-12 to HSH-18, HSH-22 to HSH-26)."""
    header = packet.take(0, 40, "the IPv6 header")
    if header[0] >> 4 != 6:
        raise UnparseableError(f"IP version {header[0] >> 4} under the EtherType of IPv6")
    packet = packet.shortened(40 + int.from_bytes(header[4:6], "big"), "the IPv6 payload length")

    home_address: bytes | None = None
    routing_address: bytes | None = None
    fragmented = False
    next_header, at = header[6], 40
    while not fragmented:
        if next_header in EIGHT_BYTE_UNIT_HEADERS:
            extension = _extension_header(packet, at, unit=8, units_not_counted=1)
            if next_header == DESTINATION_OPTIONS:
                found = _home_address(extension)  # every header is read to its end, only the first address counts
                home_address = home_address or found
            elif next_header == ROUTING:
                routing_address = routing_address or _type_2_routing_address(extension)
        elif next_header == AUTHENTICATION:
            extension = _extension_header(packet, at, unit=4, units_not_counted=2)
        elif next_header == FRAGMENT:
            extension = packet.take(at, 8, "the Fragment header")
            offset_and_more = int.from_bytes(extension[2:4], "big") & 0xFFF9  # without the two reserved bits
            fragmented = offset_and_more != 0  # atomic otherwise (HSH-24); behind a real one nothing is read (HSH-25)
        else:
            break
        next_header = extension[0]
        at += len(extension)

    ports = None if fragmented else _ports(packet, at, next_header)
    return ParsedPacket(
        version=6,
        source=header[8:24],
        destination=header[24:40],
        protocol=next_header,
        fragmented=fragmented,
        ports=ports,
        home_address=home_address,
        routing_address=routing_address,
        has_extension_headers=at > 40,
        upper_layer=None if fragmented else packet.behind(at),
    )


def _extension_header(packet: _Packet, at: int, unit: int, units_not_counted: int) -> bytes:
    """A whole extension header: (length byte + units not counted) * unit bytes (HSH-23)."""
    length_byte = packet.take(at, 2, "an extension header")[1]
    return packet.take(at, (length_byte + units_not_counted) * unit, "an extension header")


def _home_address(destination_options: bytes) -> bytes | None:
    """The address of the first Home Address option with length 16 (HSH-16, HSH-26), if there is one.

    Readings: an option that reaches past its own extension header is unparseable (HSH-22), also behind a Home Address
    option; options of Hop-by-Hop headers are never read, since no Home Address option belongs there.
    """
    found: bytes | None = None
    at = 2
    while at < len(destination_options):
        if destination_options[at] == PAD1:
            at += 1
            continue
        if at + 2 > len(destination_options):
            raise UnparseableError("an option runs past its header")
        option_type, length = destination_options[at], destination_options[at + 1]
        data = destination_options[at + 2 : at + 2 + length]
        if len(data) < length:
            raise UnparseableError("an option runs past its header")
        if option_type == HOME_ADDRESS and length == 16 and found is None:
            found = data
        at += 2 + length
    return found


def _type_2_routing_address(routing: bytes) -> bytes | None:
    """The address of a type 2 Routing header, whose Hdr Ext Len is 2 (HSH-17); None for any other Routing header."""
    return routing[8:24] if routing[1] == 2 and routing[2] == 2 else None


def _ports(packet: _Packet, at: int, protocol: int) -> bytes | None:
    """The ports of an unfragmented TCP or UDP packet, None for another protocol.

    The whole transport header must lie in the packet (HSH-22), but only the ports must have been captured (HSH-32).
    """
    if protocol not in TRANSPORT_HEADER_BYTES:
        return None
    if at + TRANSPORT_HEADER_BYTES[protocol] > packet.length:
        raise UnparseableError("the transport header runs past the packet")
    return packet.take(at, 4, "the pair of ports")


# --- hash -------------------------------------------------------------------------------------------------------------


def hash_input(packet: ParsedPacket | None, hash_types: int) -> tuple[HashType, bytes]:
    """The selected hash type and the bytes to hash; `(NONE, b"")` if there is nothing to hash (HSH-09, HSH-21).

    Level by level: the transport's types if the packet has such a transport header, then the IP types.
    """
    if packet is None:
        return HashType.NONE, b""
    for plain, extended, ports in _levels(packet):
        carries_extension = packet.home_address is not None or packet.routing_address is not None
        plain_enabled = bool(hash_types & plain)
        extended_enabled = bool(hash_types & extended)
        if extended_enabled and (carries_extension or not plain_enabled):  # HSH-19, HSH-20
            source = packet.home_address or packet.source  # each substitution on its own: HSH-18
            destination = packet.routing_address or packet.destination
            return extended, source + destination + ports
        if plain_enabled:
            return plain, packet.source + packet.destination + ports
    return HashType.NONE, b""


def _levels(packet: ParsedPacket) -> Iterator[tuple[HashType, HashType, bytes]]:
    """Plain type, EX type and ports of every level of a packet, the transport first; IPv4 has no EX types."""
    if packet.version == 4:
        if packet.ports is not None and packet.protocol == TCP:
            yield HashType.TCP_IPV4, HashType.NONE, packet.ports
        if packet.ports is not None and packet.protocol == UDP:
            yield HashType.UDP_IPV4, HashType.NONE, packet.ports
        yield HashType.IPV4, HashType.NONE, b""
    else:
        if packet.ports is not None and packet.protocol == TCP:
            yield HashType.TCP_IPV6, HashType.TCP_IPV6_EX, packet.ports
        if packet.ports is not None and packet.protocol == UDP:
            yield HashType.UDP_IPV6, HashType.UDP_IPV6_EX, packet.ports
        yield HashType.IPV6, HashType.IPV6_EX, b""


def parse_and_hash(frame: bytes, wire_length: int, hash_types: int, key: bytes) -> tuple[int, int, bytes]:
    """Hash type bit, hash value and hash input of a frame.

    Without a hash `(0, 0, b"")`: only the type says so, because 0 is also a valid hash value (HSH-28).
    """
    parsed = parse(frame, wire_length)
    selected, data = hash_input(parsed.packet if parsed else None, hash_types)
    return int(selected), toeplitz(data, key) if selected else 0, data


# --- match ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """The target of a frame, and the filter that matched."""

    target_id: int  # VPort id in switch mode, queue id otherwise
    filter_id: int  # the lowest matching one of that target; 0 = none


def field_test_passes(test: FieldTest, field: int) -> bool:
    """Whether a header field passes a test (FLT-12)."""
    if test.test is Test.EQUAL:
        return field == test.value
    if test.test is Test.MASK_EQUAL:
        return field & test.value == test.result
    return field != test.value


def address_tests_pass(candidate: Filter, address: int) -> bool:
    """Whether a MAC address passes all destination-address tests of a filter; there may be none (FLT-27, FLT-32)."""
    return all(
        field_test_passes(test, address) for test in candidate.tests if test.field is MacField.DESTINATION_ADDRESS
    )


def vlan_conditions_pass(candidate: Filter, tag: Tag | None) -> bool:
    """Whether the tag of a frame passes the VLAN tests and the UNTAGGED_OR_ZERO flag of a filter.

    Flag set: untagged or VID 0 only (FLT-16, FLT-17, also without VLAN filtering: FLT-26). A VLAN test, of whatever
    kind, never passes for an untagged frame or VID 0 (FLT-22, FLT-28). Neither: any VID (FLT-20). PCP and DEI never
    matter (RX-05).
    """
    vlan_id = tag.vlan_id if tag else 0
    if candidate.untagged_or_zero and vlan_id != 0:
        return False
    return all(
        vlan_id != 0 and field_test_passes(test, vlan_id) for test in candidate.tests if test.field is MacField.VLAN_ID
    )


def targets_in_order(configuration: AdapterConfiguration) -> list[int]:
    """Targets that may attract frames, nondefault ones by ascending id, then the default one (FLT-37, RX-03)."""
    if configuration.mode is Mode.SWITCH:
        activated = [vport.vport_id for vport in configuration.vports if vport.activated]
        return [*sorted(i for i in activated if i != DEFAULT_VPORT_ID), DEFAULT_VPORT_ID]
    if configuration.mode is Mode.VMQ:
        running = [queue.queue_id for queue in configuration.queues if queue.running]
        return [*sorted(i for i in running if i != DEFAULT_QUEUE_ID), DEFAULT_QUEUE_ID]
    return [DEFAULT_QUEUE_ID]


def filters_in_order(configuration: AdapterConfiguration) -> Iterator[Filter]:
    """Filters that may attract frames: by target as FLT-37 says, then by ascending filter id."""
    for target_id in targets_in_order(configuration):
        filters = [candidate for candidate in configuration.filters if candidate.target_id == target_id]
        yield from sorted(filters, key=lambda candidate: candidate.filter_id)


def find_target(configuration: AdapterConfiguration, parsed: ParsedFrame) -> Match | None:
    """The target of a received frame; None when the packet filter drops it (RX-01, RX-02, RX-07, RX-08)."""
    for candidate in filters_in_order(configuration):
        if address_tests_pass(candidate, parsed.destination) and vlan_conditions_pass(candidate, parsed.tag):
            return Match(candidate.target_id, candidate.filter_id)
    if packet_filter_accepts(configuration, parsed.destination):
        return Match(DEFAULT_VPORT_ID, NO_FILTER_ID)
    return None


def packet_filter_accepts(configuration: AdapterConfiguration, destination: int) -> bool:
    """Whether an unmatched frame may go to the default target (RX-07)."""
    is_group = bool(destination >> 40 & 1)
    is_broadcast = destination == BROADCAST_ADDRESS
    accepted_by = {
        PacketFilter.PROMISCUOUS: True,
        PacketFilter.DIRECTED: destination == configuration.permanent_address,
        PacketFilter.MULTICAST: destination in configuration.multicast_list,
        PacketFilter.ALL_MULTICAST: is_group and not is_broadcast,
        PacketFilter.BROADCAST: is_broadcast,
    }
    return any(accepts for bit, accepts in accepted_by.items() if configuration.packet_filter & bit)


def find_sender(configuration: AdapterConfiguration, parsed: ParsedFrame) -> Match | None:
    """The target whose send a frame is under `transmit = "by-source-mac"`; None for a received frame.

    A filter names its target's own address when it has an EQUAL test on the destination MAC. The frame is a send of the
    first target with such a filter whose address tests the source MAC passes, in the order of FLT-37: first with the
    filter's VLAN conditions applied to the frame's tag, and if there is none, by the address alone.
    """
    by_address = [
        candidate
        for candidate in filters_in_order(configuration)
        if _names_an_address(candidate) and address_tests_pass(candidate, parsed.source)
    ]
    by_address_and_vlan = [candidate for candidate in by_address if vlan_conditions_pass(candidate, parsed.tag)]
    for candidate in [*by_address_and_vlan, *by_address]:
        return Match(candidate.target_id, candidate.filter_id)
    return None


def _names_an_address(candidate: Filter) -> bool:
    return any(test.field is MacField.DESTINATION_ADDRESS and test.test is Test.EQUAL for test in candidate.tests)


# --- index, assign ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SteeredFrame:
    """One row of `vmmq steer`, without the columns that are only copied (packet, timestamp, length, epoch)."""

    direction: str  # "rx" | "tx"
    vport_id: int | None  # switch mode, unless dropped
    queue_id: int | None  # other modes, unless dropped
    filter_id: int  # 0 = none; of a send, the filter that names its source address
    hash_type: str  # a value of HASH_TYPE_NAMES
    hash_value: int | None  # None without hash
    indirection_table_index: int | None  # None without hash, or when nothing is spread (RSS-23)
    processor: ProcessorNumber | None  # None when dropped
    vlan_id: int | None  # None when untagged, or a runt
    user_priority: int | None  # likewise
    drop_reason: str | None  # RUNT | PACKET_FILTER | None


@dataclass(frozen=True, slots=True)
class _Spreading:
    """How the frames of one target find their processor."""

    rss: RssState
    table: tuple[ProcessorNumber, ...]  # empty: nothing is spread, even if hashed (RSS-23)
    primary_processor: ProcessorNumber  # of every frame that is not spread


def steer(configuration: AdapterConfiguration, frame: bytes, wire_length: int, direction: str = "rx") -> SteeredFrame:
    """Steer one frame as a received one (`"rx"`) or as a send whose sender its source MAC names (`"tx"`).

    Raises ValueError for `"tx"` if no target sends the frame.
    """
    parsed = parse(frame, wire_length, configuration.inner_headers)
    if direction == "tx":
        sender = find_sender(configuration, parsed) if parsed else None
        if parsed is None or sender is None:
            raise ValueError("this frame is not a send of any target")
        return _complete(configuration, parsed, sender)
    if parsed is None:
        return _dropped(None, RUNT)
    target = find_target(configuration, parsed)
    if target is None:
        return _dropped(parsed.tag, PACKET_FILTER)
    return _receive(configuration, parsed, target)


def steer_by_source_mac(configuration: AdapterConfiguration, frame: bytes, wire_length: int) -> SteeredFrame:
    """Steer one frame under `transmit = "by-source-mac"`: a send if it has a sender, else a received frame."""
    parsed = parse(frame, wire_length, configuration.inner_headers)
    is_send = parsed is not None and find_sender(configuration, parsed) is not None
    return steer(configuration, frame, wire_length, "tx" if is_send else "rx")


def _dropped(tag: Tag | None, reason: str) -> SteeredFrame:
    vlan_id, user_priority = (tag.vlan_id, tag.user_priority) if tag else (None, None)
    return SteeredFrame("rx", None, None, NO_FILTER_ID, "none", None, None, None, vlan_id, user_priority, reason)


def _receive(configuration: AdapterConfiguration, parsed: ParsedFrame, target: Match) -> SteeredFrame:
    """Hash with the target's parameters (HSH-01), index and assign (RX-12 to RX-14)."""
    spreading = _receive_spreading(configuration, target.target_id)
    return _assigned("rx", configuration, parsed, target, spreading)


def _complete(configuration: AdapterConfiguration, parsed: ParsedFrame, sender: Match) -> SteeredFrame:
    """The processor of a send's completion (TX-01, TX-02, TX-05, TX-09).

    The NIC hashes nothing (TX-03): the sender's stack has attached the hash of the packet as it stands, under the key
    and the types of its VPort. Without RSS it attaches none; receive hashing does not concern it.
    """
    spreading = _receive_spreading(configuration, sender.target_id)
    if not spreading.table:
        spreading = _Spreading(RssState(), (), spreading.primary_processor)
    return _assigned("tx", configuration, parsed, sender, spreading)


def _receive_spreading(configuration: AdapterConfiguration, target_id: int) -> _Spreading:
    if configuration.mode is Mode.SWITCH:
        vport = next(vport for vport in configuration.vports if vport.vport_id == target_id)
        table = vport.rss.indirection_table if vport.rss.enabled else ()
        return _Spreading(vport.rss, table, vport.primary_processor)
    base = configuration.rss_base_processor
    if configuration.mode is Mode.VMQ:
        processors = {queue.queue_id: queue.processor for queue in configuration.queues}
        return _Spreading(RssState(), (), processors.get(target_id, base))
    if configuration.native_rss.enabled:
        return _Spreading(configuration.native_rss, configuration.native_table_in_use, base)
    return _Spreading(configuration.receive_hash, (), base)


def _assigned(
    direction: str, configuration: AdapterConfiguration, parsed: ParsedFrame, target: Match, spreading: _Spreading
) -> SteeredFrame:
    rss, table = spreading.rss, spreading.table
    hash_type, hash_value, index = HashType.NONE, None, None
    if rss.enabled:
        assert rss.hash_secret_key is not None
        hash_type, data = hash_input(parsed.packet, rss.hash_types)
        hash_value = toeplitz(data, rss.hash_secret_key) if hash_type else None

    if not table:
        processor = spreading.primary_processor  # RX-14, TX-05, RSS-23
    elif hash_value is None:
        assert rss.default_processor is not None
        processor = rss.default_processor  # RX-13, TX-02
    else:
        index = indirection_table_index(hash_value, len(table))
        processor = table[index]  # RX-12, TX-01

    in_switch = configuration.mode is Mode.SWITCH
    return SteeredFrame(
        direction=direction,
        vport_id=target.target_id if in_switch else None,  # RX-18 to RX-20
        queue_id=None if in_switch else target.target_id,
        filter_id=target.filter_id,
        hash_type=HASH_TYPE_NAMES[hash_type],
        hash_value=hash_value,
        indirection_table_index=index,
        processor=processor,
        vlan_id=parsed.tag.vlan_id if parsed.tag else None,
        user_priority=parsed.tag.user_priority if parsed.tag else None,
        drop_reason=None,
    )


def native_table_in_use(
    indirection_table: tuple[ProcessorNumber, ...], hardware_queues: int
) -> tuple[ProcessorNumber, ...]:
    """The table of native RSS reduced to as many distinct processors as there are hardware queues (RSS-26)."""
    by_first_appearance = list(dict.fromkeys(indirection_table))
    kept = by_first_appearance[:hardware_queues]
    return tuple(kept[by_first_appearance.index(processor) % len(kept)] for processor in indirection_table)


# --- flow -------------------------------------------------------------------------------------------------------------


def flow_identity(frame: bytes, wire_length: int, direction: str, target_id: int, inner_headers: bool = False) -> bytes:
    """The canonical bytes of a frame's flow (ORD-01): two frames are of one flow exactly when these are equal.

    A direction byte (0 rx, 1 tx) and the VPort or queue id (2 bytes, big endian), then for a parseable IP packet
    the version byte (4, 6), source and destination of the IP header, for IPv6 a presence byte (bit 0 Home Address,
    bit 1 type 2 Routing header) with the addresses present in that order, the protocol byte, and the ports (4 bytes) if
    there are; for anything else a byte 0, source MAC, destination MAC and the EtherType behind the tag.
    With `inner_headers` the packet of an encapsulated frame is the inner one if it has ports, otherwise the outer one
    without ports (HSH-30).
    Raises ValueError for a runt, which belongs to no flow.
    """
    parsed = parse(frame, wire_length, inner_headers)
    if parsed is None:
        raise ValueError("a runt belongs to no flow")
    prefix = bytes([{"rx": 0, "tx": 1}[direction]]) + target_id.to_bytes(2, "big")
    packet = parsed.packet
    if packet is None:
        addresses = parsed.source.to_bytes(6, "big") + parsed.destination.to_bytes(6, "big")
        return prefix + b"\x00" + addresses + parsed.ether_type.to_bytes(2, "big")
    identity = prefix + bytes([packet.version]) + packet.source + packet.destination
    if packet.version == 6:
        presence = (packet.home_address is not None) | (packet.routing_address is not None) << 1
        identity += bytes([presence]) + (packet.home_address or b"") + (packet.routing_address or b"")
    return identity + bytes([packet.protocol]) + (packet.ports or b"")
