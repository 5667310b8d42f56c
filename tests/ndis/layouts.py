"""The documented layouts, written out as data: what a C compiler for x64 makes of the structures of `ntddndis.h`.

One block for each structure: name, Header.Type, `sizeof` and Header.Size by revision, then every member as
`offset+size Name`. The members of the DATA union of NDIS_OID_REQUEST count from the begin of DATA (offset 32).
"""

from __future__ import annotations

from dataclasses import dataclass

_TEXT = """
NDIS_OID_REQUEST type=0x96 sizeof=248 sizes=236/248
    0+4 Header, 4+4 RequestType, 8+4 PortNumber, 12+4 Timeout, 16+8 RequestId, 24+8 RequestHandle, 32+40 DATA,
    72+128 NdisReserved, 200+16 MiniportReserved, 216+16 SourceReserved, 232+1 SupportedRevision, 233+1
    Reserved1, 234+2 Reserved2, 236+4 SwitchId, 240+4 VPortId, 244+4 Flags
NDIS_OID_REQUEST.DATA.QUERY_INFORMATION type=- sizeof=- sizes=-
    0+4 Oid, 8+8 InformationBuffer, 16+4 InformationBufferLength, 20+4 BytesWritten, 24+4 BytesNeeded
NDIS_OID_REQUEST.DATA.SET_INFORMATION type=- sizeof=- sizes=-
    0+4 Oid, 8+8 InformationBuffer, 16+4 InformationBufferLength, 20+4 BytesRead, 24+4 BytesNeeded
NDIS_OID_REQUEST.DATA.METHOD_INFORMATION type=- sizeof=- sizes=-
    0+4 Oid, 8+8 InformationBuffer, 16+4 InputBufferLength, 20+4 OutputBufferLength, 24+4 MethodId, 28+4
    BytesWritten, 32+4 BytesRead, 36+4 BytesNeeded
NDIS_RECEIVE_FILTER_PARAMETERS type=0x80 sizeof=44 sizes=36/44
    0+4 Header, 4+4 Flags, 8+4 FilterType, 12+4 QueueId, 16+4 FilterId, 20+4 FieldParametersArrayOffset, 24+4
    FieldParametersArrayNumElements, 28+4 FieldParametersArrayElementSize, 32+4 RequestedFilterIdBitCount, 36+4
    MaxCoalescingDelay, 40+4 VPortId
NDIS_RECEIVE_FILTER_FIELD_PARAMETERS type=0x80 sizeof=56 sizes=56/56
    0+4 Header, 4+4 Flags, 8+4 FrameHeader, 12+4 ReceiveFilterTest, 16+4 HeaderField, 24+16 FieldValue, 40+16
    ResultValue
NDIS_RECEIVE_FILTER_CLEAR_PARAMETERS type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 Flags, 8+4 QueueId, 12+4 FilterId
NDIS_RECEIVE_FILTER_MOVE_FILTER_PARAMETERS type=0x80 sizeof=24 sizes=24
    0+4 Header, 4+4 FilterId, 8+4 SourceQueueId, 12+4 SourceVPortId, 16+4 DestQueueId, 20+4 DestVPortId
NDIS_RECEIVE_FILTER_INFO_ARRAY type=0x80 sizeof=28 sizes=20/28
    0+4 Header, 4+4 QueueId, 8+4 FirstElementOffset, 12+4 NumElements, 16+4 ElementSize, 20+4 Flags, 24+4
    VPortId
NDIS_RECEIVE_FILTER_INFO type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 Flags, 8+4 FilterType, 12+4 FilterId
NDIS_RECEIVE_FILTER_GLOBAL_PARAMETERS type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 Flags, 8+4 EnabledFilterTypes, 12+4 EnabledQueueTypes
NDIS_RECEIVE_FILTER_CAPABILITIES type=0x80 sizeof=84 sizes=56/84
    0+4 Header, 4+4 Flags, 8+4 EnabledFilterTypes, 12+4 EnabledQueueTypes, 16+4 NumQueues, 20+4
    SupportedQueueProperties, 24+4 SupportedFilterTests, 28+4 SupportedHeaders, 32+4 SupportedMacHeaderFields,
    36+4 MaxMacHeaderFilters, 40+4 MaxQueueGroups, 44+4 MaxQueuesPerQueueGroup, 48+4 MinLookaheadSplitSize, 52+4
    MaxLookaheadSplitSize, 56+4 SupportedARPHeaderFields, 60+4 SupportedIPv4HeaderFields, 64+4
    SupportedIPv6HeaderFields, 68+4 SupportedUdpHeaderFields, 72+4 MaxFieldTestsPerPacketCoalescingFilter, 76+4
    MaxPacketCoalescingFilters, 80+4 NdisReserved
NDIS_RECEIVE_QUEUE_PARAMETERS type=0x80 sizeof=1096 sizes=1084/1092/1096
    0+4 Header, 4+4 Flags, 8+4 QueueType, 12+4 QueueId, 16+4 QueueGroupId, 24+16 ProcessorAffinity, 40+4
    NumSuggestedReceiveBuffers, 44+4 MSIXTableEntry, 48+4 LookaheadSize, 52+516 VmName, 568+516 QueueName,
    1084+4 PortId, 1088+4 InterruptCoalescingDomainId, 1092+4 QosSqId
NDIS_RECEIVE_QUEUE_FREE_PARAMETERS type=0x80 sizeof=12 sizes=12
    0+4 Header, 4+4 Flags, 8+4 QueueId
NDIS_RECEIVE_QUEUE_ALLOCATION_COMPLETE_ARRAY type=0x80 sizeof=20 sizes=20
    0+4 Header, 4+4 Flags, 8+4 FirstElementOffset, 12+4 NumElements, 16+4 ElementSize
NDIS_RECEIVE_QUEUE_ALLOCATION_COMPLETE_PARAMETERS type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 Flags, 8+4 QueueId, 12+4 CompletionStatus
NDIS_RECEIVE_QUEUE_INFO_ARRAY type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 FirstElementOffset, 8+4 NumElements, 12+4 ElementSize
NDIS_RECEIVE_QUEUE_INFO type=0x80 sizeof=1096 sizes=1084/1092
    0+4 Header, 4+4 Flags, 8+4 QueueType, 12+4 QueueId, 16+4 QueueGroupId, 20+4 QueueState, 24+16
    ProcessorAffinity, 40+4 NumSuggestedReceiveBuffers, 44+4 MSIXTableEntry, 48+4 LookaheadSize, 52+516 VmName,
    568+516 QueueName, 1084+4 NumFilters, 1088+4 InterruptCoalescingDomainId
NDIS_RECEIVE_QUEUE_STATE type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 Flags, 8+4 QueueId, 12+4 QueueState
NDIS_NIC_SWITCH_CAPABILITIES type=0x80 sizeof=132 sizes=32/116/132
    0+4 Header, 4+4 Flags, 8+4 NdisReserved1, 12+4 NumTotalMacAddresses, 16+4 NumMacAddressesPerPort, 20+4
    NumVlansPerPort, 24+4 NdisReserved2, 28+4 NdisReserved3, 32+4 NicSwitchCapabilities, 36+4 MaxNumSwitches,
    40+4 MaxNumVPorts, 44+4 NdisReserved4, 48+4 MaxNumVFs, 52+4 MaxNumQueuePairs, 56+4 NdisReserved5, 60+4
    NdisReserved6, 64+4 NdisReserved7, 68+4 MaxNumQueuePairsPerNonDefaultVPort, 72+4 NdisReserved8, 76+4
    NdisReserved9, 80+4 NdisReserved10, 84+4 NdisReserved11, 88+4 NdisReserved12, 92+4 MaxNumMacAddresses, 96+4
    NdisReserved13, 100+4 NdisReserved14, 104+4 NdisReserved15, 108+4 NdisReserved16, 112+4 NdisReserved17,
    116+4 MaxNumRssCapableNonDefaultPFVPorts, 120+4 NumberOfIndirectionTableEntriesForDefaultVPort, 124+4
    NumberOfIndirectionTableEntriesPerNonDefaultPFVPort, 128+4 MaxNumQueuePairsForDefaultVPort
NDIS_NIC_SWITCH_PARAMETERS type=0x80 sizeof=552 sizes=548/552
    0+4 Header, 4+4 Flags, 8+4 SwitchType, 12+4 SwitchId, 16+516 SwitchFriendlyName, 532+4 NumVFs, 536+4
    NdisReserved1, 540+4 NdisReserved2, 544+4 NdisReserved3, 548+4 NumQueuePairsForDefaultVPort
NDIS_NIC_SWITCH_DELETE_SWITCH_PARAMETERS type=0x80 sizeof=12 sizes=12
    0+4 Header, 4+4 Flags, 8+4 SwitchId
NDIS_NIC_SWITCH_INFO_ARRAY type=0x80 sizeof=16 sizes=16
    0+4 Header, 4+4 FirstElementOffset, 8+4 NumElements, 12+4 ElementSize
NDIS_NIC_SWITCH_INFO type=0x80 sizeof=572 sizes=572
    0+4 Header, 4+4 Flags, 8+4 SwitchType, 12+4 SwitchId, 16+516 SwitchFriendlyName, 532+4 NumVFs, 536+4
    NumAllocatedVFs, 540+4 NumVPorts, 544+4 NumActiveVPorts, 548+4 NumQueuePairsForDefaultVPort, 552+4
    NumQueuePairsForNonDefaultVPorts, 556+4 NumActiveDefaultVPortMacAddresses, 560+4
    NumActiveNonDefaultVPortMacAddresses, 564+4 NumActiveDefaultVPortVlanIds, 568+4
    NumActiveNonDefaultVPortVlanIds
NDIS_NIC_SWITCH_VPORT_PARAMETERS type=0x80 sizeof=752 sizes=572/748
    0+4 Header, 4+4 Flags, 8+4 SwitchId, 12+4 VPortId, 16+516 VPortName, 532+2 AttachedFunctionId, 536+4
    NumQueuePairs, 540+4 InterruptModeration, 544+4 VPortState, 552+16 ProcessorAffinity, 568+4 LookaheadSize,
    576+168 NdkParams, 744+4 QosSqId
NDIS_NDK_PARAMETERS type=- sizeof=168 sizes=-
    0+1 NdkRequest.RdmaRequested, 4+4 NdkRequest.SwitchPortId, 8+4 NdkRequest.IfIndex, 12+32
    NdkRequest.MacAddress, 44+4 NdkRequest.VlanId, 48+56 NdkRequest.NdkReserved, 104+1
    NdkResponse.CapabilitiesAvailable, 112+56 NdkResponse.ReceivedCapabilities
NDIS_NDK_CAPABILITIES type=0x80 sizeof=56 sizes=-
    0+4 Header, 4+4 Flags, 8+4 MaxQpCount, 12+4 MaxCqCount, 16+4 MaxMrCount, 20+4 MaxPdCount, 24+4
    MaxInboundReadLimit, 28+4 MaxOutboundReadLimit, 32+4 MaxMwCount, 36+4 MaxSrqCount, 40+8 MissingCounterMask,
    48+8 NdkInfo
NDIS_NIC_SWITCH_DELETE_VPORT_PARAMETERS type=0x80 sizeof=12 sizes=12
    0+4 Header, 4+4 Flags, 8+4 VPortId
NDIS_NIC_SWITCH_VPORT_INFO_ARRAY type=0x80 sizeof=28 sizes=28
    0+4 Header, 4+4 Flags, 8+4 SwitchId, 12+2 AttachedFunctionId, 16+4 FirstElementOffset, 20+4 NumElements,
    24+4 ElementSize
NDIS_NIC_SWITCH_VPORT_INFO type=0x80 sizeof=576 sizes=576
    0+4 Header, 4+4 VPortId, 8+4 Flags, 12+4 SwitchId, 16+516 VPortName, 532+2 AttachedFunctionId, 536+4
    NumQueuePairs, 540+4 InterruptModeration, 544+4 VPortState, 552+16 ProcessorAffinity, 568+4 LookaheadSize,
    572+4 NumFilters
NDIS_NIC_SWITCH_VF_PARAMETERS type=0x80 sizeof=1632 sizes=1632
    0+4 Header, 4+4 Flags, 8+4 SwitchId, 12+516 VMName, 528+516 VMFriendlyName, 1044+516 NicName, 1560+2
    MacAddressLength, 1562+32 PermanentMacAddress, 1594+32 CurrentMacAddress, 1626+2 VFId, 1628+4 RequestorId
NDIS_NIC_SWITCH_FREE_VF_PARAMETERS type=0x80 sizeof=12 sizes=10
    0+4 Header, 4+4 Flags, 8+2 VFId
NDIS_RECEIVE_SCALE_CAPABILITIES type=0x88 sizeof=20 sizes=16/18/18
    0+4 Header, 4+4 CapabilitiesFlags, 8+4 NumberOfInterruptMessages, 12+4 NumberOfReceiveQueues, 16+2
    NumberOfIndirectionTableEntries
NDIS_RECEIVE_SCALE_PARAMETERS type=0x89 sizeof=44 sizes=28/40/44
    0+4 Header, 4+2 Flags, 6+2 BaseCpuNumber, 8+4 HashInformation, 12+2 IndirectionTableSize, 16+4
    IndirectionTableOffset, 20+2 HashSecretKeySize, 24+4 HashSecretKeyOffset, 28+4 ProcessorMasksOffset, 32+4
    NumberOfProcessorMasks, 36+4 ProcessorMasksEntrySize, 40+4 DefaultProcessorNumber
NDIS_RECEIVE_SCALE_PARAMETERS_V2 type=0xC8 sizeof=28 sizes=28
    0+4 Header, 4+4 Flags, 8+4 HashInformation, 12+4 HashSecretKeySize, 16+4 HashSecretKeyOffset, 20+4
    NumberOfQueues, 24+4 NumberOfIndirectionTableEntries
NDIS_RSS_SET_INDIRECTION_ENTRIES type=0xC9 sizeof=20 sizes=20
    0+4 Header, 4+4 Flags, 8+4 RssEntrySize, 12+4 RssEntryTableOffset, 16+4 NumberOfRssEntries
NDIS_RSS_SET_INDIRECTION_ENTRY type=- sizeof=24 sizes=24
    0+4 SwitchId, 4+4 VPortId, 8+4 Flags, 12+2 IndirectionTableIndex, 14+4 TargetProcessorNumber, 20+4
    EntryStatus
NDIS_RECEIVE_HASH_PARAMETERS type=0x80 sizeof=20 sizes=20
    0+4 Header, 4+4 Flags, 8+4 HashInformation, 12+2 HashSecretKeySize, 16+4 HashSecretKeyOffset
NDIS_RSS_PROCESSOR_INFO type=0xB1 sizeof=40 sizes=32/40
    0+4 Header, 4+4 Flags, 8+4 RssBaseProcessor, 12+4 MaxNumRssProcessors, 16+2 PreferredNumaNode, 20+4
    RssProcessorArrayOffset, 24+4 RssProcessorCount, 28+4 RssProcessorEntrySize, 32+4 RssMaxProcessor, 36+4
    RssProfile
NDIS_RSS_PROCESSOR type=- sizeof=8 sizes=-
    0+4 ProcNum, 4+2 PreferenceIndex, 6+2 Reserved
"""


@dataclass(frozen=True)
class DocumentedLayout:
    """One block of the text."""

    name: str
    object_type: int | None
    sizeof: int | None
    sizes: tuple[int, ...]  # Header.Size by revision
    members: tuple[tuple[int, int, str], ...]  # offset, size, name


def _read(text: str) -> list[DocumentedLayout]:
    blocks: list[tuple[str, list[str]]] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            blocks[-1][1].append(line.strip())
        else:
            blocks.append((line, []))
    layouts = []
    for head, lines in blocks:
        name, *numbers = head.split()
        object_type, sizeof, sizes = (number.partition("=")[2] for number in numbers)
        members = []
        for member in " ".join(lines).split(", "):
            place, member_name = member.strip(",").split()
            offset, size = place.split("+")
            members.append((int(offset), int(size), member_name))
        layouts.append(
            DocumentedLayout(
                name,
                None if object_type == "-" else int(object_type, 16),
                None if sizeof == "-" else int(sizeof),
                () if sizes == "-" else tuple(int(size) for size in sizes.split("/")),
                tuple(members),
            )
        )
    return layouts


LAYOUTS = _read(_TEXT)
