"""What an adapter can do: hardware and current capabilities, and the limits that follow (section 2 of the rules).

`Capabilities.of(specification)` answers every question of the kind "does this adapter have ...?" once, when the adapter
is initialized. `violated_rules` says whether it may be initialized at all (CAP-36).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dataplane.control.keywords import Interface, enabled_interfaces, keyword, rss_on_host_vports
from dataplane.control.specification import AdapterSpecification
from dataplane.ids import DEFAULT_VPORT_ID, NdisVersion, ProcessorNumber
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
from dataplane.ndis.structures import FilterCapabilities, NicSwitchCapabilities, ScaleCapabilities
from dataplane.switch.configuration import HashType

NDIS_6_30 = NdisVersion(6, 30)
NDIS_6_50 = NdisVersion(6, 50)
NDIS_6_60 = NdisVersion(6, 60)
NDIS_6_80 = NdisVersion(6, 80)

#: Most entries of any indirection table, and the limit of native RSS (CAP-25).
INDIRECTION_TABLE_ENTRIES_MAX = 128

#: Which hash types a capability bit allows (CAP-29); the 2-tuple types have no bit of their own.
HASH_TYPES_BY_CAPABILITY: dict[RssCapabilitiesFlags, HashType] = {
    RssCapabilitiesFlags.HASH_TYPE_TCP_IPV4: HashType.IPV4 | HashType.TCP_IPV4,
    RssCapabilitiesFlags.HASH_TYPE_TCP_IPV6: HashType.IPV6 | HashType.TCP_IPV6,
    RssCapabilitiesFlags.HASH_TYPE_TCP_IPV6_EX: HashType.IPV6_EX | HashType.TCP_IPV6_EX,
    RssCapabilitiesFlags.HASH_TYPE_UDP_IPV4: HashType.UDP_IPV4,
    RssCapabilitiesFlags.HASH_TYPE_UDP_IPV6: HashType.UDP_IPV6,
    RssCapabilitiesFlags.HASH_TYPE_UDP_IPV6_EX: HashType.UDP_IPV6_EX,
}
UDP_HASH_TYPES = HashType.UDP_IPV4 | HashType.UDP_IPV6 | HashType.UDP_IPV6_EX

_PER_VPORT_HASH_FLAGS = (
    NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_HASH_FUNCTION_SUPPORTED
    | NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_HASH_TYPE_SUPPORTED
    | NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED
)
#: The flags that *RssOnHostVPorts = 0 removes from the current switch capabilities (CAP-08, CAP-12).
_VMMQ_FLAGS = (
    NicSwitchCapabilityFlags.RSS_ON_PF_VPORTS_SUPPORTED
    | NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED
    | NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED
    | _PER_VPORT_HASH_FLAGS
)


def power_of_two(number: int) -> bool:
    """Whether `number` is 1, 2, 4, 8, ..."""
    return number > 0 and number & (number - 1) == 0


def round_up_to_power_of_two(number: int) -> int:
    """The smallest power of two that is not below `number` (at least 1)."""
    return 1 << max(number - 1, 0).bit_length()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Hardware and current capabilities (CAP-08), and the limits that follow from them."""

    ndis_version: NdisVersion
    interfaces: tuple[Interface, ...]  # what the keywords enable (CAP-10)
    receive_filter_hardware: FilterCapabilities | None
    receive_filter: FilterCapabilities  # current; all zero if there are none
    nic_switch_hardware: NicSwitchCapabilities | None
    nic_switch: NicSwitchCapabilities  # current; all zero when there are none
    receive_scale: ScaleCapabilities | None
    rss_processors: frozenset[ProcessorNumber]  # the RSS processor set (CAP-32)
    switch_interface: bool  # supported and enabled (OID-17)
    vm_queues: bool  # VMQ supported and enabled
    vmmq: bool  # RSS on PF VPorts supported and enabled (RSS-21)
    native_rss: bool  # RSS of the whole adapter is not disabled by the keywords (MOD-04)
    rss_generation_2: bool  # RSSv2 advertised (CAP-30)
    hash_types: HashType  # the hash types that may be enabled (CAP-29)

    @classmethod
    def of(cls, specification: AdapterSpecification) -> Capabilities:
        """The capabilities of an adapter with these hardware capabilities and keywords."""
        version, keywords = specification.ndis_version, specification.keyword_values
        interfaces = enabled_interfaces(keywords)
        filters, switch = specification.receive_filter_capabilities, specification.nic_switch_capabilities
        scale = specification.receive_scale_capabilities
        switch_interface = _switch_interface_enabled(version, interfaces, switch)
        vm_queues = filters is not None and Interface.VMQ in interfaces
        host_rss = rss_on_host_vports(keywords)
        current_switch = _current_switch(switch, switch_interface, Interface.SRIOV in interfaces, host_rss)
        vlan_filtering = keyword(keywords, "*VMQVlanFiltering") != 0
        return cls(
            ndis_version=version,
            interfaces=interfaces,
            receive_filter_hardware=filters,
            receive_filter=_current_filters(filters, vm_queues, switch_interface, vlan_filtering),
            nic_switch_hardware=switch,
            nic_switch=current_switch,
            receive_scale=scale,
            rss_processors=frozenset(specification.rss_processors),
            switch_interface=switch_interface,
            vm_queues=vm_queues,
            vmmq=bool(current_switch.nic_switch_capabilities & NicSwitchCapabilityFlags.RSS_ON_PF_VPORTS_SUPPORTED),
            native_rss=scale is not None and keyword(keywords, "*RSS") != 0,
            rss_generation_2=_rss_generation_2(version, filters, scale),
            hash_types=_hash_types(version, scale),
        )

    def has(self, flag: NicSwitchCapabilityFlags) -> bool:
        """Whether the current switch capabilities include `flag`."""
        return bool(self.nic_switch.nic_switch_capabilities & flag.value)  # ints: & of flags takes ten times as long

    @property
    def restricted_tables(self) -> bool:
        """Tables of PF VPorts have exactly as many entries as queue pairs, rounded up (CAP-23)."""
        return self.has(NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED)

    @property
    def shared_hash(self) -> bool:
        """One hash function, type and key for all PF VPorts (CAP-22, RSS-19)."""
        return not self.has(_PER_VPORT_HASH_FLAGS)

    @property
    def vlan_filtering(self) -> bool:
        """MAC_HEADER_VLAN_ID_SUPPORTED in the current capabilities (CAP-03, FLT-26)."""
        return bool(self.receive_filter.supported_mac_header_fields & SupportedMacHeaderFields.VLAN_ID)

    @property
    def receive_queues(self) -> int:
        """Hardware receive queues of native RSS (RSS-26)."""
        return self.receive_scale.number_of_receive_queues if self.receive_scale else 0

    def queue_pairs_max(self, vport_id: int) -> int:
        """Most queue pairs one VPort may have (VPT-10, CAP-26); before NDIS 6.60 the default VPort has one."""
        if vport_id != DEFAULT_VPORT_ID:
            return int(self.nic_switch.max_num_queue_pairs_per_non_default_vport)
        return int(self.nic_switch.max_num_queue_pairs_for_default_vport) if self.ndis_version >= NDIS_6_60 else 1

    def table_entries_max(self, vport_id: int) -> int:
        """Most indirection table entries of a VPort (CAP-25)."""
        if vport_id == DEFAULT_VPORT_ID:
            return int(self.nic_switch.number_of_indirection_table_entries_for_default_vport)
        return int(self.nic_switch.number_of_indirection_table_entries_per_non_default_pf_vport)

    @property
    def pf_vports_max(self) -> int:
        """Most nondefault VPorts that may be attached to the PF (CAP-18, CON-09)."""
        reserved = 0 if self.has(NicSwitchCapabilityFlags.SINGLE_VPORT_POOL) else self.nic_switch.max_num_vfs
        return int(self.nic_switch.max_num_vports - reserved - 1)


def _switch_interface_enabled(
    version: NdisVersion, interfaces: tuple[Interface, ...], switch: NicSwitchCapabilities | None
) -> bool:
    """SR-IOV includes the switch; without SR-IOV, NDIS 6.60 and a capable NIC are needed (MOD-02, CAP-12)."""
    if switch is None or version < NDIS_6_30:
        return False
    if Interface.SRIOV in interfaces:
        return True
    return Interface.VMQ in interfaces and _either_mode(version, switch)


def _either_mode(version: NdisVersion, switch: NicSwitchCapabilities | None) -> bool:
    """Whether the adapter can be made into a switch or into VM queues (MOD-02)."""
    return bool(
        switch is not None
        and version >= NDIS_6_60
        and switch.nic_switch_capabilities & NicSwitchCapabilityFlags.NIC_SWITCH_WITHOUT_IOV_SUPPORTED
    )


def _current_filters(
    hardware: FilterCapabilities | None, vm_queues: bool, switch_interface: bool, vlan_filtering: bool
) -> FilterCapabilities:
    if hardware is None or not (vm_queues or switch_interface):
        return FilterCapabilities()
    current = hardware
    if not vm_queues:  # only the switch interface is used (CAP-05)
        queue_types = current.enabled_queue_types & ~int(EnabledQueueTypes.VM_QUEUES_ENABLED)
        current = dataclasses.replace(current, enabled_queue_types=queue_types, num_queues=0)
    if not vlan_filtering:
        fields = current.supported_mac_header_fields & ~int(SupportedMacHeaderFields.VLAN_ID)
        current = dataclasses.replace(current, supported_mac_header_fields=fields)
    return current


def _current_switch(
    hardware: NicSwitchCapabilities | None, enabled: bool, sriov: bool, host_rss: bool
) -> NicSwitchCapabilities:
    if hardware is None or not enabled:
        return NicSwitchCapabilities()
    current = hardware
    if not sriov:
        current = dataclasses.replace(current, max_num_vfs=0)
    if not host_rss:
        flags = current.nic_switch_capabilities & ~int(_VMMQ_FLAGS)
        current = dataclasses.replace(current, nic_switch_capabilities=flags)
    return current


def _rss_generation_2(
    version: NdisVersion, filters: FilterCapabilities | None, scale: ScaleCapabilities | None
) -> bool:
    return bool(
        version >= NDIS_6_80
        and filters is not None
        and scale is not None
        and scale.capabilities_flags & RssCapabilitiesFlags.SUPPORTS_INDEPENDENT_ENTRY_MOVE
        and filters.supported_queue_properties & SupportedQueueProperties.DYNAMIC_PROCESSOR_AFFINITY_CHANGE
    )


def _hash_types(version: NdisVersion, scale: ScaleCapabilities | None) -> HashType:
    allowed = HashType.NONE
    for capability, types in HASH_TYPES_BY_CAPABILITY.items():
        if scale is not None and scale.capabilities_flags & capability:
            allowed |= types
    return allowed if version >= NDIS_6_80 else allowed & ~UDP_HASH_TYPES


# Initialization ------------------------------------------------------------------------------------------------------


def violated_rules(specification: AdapterSpecification) -> list[str]:
    """The capability rules that the adapter violates, ascending; it is initialized only if there are none (CAP-36)."""
    filters, switch = specification.receive_filter_capabilities, specification.nic_switch_capabilities
    found: list[str] = []
    if filters is not None or switch is not None:
        found += _violated_filter_rules(specification, filters or FilterCapabilities())
    if switch is not None:
        found += _violated_switch_rules(specification.ndis_version, switch)
    return sorted(found)


def _violated_filter_rules(specification: AdapterSpecification, filters: FilterCapabilities) -> list[str]:
    version, switch = specification.ndis_version, specification.nic_switch_capabilities
    properties = filters.supported_queue_properties
    interfaces = enabled_interfaces(specification.keyword_values)
    only_switch = _switch_interface_enabled(version, interfaces, switch) and not _either_mode(version, switch)
    holds = {
        "CAP-01": _all_of(properties, SupportedQueueProperties.MSI_X | SupportedQueueProperties.VM_QUEUE),
        "CAP-02": bool(
            filters.supported_filter_tests & SupportedFilterTests.EQUAL
            and filters.supported_headers & SupportedHeaders.MAC
            and filters.supported_mac_header_fields & SupportedMacHeaderFields.DEST_ADDR
        ),
        "CAP-03": version >= NDIS_6_30 or bool(filters.supported_mac_header_fields & SupportedMacHeaderFields.VLAN_ID),
        "CAP-04": switch is None or filters.num_queues <= switch.max_num_mac_addresses,
        "CAP-05": not only_switch
        or (
            filters.num_queues == 0
            and bool(filters.enabled_filter_types & EnabledFilterTypes.VMQ_FILTERS_ENABLED)
            and not filters.enabled_queue_types & EnabledQueueTypes.VM_QUEUES_ENABLED
        ),
        "CAP-06": filters.max_mac_header_filters >= filters.num_queues,
        "CAP-07": version < NDIS_6_30
        or (
            not properties & SupportedQueueProperties.LOOKAHEAD_SPLIT
            and filters.min_lookahead_split_size == 0
            and filters.max_lookahead_split_size == 0
            and _all_of(
                properties,
                SupportedQueueProperties.DYNAMIC_PROCESSOR_AFFINITY_CHANGE
                | SupportedQueueProperties.INTERRUPT_VECTOR_COALESCING,
            )
        ),
    }
    return [rule for rule, it_holds in holds.items() if not it_holds]


def _violated_switch_rules(version: NdisVersion, switch: NicSwitchCapabilities) -> list[str]:
    flags = switch.nic_switch_capabilities
    revision_3 = version >= NDIS_6_60  # the revision with the members for VMMQ (CAP-09)
    vmmq = bool(flags & NicSwitchCapabilityFlags.RSS_ON_PF_VPORTS_SUPPORTED)
    vmmq_base = (
        NicSwitchCapabilityFlags.SINGLE_VPORT_POOL
        | NicSwitchCapabilityFlags.RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED
    )
    tables = (
        switch.number_of_indirection_table_entries_for_default_vport,
        switch.number_of_indirection_table_entries_per_non_default_pf_vport,
    )
    holds = {
        "CAP-13": switch.max_num_switches == 1,
        "CAP-14": switch.max_num_vports >= switch.max_num_vfs + 1,
        "CAP-15": switch.max_num_queue_pairs >= switch.max_num_vports,
        "CAP-16": switch.max_num_mac_addresses >= switch.max_num_vports,
        "CAP-17": power_of_two(switch.max_num_queue_pairs_per_non_default_vport)
        and (not revision_3 or power_of_two(switch.max_num_queue_pairs_for_default_vport)),
        "CAP-21": not vmmq or (revision_3 and _all_of(flags, vmmq_base)),
        "CAP-22": not vmmq or flags & _PER_VPORT_HASH_FLAGS in (0, _PER_VPORT_HASH_FLAGS),
        "CAP-24": not vmmq or switch.max_num_rss_capable_non_default_pf_vports >= 1,
        "CAP-25": not revision_3
        or all(power_of_two(entries) and entries <= INDIRECTION_TABLE_ENTRIES_MAX for entries in tables),
    }
    return [rule for rule, it_holds in holds.items() if not it_holds]


def _all_of(word: int, flags: int) -> bool:
    return word & flags == flags
