"""What an `adapter` step describes, and which capability rules it breaks (CAP-36).

In: the object of an `adapter` step. Out: a plain dict with every member of the protocol's section 3, flags as lists of
names; `violated_rules` names the rules such an adapter breaks. The preset values are those of the protocol document.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PRESETS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "presets.json").read_text(encoding="utf-8"))

VERSIONS = {text: (6, int(text[2:])) for text in ("6.0", "6.1", "6.20", "6.30", "6.40", "6.50", "6.60", "6.80")}

DEFAULTS: dict[str, Any] = {
    "ndis_version": "6.60",
    "permanent_address": "00:15:5d:00:00:01",
    "multicast_list": [],
    "packet_filter": ["PROMISCUOUS"],
    "rss_processors": [0, 2, 4, 6, 8, 10, 12, 14],
    "keywords": {},
    "receive_filter_capabilities": None,
    "nic_switch_capabilities": None,
    "receive_scale_capabilities": None,
    "switch": None,
    "receive_buffers": None,
}


def resolve(adapter: dict[str, Any]) -> dict[str, Any]:
    """The complete description of an adapter: presets unfolded, overrides merged, defaults filled in."""
    base = resolve(PRESETS[adapter["preset"]]) if "preset" in adapter else dict(DEFAULTS)
    return {name: value for name, value in _merged(base, adapter).items() if name not in ("preset", "protocol")}


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged member by member; a flags list may be changed by add and remove; the rest is replaced."""
    result = dict(base)
    for name, value in over.items():
        old = result.get(name)
        if isinstance(old, list) and isinstance(value, dict):
            result[name] = [x for x in old if x not in value.get("remove", [])] + value.get("add", [])
        elif isinstance(old, dict) and isinstance(value, dict):
            result[name] = _merged(old, value)
        else:
            result[name] = value
    return result


def interface(keywords: dict[str, int]) -> list[str]:
    """What the keywords enable: the table of CAP-10, line by line, and the choice below it."""
    sriov_preferred, preference = keywords.get("*SriovPreferred", 0), keywords.get("*RssOrVmqPreference", 0)
    sriov, vmq, rss = keywords.get("*SRIOV", 0), keywords.get("*VMQ", 1), keywords.get("*RSS", 1)
    if sriov_preferred == 1 and sriov == 1:
        return ["SRIOV", "VMQ"] if preference == 1 and vmq == 1 else ["SRIOV"]
    if sriov_preferred == 1:
        return ["VMQ"] if preference == 1 and vmq == 1 else []
    if preference == 1:
        return ["VMQ"] if vmq == 1 else []
    return ["RSS"] if rss == 1 else []


def violated_rules(spec: dict[str, Any]) -> list[str]:
    """The capability rules an adapter breaks, ascending; the model refuses it if there are any (CAP-36)."""
    broken = {rule for rule, kept in [*_filter_rules(spec), *_switch_rules(spec)] if not kept}
    return sorted(broken)


def _filter_rules(spec: dict[str, Any]) -> list[tuple[str, bool]]:
    capabilities = spec["receive_filter_capabilities"]
    if capabilities is None:
        return []
    version = VERSIONS[spec["ndis_version"]]
    switch = spec["nic_switch_capabilities"]
    properties = set(capabilities["supported_queue_properties"])
    rules = [
        ("CAP-01", {"MSI_X", "VM_QUEUE"} <= properties),
        ("CAP-02", "EQUAL" in capabilities["supported_filter_tests"]),
        ("CAP-02", "MAC" in capabilities["supported_headers"]),
        ("CAP-02", "DEST_ADDR" in capabilities["supported_mac_header_fields"]),
        ("CAP-06", capabilities["max_mac_header_filters"] >= capabilities["num_queues"]),
    ]
    either_mode = (
        switch is not None
        and version >= (6, 60)
        and "NIC_SWITCH_WITHOUT_IOV_SUPPORTED" in switch["nic_switch_capabilities"]
    )
    if switch is not None and not either_mode:
        rules.append(("CAP-05", capabilities["num_queues"] == 0))
        rules.append(("CAP-05", "VMQ_FILTERS_ENABLED" in capabilities["enabled_filter_types"]))
        rules.append(("CAP-05", "VM_QUEUES_ENABLED" not in capabilities["enabled_queue_types"]))
    if version >= (6, 30):
        rules.append(("CAP-07", "LOOKAHEAD_SPLIT" not in properties))
        rules.append(("CAP-07", {"DYNAMIC_PROCESSOR_AFFINITY_CHANGE", "INTERRUPT_VECTOR_COALESCING"} <= properties))
        rules.append(("CAP-07", capabilities["min_lookahead_split_size"] == 0))
        rules.append(("CAP-07", capabilities["max_lookahead_split_size"] == 0))
    return rules


def _switch_rules(spec: dict[str, Any]) -> list[tuple[str, bool]]:
    capabilities = spec["nic_switch_capabilities"]
    if capabilities is None:
        return []
    flags = set(capabilities["nic_switch_capabilities"])
    vports = capabilities["max_num_vports"]
    hash_flags = {f"RSS_PER_PF_VPORT_HASH_{what}_SUPPORTED" for what in ("FUNCTION", "TYPE", "KEY")}
    table_limits = [
        capabilities["number_of_indirection_table_entries_for_default_vport"],
        capabilities["number_of_indirection_table_entries_per_non_default_pf_vport"],
    ]
    rules = [
        ("CAP-13", capabilities["max_num_switches"] == 1),
        ("CAP-14", vports >= capabilities["max_num_vfs"] + 1),
        ("CAP-15", capabilities["max_num_queue_pairs"] >= vports),
        ("CAP-16", capabilities["max_num_mac_addresses"] >= vports),
        ("CAP-17", is_power_of_two(capabilities["max_num_queue_pairs_per_non_default_vport"])),
        ("CAP-17", is_power_of_two(capabilities["max_num_queue_pairs_for_default_vport"])),
        ("CAP-25", all(is_power_of_two(limit) and limit <= 128 for limit in table_limits)),
    ]
    if "RSS_ON_PF_VPORTS_SUPPORTED" in flags:
        rules.append(("CAP-21", {"SINGLE_VPORT_POOL", "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED"} <= flags))
        rules.append(("CAP-22", len(hash_flags & flags) in (0, 3)))
        rules.append(("CAP-24", capabilities["max_num_rss_capable_non_default_pf_vports"] >= 1))
    return rules


def is_power_of_two(number: int) -> bool:
    """Whether `number` is 1, 2, 4, ..."""
    return number in [2**n for n in range(32)]


def rounded_up(number: int) -> int:
    """The smallest power of two that is at least `number`."""
    power = 1
    while power < number:
        power *= 2
    return power
