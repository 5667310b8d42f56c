"""Defaults that depend on other tables: takes a scenario, and returns the same one with every default explicit.

This module checks nothing; `checks` looks at the result. So every step must cope with wrong values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataplane.control.capabilities import round_up_to_power_of_two
from dataplane.hash_tuple import HASH_SECRET_KEYS
from dataplane.ids import ProcessorNumber
from dataplane.scenario.capabilities import allowed_hash_types
from dataplane.scenario.model import (
    HASH_TYPE_NAMES,
    Adapter,
    Event,
    ProcessorCosts,
    ProcessorOverride,
    Queue,
    Rss,
    Scenario,
    Traffic,
    VPort,
)
from dataplane.traffic.profiles import Profile


@dataclass(frozen=True, slots=True)
class _Entity:
    """A scaling entity, VPort or adapter, as far as the defaults of its RSS parameters need it."""

    id: int
    processors: tuple[ProcessorNumber, ...]  # what a table spreads over by default
    primary: ProcessorNumber
    entries_max: int
    seed: int  # of the run, for random keys


def listed_limits(document: Mapping[str, Any]) -> dict[str, int]:
    """Adapter limits large enough for what a TOML document lists; used unless [adapter] gives others."""
    adapter = _mapping(document.get("adapter"))
    vports, queues = _rows(document.get("vport")), _rows(document.get("queue"))
    filters = sum(len(_rows(row.get("filter"))) for row in (*vports, *queues))
    pairs = [_whole(row.get("num_queue_pairs")) for row in vports]
    is_switch, is_vmq = (adapter.get("interface", "switch") == name for name in ("switch", "vmq"))
    vport_limit = _whole(adapter.get("max_num_vports")) or max(64, len(vports) + 1)
    processors = adapter.get("rss_processors", 16)
    messages = max(64, len(processors) if isinstance(processors, list) else _whole(processors))
    num_queues = max(64, len(queues)) if is_vmq else 0
    return {
        "num_queues": num_queues,
        "max_mac_header_filters": max(256, filters, num_queues),
        "max_num_vports": vport_limit,
        "max_num_queue_pairs": max(1024, sum(pairs) + len(vports) + 1, vport_limit),
        "max_num_queue_pairs_per_non_default_vport": round_up_to_power_of_two(max(64, *pairs, 0)),
        "max_num_queue_pairs_for_default_vport": round_up_to_power_of_two(max(64, *pairs, 0)),
        "max_num_mac_addresses": max(256, filters, vport_limit),
        "max_num_rss_capable_non_default_pf_vports": max(vport_limit - 1, 1) if is_switch else 0,
        "number_of_interrupt_messages": messages,
        "number_of_receive_queues": messages,
    }


def complete(scenario: Scenario, name: str) -> Scenario:
    """The scenario with every default explicit; `name` is used when the file gives none."""
    adapter, seed = scenario.adapter, scenario.run.seed
    native = scenario.native_rss
    entity = _Entity(
        0, adapter.rss_processors, adapter.rss_base_processor, adapter.number_of_indirection_table_entries, seed
    )
    return scenario.model_copy(
        update={
            "name": scenario.name or name,
            "vports": tuple(_vport(vport, adapter, seed) for vport in scenario.vports),
            "queues": tuple(_queue(queue, adapter) for queue in scenario.queues),
            "native_rss": native and _rss(native, adapter, entity),
            "traffic": _traffic(scenario.traffic, seed),
            "processor_overrides": tuple(_override(row, scenario.processors) for row in scenario.processor_overrides),
            "events": tuple(_event(event, seed) for event in scenario.events),
        }
    )


def resolve_key(name: str, seed: int, entity: int) -> str:
    """A hash secret key as 80 hexadecimal digits; random keys follow from the seed and differ between VPorts."""
    if name == "random":
        return hashlib.blake2b(f"hash secret key {seed} {entity}".encode(), digest_size=40).hexdigest()
    named = HASH_SECRET_KEYS.get(name)
    return named.hex() if named else name


def _vport(vport: VPort, adapter: Adapter, seed: int) -> VPort:
    base = adapter.rss_base_processor
    affinity = vport.processor_affinity
    if not affinity and vport.id == 0:
        affinity = (base,)  # VPT-13
    elif not affinity:
        # all candidates; an affinity is one group (GROUP_AFFINITY)
        affinity = tuple(p for p in adapter.rss_processors if p.group == base.group) or (base,)
    affinity = tuple(sorted(set(affinity)))
    rss = vport.rss
    pairs = vport.num_queue_pairs
    if rss:
        limit = (
            adapter.number_of_indirection_table_entries_for_default_vport
            if vport.id == 0
            else adapter.number_of_indirection_table_entries_per_non_default_pf_vport
        )
        if pairs and adapter.has_restricted_tables:
            limit = round_up_to_power_of_two(pairs)
        spread = affinity[:pairs] if pairs else affinity
        rss = _rss(rss, adapter, _Entity(vport.id, spread, min(affinity), limit, seed))
        pairs = pairs or len({*rss.indirection_table, rss.default_processor})
    return vport.model_copy(
        update={
            "name": vport.name or ("default" if vport.id == 0 else f"vport-{vport.id}"),
            "processor_affinity": affinity,
            "num_queue_pairs": pairs or 1,
            "rss": rss,
        }
    )


def _rss(rss: Rss, adapter: Adapter, entity: _Entity) -> Rss:
    table = rss.indirection_table or entity.processors
    entries = rss.num_indirection_table_entries or (len(rss.indirection_table) or entity.entries_max)
    if len(table) < entries:
        table = tuple(table[i % len(table)] for i in range(entries))
    elif not rss.indirection_table:
        table = table[:entries]
    allowed = allowed_hash_types(adapter.capabilities_flags)
    return rss.model_copy(
        update={
            "hash_types": rss.hash_types
            if "hash_types" in rss.model_fields_set  # an empty list is for the adapter to refuse
            else tuple(name for name in HASH_TYPE_NAMES if name in allowed and not name.endswith("_ex")),
            "hash_secret_key": resolve_key(rss.hash_secret_key, entity.seed, entity.id),
            "indirection_table": table,
            "num_indirection_table_entries": entries,
            "default_processor": entity.primary if rss.default_processor is None else rss.default_processor,
        }
    )


def _queue(queue: Queue, adapter: Adapter) -> Queue:
    affinity = queue.processor_affinity
    if not affinity and queue.id == 0:
        affinity = (adapter.rss_base_processor,)  # RX-14
    name = queue.name or ("default" if queue.id == 0 else f"queue-{queue.id}")
    return queue.model_copy(update={"name": name, "processor_affinity": tuple(sorted(set(affinity)))})


def _override(row: ProcessorOverride, costs: ProcessorCosts) -> ProcessorOverride:
    given = row.model_dump(exclude={"processor"}, exclude_none=True)
    return row.model_copy(update=costs.model_dump() | given)


def _traffic(traffic: Traffic | None, seed: int) -> Traffic | None:
    if traffic is None:
        return None
    # what re-times a capture has the defaults of every profile
    defaults = Profile.defaults(traffic.profile or "uniform") | {"seed": seed, "loop": 1}
    left_out = {key for key, value in traffic if value is None} & traffic.keys_in_use & defaults.keys()
    return traffic.model_copy(update={key: defaults[key] for key in left_out})


def _event(event: Event, seed: int) -> Event:
    rss = event.rss
    if rss is None or rss.hash_secret_key is None:
        return event
    key = resolve_key(rss.hash_secret_key, seed, rss.vport)
    return event.model_copy(update={"rss": rss.model_copy(update={"hash_secret_key": key})})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _whole(value: Any) -> int:
    """A usable number, or 0: wrong values are found elsewhere and must not break the defaults."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 0
