"""Names and defaults of the capability flags: the most capable NIC of an NDIS version and interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Flag names of each member without their common prefix, by ascending bit (docs/constants.md, sections 6, 8 and 9).
CAPABILITY_FLAGS: dict[str, tuple[str, ...]] = {
    "enabled_filter_types": ("VMQ_FILTERS_ENABLED", "PACKET_COALESCING_FILTERS_ENABLED"),
    "enabled_queue_types": ("VM_QUEUES_ENABLED",),
    "supported_queue_properties": (
        "MSI_X",
        "VM_QUEUE",
        "LOOKAHEAD_SPLIT",
        "DYNAMIC_PROCESSOR_AFFINITY_CHANGE",
        "INTERRUPT_VECTOR_COALESCING",
    ),
    "supported_filter_tests": ("EQUAL", "MASK_EQUAL", "NOT_EQUAL"),
    "supported_headers": ("MAC", "IPV4", "IPV6", "ARP", "UDP"),
    "supported_mac_header_fields": ("DEST_ADDR", "SOURCE_ADDR", "PROTOCOL", "VLAN_ID", "PRIORITY", "PACKET_TYPE"),
    "nic_switch_capabilities": (
        "VLAN_SUPPORTED",
        "PER_VPORT_INTERRUPT_MODERATION_SUPPORTED",
        "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED",
        "VF_RSS_SUPPORTED",
        "SINGLE_VPORT_POOL",
        "RSS_PARAMETERS_PER_PF_VPORT_SUPPORTED",
        "NIC_SWITCH_WITHOUT_IOV_SUPPORTED",
        "RSS_ON_PF_VPORTS_SUPPORTED",
        "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED",
        "RSS_PER_PF_VPORT_HASH_FUNCTION_SUPPORTED",
        "RSS_PER_PF_VPORT_HASH_TYPE_SUPPORTED",
        "RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED",
        "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED",
    ),
    "capabilities_flags": (
        "Toeplitz",
        "HASH_TYPE_TCP_IPV4",
        "HASH_TYPE_TCP_IPV6",
        "HASH_TYPE_TCP_IPV6_EX",
        "HASH_TYPE_UDP_IPV4",
        "HASH_TYPE_UDP_IPV6",
        "HASH_TYPE_UDP_IPV6_EX",
        "MESSAGE_SIGNALED_INTERRUPTS",
        "CLASSIFICATION_AT_ISR",
        "CLASSIFICATION_AT_DPC",
        "USING_MSI_X",
        "RSS_AVAILABLE_ON_PORTS",
        "SUPPORTS_MSI_X",
        "SUPPORTS_INDEPENDENT_ENTRY_MOVE",
    ),
}

#: Which capability flag allows which hash types (CAP-29).
HASH_TYPES_BY_FLAG = {
    "HASH_TYPE_TCP_IPV4": ("ipv4", "tcp_ipv4"),
    "HASH_TYPE_TCP_IPV6": ("ipv6", "tcp_ipv6"),
    "HASH_TYPE_TCP_IPV6_EX": ("ipv6_ex", "tcp_ipv6_ex"),
    "HASH_TYPE_UDP_IPV4": ("udp_ipv4",),
    "HASH_TYPE_UDP_IPV6": ("udp_ipv6",),
    "HASH_TYPE_UDP_IPV6_EX": ("udp_ipv6_ex",),
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
            return _without(member, "LOOKAHEAD_SPLIT")
        case "supported_filter_tests":
            return ("EQUAL",)
        case "supported_headers":
            return ("MAC",)
        case "supported_mac_header_fields":
            return ("DEST_ADDR", "VLAN_ID")
        case "nic_switch_capabilities":
            basic = (*CAPABILITY_FLAGS[member][:3], "SINGLE_VPORT_POOL")
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


def allowed_hash_types(capabilities_flags: tuple[str, ...]) -> tuple[str, ...]:
    """The hash types that the capability flags allow (CAP-29)."""
    return tuple(name for flag, names in HASH_TYPES_BY_FLAG.items() if flag in capabilities_flags for name in names)


def _without(member: str, *flags: str) -> tuple[str, ...]:
    return tuple(flag for flag in CAPABILITY_FLAGS[member] if flag not in flags)
