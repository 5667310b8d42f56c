"""Capabilities, keywords and processors (section 2 of the rules)."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.control import AdapterRefused
from dataplane.control.capabilities import HASH_TYPES_BY_CAPABILITY, UDP_HASH_TYPES, Capabilities, violated_rules
from dataplane.control.keywords import Interface, enabled_interfaces, rss_on_host_vports
from dataplane.control.processors import data_vectors_min, rss_candidates, rss_processors, violated_vector_rules
from dataplane.ids import ProcessorNumber
from dataplane.ndis.constants import NicSwitchCapabilityFlags, RssCapabilitiesFlags, SupportedMacHeaderFields
from dataplane.oracle.specification import parse_adapter, presets
from dataplane.switch.configuration import HashType, Mode
from tests.control.host import FAILURE, NOT_SUPPORTED, SUCCESS, Host, processor, processors

SRIOV, VMQ, RSS = Interface.SRIOV, Interface.VMQ, Interface.RSS
_NAMES = ("*SriovPreferred", "*RssOrVmqPreference", "*SRIOV", "*VMQ", "*RSS")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1, 1, 1, 0), (SRIOV, VMQ)),
        ((1, 1, 1, 1, 1), (SRIOV, VMQ)),
        ((1, 1, 0, 1, 1), (VMQ,)),
        ((1, 0, 0, 0, 1), ()),
        ((1, 1, 0, 0, 1), ()),
        ((0, 1, 1, 1, 1), (VMQ,)),
        ((None, 1, None, 1, None), (VMQ,)),
        ((0, 1, 1, 0, 1), ()),
        ((0, 0, 1, 1, 1), (RSS,)),
        ((None, None, None, None, 1), (RSS,)),
        ((None, None, None, None, None), (RSS,)),  # *RSS is 1 by default
        ((0, 0, 1, 1, 0), ()),
        # not in the table
        ((1, 0, 1, 1, 1), (SRIOV,)),
        ((1, 1, 1, 0, 1), (SRIOV,)),
        ((1, 0, 1, 0, 1), (SRIOV,)),
        ((1, 0, 0, 1, 1), ()),
        ((2, 1, 1, 1, 1), ()),
        ((None, 1, None, None, None), (VMQ,)),  # *VMQ is 1 by default
    ],
)
def test_interfaces_by_keyword(values: tuple[int | None, ...], expected: tuple[Interface, ...]) -> None:
    """The documented table, and SR-IOV alone, which the table leaves out (CAP-10, CAP-11)."""
    keywords = {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}
    assert expected == enabled_interfaces(keywords)


def test_rss_on_host_vports() -> None:
    """1 is the default; 0 turns VMMQ off (CAP-12)."""
    assert rss_on_host_vports({})
    assert not rss_on_host_vports({"*RssOnHostVPorts": 0})
    assert Host("CFG-S").control.capabilities.vmmq
    assert not Host("CFG-S", keywords={"*RssOnHostVPorts": 0}).control.capabilities.vmmq


def test_candidates() -> None:
    """Candidates lie between base and maximum, included, group first (CAP-31); listed means member (CAP-32)."""
    texts = ["0:0", "0:32", "1:0", "1:15", "1:16", "1:31", "2:0", "2:63", "3:0", "3:8", "3:9", "3:31", "4:0"]
    base, maximum = ProcessorNumber(1, 16), ProcessorNumber(3, 8)
    found = rss_candidates(base, maximum, [ProcessorNumber.parse(text) for text in texts])
    assert [str(one) for one in found] == ["1:16", "1:31", "2:0", "2:63", "3:0", "3:8"]
    assert processor(3) not in Host("CFG-S").control.capabilities.rss_processors


@pytest.mark.parametrize(("base", "wanted", "expected"), [(0, 6, (0, 1, 2, 3)), (1, 6, (1, 2, 3)), (0, 2, (0, 1))])
def test_number_of_rss_processors(base: int, wanted: int, expected: tuple[int, ...]) -> None:
    """There are as many RSS processors as the keyword says, at most those from the base upward (CAP-33)."""
    assert processors(*expected) == tuple(rss_processors(processor(base), wanted, processors(3, 1, 0, 2)))


@pytest.mark.parametrize(
    ("queues", "data", "other", "count", "rules"),
    [
        (4, 1, 2, 64, []),
        (16, 8, 2, 64, []),
        (17, 15, 1, 64, ["INT-02"]),
        (17, 16, 1, 64, []),
        (64, 16, 0, 64, []),
        (65, 31, 2, 64, ["INT-02"]),
        (65, 32, 2, 64, []),
        (4, 4, 3, 64, ["INT-01"]),
        (8, 9, 0, 8, ["INT-01"]),
        (17, 0, 3, 64, ["INT-01", "INT-02"]),
    ],
)
def test_vectors(queues: int, data: int, other: int, count: int, rules: list[str]) -> None:
    """One vector for each RSS processor, two others at most, and a minimum (INT-01, INT-02, INT-03)."""
    assert rules == violated_vector_rules(queues, data, other, count)
    assert data_vectors_min(queues) in (1, 16, 32)


# Initialization ------------------------------------------------------------------------------------------------------

_FILTERS, _SWITCH = "receive_filter_capabilities", "nic_switch_capabilities"


@pytest.mark.parametrize("preset", sorted(presets()))
def test_presets_are_accepted(preset: str) -> None:
    """Every preset obeys the rules of CAP-36."""
    assert not violated_rules(parse_adapter({"preset": preset}))


@pytest.mark.parametrize(
    ("preset", "overrides", "rules"),
    [
        ("CFG-Q", {_FILTERS: {"supported_queue_properties": {"remove": ["MSI_X"]}}}, ["CAP-01"]),
        ("CFG-Q", {_FILTERS: {"supported_headers": ["IPV4"]}}, ["CAP-02"]),
        ("CFG-Q", {_FILTERS: {"supported_filter_tests": []}}, ["CAP-02"]),
        ("CFG-Q20", {_FILTERS: {"supported_mac_header_fields": ["DEST_ADDR"]}}, ["CAP-03"]),
        ("CFG-Q", {_FILTERS: {"supported_mac_header_fields": ["DEST_ADDR"]}}, []),
        ("CFG-N", {_FILTERS: {"num_queues": 17, "max_mac_header_filters": 17}}, ["CAP-04"]),
        ("CFG-N", {"ndis_version": "6.50", _SWITCH: {"nic_switch_capabilities": []}}, ["CAP-05"]),
        ("CFG-N", {}, []),  # either mode is possible: CAP-05 does not apply (CON-08)
        ("CFG-Q", {_FILTERS: {"num_queues": 9}}, ["CAP-06"]),
        ("CFG-Q", {_FILTERS: {"min_lookahead_split_size": 1}}, ["CAP-07"]),
        ("CFG-Q", {_FILTERS: {"supported_queue_properties": {"add": ["LOOKAHEAD_SPLIT"]}}}, ["CAP-07"]),
        ("CFG-Q20", {_FILTERS: {"supported_queue_properties": {"add": ["LOOKAHEAD_SPLIT"]}}}, []),
        ("CFG-S", {_SWITCH: {"max_num_switches": 2}}, ["CAP-13"]),
        ("CFG-S", {_SWITCH: {"max_num_vfs": 8}}, ["CAP-14"]),
        ("CFG-S", {_SWITCH: {"max_num_queue_pairs": 7}}, ["CAP-15"]),
        ("CFG-S", {_SWITCH: {"max_num_mac_addresses": 7}}, ["CAP-16"]),
        ("CFG-S", {_SWITCH: {"max_num_queue_pairs_per_non_default_vport": 6}}, ["CAP-17"]),
        ("CFG-S", {_SWITCH: {"max_num_queue_pairs_for_default_vport": 0}}, ["CAP-17"]),
        ("CFG-S", {"ndis_version": "6.50"}, ["CAP-21"]),
        ("CFG-S", {_SWITCH: {"nic_switch_capabilities": {"remove": ["SINGLE_VPORT_POOL"]}}}, ["CAP-21"]),
        (
            "CFG-S",
            {_SWITCH: {"nic_switch_capabilities": {"remove": ["RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED"]}}},
            ["CAP-22"],
        ),
        ("CFG-S", {_SWITCH: {"max_num_rss_capable_non_default_pf_vports": 0}}, ["CAP-24"]),
        ("CFG-S", {_SWITCH: {"number_of_indirection_table_entries_for_default_vport": 256}}, ["CAP-25"]),
        ("CFG-S", {_SWITCH: {"number_of_indirection_table_entries_per_non_default_pf_vport": 24}}, ["CAP-25"]),
        (
            "CFG-S",
            {
                _SWITCH: {
                    "nic_switch_capabilities": {"remove": ["RSS_ON_PF_VPORTS_SUPPORTED", "SINGLE_VPORT_POOL"]},
                    "max_num_rss_capable_non_default_pf_vports": 0,
                }
            },
            [],
        ),
        ("CFG-S", {_SWITCH: {"max_num_switches": 0, "max_num_vfs": 9}}, ["CAP-13", "CAP-14"]),
    ],
)
def test_refused_adapters(preset: str, overrides: dict[str, Any], rules: list[str]) -> None:
    """Capabilities that break a rule stop the adapter, naming the rules ascending (CAP-36; CAP-01..CAP-07, 13..25)."""
    assert rules == violated_rules(parse_adapter({"preset": preset, **overrides}))
    if rules:
        with pytest.raises(AdapterRefused, match=rules[0]):
            Host(preset, **overrides)


def test_current_capabilities_follow_the_keywords() -> None:
    """Hardware capabilities show everything, current ones what is enabled (CAP-03, CAP-08)."""
    host = Host("CFG-S", keywords={"*VMQVlanFiltering": 0, "*RssOnHostVPorts": 0, "*SRIOV": 0})

    def query(name: str) -> dict[str, Any]:
        answer = host.oid(name)
        assert answer == SUCCESS
        assert answer.out is not None
        assert not answer.reached_miniport
        return answer.out

    assert query("OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES")["supported_mac_header_fields"] == ["DEST_ADDR", "VLAN_ID"]
    assert query("OID_RECEIVE_FILTER_CURRENT_CAPABILITIES")["supported_mac_header_fields"] == ["DEST_ADDR"]
    hardware, current = (query(f"OID_NIC_SWITCH_{which}_CAPABILITIES") for which in ("HARDWARE", "CURRENT"))
    assert "RSS_ON_PF_VPORTS_SUPPORTED" in hardware["nic_switch_capabilities"]
    assert "RSS_ON_PF_VPORTS_SUPPORTED" not in current["nic_switch_capabilities"]
    assert (hardware["max_num_vfs"], current["max_num_vfs"]) == (2, 0)
    assert query("OID_RECEIVE_FILTER_GLOBAL_PARAMETERS")["enabled_filter_types"] == ["VMQ_FILTERS_ENABLED"]


def test_nothing_enabled_shows_nothing() -> None:
    """With the interface off the current capabilities are empty (CAP-08)."""
    host = Host("CFG-Q", keywords={"*VMQ": 0})
    assert host.oid("OID_RECEIVE_FILTER_CURRENT_CAPABILITIES")["num_queues"] == 0
    assert host.oid("OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES")["num_queues"] == 4


def test_no_vm_queues_are_shown_without_vmq() -> None:
    """With SR-IOV only, no VM queue is shown and none can be allocated; filters are for the switch (CAP-05, CAP-08)."""
    host = Host("CFG-N", keywords={"*VMQ": 0})
    current = host.oid("OID_RECEIVE_FILTER_CURRENT_CAPABILITIES")
    assert (current["num_queues"], current["enabled_queue_types"]) == (0, [])
    assert current["enabled_filter_types"] == ["VMQ_FILTERS_ENABLED"]
    assert host.oid("OID_RECEIVE_FILTER_GLOBAL_PARAMETERS")["enabled_queue_types"] == []
    assert host.oid("OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES")["num_queues"] == 4
    assert host.allocate(processor_affinity=[4]) == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("version", "expected"), [("6.20", (1, None, 1)), ("6.30", (2, 2, 2)), ("6.60", (2, 3, 3)), ("6.80", (2, 3, 3))]
)
def test_revisions_by_version(version: str, expected: tuple[int, int | None, int]) -> None:
    """Each version has its structure revisions (CAP-09)."""
    host = Host("CFG-S", ndis_version=version, **_no_vmmq())
    filters, switch, scale = (
        host.oid(name)
        for name in (
            "OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES",
            "OID_NIC_SWITCH_HARDWARE_CAPABILITIES",
            "OID_GEN_RECEIVE_SCALE_CAPABILITIES",
        )
    )
    revisions = (
        filters["header"]["revision"],
        switch.out and switch["header"]["revision"],
        scale["header"]["revision"],
    )
    assert expected == revisions


def _no_vmmq() -> dict[str, Any]:
    return {_SWITCH: {"nic_switch_capabilities": {"remove": ["RSS_ON_PF_VPORTS_SUPPORTED"]}}}


def test_interrupt_messages_are_not_reduced() -> None:
    """RSS keywords do not reduce NumberOfInterruptMessages; every VPort gets the same answer (CAP-27)."""
    host = Host("CFG-S", keywords={"*MaxRssProcessors": 2})
    host.vport([2])
    for request in ({}, {"vport_id": 0}, {"vport_id": 1}):
        answer = host.oid("OID_GEN_RECEIVE_SCALE_CAPABILITIES", request=request)
        assert answer["number_of_interrupt_messages"] == 8
        assert not answer.reached_miniport


def test_rss_processor_set_is_fixed() -> None:
    """No request changes it while the adapter runs (CAP-34)."""
    host = Host("CFG-S")
    before = host.control.configuration.rss_processors
    host.vport([2])
    host.rss(1, [2])
    assert host.control.configuration.rss_processors == before == host.control.specification.rss_processors


def test_hash_types_by_capability() -> None:
    """Capability bits and type bits are numbered differently; the 2-tuple types come with TCP (CAP-29)."""
    assert {int(bit): int(types) for bit, types in HASH_TYPES_BY_CAPABILITY.items()} == {
        0x100: 0x300,
        0x200: 0x1400,
        0x400: 0x2800,
        0x800: 0x4000,
        0x1000: 0x8000,
        0x2000: 0x10000,
    }
    only_tcp4 = parse_adapter(
        {"preset": "CFG-T", "receive_scale_capabilities": {"capabilities_flags": ["HASH_TYPE_TCP_IPV4"]}}
    )
    assert Capabilities.of(only_tcp4).hash_types == HashType.IPV4 | HashType.TCP_IPV4
    assert Host("CFG-2").control.capabilities.hash_types & UDP_HASH_TYPES == UDP_HASH_TYPES
    early = Host("CFG-2", ndis_version="6.60").control.capabilities
    assert not early.hash_types & UDP_HASH_TYPES


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, True),
        ({"ndis_version": "6.60"}, False),
        (
            {"receive_scale_capabilities": {"capabilities_flags": {"remove": ["SUPPORTS_INDEPENDENT_ENTRY_MOVE"]}}},
            False,
        ),
    ],
)
def test_rssv2_is_advertised_by_two_bits(overrides: dict[str, Any], expected: bool) -> None:
    """SUPPORTS_INDEPENDENT_ENTRY_MOVE with dynamic affinity change, from 6.80 (CAP-30, OID-13)."""
    assert expected is Host("CFG-2", **overrides).control.capabilities.rss_generation_2


# Switch limits -------------------------------------------------------------------------------------------------------


def test_modes_exclude_each_other() -> None:
    """Neutral until a switch or a queue exists, and again when it is gone (MOD-02, MOD-03)."""
    host = Host("CFG-N")
    modes = []

    def note() -> None:
        modes.append(host.control.state.mode)

    note()
    queue = host.queue([4])
    note()
    assert host.create_switch() == NOT_SUPPORTED
    host.free(queue)
    note()
    assert host.create_switch() == SUCCESS
    note()
    assert host.allocate(processor_affinity=[4]) == FAILURE
    assert host.delete_switch() == SUCCESS
    note()
    assert modes == [Mode.NEUTRAL, Mode.VMQ, Mode.NEUTRAL, Mode.SWITCH, Mode.NEUTRAL]


def test_single_pool_or_reserved_vports() -> None:
    """With one pool all nondefault VPorts may be on the PF; without, those of the VFs are reserved (CAP-14, CAP-18)."""
    pool = Host("CFG-S")
    for _ in range(7):
        pool.vport([2])
    assert pool.create_vport(processor_affinity=[2]) == FAILURE
    flags = ["SINGLE_VPORT_POOL", "RSS_ON_PF_VPORTS_SUPPORTED"]  # the latter needs the former (CAP-21)
    reserved = Host("CFG-S", nic_switch_capabilities={"nic_switch_capabilities": {"remove": flags}})
    for _ in range(5):
        reserved.vport([2])
    assert reserved.create_vport(processor_affinity=[2]) == FAILURE
    reserved.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    assert reserved.create_vport(attached_function_id=0, vport_state="Activated") == SUCCESS


def test_a_switch_takes_no_more_queue_pairs_than_there_are() -> None:
    """What the default VPort may have counts against the total: there is no switch then (CAP-20, CAP-26)."""
    limits = {"max_num_vports": 4, "max_num_queue_pairs": 8, "max_num_queue_pairs_for_default_vport": 16}
    host = Host("CFG-N", nic_switch_capabilities=limits)
    assert host.create_switch(num_queue_pairs_for_default_vport=9) == FAILURE
    assert host.control.state.switch is None
    assert host.create_switch(num_queue_pairs_for_default_vport=8) == SUCCESS


@pytest.mark.parametrize("name", ["HARDWARE_CAPABILITIES", "CURRENT_CAPABILITIES", "GLOBAL_PARAMETERS"])
def test_an_adapter_without_receive_filters_has_nothing_to_say_of_them(name: str) -> None:
    """Queries of what it does not have are not supported; NDIS answers them (CAP-08)."""
    assert Host("CFG-T").oid(f"OID_RECEIVE_FILTER_{name}", kind="query") == NOT_SUPPORTED


def test_flags_mean_what_they_say() -> None:
    """Restricted tables and shared hashes follow from the switch capabilities (CAP-22, CAP-23)."""
    restricted, shared = Host("CFG-R").control.capabilities, Host("CFG-S").control.capabilities
    assert restricted.restricted_tables
    assert not shared.restricted_tables
    assert not shared.shared_hash
    assert shared.has(NicSwitchCapabilityFlags.SINGLE_VPORT_POOL)
    assert shared.receive_filter.supported_mac_header_fields & SupportedMacHeaderFields.VLAN_ID
    assert RssCapabilitiesFlags.HASH_TYPE_TCP_IPV4 in HASH_TYPES_BY_CAPABILITY
