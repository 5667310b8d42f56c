"""The `adapter` step (section 3 of the oracle protocol)."""

from __future__ import annotations

import pytest

from dataplane.ids import parse_mac
from dataplane.ndis.values import MalformedValue
from dataplane.oracle.specification import parse_adapter, presets
from dataplane.switch.configuration import PacketFilter
from tests.control.host import processor, processors
from tests.oracle.script import M1, adapter, frame, last, run, tcp4


def test_defaults() -> None:
    """Without preset the adapter has only RSS processors and a promiscuous packet filter (MOD-12)."""
    specification = parse_adapter({})
    assert str(specification.ndis_version) == "6.60"
    assert specification.permanent_address == parse_mac("00:15:5d:00:00:01")
    assert specification.packet_filter is PacketFilter.PROMISCUOUS
    assert (specification.rss_base_processor, specification.rss_max_processor) == (processor(0), processor(14))
    assert specification.receive_filter_capabilities is None
    assert specification.switch is None
    result = last({"adapter": {}})
    assert (result["adapter"], result["protocol"], result["mode"], result["interface"]) == (
        "ready",
        1,
        "neutral",
        ["RSS"],
    )


def test_base_and_max_follow_the_array() -> None:
    """Without preset, base and maximum are the lowest and highest RSS processor; a preset has its own."""
    own = parse_adapter({"rss_processors": ["1:3", 5, 9]})
    assert (own.rss_base_processor, str(own.rss_max_processor)) == (processor(5), "1:3")
    assert own.rss_processors[0].group == 1  # the array keeps its order
    assert parse_adapter({"preset": "CFG-S", "rss_processors": [4, 6]}).rss_base_processor == processor(0)


def test_a_processor_is_listed_once() -> None:
    """The RSS processor array is a set of processors: a list with a double one is malformed (CAP-31)."""
    with pytest.raises(MalformedValue, match="listed twice"):
        parse_adapter({"rss_processors": [0, 2, 0]})


@pytest.mark.parametrize(
    ("preset", "mode", "interface"),
    [
        ("CFG-S", "switch", ["SRIOV", "VMQ"]),
        ("CFG-R", "switch", ["SRIOV", "VMQ"]),
        ("CFG-2", "switch", ["SRIOV", "VMQ"]),
        ("CFG-N", "neutral", ["SRIOV", "VMQ"]),
        ("CFG-Q", "neutral", ["VMQ"]),
        ("CFG-Q20", "neutral", ["VMQ"]),
        ("CFG-T", "neutral", ["RSS"]),
    ],
)
def test_presets(preset: str, mode: str, interface: list[str]) -> None:
    """Every preset makes an adapter (CAP-10, MOD-02)."""
    result = last(adapter(preset))
    assert (result["mode"], result["interface"]) == (mode, interface)


def test_overrides_are_merged() -> None:
    """Objects member by member, flags by add and remove, null replaces an object, all else is replaced."""
    base = parse_adapter({"preset": "CFG-S"})
    assert base.receive_filter_capabilities is not None
    changed = parse_adapter({
        "preset": "CFG-S",
        "keywords": {"*RssOnHostVPorts": 0},
        "receive_filter_capabilities": {"supported_mac_header_fields": {"remove": ["VLAN_ID"], "add": ["PROTOCOL"]}},
        "packet_filter": {"add": ["DIRECTED"], "remove": ["PROMISCUOUS"]},
        "nic_switch_capabilities": None,
        "switch": {"num_vfs": 1},
    })  # fmt: skip
    assert changed.keyword_values == {**base.keyword_values, "*RssOnHostVPorts": 0}
    assert changed.receive_filter_capabilities is not None
    assert changed.receive_filter_capabilities.supported_mac_header_fields == 0x1 | 0x4
    assert changed.receive_filter_capabilities.max_mac_header_filters == 16
    assert changed.packet_filter == PacketFilter.DIRECTED
    assert changed.nic_switch_capabilities is None
    assert changed.switch is not None
    assert (changed.switch.num_vfs, changed.switch.num_queue_pairs_for_default_vport) == (1, 4)
    assert parse_adapter({"preset": "CFG-2"}).ndis_version == (6, 80)
    assert base == parse_adapter({"preset": "CFG-S"})  # overriding does not change the preset


def test_refused() -> None:
    """The violated rules are named, and there is no adapter then (CAP-36)."""
    refused = adapter("CFG-S", nic_switch_capabilities={"max_num_switches": 2, "max_num_vfs": 9})
    results = run(adapter("CFG-S"), refused, {"inspect": "adapter"})
    assert (results[1]["adapter"], results[1]["rules"]) == ("refused", ["CAP-13", "CAP-14"])
    assert "error" in results[2]


def test_a_new_adapter_starts_from_nothing() -> None:
    """A second `adapter` step replaces the adapter and everything on it, without events."""
    results = run(adapter("CFG-S"), frame(tcp4(M1), "a", keep=True), adapter("CFG-S"), {"inspect": "counters"})
    assert results[2]["events"] == []
    assert results[3]["arrived"] == 0
    assert results[3]["events"] == []


def test_presets_are_those_of_the_protocol() -> None:
    """There are seven presets, with these names."""
    assert sorted(presets()) == ["CFG-2", "CFG-N", "CFG-Q", "CFG-Q20", "CFG-R", "CFG-S", "CFG-T"]
    assert processors(0, 2, 4, 6, 8, 10, 12, 14) == parse_adapter({"preset": "CFG-T"}).rss_processors
