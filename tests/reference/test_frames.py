"""The strategies cover the cases they are meant for, and keep the promises their users rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from dataplane.ids import NdisVersion
from dataplane.switch.configuration import (
    HASH_SECRET_KEY_BYTES,
    AdapterConfiguration,
    HashType,
    MacField,
    Mode,
    RssState,
)
from tests.reference.frames import MAC_ADDRESSES, VLAN_IDS, Frame, adapter_configurations, frames
from tests.reference.steering import ParsedFrame, ParsedPacket, SteeredFrame, parse, steer_by_source_mac

FRAMES: dict[str, Callable[[ParsedFrame], bool]] = {
    "tagged packet": lambda parsed: parsed.tag is not None and parsed.packet is not None,
    "priority tag": lambda parsed: parsed.tag is not None and parsed.tag.vlan_id == 0,
    "double tag": lambda parsed: parsed.tag is not None and parsed.ether_type == 0x8100,
    "802.1ad": lambda parsed: parsed.tag is None and parsed.ether_type == 0x88A8,
    "lying IHL": lambda parsed: "IHL" in parsed.unparseable,
    "lying total length": lambda parsed: "IPv4 total length is beyond" in parsed.unparseable,
    "lying payload length": lambda parsed: "IPv6 payload length is beyond" in parsed.unparseable,
    "overrun extension header": lambda parsed: "an extension header runs past" in parsed.unparseable,
    "overrun option": lambda parsed: "an option runs past" in parsed.unparseable,
    "short transport header": lambda parsed: "transport header" in parsed.unparseable,
    "ports not captured": lambda parsed: "ports was not captured" in parsed.unparseable,
    "extension header not captured": lambda parsed: "an extension header was not captured" in parsed.unparseable,
}

PACKETS: dict[str, Callable[[ParsedPacket], bool]] = {
    "IPv4 with ports": lambda packet: packet.version == 4 and packet.ports is not None,
    "IPv4 fragment": lambda packet: packet.version == 4 and packet.fragmented,
    "IPv6 with ports": lambda packet: packet.version == 6 and packet.ports is not None,
    "IPv6 fragment": lambda packet: packet.version == 6 and packet.fragmented,
    "home address and ports": lambda packet: packet.home_address is not None and packet.ports is not None,
    "home address in a fragment": lambda packet: packet.home_address is not None and packet.fragmented,
    "type 2 routing and ports": lambda packet: packet.routing_address is not None and packet.ports is not None,
    "both substitutions": lambda packet: packet.home_address is not None and packet.routing_address is not None,
}

ROWS: dict[str, Callable[[SteeredFrame], bool]] = {
    "hash by a filter": lambda row: row.hash_value is not None and row.filter_id != 0 and row.direction == "rx",
    "send with a hash": lambda row: row.direction == "tx" and row.indirection_table_index is not None,
    "hash without spreading": lambda row: row.hash_value is not None and row.indirection_table_index is None,
    "EX hash": lambda row: row.hash_type.endswith("_ex"),
    "tagged frame by a filter": lambda row: row.filter_id != 0 and bool(row.vlan_id) and row.direction == "rx",
    "queue": lambda row: bool(row.queue_id),
    "packet filter": lambda row: row.drop_reason == "packet filter",
}


def reach(
    strategy: st.SearchStrategy[Any], conditions: dict[str, Callable[[Any], bool]], view: Callable[[Any], Iterable[Any]]
) -> None:
    """Draw until every condition has held for something in the `view` of an example; names those that never held.

    The draws are the same at every run.
    """
    missing = dict(conditions)

    def seen(example: Any) -> bool:
        for thing in view(example):
            for name in [name for name, condition in missing.items() if condition(thing)]:
                del missing[name]
        return not missing

    search = settings(max_examples=4000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    try:
        find(strategy, seen, settings=search)
    except NoSuchExample:
        pytest.fail(f"never reached: {', '.join(missing)}")


def test_frames_reach() -> None:
    """Every corner of the parser is reached (MOD-10, HSH-22, HSH-32)."""
    reach(frames(), FRAMES, lambda frame: filter(None, [parse(*frame)]))


def test_packets_reach() -> None:
    """Every kind of packet that hashes differently is reached (HSH-06 to HSH-25)."""
    reach(
        frames(), PACKETS, lambda frame: [p.packet for p in [parse(*frame)] if p is not None and p.packet is not None]
    )


def test_rows_reach() -> None:
    """Frames and configurations from the same pools match in every relevant way."""
    cases = st.tuples(adapter_configurations(), st.lists(frames(), max_size=10))
    reach(cases, ROWS, lambda case: [steer_by_source_mac(case[0], *frame) for frame in case[1]])


@settings(max_examples=100, deadline=None)
@given(frames())
def test_frames_are_captures(frame: Frame) -> None:
    """The captured length never exceeds the length on the wire (HSH-32)."""
    assert len(frame.data) <= frame.wire_length


@settings(max_examples=100, deadline=None)
@given(adapter_configurations())
def test_configurations_are_legal(configuration: AdapterConfiguration) -> None:
    """Control could have produced the configuration.

    FLT-14, FLT-19, FLT-24, FLT-26, FLT-29, QUE-05, RSS-12, RSS-15, RSS-17, RSS-21, RSS-22, HSH-31, MOD-04, VPT-16.
    """
    filter_ids = [candidate.filter_id for candidate in configuration.filters]
    assert filter_ids == sorted(set(filter_ids))
    assert 0 not in filter_ids
    target_ids = {vport.vport_id for vport in configuration.vports} | {queue.queue_id for queue in configuration.queues}
    assert {candidate.target_id for candidate in configuration.filters} <= target_ids | {0}
    for candidate in configuration.filters:
        vlan_tests = [test for test in candidate.tests if test.field is MacField.VLAN_ID]
        assert candidate.tests
        assert all(1 <= test.value <= 4094 for test in vlan_tests)
        assert not (vlan_tests and (candidate.untagged_or_zero or not configuration.vlan_filtering))
        assert vlan_tests or candidate.untagged_or_zero or configuration.ndis_version > NdisVersion(6, 20)
    for queue in configuration.queues:
        assert not queue.running or queue.queue_id in {candidate.target_id for candidate in configuration.filters}

    assert bool(configuration.vports) == (configuration.mode is Mode.SWITCH)
    assert not configuration.vports or (configuration.vports[0].vport_id == 0 and configuration.vports[0].activated)
    assert not (configuration.native_rss.enabled and configuration.receive_hash.enabled)
    assert bool(configuration.native_table_in_use) == configuration.native_rss.enabled
    assert not (configuration.native_rss.enabled and configuration.mode is not Mode.NEUTRAL)
    assert not any(vport.attached_to_vf and vport.rss.enabled for vport in configuration.vports)
    for rss in (configuration.native_rss, *(vport.rss for vport in configuration.vports)):
        if rss.enabled:
            check_enabled(rss, configuration)


def check_enabled(rss: RssState, configuration: AdapterConfiguration) -> None:
    """RSS that is on has everything it needs, inside its limits."""
    entries = len(rss.indirection_table)
    assert 1 <= entries <= 128
    assert entries & (entries - 1) == 0
    assert {*rss.indirection_table, rss.default_processor} <= set(configuration.rss_processors)
    assert rss.hash_secret_key is not None
    assert len(rss.hash_secret_key) == HASH_SECRET_KEY_BYTES
    assert rss.hash_types
    udp_types = HashType.UDP_IPV4 | HashType.UDP_IPV6 | HashType.UDP_IPV6_EX
    assert configuration.ndis_version >= NdisVersion(6, 80) or not rss.hash_types & udp_types


@settings(max_examples=50, deadline=None)
@given(frames(macs=MAC_ADDRESSES[:2], vlan_ids=VLAN_IDS[:1]))
def test_pools_are_the_callers(frame: Frame) -> None:
    """Packets have their addresses and VLAN ids from the pools given, and the VLAN ids 0 and 4095."""
    parsed = parse(*frame)
    if parsed is not None and parsed.packet is not None:
        assert {parsed.destination, parsed.source} <= set(MAC_ADDRESSES[:2])
        assert parsed.tag is None or parsed.tag.vlan_id in {0, VLAN_IDS[0], 4095}
