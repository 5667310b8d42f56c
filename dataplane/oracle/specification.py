"""The `adapter` step: presets, overrides, and the specification they amount to (section 3 of the protocol)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import IntFlag
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from dataplane.control import AdapterSpecification, SwitchSpecification
from dataplane.control.keywords import KEYWORD_DEFAULTS
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.constants import (
    EnabledFilterTypes,
    EnabledQueueTypes,
    NicSwitchCapabilityFlags,
    PacketFilterFlags,
    RssCapabilitiesFlags,
    SupportedFilterTests,
    SupportedHeaders,
    SupportedMacHeaderFields,
    SupportedQueueProperties,
)
from dataplane.ndis.layout import HeadedStructure
from dataplane.ndis.structures import FilterCapabilities, NicSwitchCapabilities, ScaleCapabilities
from dataplane.ndis.values import (
    MalformedValue,
    parse_address,
    parse_flags,
    parse_int,
    parse_list,
    parse_processor,
    parse_processors,
    parse_string,
)
from dataplane.oracle.lines import check_members, parse_bool, parse_text
from dataplane.switch.configuration import PacketFilter

PROTOCOL = 1
_PROCESSOR_NUMBER_MAX = 63

#: Values without a preset; the base and the highest processor follow from the array.
_DEFAULTS: Mapping[str, Any] = {
    "protocol": PROTOCOL,
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
_MEMBERS = ("preset", *_DEFAULTS, "rss_base_processor", "rss_max_processor")
#: Members that are flags, and the flags they have.
_FLAG_NAMES: Mapping[str, type[IntFlag]] = {
    "packet_filter": PacketFilterFlags,
    "enabled_filter_types": EnabledFilterTypes,
    "enabled_queue_types": EnabledQueueTypes,
    "supported_queue_properties": SupportedQueueProperties,
    "supported_filter_tests": SupportedFilterTests,
    "supported_headers": SupportedHeaders,
    "supported_mac_header_fields": SupportedMacHeaderFields,
    "nic_switch_capabilities": NicSwitchCapabilityFlags,
    "capabilities_flags": RssCapabilitiesFlags,
}
_SWITCH_MEMBERS = ("num_vfs", "num_queue_pairs_for_default_vport", "switch_friendly_name", "static")

AnyCapabilities = TypeVar("AnyCapabilities", bound=HeadedStructure)
Parsed = TypeVar("Parsed")


@cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """The presets of the protocol, as they are written there."""
    text = resources.files("dataplane.oracle").joinpath("presets.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = json.loads(text)
    return loaded


def parse_adapter(value: Any) -> AdapterSpecification:
    """The specification that an `adapter` step describes; raises MalformedValue."""
    given = check_members(value, _MEMBERS, "adapter")
    members = {**_DEFAULTS, **_resolved(given)}
    if members["protocol"] != PROTOCOL or isinstance(members["protocol"], bool):
        raise MalformedValue(f"protocol {members['protocol']!r} is not {PROTOCOL}")
    processors = _named("rss_processors", parse_real_processors, members)
    if not processors:
        raise MalformedValue("rss_processors: write at least one processor")
    if len(set(processors)) < len(processors):
        raise MalformedValue("rss_processors: a processor is listed twice")
    return AdapterSpecification(
        ndis_version=_named("ndis_version", _parse_version, members),
        permanent_address=_named("permanent_address", parse_address, members),
        rss_processors=processors,
        rss_base_processor=_range_end(members, "rss_base_processor", min(processors)),
        rss_max_processor=_range_end(members, "rss_max_processor", max(processors)),
        multicast_list=_named(
            "multicast_list", lambda given: tuple(parse_address(one) for one in parse_list(given)), members
        ),
        packet_filter=PacketFilter(
            _named("packet_filter", lambda given: parse_flags(PacketFilterFlags, given), members)
        ),
        keywords=tuple(parse_keywords(members["keywords"]).items()),
        receive_filter_capabilities=_capabilities(FilterCapabilities, "receive_filter_capabilities", members),
        nic_switch_capabilities=_capabilities(NicSwitchCapabilities, "nic_switch_capabilities", members),
        receive_scale_capabilities=_capabilities(ScaleCapabilities, "receive_scale_capabilities", members),
        switch=_parse_switch(members["switch"]),
        receive_buffers=None if members["receive_buffers"] is None else _named("receive_buffers", parse_int, members),
    )


def _resolved(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members, with those of the preset below them."""
    if "preset" not in given:
        return given
    name = given["preset"]
    if not isinstance(name, str) or name not in presets():
        raise MalformedValue(f"preset {name!r} is not one of {', '.join(presets())}")
    overrides = {member: value for member, value in given.items() if member != "preset"}
    return _merged(_resolved(presets()[name]), overrides)


def _merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged member by member, a flags list can be added to or taken from, all else is replaced."""
    merged = dict(base)
    for name, value in overrides.items():
        below = base.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[name] = _merged(below, value)
        elif isinstance(value, dict) and isinstance(below, list) and name in _FLAG_NAMES:
            changes = check_members(value, ("add", "remove"), name)
            remove = parse_list(changes.get("remove", []))
            if unknown := [flag for flag in remove if flag not in _FLAG_NAMES[name].__members__]:
                raise MalformedValue(f"{name}: {unknown[0]!r} is not the name of a flag")
            merged[name] = [flag for flag in below if flag not in remove] + list(parse_list(changes.get("add", [])))
        else:
            merged[name] = value
    return merged


def _parse(parse: Callable[[Any], Parsed], value: Any, name: str) -> Parsed:
    try:
        return parse(value)
    except MalformedValue as error:
        raise MalformedValue(f"{name}: {error}") from None


def _named(name: str, parse: Callable[[Any], Parsed], members: Mapping[str, Any]) -> Parsed:
    return _parse(parse, members[name], name)


def _parse_version(value: Any) -> NdisVersion:
    try:
        return NdisVersion.parse(parse_text(value, "ndis_version"))
    except ValueError as error:
        raise MalformedValue(str(error)) from None


def _range_end(members: Mapping[str, Any], name: str, default: ProcessorNumber) -> ProcessorNumber:
    if name not in members:
        return default
    return _named(name, lambda given: _real(parse_processor(given)), members)


def parse_real_processors(value: Any) -> tuple[ProcessorNumber, ...]:
    """Read a list of processors that a machine may have; only requests may name others."""
    return tuple(_real(processor) for processor in parse_processors(value))


def _real(processor: ProcessorNumber) -> ProcessorNumber:
    if processor.number > _PROCESSOR_NUMBER_MAX:
        raise MalformedValue(f"there is no processor {processor}: a group has 64, from 0 to 63")
    return processor


def parse_keywords(value: Any) -> dict[str, int]:
    """Standardized keywords by full name, with asterisk."""
    given = check_members(value, tuple(KEYWORD_DEFAULTS), "keywords")
    return {name: _parse(parse_int, setting, name) for name, setting in given.items()}


def _capabilities(cls: type[AnyCapabilities], name: str, members: Mapping[str, Any]) -> AnyCapabilities | None:
    """The members of a capability structure; those that are left out are 0."""
    if members[name] is None:
        return None
    known = {
        member: placed.member
        for member, placed in cls.layout.members.items()
        if member != "header" and not placed.member.reserved
    }
    given = check_members(members[name], tuple(known), name)
    return cls(**{member: _parse(known[member].value.parse, value, member) for member, value in given.items()})


def _parse_switch(value: Any) -> SwitchSpecification | None:
    if value is None:
        return None
    given = check_members(value, _SWITCH_MEMBERS, "switch")
    pairs = "num_queue_pairs_for_default_vport"
    return SwitchSpecification(
        num_vfs=_parse(parse_int, given.get("num_vfs", 0), "num_vfs"),
        num_queue_pairs_for_default_vport=_parse(parse_int, given.get(pairs, 1), pairs),
        switch_friendly_name=_parse(parse_string, given.get("switch_friendly_name", ""), "switch_friendly_name"),
        static=parse_bool(given.get("static", False), "static"),
    )
