"""Every structure that crosses the driver boundary, declared as a typed value.

Attributes have the snake_case names of the documented members. Their values are integers for numbers, flags and
enumerations (compare them with `dataplane.ndis.constants`), `ProcessorNumber` for processors, `GroupAffinity` for
affinities, tuples for arrays, `bytes` for keys, and 48-bit integers for MAC addresses. Members that locate a variable
part (offset, count, size) are attributes as well: decoding copies them from the buffer, encoding computes them.

Results are built with keyword arguments; a missing member has its default of structured input (mostly zero):
`FilterInfo(filter_type=1, filter_id=3)`. `dataplane.ndis.codec` has the functions for buffers, and
`dataplane.ndis.structured` those for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataplane.ids import ProcessorNumber
from dataplane.ndis import constants as c
from dataplane.ndis import values
from dataplane.ndis.layout import (
    GROUP_AFFINITY,
    MAC_ADDRESS,
    MAC_ADDRESS_32,
    NDIS_IF_COUNTED_STRING,
    NDIS_STATUS,
    POINTER,
    PROCESSOR_NUMBER,
    STRUCTURES,
    UCHAR,
    ULONG,
    ULONG64,
    USHORT,
    CType,
    HeadedStructure,
    PartItem,
    Structure,
    member,
    part,
    raw,
    structure,
)
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.values import GroupAffinity, MalformedValue, enumeration
from dataplane.ndis.values import flags as flag_names  # "flags" is a member of nearly every structure

_FUNCTION = values.FUNCTION


# Requests without a header -------------------------------------------------------------------------------------------


@structure("PACKET_FILTER", alias="PACKET_FILTER")
class PacketFilter(Structure):
    """The ULONG of OID_GEN_CURRENT_PACKET_FILTER."""

    packet_filter: int = member("PacketFilter", ULONG, flag_names(c.PacketFilterFlags))


@structure("CURRENT_ADDRESS", alias="CURRENT_ADDRESS")
class CurrentAddress(Structure):
    """The six bytes of OID_802_3_CURRENT_ADDRESS."""

    address: int = member("Address", MAC_ADDRESS)  # 48 bits


@structure("MULTICAST_LIST", alias="MULTICAST_LIST")
class MulticastList(Structure):
    """The addresses of OID_802_3_MULTICAST_LIST: the whole buffer, six bytes each."""

    addresses: tuple[int, ...] = part(PartItem(c_type=MAC_ADDRESS, value=values.ADDRESSES), offset="")  # 48 bits each


# Receive filters -----------------------------------------------------------------------------------------------------

_HEADER_FIELDS: dict[int, values.ValueType] = {
    c.FrameHeader.Mac: enumeration(c.MacHeaderField),
    c.FrameHeader.Arp: enumeration(c.ArpHeaderField),
    c.FrameHeader.IPv4: enumeration(c.IPv4HeaderField),
    c.FrameHeader.IPv6: enumeration(c.IPv6HeaderField),
    c.FrameHeader.Udp: enumeration(c.UdpHeaderField),
}
_UNNAMED_HEADER_FIELD = values.integer(32)
_ADDRESS_FIELDS = (c.MacHeaderField.DestinationAddress, c.MacHeaderField.SourceAddress)
_FIELD_VALUE = raw(16, alignment=8)


def parse_field_value(value: Any) -> bytes:
    """Read a field value: a mac, an int of 16 bits, or {"hex": ...}; 16 bytes."""
    if isinstance(value, Mapping):
        if set(value) != {"hex"}:
            raise MalformedValue('a raw field value is written {"hex": "..."}')
        union = values.parse_hex(value["hex"])
        if len(union) > _FIELD_VALUE.size:
            raise MalformedValue(f"a field value has at most {_FIELD_VALUE.size} bytes, this one has {len(union)}")
    elif isinstance(value, str) and not value.startswith("0x"):
        union = values.parse_address(value).to_bytes(6, "big")
    else:
        union = values.parse_int(value, 16).to_bytes(2, "big")
    return union.ljust(_FIELD_VALUE.size, b"\0")


_FIELD_VALUE_TYPE = values.ValueType("mac, int or hex", parse_field_value, bytes.hex)


@structure("NDIS_RECEIVE_FILTER_FIELD_PARAMETERS", versions=((6, 20), (6, 30)))
class FieldParameters(HeadedStructure):
    """One field test; `field_value` and `result_value` are the 16 raw bytes of their unions, in wire order (FLT-13)."""

    flags: int = member("Flags", ULONG, flag_names(c.FilterFieldFlags))
    frame_header: int = member("FrameHeader", ULONG, enumeration(c.FrameHeader), default=c.FrameHeader.Mac)
    receive_filter_test: int = member(
        "ReceiveFilterTest", ULONG, enumeration(c.ReceiveFilterTest), default=c.ReceiveFilterTest.Equal
    )
    header_field: int = member("HeaderField", ULONG)
    field_value: bytes = member("FieldValue", _FIELD_VALUE, _FIELD_VALUE_TYPE)
    result_value: bytes = member("ResultValue", _FIELD_VALUE, _FIELD_VALUE_TYPE)

    @property
    def is_address(self) -> bool:
        """Whether the field is a MAC address."""
        return self.frame_header == c.FrameHeader.Mac and self.header_field in _ADDRESS_FIELDS


def address_of(union: bytes) -> int:
    """The MAC address in a FieldValue or ResultValue, as a 48-bit integer."""
    return int.from_bytes(union[:6], "big")


def short_of(union: bytes) -> int:
    """The USHORT in a FieldValue or ResultValue, big endian (FLT-13): a VLAN id."""
    return int.from_bytes(union[:2], "big")


def header_field_names(frame_header: int) -> values.ValueType:
    """The JSON form of HeaderField for a frame header: the names of that header; numbers for unknown headers."""
    return _HEADER_FIELDS.get(frame_header, _UNNAMED_HEADER_FIELD)


def default_header_field(field_value: Any) -> int:
    """HeaderField of a structured field test without one: it follows from the form of `field_value`."""
    if isinstance(field_value, int) or (isinstance(field_value, str) and field_value.startswith("0x")):
        return c.MacHeaderField.VlanId
    return c.MacHeaderField.DestinationAddress if isinstance(field_value, str) else c.MacHeaderField.Undefined


@structure("NDIS_RECEIVE_FILTER_PARAMETERS", alias="FILTER_PARAMETERS", versions=((6, 20), (6, 30)))
class FilterParameters(HeadedStructure):
    """A receive filter with its field tests."""

    flags: int = member("Flags", ULONG, flag_names(c.FilterFlags))
    filter_type: int = member(
        "FilterType", ULONG, enumeration(c.ReceiveFilterType), default=c.ReceiveFilterType.VMQueue
    )
    queue_id: int = member("QueueId", ULONG)
    filter_id: int = member("FilterId", ULONG)
    field_parameters_array_offset: int = member("FieldParametersArrayOffset", ULONG)
    field_parameters_array_num_elements: int = member("FieldParametersArrayNumElements", ULONG)
    field_parameters_array_element_size: int = member("FieldParametersArrayElementSize", ULONG)
    requested_filter_id_bit_count: int = member("RequestedFilterIdBitCount", ULONG)
    max_coalescing_delay: int = member("MaxCoalescingDelay", ULONG, since=2)
    vport_id: int = member("VPortId", ULONG, since=2)
    field_parameters: tuple[FieldParameters, ...] = part(
        PartItem(FieldParameters, check_headers=True),
        offset="field_parameters_array_offset",
        count="field_parameters_array_num_elements",
        element_size="field_parameters_array_element_size",
    )


@structure("NDIS_RECEIVE_FILTER_CLEAR_PARAMETERS", alias="FILTER_CLEAR_PARAMETERS")
class FilterClearParameters(HeadedStructure):
    """Which filter to clear."""

    flags: int = member("Flags", ULONG)
    queue_id: int = member("QueueId", ULONG)
    filter_id: int = member("FilterId", ULONG)


@structure("NDIS_RECEIVE_FILTER_MOVE_FILTER_PARAMETERS", alias="MOVE_FILTER_PARAMETERS")
class MoveFilterParameters(HeadedStructure):
    """Which filter to move, from where to where."""

    filter_id: int = member("FilterId", ULONG)
    source_queue_id: int = member("SourceQueueId", ULONG)
    source_vport_id: int = member("SourceVPortId", ULONG)
    dest_queue_id: int = member("DestQueueId", ULONG)
    dest_vport_id: int = member("DestVPortId", ULONG)


@structure("NDIS_RECEIVE_FILTER_INFO")
class FilterInfo(HeadedStructure):
    """One filter of an enumeration."""

    flags: int = member("Flags", ULONG)
    filter_type: int = member("FilterType", ULONG, enumeration(c.ReceiveFilterType))
    filter_id: int = member("FilterId", ULONG)


@structure("NDIS_RECEIVE_FILTER_INFO_ARRAY", alias="FILTER_INFO_ARRAY", versions=((6, 20), (6, 30)))
class FilterInfoArray(HeadedStructure):
    """The filters of one queue or VPort."""

    queue_id: int = member("QueueId", ULONG)
    first_element_offset: int = member("FirstElementOffset", ULONG, result_only=True)
    num_elements: int = member("NumElements", ULONG, result_only=True)
    element_size: int = member("ElementSize", ULONG, result_only=True)
    flags: int = member("Flags", ULONG, flag_names(c.FilterInfoArrayFlags), since=2)
    vport_id: int = member("VPortId", ULONG, since=2)
    elements: tuple[FilterInfo, ...] = part(
        PartItem(FilterInfo),
        offset="first_element_offset",
        count="num_elements",
        element_size="element_size",
        result_only=True,
    )


@structure("NDIS_RECEIVE_FILTER_GLOBAL_PARAMETERS", alias="GLOBAL_PARAMETERS")
class FilterGlobalParameters(HeadedStructure):
    """What kinds of filters and queues are enabled."""

    flags: int = member("Flags", ULONG)
    enabled_filter_types: int = member("EnabledFilterTypes", ULONG, flag_names(c.EnabledFilterTypes), result_only=True)
    enabled_queue_types: int = member("EnabledQueueTypes", ULONG, flag_names(c.EnabledQueueTypes), result_only=True)


@structure("NDIS_RECEIVE_FILTER_CAPABILITIES", alias="FILTER_CAPABILITIES", versions=((6, 20), (6, 30)))
class FilterCapabilities(HeadedStructure):
    """Receive filter capabilities, hardware or current (CAP-09)."""

    flags: int = member("Flags", ULONG)
    enabled_filter_types: int = member("EnabledFilterTypes", ULONG, flag_names(c.EnabledFilterTypes))
    enabled_queue_types: int = member("EnabledQueueTypes", ULONG, flag_names(c.EnabledQueueTypes))
    num_queues: int = member("NumQueues", ULONG)
    supported_queue_properties: int = member("SupportedQueueProperties", ULONG, flag_names(c.SupportedQueueProperties))
    supported_filter_tests: int = member("SupportedFilterTests", ULONG, flag_names(c.SupportedFilterTests))
    supported_headers: int = member("SupportedHeaders", ULONG, flag_names(c.SupportedHeaders))
    supported_mac_header_fields: int = member("SupportedMacHeaderFields", ULONG, flag_names(c.SupportedMacHeaderFields))
    max_mac_header_filters: int = member("MaxMacHeaderFilters", ULONG)
    max_queue_groups: int = member("MaxQueueGroups", ULONG)
    max_queues_per_queue_group: int = member("MaxQueuesPerQueueGroup", ULONG)
    min_lookahead_split_size: int = member("MinLookaheadSplitSize", ULONG)
    max_lookahead_split_size: int = member("MaxLookaheadSplitSize", ULONG)
    supported_arp_header_fields: int = member(
        "SupportedARPHeaderFields", ULONG, flag_names(c.SupportedArpHeaderFields), since=2
    )
    supported_ipv4_header_fields: int = member(
        "SupportedIPv4HeaderFields", ULONG, flag_names(c.SupportedProtocolField), since=2
    )
    supported_ipv6_header_fields: int = member(
        "SupportedIPv6HeaderFields", ULONG, flag_names(c.SupportedProtocolField), since=2
    )
    supported_udp_header_fields: int = member(
        "SupportedUdpHeaderFields", ULONG, flag_names(c.SupportedUdpHeaderFields), since=2
    )
    max_field_tests_per_packet_coalescing_filter: int = member("MaxFieldTestsPerPacketCoalescingFilter", ULONG, since=2)
    max_packet_coalescing_filters: int = member("MaxPacketCoalescingFilters", ULONG, since=2)
    ndis_reserved: int = member("NdisReserved", ULONG, since=2, reserved=True)


# Receive queues ------------------------------------------------------------------------------------------------------


@structure("NDIS_RECEIVE_QUEUE_PARAMETERS", alias="QUEUE_PARAMETERS", versions=((6, 20), (6, 30), (6, 50)))
class QueueParameters(HeadedStructure):
    """A VMQ receive queue."""

    flags: int = member("Flags", ULONG, flag_names(c.QueueParametersFlags))
    queue_type: int = member("QueueType", ULONG, enumeration(c.ReceiveQueueType), default=c.ReceiveQueueType.VMQueue)
    queue_id: int = member("QueueId", ULONG)
    queue_group_id: int = member("QueueGroupId", ULONG)
    processor_affinity: GroupAffinity = member("ProcessorAffinity", GROUP_AFFINITY)
    num_suggested_receive_buffers: int = member("NumSuggestedReceiveBuffers", ULONG)
    msix_table_entry: int = member("MSIXTableEntry", ULONG)
    lookahead_size: int = member("LookaheadSize", ULONG)
    vm_name: str = member("VmName", NDIS_IF_COUNTED_STRING)
    queue_name: str = member("QueueName", NDIS_IF_COUNTED_STRING)
    port_id: int = member("PortId", ULONG, since=2)
    interrupt_coalescing_domain_id: int = member("InterruptCoalescingDomainId", ULONG, since=2)
    qos_sq_id: int = member("QosSqId", ULONG, since=3)


@structure("NDIS_RECEIVE_QUEUE_FREE_PARAMETERS", alias="QUEUE_FREE_PARAMETERS")
class QueueFreeParameters(HeadedStructure):
    """Which queue to free."""

    flags: int = member("Flags", ULONG)
    queue_id: int = member("QueueId", ULONG)


@structure("NDIS_RECEIVE_QUEUE_ALLOCATION_COMPLETE_PARAMETERS")
class AllocationCompleteParameters(HeadedStructure):
    """One queue whose allocation is complete, and the status of the allocation."""

    flags: int = member("Flags", ULONG, result_only=True)
    queue_id: int = member("QueueId", ULONG)
    completion_status: int = member("CompletionStatus", NDIS_STATUS, result_only=True)


@structure("NDIS_RECEIVE_QUEUE_ALLOCATION_COMPLETE_ARRAY", alias="ALLOCATION_COMPLETE_ARRAY")
class AllocationCompleteArray(HeadedStructure):
    """The queues whose allocation is complete."""

    flags: int = member("Flags", ULONG)
    first_element_offset: int = member("FirstElementOffset", ULONG)
    num_elements: int = member("NumElements", ULONG)
    element_size: int = member("ElementSize", ULONG)
    elements: tuple[AllocationCompleteParameters, ...] = part(
        PartItem(AllocationCompleteParameters),
        offset="first_element_offset",
        count="num_elements",
        element_size="element_size",
    )


@structure("NDIS_RECEIVE_QUEUE_INFO", versions=((6, 20), (6, 30)))
class QueueInfo(HeadedStructure):
    """One queue of an enumeration; unlike NDIS_RECEIVE_QUEUE_PARAMETERS it has QueueState before ProcessorAffinity."""

    flags: int = member("Flags", ULONG, flag_names(c.QueueParametersFlags))
    queue_type: int = member("QueueType", ULONG, enumeration(c.ReceiveQueueType))
    queue_id: int = member("QueueId", ULONG)
    queue_group_id: int = member("QueueGroupId", ULONG)
    queue_state: int = member("QueueState", ULONG, enumeration(c.QueueOperationalState))
    processor_affinity: GroupAffinity = member("ProcessorAffinity", GROUP_AFFINITY)
    num_suggested_receive_buffers: int = member("NumSuggestedReceiveBuffers", ULONG)
    msix_table_entry: int = member("MSIXTableEntry", ULONG)
    lookahead_size: int = member("LookaheadSize", ULONG)
    vm_name: str = member("VmName", NDIS_IF_COUNTED_STRING)
    queue_name: str = member("QueueName", NDIS_IF_COUNTED_STRING)
    num_filters: int = member("NumFilters", ULONG, since=2)
    interrupt_coalescing_domain_id: int = member("InterruptCoalescingDomainId", ULONG, since=2)


@structure("NDIS_RECEIVE_QUEUE_INFO_ARRAY", alias="QUEUE_INFO_ARRAY")
class QueueInfoArray(HeadedStructure):
    """The queues of the adapter."""

    first_element_offset: int = member("FirstElementOffset", ULONG, result_only=True)
    num_elements: int = member("NumElements", ULONG, result_only=True)
    element_size: int = member("ElementSize", ULONG, result_only=True)
    elements: tuple[QueueInfo, ...] = part(
        PartItem(QueueInfo),
        offset="first_element_offset",
        count="num_elements",
        element_size="element_size",
        result_only=True,
    )


@structure("NDIS_RECEIVE_QUEUE_STATE", alias="QUEUE_STATE")
class QueueState(HeadedStructure):
    """Status buffer of NDIS_STATUS_RECEIVE_QUEUE_STATE."""

    flags: int = member("Flags", ULONG)
    queue_id: int = member("QueueId", ULONG)
    queue_state: int = member("QueueState", ULONG, enumeration(c.QueueOperationalState))


# NIC switch and VPorts -----------------------------------------------------------------------------------------------


@structure("NDIS_NIC_SWITCH_CAPABILITIES", alias="NIC_SWITCH_CAPABILITIES", versions=((6, 20), (6, 30), (6, 60)))
class NicSwitchCapabilities(HeadedStructure):
    """NIC switch capabilities, hardware or current (CAP-09)."""

    flags: int = member("Flags", ULONG)
    ndis_reserved1: int = member("NdisReserved1", ULONG, reserved=True)
    num_total_mac_addresses: int = member("NumTotalMacAddresses", ULONG)
    num_mac_addresses_per_port: int = member("NumMacAddressesPerPort", ULONG)
    num_vlans_per_port: int = member("NumVlansPerPort", ULONG)
    ndis_reserved2: int = member("NdisReserved2", ULONG, reserved=True)
    ndis_reserved3: int = member("NdisReserved3", ULONG, reserved=True)
    nic_switch_capabilities: int = member(
        "NicSwitchCapabilities", ULONG, flag_names(c.NicSwitchCapabilityFlags), since=2
    )
    max_num_switches: int = member("MaxNumSwitches", ULONG, since=2)
    max_num_vports: int = member("MaxNumVPorts", ULONG, since=2)
    ndis_reserved4: int = member("NdisReserved4", ULONG, since=2, reserved=True)
    max_num_vfs: int = member("MaxNumVFs", ULONG, since=2)
    max_num_queue_pairs: int = member("MaxNumQueuePairs", ULONG, since=2)
    ndis_reserved5: int = member("NdisReserved5", ULONG, since=2, reserved=True)
    ndis_reserved6: int = member("NdisReserved6", ULONG, since=2, reserved=True)
    ndis_reserved7: int = member("NdisReserved7", ULONG, since=2, reserved=True)
    max_num_queue_pairs_per_non_default_vport: int = member("MaxNumQueuePairsPerNonDefaultVPort", ULONG, since=2)
    ndis_reserved8: int = member("NdisReserved8", ULONG, since=2, reserved=True)
    ndis_reserved9: int = member("NdisReserved9", ULONG, since=2, reserved=True)
    ndis_reserved10: int = member("NdisReserved10", ULONG, since=2, reserved=True)
    ndis_reserved11: int = member("NdisReserved11", ULONG, since=2, reserved=True)
    ndis_reserved12: int = member("NdisReserved12", ULONG, since=2, reserved=True)
    max_num_mac_addresses: int = member("MaxNumMacAddresses", ULONG, since=2)
    ndis_reserved13: int = member("NdisReserved13", ULONG, since=2, reserved=True)
    ndis_reserved14: int = member("NdisReserved14", ULONG, since=2, reserved=True)
    ndis_reserved15: int = member("NdisReserved15", ULONG, since=2, reserved=True)
    ndis_reserved16: int = member("NdisReserved16", ULONG, since=2, reserved=True)
    ndis_reserved17: int = member("NdisReserved17", ULONG, since=2, reserved=True)
    max_num_rss_capable_non_default_pf_vports: int = member("MaxNumRssCapableNonDefaultPFVPorts", ULONG, since=3)
    number_of_indirection_table_entries_for_default_vport: int = member(
        "NumberOfIndirectionTableEntriesForDefaultVPort", ULONG, since=3
    )
    number_of_indirection_table_entries_per_non_default_pf_vport: int = member(
        "NumberOfIndirectionTableEntriesPerNonDefaultPFVPort", ULONG, since=3
    )
    max_num_queue_pairs_for_default_vport: int = member("MaxNumQueuePairsForDefaultVPort", ULONG, since=3)


@structure("NDIS_NIC_SWITCH_PARAMETERS", alias="NIC_SWITCH_PARAMETERS", versions=((6, 30), (6, 60)))
class NicSwitchParameters(HeadedStructure):
    """A NIC switch."""

    flags: int = member("Flags", ULONG, flag_names(c.NicSwitchParametersFlags))
    switch_type: int = member("SwitchType", ULONG, enumeration(c.NicSwitchType), default=c.NicSwitchType.External)
    switch_id: int = member("SwitchId", ULONG)
    switch_friendly_name: str = member("SwitchFriendlyName", NDIS_IF_COUNTED_STRING)
    num_vfs: int = member("NumVFs", ULONG)
    ndis_reserved1: int = member("NdisReserved1", ULONG, reserved=True)
    ndis_reserved2: int = member("NdisReserved2", ULONG, reserved=True)
    ndis_reserved3: int = member("NdisReserved3", ULONG, reserved=True)
    num_queue_pairs_for_default_vport: int = member(
        "NumQueuePairsForDefaultVPort", ULONG, since=2, default=1, missing=c.DEFAULT_NUM_QUEUE_PAIRS_FOR_DEFAULT_VPORT
    )


@structure("NDIS_NIC_SWITCH_DELETE_SWITCH_PARAMETERS", alias="DELETE_SWITCH_PARAMETERS")
class DeleteSwitchParameters(HeadedStructure):
    """Which switch to delete."""

    flags: int = member("Flags", ULONG)
    switch_id: int = member("SwitchId", ULONG)


@structure("NDIS_NIC_SWITCH_INFO")
class NicSwitchInfo(HeadedStructure):
    """One switch of an enumeration."""

    flags: int = member("Flags", ULONG)
    switch_type: int = member("SwitchType", ULONG, enumeration(c.NicSwitchType))
    switch_id: int = member("SwitchId", ULONG)
    switch_friendly_name: str = member("SwitchFriendlyName", NDIS_IF_COUNTED_STRING)
    num_vfs: int = member("NumVFs", ULONG)
    num_allocated_vfs: int = member("NumAllocatedVFs", ULONG)
    num_vports: int = member("NumVPorts", ULONG)
    num_active_vports: int = member("NumActiveVPorts", ULONG)
    num_queue_pairs_for_default_vport: int = member("NumQueuePairsForDefaultVPort", ULONG)
    num_queue_pairs_for_non_default_vports: int = member("NumQueuePairsForNonDefaultVPorts", ULONG)
    num_active_default_vport_mac_addresses: int = member("NumActiveDefaultVPortMacAddresses", ULONG)
    num_active_non_default_vport_mac_addresses: int = member("NumActiveNonDefaultVPortMacAddresses", ULONG)
    num_active_default_vport_vlan_ids: int = member("NumActiveDefaultVPortVlanIds", ULONG)
    num_active_non_default_vport_vlan_ids: int = member("NumActiveNonDefaultVPortVlanIds", ULONG)


@structure("NDIS_NIC_SWITCH_INFO_ARRAY", alias="NIC_SWITCH_INFO_ARRAY")
class NicSwitchInfoArray(HeadedStructure):
    """The switches of the adapter."""

    first_element_offset: int = member("FirstElementOffset", ULONG, result_only=True)
    num_elements: int = member("NumElements", ULONG, result_only=True)
    element_size: int = member("ElementSize", ULONG, result_only=True)
    elements: tuple[NicSwitchInfo, ...] = part(
        PartItem(NicSwitchInfo),
        offset="first_element_offset",
        count="num_elements",
        element_size="element_size",
        result_only=True,
    )


@structure("NDIS_NDK_CAPABILITIES")
class NdkCapabilities(HeadedStructure):
    """NDK capabilities; the model knows only their place."""

    flags: int = member("Flags", ULONG)
    max_qp_count: int = member("MaxQpCount", ULONG)
    max_cq_count: int = member("MaxCqCount", ULONG)
    max_mr_count: int = member("MaxMrCount", ULONG)
    max_pd_count: int = member("MaxPdCount", ULONG)
    max_inbound_read_limit: int = member("MaxInboundReadLimit", ULONG)
    max_outbound_read_limit: int = member("MaxOutboundReadLimit", ULONG)
    max_mw_count: int = member("MaxMwCount", ULONG)
    max_srq_count: int = member("MaxSrqCount", ULONG)
    missing_counter_mask: int = member("MissingCounterMask", ULONG64)
    ndk_info: int = member("NdkInfo", POINTER)


@structure("NDIS_NDK_PARAMETERS")
class NdkParameters(Structure):
    """NDK parameters of a VPort; the model knows only their place."""

    rdma_requested: int = member("NdkRequest.RdmaRequested", UCHAR)
    switch_port_id: int = member("NdkRequest.SwitchPortId", ULONG)
    if_index: int = member("NdkRequest.IfIndex", ULONG)
    mac_address: int = member("NdkRequest.MacAddress", MAC_ADDRESS_32)
    vlan_id: int = member("NdkRequest.VlanId", ULONG)
    ndk_reserved: bytes = member("NdkRequest.NdkReserved", raw(56, alignment=8), reserved=True)
    capabilities_available: int = member("NdkResponse.CapabilitiesAvailable", UCHAR)
    received_capabilities: bytes = member("NdkResponse.ReceivedCapabilities", raw(56, alignment=8))


@structure("NDIS_NIC_SWITCH_VPORT_PARAMETERS", alias="VPORT_PARAMETERS", versions=((6, 30), (6, 50)))
class VPortParameters(HeadedStructure):
    """A VPort; NdkParams is opaque and written as zeros."""

    flags: int = member("Flags", ULONG, flag_names(c.VPortParametersFlags))
    switch_id: int = member("SwitchId", ULONG)
    vport_id: int = member("VPortId", ULONG)
    vport_name: str = member("VPortName", NDIS_IF_COUNTED_STRING)
    attached_function_id: int = member("AttachedFunctionId", USHORT, _FUNCTION, default=c.NDIS_PF_FUNCTION_ID)
    num_queue_pairs: int = member("NumQueuePairs", ULONG, default=1)
    interrupt_moderation: int = member("InterruptModeration", ULONG, enumeration(c.InterruptModeration))
    vport_state: int = member("VPortState", ULONG, enumeration(c.VPortState), default=c.VPortState.Deactivated)
    processor_affinity: GroupAffinity = member("ProcessorAffinity", GROUP_AFFINITY)
    lookahead_size: int = member("LookaheadSize", ULONG)
    ndk_params: bytes = member("NdkParams", raw(168, alignment=8), since=2, reserved=True)
    qos_sq_id: int = member("QosSqId", ULONG, since=2)


@structure("NDIS_NIC_SWITCH_DELETE_VPORT_PARAMETERS", alias="DELETE_VPORT_PARAMETERS")
class DeleteVPortParameters(HeadedStructure):
    """Which VPort to delete."""

    flags: int = member("Flags", ULONG)
    vport_id: int = member("VPortId", ULONG)


@structure("NDIS_NIC_SWITCH_VPORT_INFO")
class VPortInfo(HeadedStructure):
    """One VPort of an enumeration; VPortId comes before Flags and SwitchId here."""

    vport_id: int = member("VPortId", ULONG)
    flags: int = member("Flags", ULONG, flag_names(c.VPortInfoFlags))
    switch_id: int = member("SwitchId", ULONG)
    vport_name: str = member("VPortName", NDIS_IF_COUNTED_STRING)
    attached_function_id: int = member("AttachedFunctionId", USHORT, _FUNCTION)
    num_queue_pairs: int = member("NumQueuePairs", ULONG)
    interrupt_moderation: int = member("InterruptModeration", ULONG, enumeration(c.InterruptModeration))
    vport_state: int = member("VPortState", ULONG, enumeration(c.VPortState))
    processor_affinity: GroupAffinity = member("ProcessorAffinity", GROUP_AFFINITY)
    lookahead_size: int = member("LookaheadSize", ULONG)
    num_filters: int = member("NumFilters", ULONG)


@structure("NDIS_NIC_SWITCH_VPORT_INFO_ARRAY", alias="VPORT_INFO_ARRAY")
class VPortInfoArray(HeadedStructure):
    """The VPorts of the adapter, of one function or of one switch."""

    flags: int = member("Flags", ULONG, flag_names(c.VPortInfoArrayFlags))
    switch_id: int = member("SwitchId", ULONG)
    attached_function_id: int = member("AttachedFunctionId", USHORT, _FUNCTION)
    first_element_offset: int = member("FirstElementOffset", ULONG, result_only=True)
    num_elements: int = member("NumElements", ULONG, result_only=True)
    element_size: int = member("ElementSize", ULONG, result_only=True)
    elements: tuple[VPortInfo, ...] = part(
        PartItem(VPortInfo),
        offset="first_element_offset",
        count="num_elements",
        element_size="element_size",
        result_only=True,
    )


@structure("NDIS_NIC_SWITCH_VF_PARAMETERS", alias="VF_PARAMETERS")
class VfParameters(HeadedStructure):
    """A virtual function."""

    flags: int = member("Flags", ULONG)
    switch_id: int = member("SwitchId", ULONG)
    vm_name: str = member("VMName", NDIS_IF_COUNTED_STRING)
    vm_friendly_name: str = member("VMFriendlyName", NDIS_IF_COUNTED_STRING)
    nic_name: str = member("NicName", NDIS_IF_COUNTED_STRING)
    mac_address_length: int = member("MacAddressLength", USHORT, default=6)
    permanent_mac_address: int = member("PermanentMacAddress", MAC_ADDRESS_32)  # 48 bits
    current_mac_address: int = member("CurrentMacAddress", MAC_ADDRESS_32)  # 48 bits
    vf_id: int = member("VFId", USHORT)
    requestor_id: int = member("RequestorId", ULONG)


@structure("NDIS_NIC_SWITCH_FREE_VF_PARAMETERS", alias="FREE_VF_PARAMETERS")
class FreeVfParameters(HeadedStructure):
    """Which virtual function to free."""

    flags: int = member("Flags", ULONG)
    vf_id: int = member("VFId", USHORT)


# RSS -----------------------------------------------------------------------------------------------------------------

_HASH_INFORMATION = flag_names(c.HashInformation)


def _table_sizes(revision: int) -> Sequence[int]:
    """Byte sizes an indirection table may have (ERR-36): whole entries, at least one, at most the revision's limit."""
    if revision == 1:
        return range(1, c.INDIRECTION_TABLE_BYTES_MAX_REVISION_1 + 1)
    return range(PROCESSOR_NUMBER.size, c.INDIRECTION_TABLE_BYTES_MAX + 1, PROCESSOR_NUMBER.size)


def _key_sizes(revision: int) -> Sequence[int]:
    """Byte sizes a secret key may have (RSS-12)."""
    return (c.HASH_SECRET_KEY_BYTES,)


_PROCESSOR_BYTE = CType(
    "CCHAR",
    "B",
    1,
    ProcessorNumber(0, 0),
    values.PROCESSOR,
    lambda number: ProcessorNumber(0, number),
    lambda p: (p[1],),
)
_TABLE = PartItem(c_type=PROCESSOR_NUMBER, c_type_revision_1=_PROCESSOR_BYTE, value=values.PROCESSORS)
_KEY = PartItem(value=values.HEX)
_MASKS = PartItem(c_type=GROUP_AFFINITY, value=values.AFFINITIES)


def _key() -> Any:
    return part(
        _KEY,
        offset="hash_secret_key_offset",
        size="hash_secret_key_size",
        alignment=1,
        sizes=_key_sizes,
        sizes_rule="RSS-12",
    )


@structure(
    "NDIS_RECEIVE_SCALE_CAPABILITIES",
    alias="SCALE_CAPABILITIES",
    object_type=c.ObjectType.RSS_CAPABILITIES,
    versions=((6, 0), (6, 30), (6, 60)),
)
class ScaleCapabilities(HeadedStructure):
    """RSS capabilities (CAP-09)."""

    capabilities_flags: int = member("CapabilitiesFlags", ULONG, flag_names(c.RssCapabilitiesFlags))
    number_of_interrupt_messages: int = member("NumberOfInterruptMessages", ULONG)
    number_of_receive_queues: int = member("NumberOfReceiveQueues", ULONG)
    number_of_indirection_table_entries: int = member("NumberOfIndirectionTableEntries", USHORT, since=2)


@structure(
    "NDIS_RECEIVE_SCALE_PARAMETERS",
    alias="SCALE_PARAMETERS",
    object_type=c.ObjectType.RSS_PARAMETERS,
    versions=((6, 0), (6, 20), (6, 60)),
)
class ScaleParameters(HeadedStructure):
    """RSS parameters, generation 1.

    `default_processor_number` is None in a buffer of revision 1 or 2 (RSS-10). `indirection_table` and
    `hash_secret_key` of a set request are filled exactly when the request uses them, see `parts_in_use`.
    """

    flags: int = member("Flags", USHORT, flag_names(c.RssParametersFlags, 16))
    base_cpu_number: int = member("BaseCpuNumber", USHORT)
    hash_information: int = member("HashInformation", ULONG, _HASH_INFORMATION)
    indirection_table_size: int = member("IndirectionTableSize", USHORT)  # bytes
    indirection_table_offset: int = member("IndirectionTableOffset", ULONG)
    hash_secret_key_size: int = member("HashSecretKeySize", USHORT)  # bytes
    hash_secret_key_offset: int = member("HashSecretKeyOffset", ULONG)
    processor_masks_offset: int = member("ProcessorMasksOffset", ULONG, since=2)
    number_of_processor_masks: int = member("NumberOfProcessorMasks", ULONG, since=2)
    processor_masks_entry_size: int = member("ProcessorMasksEntrySize", ULONG, since=2)
    default_processor_number: ProcessorNumber | None = member(
        "DefaultProcessorNumber", PROCESSOR_NUMBER, since=3, missing=None
    )
    indirection_table: tuple[ProcessorNumber, ...] = part(
        _TABLE,
        offset="indirection_table_offset",
        size="indirection_table_size",
        alignment=1,
        sizes=_table_sizes,
        sizes_rule="RSS-15",
    )
    hash_secret_key: bytes = _key()
    processor_masks: tuple[GroupAffinity, ...] = part(
        _MASKS,
        offset="processor_masks_offset",
        count="number_of_processor_masks",
        element_size="processor_masks_entry_size",
        since=2,
        may_overlap=True,
    )

    @property
    def disables(self) -> bool:
        """Whether this set request disables RSS: by the flag, or by hash function 0 if hash information is in use."""
        takes_hash = not self.flags & c.RssParametersFlags.HASH_INFO_UNCHANGED
        no_function = takes_hash and not self.hash_information & c.NDIS_HASH_FUNCTION_MASK
        return bool(self.flags & c.RssParametersFlags.DISABLE_RSS) or no_function

    def parts_in_use(self) -> Sequence[str]:
        """Nothing if RSS is disabled (RSS-06, RSS-07), else the masks and parts not flagged as unchanged (RSS-09)."""
        if self.disables:
            return []
        table = [] if self.flags & c.RssParametersFlags.ITABLE_UNCHANGED else ["indirection_table"]
        key = [] if self.flags & c.RssParametersFlags.HASH_KEY_UNCHANGED else ["hash_secret_key"]
        return [*table, *key, "processor_masks"]


@structure(
    "NDIS_RECEIVE_SCALE_PARAMETERS_V2",
    alias="SCALE_PARAMETERS_V2",
    object_type=c.ObjectType.RSS_PARAMETERS_V2,
    versions=((6, 80),),
)
class ScaleParametersV2(HeadedStructure):
    """RSS parameters, generation 2: everything but the table."""

    flags: int = member("Flags", ULONG, flag_names(c.RssParametersV2Flags))
    hash_information: int = member("HashInformation", ULONG, _HASH_INFORMATION)
    hash_secret_key_size: int = member("HashSecretKeySize", ULONG)  # bytes
    hash_secret_key_offset: int = member("HashSecretKeyOffset", ULONG)
    number_of_queues: int = member("NumberOfQueues", ULONG)
    number_of_indirection_table_entries: int = member("NumberOfIndirectionTableEntries", ULONG)
    hash_secret_key: bytes = _key()

    @property
    def enables(self) -> bool:
        """Whether this set request enables RSS; hash function 0 disables it (UPD-21, UPD-24)."""
        takes_hash = self.flags & c.RssParametersV2Flags.HASH_INFO_CHANGED
        no_function = takes_hash and not self.hash_information & c.NDIS_HASH_FUNCTION_MASK
        return bool(self.flags & c.RssParametersV2Flags.ENABLE_RSS) and not no_function

    def parts_in_use(self) -> Sequence[str]:
        """The key, if it is flagged as changed and the request enables RSS; otherwise it is ignored (UPD-22)."""
        return ["hash_secret_key"] if self.enables and self.flags & c.RssParametersV2Flags.HASH_KEY_CHANGED else []


@structure("NDIS_RSS_SET_INDIRECTION_ENTRY", versions=((6, 80),))
class SetIndirectionEntry(Structure):
    """One move command (UPD-37)."""

    switch_id: int = member("SwitchId", ULONG)
    vport_id: int = member("VPortId", ULONG)
    flags: int = member("Flags", ULONG, flag_names(c.IndirectionEntryFlags))
    indirection_table_index: int = member("IndirectionTableIndex", USHORT)
    target_processor_number: ProcessorNumber = member("TargetProcessorNumber", PROCESSOR_NUMBER)
    entry_status: int = member("EntryStatus", NDIS_STATUS, default=NdisStatus.NDIS_STATUS_PENDING)


@structure(
    "NDIS_RSS_SET_INDIRECTION_ENTRIES",
    alias="SET_INDIRECTION_ENTRIES",
    object_type=c.ObjectType.RSS_SET_INDIRECTION_ENTRIES,
    versions=((6, 80),),
)
class SetIndirectionEntries(HeadedStructure):
    """Move commands in the order they are to be executed (UPD-31)."""

    flags: int = member("Flags", ULONG)
    rss_entry_size: int = member("RssEntrySize", ULONG)
    rss_entry_table_offset: int = member("RssEntryTableOffset", ULONG)
    number_of_rss_entries: int = member("NumberOfRssEntries", ULONG)
    rss_entry_table: tuple[SetIndirectionEntry, ...] = part(
        PartItem(SetIndirectionEntry),
        offset="rss_entry_table_offset",
        count="number_of_rss_entries",
        element_size="rss_entry_size",
    )


@structure("NDIS_RECEIVE_HASH_PARAMETERS", alias="HASH_PARAMETERS")
class HashParameters(HeadedStructure):
    """Hashing without spreading (RSS-23)."""

    flags: int = member("Flags", ULONG, flag_names(c.ReceiveHashFlags))  # ULONG, not the USHORT of the page (CON-19)
    hash_information: int = member("HashInformation", ULONG, _HASH_INFORMATION)
    hash_secret_key_size: int = member("HashSecretKeySize", USHORT)  # bytes
    hash_secret_key_offset: int = member("HashSecretKeyOffset", ULONG)
    hash_secret_key: bytes = _key()

    def parts_in_use(self) -> Sequence[str]:
        """The key, if hashing is enabled and the key is not flagged as unchanged."""
        enable = self.flags & c.ReceiveHashFlags.ENABLE_HASH
        return ["hash_secret_key"] if enable and not self.flags & c.ReceiveHashFlags.HASH_KEY_UNCHANGED else []


@structure("NDIS_RSS_PROCESSOR")
class RssProcessor(Structure):
    """One processor of the RSS processor array."""

    proc_num: ProcessorNumber = member("ProcNum", PROCESSOR_NUMBER)
    preference_index: int = member("PreferenceIndex", USHORT)
    reserved: int = member("Reserved", USHORT, reserved=True)


@structure(
    "NDIS_RSS_PROCESSOR_INFO",
    alias="RSS_PROCESSOR_INFO",
    object_type=c.ObjectType.RSS_PROCESSOR_INFO,
    versions=((6, 0), (6, 30)),
)
class RssProcessorInfo(HeadedStructure):
    """The result of NdisGetRssProcessorInformation: the RSS processor array and its range."""

    flags: int = member("Flags", ULONG)
    rss_base_processor: ProcessorNumber = member("RssBaseProcessor", PROCESSOR_NUMBER)
    max_num_rss_processors: int = member("MaxNumRssProcessors", ULONG)
    preferred_numa_node: int = member("PreferredNumaNode", USHORT)
    rss_processor_array_offset: int = member("RssProcessorArrayOffset", ULONG)
    rss_processor_count: int = member("RssProcessorCount", ULONG)
    rss_processor_entry_size: int = member("RssProcessorEntrySize", ULONG)
    rss_max_processor: ProcessorNumber = member("RssMaxProcessor", PROCESSOR_NUMBER, since=2)
    rss_profile: int = member("RssProfile", ULONG, enumeration(c.RssProfile), since=2)
    rss_processors: tuple[RssProcessor, ...] = part(
        PartItem(RssProcessor),
        offset="rss_processor_array_offset",
        count="rss_processor_count",
        element_size="rss_processor_entry_size",
    )


# NDIS_OID_REQUEST ----------------------------------------------------------------------------------------------------


@structure("NDIS_OID_REQUEST", object_type=c.ObjectType.OID_REQUEST, versions=((6, 0), (6, 50)))
class OidRequest(HeadedStructure):
    """The request itself. It holds pointers and is not marshalled; the layout is here for reading dumps.

    DATA is opaque here and laid out by `QueryInformation`, `SetInformation` or `MethodInformation`, by RequestType.
    """

    request_type: int = member("RequestType", ULONG)
    port_number: int = member("PortNumber", ULONG)
    timeout: int = member("Timeout", ULONG)  # seconds, 0 = infinite
    request_id: int = member("RequestId", POINTER)
    request_handle: int = member("RequestHandle", POINTER)
    data: bytes = member("DATA", raw(40, alignment=8))
    ndis_reserved: bytes = member("NdisReserved", raw(128), reserved=True)
    miniport_reserved: bytes = member("MiniportReserved", raw(16), reserved=True)
    source_reserved: bytes = member("SourceReserved", raw(16), reserved=True)
    supported_revision: int = member("SupportedRevision", UCHAR)
    reserved1: int = member("Reserved1", UCHAR, reserved=True)
    reserved2: int = member("Reserved2", USHORT, reserved=True)
    switch_id: int = member("SwitchId", ULONG, since=2)
    vport_id: int = member("VPortId", ULONG, since=2)
    flags: int = member("Flags", ULONG, since=2)


@structure("NDIS_OID_REQUEST.DATA.QUERY_INFORMATION")
class QueryInformation(Structure):
    """DATA of a query request."""

    oid: int = member("Oid", ULONG)
    information_buffer: int = member("InformationBuffer", POINTER)
    information_buffer_length: int = member("InformationBufferLength", ULONG)
    bytes_written: int = member("BytesWritten", ULONG)
    bytes_needed: int = member("BytesNeeded", ULONG)


@structure("NDIS_OID_REQUEST.DATA.SET_INFORMATION")
class SetInformation(Structure):
    """DATA of a set request."""

    oid: int = member("Oid", ULONG)
    information_buffer: int = member("InformationBuffer", POINTER)
    information_buffer_length: int = member("InformationBufferLength", ULONG)
    bytes_read: int = member("BytesRead", ULONG)
    bytes_needed: int = member("BytesNeeded", ULONG)


@structure("NDIS_OID_REQUEST.DATA.METHOD_INFORMATION")
class MethodInformation(Structure):
    """DATA of a method request."""

    oid: int = member("Oid", ULONG)
    information_buffer: int = member("InformationBuffer", POINTER)
    input_buffer_length: int = member("InputBufferLength", ULONG)
    output_buffer_length: int = member("OutputBufferLength", ULONG)
    method_id: int = member("MethodId", ULONG)
    bytes_written: int = member("BytesWritten", ULONG)
    bytes_read: int = member("BytesRead", ULONG)
    bytes_needed: int = member("BytesNeeded", ULONG)


# Which structure a request carries -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """The structures of one kind of request; None if there is no structure."""

    request: type[Structure] | None
    result: type[Structure] | None


def _exchanges() -> dict[tuple[Oid, RequestKind], Exchange]:
    query, set_, method = RequestKind.QUERY, RequestKind.SET, RequestKind.METHOD
    results: dict[Oid, type[Structure]] = {
        Oid.OID_GEN_CURRENT_PACKET_FILTER: PacketFilter,
        Oid.OID_802_3_CURRENT_ADDRESS: CurrentAddress,
        Oid.OID_802_3_MULTICAST_LIST: MulticastList,
        Oid.OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES: FilterCapabilities,
        Oid.OID_RECEIVE_FILTER_CURRENT_CAPABILITIES: FilterCapabilities,
        Oid.OID_RECEIVE_FILTER_GLOBAL_PARAMETERS: FilterGlobalParameters,
        Oid.OID_RECEIVE_FILTER_ENUM_QUEUES: QueueInfoArray,
        Oid.OID_NIC_SWITCH_HARDWARE_CAPABILITIES: NicSwitchCapabilities,
        Oid.OID_NIC_SWITCH_CURRENT_CAPABILITIES: NicSwitchCapabilities,
        Oid.OID_NIC_SWITCH_ENUM_SWITCHES: NicSwitchInfoArray,
        Oid.OID_GEN_RECEIVE_SCALE_CAPABILITIES: ScaleCapabilities,
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS: ScaleParameters,
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: ScaleParametersV2,
        Oid.OID_GEN_RECEIVE_HASH: HashParameters,
    }
    requests: dict[Oid, type[Structure]] = {
        Oid.OID_GEN_CURRENT_PACKET_FILTER: PacketFilter,
        Oid.OID_802_3_MULTICAST_LIST: MulticastList,
        Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS: QueueParameters,
        Oid.OID_RECEIVE_FILTER_FREE_QUEUE: QueueFreeParameters,
        Oid.OID_RECEIVE_FILTER_CLEAR_FILTER: FilterClearParameters,
        Oid.OID_RECEIVE_FILTER_MOVE_FILTER: MoveFilterParameters,
        Oid.OID_NIC_SWITCH_PARAMETERS: NicSwitchParameters,
        Oid.OID_NIC_SWITCH_DELETE_SWITCH: DeleteSwitchParameters,
        Oid.OID_NIC_SWITCH_VPORT_PARAMETERS: VPortParameters,
        Oid.OID_NIC_SWITCH_DELETE_VPORT: DeleteVPortParameters,
        Oid.OID_NIC_SWITCH_FREE_VF: FreeVfParameters,
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS: ScaleParameters,
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: ScaleParametersV2,
        Oid.OID_GEN_RECEIVE_HASH: HashParameters,
    }
    methods: dict[Oid, type[Structure]] = {
        Oid.OID_RECEIVE_FILTER_ALLOCATE_QUEUE: QueueParameters,
        Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS: QueueParameters,
        Oid.OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE: AllocationCompleteArray,
        Oid.OID_RECEIVE_FILTER_SET_FILTER: FilterParameters,
        Oid.OID_RECEIVE_FILTER_PARAMETERS: FilterParameters,
        Oid.OID_RECEIVE_FILTER_ENUM_FILTERS: FilterInfoArray,
        Oid.OID_NIC_SWITCH_CREATE_SWITCH: NicSwitchParameters,
        Oid.OID_NIC_SWITCH_PARAMETERS: NicSwitchParameters,
        Oid.OID_NIC_SWITCH_CREATE_VPORT: VPortParameters,
        Oid.OID_NIC_SWITCH_VPORT_PARAMETERS: VPortParameters,
        Oid.OID_NIC_SWITCH_ENUM_VPORTS: VPortInfoArray,
        Oid.OID_NIC_SWITCH_ALLOCATE_VF: VfParameters,
        Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES: SetIndirectionEntries,
    }
    exchanges = {(oid, query): Exchange(None, cls) for oid, cls in results.items()}
    exchanges |= {(oid, RequestKind.QUERY_STATISTICS): Exchange(None, cls) for oid, cls in results.items()}
    exchanges |= {(oid, set_): Exchange(cls, None) for oid, cls in requests.items()}
    exchanges |= {(oid, method): Exchange(cls, cls) for oid, cls in methods.items()}
    return exchanges


#: The structures of each request; requests that are not listed have raw bytes.
EXCHANGES = _exchanges()


def structure_named(name: str) -> type[Structure]:
    """A structure by its name in the headers or in the oracle protocol, any case; KeyError if there is none."""
    wanted = name.upper()
    for cls in STRUCTURES.values():
        if wanted and wanted in (cls.layout.name, cls.layout.alias):
            return cls
    raise KeyError(name)
