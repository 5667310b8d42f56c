"""What must hold between the tables of a scenario; every violation becomes a finding, none stops the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dataplane.ids import ProcessorNumber, format_mac
from dataplane.scenario.capabilities import HASH_TYPES_BY_FLAG, allowed_hash_types
from dataplane.scenario.findings import Findings, Path
from dataplane.scenario.model import Adapter, Event, Filter, Queue, Rss, Scenario, Traffic, VPort

#: [adapter] keys that nearly every check looks at; when one is wrong those checks would only repeat it.
_ESSENTIAL = {"ndis_version", "interface", "rss_processors", "rss_base_processor", "rss_max_processor"}
_GROUP_BIT = 1 << 40  # lowest bit of the first byte of a MAC address: multicast or broadcast


@dataclass(frozen=True, slots=True)
class Sheet:
    """A completed scenario and what had to be left out of it because it was wrong in itself."""

    scenario: Scenario
    rows: Mapping[str, Sequence[int]]  # per array of tables: the row in the file of each row that is left
    broken: frozenset[Path]  # what was left out

    def numbered(self, table: str, rows: Iterable[object]) -> Iterable[int]:
        """The row numbers in the file of the rows that are left."""
        return self.rows.get(table, range(len(list(rows))))

    def is_whole(self, table: str) -> bool:
        """Whether nothing of the table was left out."""
        return not any(path[0] == table and len(path) <= 2 for path in self.broken)


def check(sheet: Sheet, findings: Findings) -> None:
    """Add everything that is wrong between the tables to `findings`."""
    scenario = sheet.scenario
    if scenario.traffic:
        _check_traffic(scenario.traffic, findings)
    if any(path[0] == "adapter" and (len(path) < 2 or path[1] in _ESSENTIAL) for path in sheet.broken):
        return
    _check_adapter(scenario.adapter, findings)
    _check_interface(sheet, findings)
    match scenario.adapter.interface:
        case "switch":
            _check_vports(sheet, findings)
        case "vmq":
            _check_queues(sheet, findings)
        case "native-rss" if scenario.native_rss:
            _check_rss(("native_rss",), scenario.native_rss, scenario.adapter, None, findings)
    _check_filters(sheet, findings)
    _check_processors(sheet, findings)
    for row, event in zip(sheet.numbered("event", scenario.events), scenario.events, strict=True):
        _check_event(("event", row), event, sheet, findings)


# --- [adapter] -------------------------------------------------------------------------------------------------------


def _check_adapter(adapter: Adapter, findings: Findings) -> None:
    low, high = adapter.rss_base_processor, adapter.rss_max_processor
    processors = adapter.rss_processors
    if outside := [p for p in processors if not low <= p <= high]:
        findings.add(
            ("adapter", "rss_processors"), f"{_list(outside)}: candidates lie between {low} and {high}", "CAP-31"
        )
    if repeated := [p for p, count in Counter(processors).items() if count > 1]:
        findings.add(("adapter", "rss_processors"), f"{_list(repeated)} listed more than once", "CAP-32")
    if low not in processors:
        findings.add(("adapter", "rss_base_processor"), f"{low} is not one of rss_processors", "VPT-13")
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
    _check_power_of_two(adapter, ("number_of_indirection_table_entries",), "CAP-25", findings)
    if adapter.interface != "native-rss":
        _check_filter_capabilities(adapter, findings)
    if adapter.interface == "switch":
        _check_switch_capabilities(adapter, findings)


def _check_filter_capabilities(adapter: Adapter, findings: Findings) -> None:
    """CAP-01..CAP-07, as far as CAP-36 refuses an adapter for them."""

    def need(member: str, flags: set[str], rule: str) -> None:
        if missing := sorted(flags - set(getattr(adapter, member))):
            findings.add(("adapter", member), f"{_list(missing)} must be among them", rule)

    need("supported_queue_properties", {"MSI_X", "VM_QUEUE"}, "CAP-01")
    need("supported_filter_tests", {"EQUAL"}, "CAP-02")
    need("supported_headers", {"MAC"}, "CAP-02")
    need("supported_mac_header_fields", {"DEST_ADDR"}, "CAP-02")
    if adapter.ndis_version < (6, 30):
        need("supported_mac_header_fields", {"VLAN_ID"}, "CAP-03")
    if adapter.max_mac_header_filters < adapter.num_queues:
        findings.add(
            ("adapter", "max_mac_header_filters"), f"must be at least num_queues = {adapter.num_queues}", "CAP-06"
        )
    if adapter.interface == "switch":
        need("enabled_filter_types", {"VMQ_FILTERS_ENABLED"}, "CAP-05")
        can_be_either = "NIC_SWITCH_WITHOUT_IOV_SUPPORTED" in adapter.nic_switch_capabilities
        if adapter.num_queues and not can_be_either:
            findings.add(("adapter", "num_queues"), "must be 0 with the switch interface", "CAP-05")
        if adapter.enabled_queue_types and not can_be_either:
            findings.add(("adapter", "enabled_queue_types"), "must be empty with the switch interface", "CAP-05")
    if adapter.ndis_version >= (6, 30):
        need(
            "supported_queue_properties",
            {"DYNAMIC_PROCESSOR_AFFINITY_CHANGE", "INTERRUPT_VECTOR_COALESCING"},
            "CAP-07",
        )
        if "LOOKAHEAD_SPLIT" in adapter.supported_queue_properties:
            findings.add(("adapter", "supported_queue_properties"), "LOOKAHEAD_SPLIT is gone since NDIS 6.30", "CAP-07")
        for member in ("min_lookahead_split_size", "max_lookahead_split_size"):
            if getattr(adapter, member):
                findings.add(("adapter", member), "must be 0 since NDIS 6.30", "CAP-07")


def _check_switch_capabilities(adapter: Adapter, findings: Findings) -> None:
    """CAP-13..CAP-17, and CAP-21, CAP-22, CAP-24, CAP-25 for VMMQ."""

    def need(member: str, at_least: int, what: str, rule: str) -> None:
        if getattr(adapter, member) < at_least:
            findings.add(("adapter", member), f"must be at least {what} = {at_least}", rule)

    if adapter.max_num_switches != 1:
        findings.add(("adapter", "max_num_switches"), "must be 1", "CAP-13")
    need("max_num_vports", adapter.max_num_vfs + 1, "max_num_vfs + 1", "CAP-14")
    need("max_num_queue_pairs", adapter.max_num_vports, "max_num_vports", "CAP-15")
    need("max_num_mac_addresses", adapter.max_num_vports, "max_num_vports", "CAP-16")
    pair_limits = ("max_num_queue_pairs_per_non_default_vport", "max_num_queue_pairs_for_default_vport")
    _check_power_of_two(adapter, pair_limits, "CAP-17", findings)
    flags = set(adapter.nic_switch_capabilities)
    if "RSS_ON_PF_VPORTS_SUPPORTED" not in flags:
        return
    if adapter.ndis_version < (6, 60):
        findings.add(("adapter", "nic_switch_capabilities"), "RSS of VPorts exists from NDIS 6.60 on", "CAP-09")
    if missing := sorted({"SINGLE_VPORT_POOL", "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED"} - flags):
        findings.add(("adapter", "nic_switch_capabilities"), f"{_list(missing)} must be set for VMMQ", "CAP-21")
    hash_flags = {f"RSS_PER_PF_VPORT_HASH_{name}_SUPPORTED" for name in ("FUNCTION", "TYPE", "KEY")}
    if len(hash_flags & flags) not in {0, 3}:
        findings.add(("adapter", "nic_switch_capabilities"), "the three hash flags are all set or all clear", "CAP-22")
    need("max_num_rss_capable_non_default_pf_vports", 1, "the smallest number for VMMQ", "CAP-24")
    _check_power_of_two(
        adapter,
        (
            "number_of_indirection_table_entries_for_default_vport",
            "number_of_indirection_table_entries_per_non_default_pf_vport",
        ),
        "CAP-25",
        findings,
    )


def _check_power_of_two(adapter: Adapter, members: Iterable[str], rule: str, findings: Findings) -> None:
    for member in members:
        if not _is_power_of_two(getattr(adapter, member)):
            findings.add(("adapter", member), f"{getattr(adapter, member)} is not a power of two", rule)


def _check_interface(sheet: Sheet, findings: Findings) -> None:
    """Which tables go with which interface, and from which NDIS version on there is one."""
    scenario = sheet.scenario
    interface, version = scenario.adapter.interface, scenario.adapter.ndis_version
    since = {"switch": (6, 30), "vmq": (6, 20), "native-rss": (6, 0)}[interface]
    if version < since:
        findings.add(
            ("adapter", "interface"),
            f'"{interface}" exists from NDIS {since[0]}.{since[1]} on, not in {version}',
            "OID-13",
        )
    if scenario.vports and interface != "switch":
        findings.add(("vport",), f'VPorts need interface = "switch", not "{interface}"', "MOD-03")
    if scenario.queues and interface != "vmq":
        findings.add(("queue",), f'receive queues need interface = "vmq", not "{interface}"', "MOD-03")
    if scenario.native_rss and interface != "native-rss":
        findings.add(("native_rss",), f'RSS of the adapter needs interface = "native-rss", not "{interface}"', "MOD-04")


# --- VPorts and queues -----------------------------------------------------------------------------------------------


def _check_vports(sheet: Sheet, findings: Findings) -> None:
    scenario = sheet.scenario
    adapter, vports = scenario.adapter, scenario.vports
    if sheet.is_whole("vport"):
        _check_ids("vport", [vport.id for vport in vports], "VPT-07", findings)
    nondefault = [vport for vport in vports if vport.id]
    pool = "SINGLE_VPORT_POOL" in adapter.nic_switch_capabilities
    most = adapter.max_num_vports - 1 - (0 if pool else adapter.max_num_vfs)
    if len(nondefault) > most:
        findings.add(("vport",), f"{len(nondefault)} VPorts besides the default one, the adapter has {most}", "CAP-18")
    for row, vport in zip(sheet.numbered("vport", vports), vports, strict=True):
        _check_vport(("vport", row), vport, adapter, findings)
    pairs = {vport.num_queue_pairs for vport in nondefault}
    if (
        len(pairs) > 1
        and "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED" not in adapter.nic_switch_capabilities
    ):
        findings.add(
            ("vport",), f"this adapter needs one num_queue_pairs for all VPorts, not {_list(sorted(pairs))}", "CAP-19"
        )
    total = sum(vport.num_queue_pairs for vport in vports) + (0 if any(vport.id == 0 for vport in vports) else 1)
    if total > adapter.max_num_queue_pairs:
        findings.add(("vport",), f"{total} queue pairs in all, the adapter has {adapter.max_num_queue_pairs}", "CAP-20")
    with_rss = [vport for vport in nondefault if vport.rss]
    if adapter.has_vmmq and len(with_rss) > adapter.max_num_rss_capable_non_default_pf_vports:
        findings.add(
            ("vport",),
            f"{len(with_rss)} VPorts with RSS besides the default one, the adapter has "
            f"{adapter.max_num_rss_capable_non_default_pf_vports}",
            "RSS-21",
        )
    _check_shared_hash(sheet, findings)


def _check_vport(path: Path, vport: VPort, adapter: Adapter, findings: Findings) -> None:
    _check_affinity(path, vport.processor_affinity, "VPT-11", findings)
    outside = sorted(set(vport.processor_affinity) - set(adapter.rss_processors))
    if adapter.has_vmmq and outside:
        findings.add((*path, "processor_affinity"), f"{_list(outside)} are not RSS processors", "VPT-11")
    member = f"max_num_queue_pairs_{'for_default' if vport.id == 0 else 'per_non_default'}_vport"
    limit = getattr(adapter, member)
    if vport.num_queue_pairs > limit:
        rule = "CAP-26" if vport.id == 0 else "VPT-10"
        findings.add((*path, "num_queue_pairs"), f"{vport.num_queue_pairs} is above {member} = {limit}", rule)
    if vport.num_queue_pairs > 1 and not adapter.has_vmmq:
        findings.add((*path, "num_queue_pairs"), "must be 1: this adapter has no RSS on VPorts", "VPT-15")
    if vport.rss is None:
        return
    if not adapter.has_vmmq:
        findings.add((*path, "rss"), "needs NDIS 6.60 and RSS_ON_PF_VPORTS_SUPPORTED", "RSS-21")
        return
    _check_rss((*path, "rss"), vport.rss, adapter, vport, findings)


def _check_queues(sheet: Sheet, findings: Findings) -> None:
    adapter, queues = sheet.scenario.adapter, sheet.scenario.queues
    if sheet.is_whole("queue"):
        _check_ids("queue", [queue.id for queue in queues], "QUE-02", findings)
    allocated = [queue for queue in queues if queue.id]
    if len(allocated) > adapter.num_queues:
        findings.add(("queue",), f"{len(allocated)} queues, the adapter has {adapter.num_queues}", "QUE-12")
    for row, queue in zip(sheet.numbered("queue", queues), queues, strict=True):
        path: Path = ("queue", row)
        if queue.id == 0 and queue.processor_affinity != (adapter.rss_base_processor,):
            findings.add(
                (*path, "processor_affinity"), "the default queue is served by the RSS base processor", "RX-14"
            )
        elif not queue.processor_affinity:
            findings.add((*path, "processor_affinity"), "is missing: name at least one processor", "QUE-10")
        _check_affinity(path, queue.processor_affinity, "QUE-10", findings)


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
    groups = sorted({p.group for p in affinity})
    if len(groups) > 1:
        findings.add((*path, "processor_affinity"), f"is in groups {_list(groups)}; an affinity has one group", rule)


def _check_rss(path: Path, rss: Rss, adapter: Adapter, vport: VPort | None, findings: Findings) -> None:
    """Parameters of one scaling entity: a VPort, or the adapter when `vport` is None."""
    table, entries = rss.indirection_table, rss.num_indirection_table_entries
    if len(table) > entries:
        findings.add((*path, "indirection_table"), f"has {len(table)} processors for {entries} entries", "RSS-15")
    elif not _is_power_of_two(entries):
        key = "num_indirection_table_entries"
        findings.add((*path, key), f"{entries} entries are not a power of two; write {key} = 128", "RSS-15")
    limit = _table_limit(adapter, vport)
    if entries > limit:
        findings.add((*path, "num_indirection_table_entries"), f"{entries} entries, the adapter has {limit}", "CAP-25")
    _check_rss_processors(
        path, {"indirection_table": set(table), "default_processor": {rss.default_processor}}, adapter, findings
    )
    _check_hash_types((*path, "hash_types"), rss.hash_types, adapter, findings)
    if adapter.ndis_version < (6, 60) and rss.default_processor != adapter.rss_base_processor:
        findings.add((*path, "default_processor"), "can be chosen from NDIS 6.60 on", "RSS-10")
    if adapter.ndis_version < (6, 20) and any(p.group for p in table):
        findings.add((*path, "indirection_table"), "processor groups exist from NDIS 6.20 on", "RSS-15")
    if vport is None:
        return  # native RSS uses a subset of the processors when queues are short (RSS-26)
    used = {*table, rss.default_processor}
    if len(used) > vport.num_queue_pairs:
        findings.add(
            (*path, "indirection_table"),
            f"{len(used)} processors in the table and default_processor, but num_queue_pairs = {vport.num_queue_pairs}",
            "UPD-19" if adapter.has_rss_v2 else "RSS-18",
        )
    restricted = 1 << (vport.num_queue_pairs - 1).bit_length()
    if adapter.has_restricted_tables and entries != restricted:
        findings.add(
            (*path, "num_indirection_table_entries"),
            f"must be {restricted} for num_queue_pairs = {vport.num_queue_pairs} on this adapter, not {entries}",
            "UPD-30" if adapter.has_rss_v2 else "RSS-20",
        )


def _table_limit(adapter: Adapter, vport: VPort | None) -> int:
    if vport is None:
        return adapter.number_of_indirection_table_entries
    if vport.id == 0:
        return adapter.number_of_indirection_table_entries_for_default_vport
    return adapter.number_of_indirection_table_entries_per_non_default_pf_vport


def _check_rss_processors(
    path: Path, named: Mapping[str, set[ProcessorNumber | None]], adapter: Adapter, findings: Findings
) -> None:
    known = {None, *adapter.rss_processors}
    for key, processors in named.items():
        if outside := sorted(p for p in processors - known if p):
            findings.add((*path, key), f"{_list(outside)} not in rss_processors", "RSS-17")


def _check_hash_types(path: Path, hash_types: Sequence[str], adapter: Adapter, findings: Findings) -> None:
    allowed = allowed_hash_types(adapter.capabilities_flags)
    if not hash_types:
        findings.add(path, "name at least one hash type", "HSH-31")
    for name in hash_types:
        if name in allowed:
            continue
        flag = next(flag for flag, names in HASH_TYPES_BY_FLAG.items() if name in names)
        late = adapter.ndis_version < (6, 80) and "UDP" in flag
        findings.add(
            path, f"{name} exists from NDIS 6.80 on" if late else f"{name} needs the capability {flag}", "HSH-31"
        )


def _check_shared_hash(sheet: Sheet, findings: Findings) -> None:
    """Without the per-VPort hash flags all VPorts with RSS have one set of hash types and one key."""
    adapter, vports = sheet.scenario.adapter, sheet.scenario.vports
    if not adapter.has_vmmq or "RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED" in adapter.nic_switch_capabilities:
        return
    first: VPort | None = None
    for row, vport in zip(sheet.numbered("vport", vports), vports, strict=True):
        if vport.rss is None:
            continue
        if first is None or first.rss is None:
            first = vport
            continue
        for key in ("hash_types", "hash_secret_key"):
            if getattr(vport.rss, key) != getattr(first.rss, key):
                findings.add(("vport", row, "rss", key), f"must be that of VPort {first.id} on this adapter", "RSS-19")


# --- filters ---------------------------------------------------------------------------------------------------------


def _check_filters(sheet: Sheet, findings: Findings) -> None:
    scenario = sheet.scenario
    adapter = scenario.adapter
    targets: list[tuple[str, int, VPort | Queue]] = [
        *(
            ("vport", row, vport)
            for row, vport in zip(sheet.numbered("vport", scenario.vports), scenario.vports, strict=True)
        ),
        *(
            ("queue", row, queue)
            for row, queue in zip(sheet.numbered("queue", scenario.queues), scenario.queues, strict=True)
        ),
    ]
    count = 0
    unicast: set[int] = set()
    for table, row, target in targets:
        for i, item in enumerate(target.filters):
            _check_filter((table, row, "filter", i), item, adapter, findings)
            count += 1
            if item.mac is not None and not item.mac & _GROUP_BIT:
                unicast.add(item.mac)
    if count > adapter.max_mac_header_filters:
        findings.add(
            ("adapter", "max_mac_header_filters"),
            f"{adapter.max_mac_header_filters}, but {count} filters are listed",
            "FLT-39",
        )
    if adapter.interface == "switch" and len(unicast) > adapter.max_num_mac_addresses:
        findings.add(
            ("adapter", "max_num_mac_addresses"),
            f"{adapter.max_num_mac_addresses}, but filters name {len(unicast)} unicast addresses",
            "FLT-39",
        )


def _check_filter(path: Path, item: Filter, adapter: Adapter, findings: Findings) -> None:
    if item.vlan is not None and not adapter.has_vlan_filtering:
        findings.add((*path, "vlan"), "this adapter cannot filter by VLAN", "FLT-26")
    if item.vlan is None and not item.untagged_or_zero and adapter.ndis_version < (6, 30):
        findings.add((*path, "untagged_or_zero"), "must be true without vlan in NDIS 6.20", "FLT-19")


# --- processors, traffic and events ----------------------------------------------------------------------------------


def _check_processors(sheet: Sheet, findings: Findings) -> None:
    overrides = sheet.scenario.processor_overrides
    seen: set[ProcessorNumber] = set()
    used = sheet.scenario.used_processors
    for row, override in zip(sheet.numbered("processor", overrides), overrides, strict=True):
        path: Path = ("processor", row, "processor")
        if override.processor in seen:
            findings.add(path, f"{override.processor} has a table already", "CAP-32")
        elif override.processor not in used and sheet.is_whole("vport") and sheet.is_whole("queue"):
            findings.add(path, f"{override.processor} never gets work: it is not one of rss_processors", "CAP-32")
        seen.add(override.processor)


def _check_traffic(traffic: Traffic, findings: Findings) -> None:
    source = f'profile = "{traffic.profile}"' if traffic.profile else "a capture"
    for key in traffic.keys_without_effect:
        findings.add(("traffic", key), f"has no effect with {source} as it is written here")
    if traffic.profile == "single-flow" and traffic.flows not in {None, 1}:
        findings.add(("traffic", "flows"), 'must be 1 with profile = "single-flow"')


def _check_event(path: Path, event: Event, sheet: Sheet, findings: Findings) -> None:
    adapter = sheet.scenario.adapter
    if move := event.move_entries:
        path = (*path, "move_entries")
        _check_event_target(path, move.vport, sheet, findings)
        if not adapter.has_rss_v2:
            findings.add(path, "needs RSSv2: NDIS 6.80 and SUPPORTS_INDEPENDENT_ENTRY_MOVE", "CAP-30")
        if move.target not in adapter.rss_processors:
            findings.add((*path, "target"), f"{move.target} not in rss_processors", "UPD-40")
    elif change := event.rss:
        path = (*path, "rss")
        _check_event_target(path, change.vport, sheet, findings)
        named: dict[str, set[ProcessorNumber | None]] = {
            "indirection_table": set(change.indirection_table or ()),
            "default_processor": {change.default_processor},
        }
        _check_rss_processors(path, named, adapter, findings)
        if change.hash_types is not None:
            _check_hash_types((*path, "hash_types"), change.hash_types, adapter, findings)
        entries = change.num_indirection_table_entries or len(change.indirection_table or (None,))
        if not _is_power_of_two(entries):
            findings.add((*path, "indirection_table"), f"{entries} entries are not a power of two", "RSS-15")
        if len(change.indirection_table or ()) > entries:
            findings.add((*path, "indirection_table"), f"has more than {entries} entries", "RSS-15")


def _check_event_target(path: Path, vport_id: int, sheet: Sheet, findings: Findings) -> None:
    scenario = sheet.scenario
    adapter = scenario.adapter
    match adapter.interface:
        case "vmq":
            findings.add(path, "RSS and VMQ are not used at the same time", "MOD-04")
        case "native-rss":
            if vport_id:
                findings.add((*path, "vport"), "must be 0, the adapter, with native RSS", "UPD-49")
        case "switch":
            created = any(event.oid and event.oid.name == "OID_NIC_SWITCH_CREATE_VPORT" for event in scenario.events)
            known = {0, *(vport.id for vport in scenario.vports)}
            if vport_id not in known and not created and sheet.is_whole("vport"):
                findings.add((*path, "vport"), f"there is no VPort {vport_id}", "RSS-21")
            if not adapter.has_vmmq:
                findings.add(path, "needs NDIS 6.60 and RSS_ON_PF_VPORTS_SUPPORTED", "RSS-21")


def _is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _list(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items)
