"""Names and defaults of the capability flags: the most capable NIC of an NDIS version and interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntFlag
from typing import Any

from dataplane.control.capabilities import HASH_TYPES_BY_CAPABILITY
from dataplane.ndis.constants import (
    EnabledFilterTypes,
    EnabledQueueTypes,
    NicSwitchCapabilityFlags,
    RssCapabilitiesFlags,
    SupportedFilterTests,
    SupportedHeaders,
    SupportedMacHeaderFields,
    SupportedQueueProperties,
)
from dataplane.switch.configuration import HashType

#: The flags of each capability member that is a word of flags (docs/constants.md, sections 6, 8 and 9).
CAPABILITY_FLAGS: Mapping[str, type[IntFlag]] = {
    "enabled_filter_types": EnabledFilterTypes,
    "enabled_queue_types": EnabledQueueTypes,
    "supported_queue_properties": SupportedQueueProperties,
    "supported_filter_tests": SupportedFilterTests,
    "supported_headers": SupportedHeaders,
    "supported_mac_header_fields": SupportedMacHeaderFields,
    "nic_switch_capabilities": NicSwitchCapabilityFlags,
    "capabilities_flags": RssCapabilitiesFlags,
}


def default_flags(member: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags of a member when the scenario does not name it; `data` holds the version and the interface.

    RSS of VPorts is from NDIS 6.60 (CAP-21), UDP hash types and RSSv2 from 6.80 (CAP-29, CAP-30). Restricted tables,
    virtual functions and the obsolete lookahead split are never defaults: they take freedom away.
    """
    version = data.get("ndis_version", (6, 80))
    interface = data.get("interface", "switch")
    match member:
        case "enabled_filter_types":
            return () if interface == "native-rss" else ("VMQ_FILTERS_ENABLED",)
        case "enabled_queue_types":
            return ("VM_QUEUES_ENABLED",) if interface == "vmq" else ()
        case "supported_queue_properties":
            return ("MSI_X", "VM_QUEUE", "DYNAMIC_PROCESSOR_AFFINITY_CHANGE", "INTERRUPT_VECTOR_COALESCING")
        case "supported_filter_tests":
            return ("EQUAL",)
        case "supported_headers":
            return ("MAC",)
        case "supported_mac_header_fields":
            return ("DEST_ADDR", "VLAN_ID")
        case "nic_switch_capabilities":
            basic = (
                "VLAN_SUPPORTED",
                "PER_VPORT_INTERRUPT_MODERATION_SUPPORTED",
                "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED",
                "SINGLE_VPORT_POOL",
            )
            with_vmmq = _without(
                member,
                "VF_RSS_SUPPORTED",
                "RSS_PARAMETERS_PER_PF_VPORT_SUPPORTED",
                "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED",
            )
            return with_vmmq if version >= (6, 60) else basic
        case "capabilities_flags":
            flags = _without(member, "CLASSIFICATION_AT_ISR", "CLASSIFICATION_AT_DPC", "RSS_AVAILABLE_ON_PORTS")
            newest = {"HASH_TYPE_UDP_IPV4", "HASH_TYPE_UDP_IPV6", "HASH_TYPE_UDP_IPV6_EX"}
            newest.add("SUPPORTS_INDEPENDENT_ENTRY_MOVE")
            return flags if version >= (6, 80) else tuple(flag for flag in flags if flag not in newest)
    raise KeyError(member)


def allowed_hash_types(capabilities_flags: Collection[str]) -> tuple[str, ...]:
    """The names of the hash types that the capability flags allow (CAP-29)."""
    return tuple(
        str(one.name).lower()
        for flag, types in HASH_TYPES_BY_CAPABILITY.items()
        if flag.name in capabilities_flags
        for one in types
    )


def capability_of(hash_type: str) -> str:
    """The name of the capability flag that allows a hash type (CAP-29)."""
    wanted = HashType[hash_type.upper()]
    return next(str(flag.name) for flag, types in HASH_TYPES_BY_CAPABILITY.items() if wanted in types)


def _without(member: str, *flags: str) -> tuple[str, ...]:
    return tuple(flag for flag in CAPABILITY_FLAGS[member].__members__ if flag not in flags)
