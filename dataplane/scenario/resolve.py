"""What a loaded scenario becomes: explicit TOML, and the configuration of the adapter it describes."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dataplane.ids import NdisVersion, ProcessorNumber, format_mac
from dataplane.scenario.model import Filter as FilterTable
from dataplane.scenario.model import Queue, Rss, Scenario, Table
from dataplane.scenario.model import VPort as VPortTable
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

#: The client that creates what a scenario lists; events issue their requests as the same client by default.
SCENARIO_CLIENT = "A"

_ADDRESS_KEYS = {"mac", "permanent_address", "multicast_list"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def adapter_configuration(scenario: Scenario) -> AdapterConfiguration:
    """What steering reads once everything the scenario lists has been set up, before its first event."""
    adapter = scenario.adapter
    mode = Mode.NEUTRAL
    if adapter.interface == "switch":
        mode = Mode.SWITCH
    elif any(queue.id for queue in scenario.queues):
        mode = Mode.VMQ
    native = _rss_state(scenario.native_rss)
    return AdapterConfiguration(
        mode=mode,
        ndis_version=adapter.ndis_version,
        rss_processors=adapter.rss_processors,
        rss_base_processor=adapter.rss_base_processor,
        permanent_address=adapter.permanent_address,
        packet_filter=_packet_filter(adapter.packet_filter),
        multicast_list=adapter.multicast_list,
        vlan_filtering=adapter.has_vlan_filtering,
        filters=tuple(_filters(scenario)),
        vports=tuple(_vports(scenario)) if mode is Mode.SWITCH else (),
        queues=tuple(
            ReceiveQueue(queue.id, bool(queue.filters), queue.processor, queue.name)  # QUE-05
            for queue in sorted(scenario.queues, key=lambda queue: queue.id)
            if queue.id
        ),
        native_rss=native,
        native_table_in_use=table_in_use(native.indirection_table, adapter.number_of_receive_queues),
        inner_headers=adapter.inner_headers,
    )


def table_in_use(table: tuple[ProcessorNumber, ...], queues: int) -> tuple[ProcessorNumber, ...]:
    """A native table reduced to as many processors as there are hardware queues (RSS-26)."""
    order = {processor: i for i, processor in enumerate(dict.fromkeys(table))}
    kept = list(order)[:queues]
    return tuple(kept[order[processor] % queues] for processor in table)


def _packet_filter(names: tuple[str, ...]) -> PacketFilter:
    value = PacketFilter(0)
    for name in names:
        value |= PacketFilter[name.upper()]
    return value


def _filters(scenario: Scenario) -> Iterator[Filter]:
    """In file order, which is the order they are set in (FLT-30)."""
    targets: tuple[VPortTable | Queue, ...] = (*scenario.vports, *scenario.queues)
    listed = [(target.id, item) for target in targets for item in target.filters]
    for filter_id, (target_id, item) in enumerate(listed, 1):
        yield Filter(filter_id, target_id, _tests(item), item.untagged_or_zero, SCENARIO_CLIENT)


def _tests(item: FilterTable) -> tuple[FieldTest, ...]:
    mac = () if item.mac is None else (FieldTest(MacField.DESTINATION_ADDRESS, item.mac),)
    vlan = () if item.vlan is None else (FieldTest(MacField.VLAN_ID, item.vlan),)
    return mac + vlan


def _vports(scenario: Scenario) -> Iterator[VPort]:
    adapter = scenario.adapter
    if not any(vport.id == 0 for vport in scenario.vports):
        base = adapter.rss_base_processor  # VPT-13
        yield VPort(0, True, base, _initial_rss(base, adapter.has_rss_v2), "default")
    for vport in sorted(scenario.vports, key=lambda vport: vport.id):
        primary = vport.primary_processor
        rss = _rss_state(vport.rss) if vport.rss else _initial_rss(primary, adapter.has_rss_v2)
        yield VPort(vport.id, True, primary, rss, vport.name)


def _initial_rss(primary: ProcessorNumber, has_rss_v2: bool) -> RssState:
    """RSS-05, and UPD-15 for RSSv2."""
    return RssState(indirection_table=(primary,), default_processor=primary) if has_rss_v2 else RssState()


def _rss_state(rss: Rss | None) -> RssState:
    if rss is None:
        return RssState()
    hash_types = HashType.NONE
    for name in rss.hash_types:
        hash_types |= HashType[name.upper()]
    return RssState(True, hash_types, rss.key, rss.indirection_table, rss.default_processor)


def resolved_toml(scenario: Scenario) -> str:
    """A loaded scenario as TOML with every value explicit; loading it again gives an equal scenario (ENG-05)."""
    return toml_text(_document("", scenario))


def _document(key: str, value: Any) -> Any:
    """A value of a scenario as TOML has it; the key decides how numbers that stand for addresses are written."""
    match value:
        case Table():
            fields = [(field.alias or name, getattr(value, name)) for name, field in type(value).model_fields.items()]
            return {name: _document(name, part) for name, part in fields if part is not None}
        case ProcessorNumber():
            return str(value) if value.group else value.number
        case NdisVersion():
            return str(value)
        case int() if key in _ADDRESS_KEYS and not isinstance(value, bool):
            return format_mac(value)
        case tuple():
            return [_document(key, part) for part in value]
    return value


def toml_text(document: Mapping[str, Any]) -> str:
    """Write a document so that `tomllib` reads the same: tables of two levels as [sections], deeper ones inline."""
    return "\n".join(_section("", document)).strip() + "\n"


def _section(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    # an array of tables must not be empty, and behind a header there is no way back: plain values come first
    inner = {key: value for key, value in table.items() if _is_section(value) and path.count(".") < 1}
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_inline(value)}"
    for key, value in inner.items():
        place = f"{path}.{_key(key)}" if path else _key(key)
        for row in value if isinstance(value, list) else (value,):
            yield ""
            yield f"[[{place}]]" if isinstance(value, list) else f"[{place}]"
            yield from _section(place, row)


def _is_section(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, Mapping)


def _inline(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_inline(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case int() | float():
            return repr(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
    raise TypeError(f"TOML has no {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are those of TOML's basic strings, except that TOML wants U+007F escaped as well
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
