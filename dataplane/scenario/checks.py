"""Checks between the tables of a scenario, and findings from the answers of the adapter.

Every rule about what an adapter accepts is checked in one place, the control plane; here its refusals become findings.
This module itself checks only what no request can express: processors that do not exist, tables of another interface,
ids, events, traffic. Every violation becomes a finding, and none hides the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from dataplane.control import AdapterRefused
from dataplane.control.capabilities import power_of_two
from dataplane.control.processors import rss_candidates
from dataplane.errors import UserError
from dataplane.ids import ProcessorNumber, format_mac
from dataplane.ndis.values import MalformedValue
from dataplane.scenario.capabilities import allowed_hash_types, capability_of
from dataplane.scenario.findings import Findings, Path
from dataplane.scenario.model import Adapter, Event, Policy, Rss, RssChange, Scenario, Traffic
from dataplane.scenario.set_up import RefusedRequest, set_up
from dataplane.traffic.errors import TrafficError
from dataplane.traffic.profiles import Profile

#: [adapter] keys that nearly every check looks at; when one is wrong those checks would only repeat it.
_ESSENTIAL = {"ndis_version", "interface", "rss_processors", "rss_base_processor", "rss_max_processor"}
_GROUP_BIT = 1 << 40  # lowest bit of the first byte of a MAC address: multicast or broadcast


@dataclass(frozen=True)
class Sheet:
    """A completed scenario, and the parts that had to be left out because they were wrong."""

    scenario: Scenario
    rows: Mapping[str, Sequence[int]]  # per array of tables: the row in the file of each row that is left
    broken: frozenset[Path]  # what was left out

    def numbered(self, table: str, rows: Iterable[object]) -> Iterable[int]:
        """The row numbers in the file of the rows that are left."""
        return self.rows.get(table, range(len(list(rows))))

    def is_whole(self, table: str) -> bool:
        """Whether nothing of the table was left out."""
        return not any(path[0] == table and len(path) <= 2 for path in self.broken)

    @cached_property
    def vport_ids(self) -> Set[int]:
        """The VPorts that there are from the beginning."""
        return {0, *(vport.id for vport in self.scenario.vports)}

    @cached_property
    def creates_vports(self) -> bool:
        """Whether an event creates one."""
        return any(event.oid and event.oid.name == "OID_NIC_SWITCH_CREATE_VPORT" for event in self.scenario.events)


def check(sheet: Sheet, findings: Findings, *, runs: bool) -> None:
    """Add all problems between the tables to `findings`; for a run, also those of what only runs need."""
    scenario = sheet.scenario
    if scenario.traffic:
        _check_traffic(scenario.traffic, findings, runs=runs)
    elif runs and sheet.is_whole("traffic"):
        findings.add((), "there is no [traffic]: give it a capture or a profile (vmmq run also takes --capture FILE)")
    _check_policy(scenario.policy, findings, runs=runs)
    if ("adapter", "ndis_version") not in sheet.broken:
        for row, event in zip(sheet.numbered("event", scenario.events), scenario.events, strict=True):
            _check_oid(("event", row, "oid"), event, scenario.adapter, findings)
    if any(path[0] == "adapter" and (len(path) < 2 or path[1] in _ESSENTIAL) for path in sheet.broken):
        return
    processors_are_right = _check_rss_processor_set(scenario.adapter, findings)
    _check_adapter(scenario.adapter, findings)
    _check_interface(sheet, findings)
    _check_tables(sheet, findings)
    if processors_are_right:
        _request_everything(sheet, findings)
    for row, event in zip(sheet.numbered("event", scenario.events), scenario.events, strict=True):
        _check_event(("event", row), event, sheet, findings)
    _check_processors(sheet, findings)


# --- [adapter] -------------------------------------------------------------------------------------------------------


def _check_rss_processor_set(adapter: Adapter, findings: Findings) -> bool:
    """Whether the RSS processors are possible; without them nearly everything would be wrong."""
    low, high, processors = adapter.rss_base_processor, adapter.rss_max_processor, adapter.rss_processors
    candidates = rss_candidates(low, high, processors)
    wrong = {
        "CAP-31": [f"{p}: candidates lie between {low} and {high}" for p in processors if p not in candidates],
        "CAP-32": [f"{p} is listed more than once" for p, count in Counter(processors).items() if count > 1],
    }
    for rule, messages in wrong.items():
        for message in messages:
            findings.add(("adapter", "rss_processors"), message, rule)
    if low not in processors:
        findings.add(("adapter", "rss_base_processor"), f"{low} is not one of rss_processors", "VPT-13")
    return low in processors and not any(wrong.values())


def _check_adapter(adapter: Adapter, findings: Findings) -> None:
    if adapter.permanent_address & _GROUP_BIT:
        findings.add(("adapter", "permanent_address"), "is a group address; an adapter has a unicast address", "MOD-12")
    for i, address in enumerate(adapter.multicast_list):
        if not address & _GROUP_BIT:
            findings.add(("adapter", "multicast_list", i), f"{format_mac(address)} is no multicast address", "MOD-12")
    if adapter.ndis_version < (6, 80):
        late = [flag for flag in adapter.capabilities_flags if flag.startswith("HASH_TYPE_UDP")]
        if late:
            findings.add(("adapter", "capabilities_flags"), f"{_list(late)} exist from NDIS 6.80 on", "CAP-29")
        if "SUPPORTS_INDEPENDENT_ENTRY_MOVE" in adapter.capabilities_flags:
            findings.add(("adapter", "capabilities_flags"), "RSSv2 exists from NDIS 6.80 on", "CAP-30")


def _check_interface(sheet: Sheet, findings: Findings) -> None:
    """Which tables go with which interface."""
    scenario = sheet.scenario
    interface = scenario.adapter.interface
    if scenario.vports and interface != "switch":
        findings.add(("vport",), f'VPorts need interface = "switch", not "{interface}"', "MOD-03")
    if scenario.queues and interface != "vmq":
        findings.add(("queue",), f'receive queues need interface = "vmq", not "{interface}"', "MOD-03")
    if scenario.native_rss and interface != "native-rss":
        findings.add(("native_rss",), f'RSS of the adapter needs interface = "native-rss", not "{interface}"', "MOD-04")


# --- what no request can say -----------------------------------------------------------------------------------------


def _check_tables(sheet: Sheet, findings: Findings) -> None:
    scenario = sheet.scenario
    adapter = scenario.adapter
    for table, rows, rule in (("vport", scenario.vports, "VPT-07"), ("queue", scenario.queues, "QUE-02")):
        if sheet.is_whole(table):
            _check_ids(table, [row.id for row in rows], rule, findings)
    for row, vport in zip(sheet.numbered("vport", scenario.vports), scenario.vports, strict=True):
        _check_affinity(("vport", row), vport.processor_affinity, "VPT-11", findings)
        if vport.rss:
            _check_rss(("vport", row, "rss"), vport.rss, adapter, findings)
    for row, queue in zip(sheet.numbered("queue", scenario.queues), scenario.queues, strict=True):
        _check_affinity(("queue", row), queue.processor_affinity, "QUE-10", findings)
        if queue.id == 0 and queue.processor_affinity != (adapter.rss_base_processor,):
            path: Path = ("queue", row, "processor_affinity")
            findings.add(path, "the default queue is served by the RSS base processor", "RX-14")
    if scenario.native_rss:
        _check_rss(("native_rss",), scenario.native_rss, adapter, findings)


def _check_ids(table: str, ids: list[int], rule: str, findings: Findings) -> None:
    """Ids are given in creation order, lowest free one first: 1, 2, 3, ... with 0 anywhere, once."""
    expected = 1
    for row, given in enumerate(ids):
        if given == 0:
            if 0 in ids[:row]:
                findings.add((table, row, "id"), "0 is listed a second time", rule)
            continue
        if given != expected:
            findings.add((table, row, "id"), f"is {given}, but in file order this one gets {expected}", rule)
        expected += 1


def _check_affinity(path: Path, affinity: Sequence[ProcessorNumber], rule: str, findings: Findings) -> None:
    """GROUP_AFFINITY has one group."""
    groups = sorted({p.group for p in affinity})
    if len(groups) > 1:
        findings.add((*path, "processor_affinity"), f"is in groups {_list(groups)}; an affinity has one group", rule)


def _check_rss(path: Path, rss: Rss, adapter: Adapter, findings: Findings) -> None:
    """Keys without a member in the structure's revision, and a table that is longer than its number of entries."""
    table, entries = rss.indirection_table, rss.num_indirection_table_entries
    if len(table) > entries:
        findings.add((*path, "indirection_table"), f"has {len(table)} processors for {entries} entries", "RSS-15")
    if adapter.ndis_version < (6, 60) and rss.default_processor != adapter.rss_base_processor:
        findings.add((*path, "default_processor"), "can be chosen from NDIS 6.60 on", "RSS-10")
    if adapter.ndis_version < (6, 20) and any(p.group for p in table):
        findings.add((*path, "indirection_table"), "processor groups exist from NDIS 6.20 on", "RSS-15")


# --- what the adapter answers ----------------------------------------------------------------------------------------

#: For each rule that an adapter may be refused for (CAP-36): the keys it is about, and what it wants.
_CAPABILITY_RULES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "CAP-01": (("supported_queue_properties",), "MSI_X and VM_QUEUE must be among them"),
    "CAP-02": (
        ("supported_filter_tests", "supported_headers", "supported_mac_header_fields"),
        "tests must include EQUAL, headers MAC, and MAC header fields DEST_ADDR",
    ),
    "CAP-03": (("supported_mac_header_fields",), "VLAN_ID must be among them before NDIS 6.30"),
    "CAP-04": (("num_queues", "max_num_mac_addresses"), "num_queues must not exceed max_num_mac_addresses"),
    "CAP-05": (
        ("num_queues", "enabled_queue_types", "enabled_filter_types"),
        "an adapter that is always a switch has num_queues = 0, no VM_QUEUES_ENABLED, and VMQ_FILTERS_ENABLED",
    ),
    "CAP-06": (("max_mac_header_filters", "num_queues"), "max_mac_header_filters must be at least num_queues"),
    "CAP-07": (
        ("supported_queue_properties", "min_lookahead_split_size", "max_lookahead_split_size"),
        "from NDIS 6.30 on DYNAMIC_PROCESSOR_AFFINITY_CHANGE and INTERRUPT_VECTOR_COALESCING must be set, and "
        "LOOKAHEAD_SPLIT and the look-ahead sizes are gone",
    ),
    "CAP-13": (("max_num_switches",), "must be 1"),
    "CAP-14": (("max_num_vports", "max_num_vfs"), "max_num_vports must be at least max_num_vfs + 1"),
    "CAP-15": (("max_num_queue_pairs", "max_num_vports"), "max_num_queue_pairs must be at least max_num_vports"),
    "CAP-16": (("max_num_mac_addresses", "max_num_vports"), "max_num_mac_addresses must be at least max_num_vports"),
    "CAP-17": (
        ("max_num_queue_pairs_per_non_default_vport", "max_num_queue_pairs_for_default_vport"),
        "queue pairs of a VPort are limited to a power of two",
    ),
    "CAP-21": (
        ("nic_switch_capabilities",),
        "RSS_ON_PF_VPORTS_SUPPORTED needs NDIS 6.60, SINGLE_VPORT_POOL and "
        "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED",
    ),
    "CAP-22": (("nic_switch_capabilities",), "the three hash flags are all set or all clear"),
    "CAP-24": (("max_num_rss_capable_non_default_pf_vports",), "must be at least 1 for VMMQ"),
    "CAP-25": (
        (
            "number_of_indirection_table_entries_for_default_vport",
            "number_of_indirection_table_entries_per_non_default_pf_vport",
        ),
        "tables of VPorts are limited to a power of two up to 128 entries",
    ),
}

#: The keys of its own table that a rule is about; those of RSS processors are told apart in `_key`.
_KEYS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("VPT-10", "VPT-15", "VPT-20", "UPD-06", "CAP-19", "CAP-20"), ("num_queue_pairs",)),
    **dict.fromkeys(("VPT-11", "VPT-21", "QUE-10"), ("processor_affinity",)),
    **dict.fromkeys(("RSS-15", "RSS-20", "UPD-25", "UPD-30"), ("num_indirection_table_entries", "indirection_table")),
    **dict.fromkeys(("RSS-18", "UPD-19"), ("indirection_table",)),
    "RSS-19": ("hash_secret_key", "hash_types"),
    "HSH-31": ("hash_types",),
    **dict.fromkeys(("FLT-14", "FLT-26"), ("vlan",)),
    **dict.fromkeys(("FLT-19", "FLT-24"), ("untagged_or_zero",)),
}


def _request_everything(sheet: Sheet, findings: Findings) -> None:
    """Set up the adapter; its refusals are problems of the scenario."""
    try:
        refused = set_up(sheet.scenario, sheet.rows).refused
    except AdapterRefused as refusal:
        for rule in refusal.rules:
            keys, text = _CAPABILITY_RULES[rule]
            findings.add(_at(("adapter",), keys, findings), f"{text}, or CAP-36 refuses the adapter", rule)
        return
    for one in refused:
        findings.add(_at(one.path, _key(one, sheet.scenario.adapter), findings), one.text, one.rule)


def _key(refused: RefusedRequest, adapter: Adapter) -> tuple[str, ...]:
    """The keys that a refusal can be about, the likeliest first."""
    if isinstance(refused.table, Rss) and refused.rule in ("RSS-17", "UPD-18"):
        in_table = not set(refused.table.indirection_table) <= set(adapter.rss_processors)
        return ("indirection_table",) if in_table else ("default_processor",)
    return _KEYS.get(refused.rule, ())


def _at(path: Path, keys: Sequence[str], findings: Findings) -> Path:
    """The path of the first of the keys that the file has, else of the first one."""
    given = [key for key in keys if findings.is_given((*path, key))]
    return (*path, *(given or keys)[:1])


# --- processors, traffic and events ----------------------------------------------------------------------------------


def _check_processors(sheet: Sheet, findings: Findings) -> None:
    scenario, overrides = sheet.scenario, sheet.scenario.processor_overrides
    seen: set[ProcessorNumber] = set()
    used, all_known = {*scenario.used_processors}, sheet.is_whole("vport") and sheet.is_whole("queue")
    strangers = {one.processor for one in overrides} - used
    if strangers and scenario.events and scenario.adapter.interface != "switch":  # queues may go anywhere (QUE-10)
        all_known = not findings.found  # nobody knows where an event leads when something is wrong
        if all_known:
            used |= _processors_of_events(scenario)
    for row, override in zip(sheet.numbered("processor", overrides), overrides, strict=True):
        path: Path = ("processor", row, "processor")
        if override.processor in seen:
            findings.add(path, f"{override.processor} has a table already", "CAP-32")
        elif override.processor not in used and all_known:
            findings.add(path, f"{override.processor} never gets work: it is not one of rss_processors", "CAP-32")
        seen.add(override.processor)


def _processors_of_events(scenario: Scenario) -> set[ProcessorNumber]:
    from dataplane.scenario.events import named_processors, scheduled_requests  # noqa: PLC0415 - as in `_check_oid`

    return named_processors(set_up(scenario).control, scheduled_requests(scenario))


def _check_traffic(traffic: Traffic, findings: Findings, *, runs: bool) -> None:
    source = f'profile = "{traffic.profile}"' if traffic.profile else "a capture"
    for key in traffic.keys_without_effect:
        findings.add(("traffic", key), f"has no effect with {source} as it is written here")
    if traffic.profile == "single-flow" and traffic.flows not in {None, 1}:
        findings.add(("traffic", "flows"), 'must be 1 with profile = "single-flow"')
    try:
        profile = Profile.named(traffic.profile or "uniform", **traffic.profile_keys)
        if runs:
            from dataplane.traffic.arrivals import Arrivals  # noqa: PLC0415 - what does not run needs no kernels

            Arrivals(profile.rate_pps, profile.arrivals, profile.seed, profile.burst_frames, profile.on_share)
    except TrafficError as error:
        findings.add(("traffic",), str(error))


def _check_policy(policy: Policy, findings: Findings, *, runs: bool) -> None:
    """One of the model's own, and its parameters; that of a user is somebody's program, and looked at when it runs."""
    if ":" in policy.name and not runs:
        return
    if policy.name == "none" and not policy.parameters:
        return
    from dataplane.update.policies import find_policy, make_policy  # noqa: PLC0415 - most scenarios do without

    key = "name"
    try:
        find_policy(policy.name)
        key = "parameters"
        make_policy(policy.name, policy.parameters)
    except UserError as error:
        for line in str(error).splitlines():
            findings.add(("policy", key), line, "POL-01")


def _check_oid(path: Path, event: Event, adapter: Adapter, findings: Findings) -> None:
    if event.oid is None:
        return
    from dataplane.scenario.events import oid_request  # noqa: PLC0415 - most scenarios do without

    try:
        oid_request(event.oid, adapter.ndis_version)
    except MalformedValue as error:
        findings.add(path, str(error))


def _check_event(path: Path, event: Event, sheet: Sheet, findings: Findings) -> None:
    adapter = sheet.scenario.adapter
    may_fail = event.expect is not None  # then the adapter is to say what is wrong
    if move := event.move_entries:
        path = (*path, "move_entries")
        _check_event_target(path, move.vport, sheet, findings, may_fail=may_fail)
        if not adapter.has_rss_v2:
            findings.add(path, "needs RSSv2: NDIS 6.80 and SUPPORTS_INDEPENDENT_ENTRY_MOVE", "CAP-30")
        # an inactive parameter may point anywhere (UPD-17)
        if move.target not in adapter.rss_processors and move.indices != "primary" and not may_fail:
            findings.add((*path, "target"), f"{move.target} not in rss_processors", "UPD-40")
    elif change := event.rss:
        path = (*path, "rss")
        _check_event_target(path, change.vport, sheet, findings, may_fail=may_fail)
        named = {"indirection_table": change.indirection_table, "default_processor": (change.default_processor,)}
        for key, processors in named.items():
            outside = sorted({p for p in processors or () if p} - set(adapter.rss_processors))
            if outside and not may_fail:
                findings.add((*path, key), f"{_list(outside)} not in rss_processors", "RSS-17")
        if change.hash_types is not None:
            _check_hash_types((*path, "hash_types"), change.hash_types, adapter, findings)
        if change.default_processor is not None and adapter.ndis_version < (6, 60):
            findings.add((*path, "default_processor"), "can be chosen from NDIS 6.60 on", "RSS-10")
        if change.num_queue_pairs is not None and adapter.interface == "native-rss" and not adapter.has_rss_v2:
            findings.add((*path, "num_queue_pairs"), "the queues of the adapter can change with RSSv2 only", "UPD-25")
        ignored, rule = keys_without_effect(change, adapter)
        for key in ignored:
            findings.add((*path, key), "has no effect with enabled = false", rule)
        entries = change.num_indirection_table_entries or len(change.indirection_table or (None,))
        if not power_of_two(entries):
            findings.add((*path, "indirection_table"), f"{entries} entries are not a power of two", "RSS-15")
        if len(change.indirection_table or ()) > entries:
            findings.add((*path, "indirection_table"), f"has more than {entries} entries", "RSS-15")


def keys_without_effect(change: RssChange, adapter: Adapter) -> tuple[list[str], str]:
    """Keys that are ignored because RSS is disabled, and the rule: RSSv1 forgets everything, RSSv2 tracks the table."""
    keys: tuple[str, ...] = ("hash_types", "hash_secret_key")
    rule = "UPD-22"
    if not adapter.has_rss_v2:
        keys, rule = (*keys, "indirection_table", "num_indirection_table_entries", "default_processor"), "RSS-07"
    return [key for key in keys if not change.enabled and getattr(change, key) is not None], rule


def _check_hash_types(path: Path, hash_types: Sequence[str], adapter: Adapter, findings: Findings) -> None:
    allowed = allowed_hash_types(adapter.capabilities_flags)
    if not hash_types:
        findings.add(path, "name at least one hash type", "HSH-31")
    for name in hash_types:
        if name not in allowed:
            findings.add(path, f"{name} needs the capability {capability_of(name)}", "HSH-31")


def _check_event_target(path: Path, vport_id: int, sheet: Sheet, findings: Findings, *, may_fail: bool) -> None:
    adapter = sheet.scenario.adapter
    match adapter.interface:
        case "vmq":
            findings.add(path, "RSS and VMQ are not used at the same time", "MOD-04")
        case "native-rss":
            if vport_id:
                findings.add((*path, "vport"), "must be 0, the adapter, with native RSS", "UPD-49")
        case "switch":
            unknown = vport_id not in sheet.vport_ids and not sheet.creates_vports
            if unknown and not may_fail and sheet.is_whole("vport"):
                findings.add((*path, "vport"), f"there is no VPort {vport_id}", "RSS-21")
            if not adapter.has_vmmq:
                findings.add(path, "needs NDIS 6.60 and RSS_ON_PF_VPORTS_SUPPORTED", "RSS-21")


def _list(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)
