"""Enumerations and flags of `ntddndis.h`, by their documented names without the common prefix.

JSON uses the spelling of the members, so they follow the documentation and not PEP 8. Members of flags are single bits;
masks are module constants.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

# Object types and identifiers (sections 4 and 5 of the constants) ---------------------------------------------------


class ObjectType(IntEnum):
    """NDIS_OBJECT_HEADER.Type (STR-02)."""

    DEFAULT = 0x80
    RSS_CAPABILITIES = 0x88
    RSS_PARAMETERS = 0x89
    OID_REQUEST = 0x96
    STATUS_INDICATION = 0x98
    MINIPORT_ADAPTER_HARDWARE_ASSIST_ATTRIBUTES = 0xAF
    RSS_PROCESSOR_INFO = 0xB1
    RSS_PARAMETERS_V2 = 0xC8
    RSS_SET_INDIRECTION_ENTRIES = 0xC9


NDIS_DEFAULT_RECEIVE_QUEUE_ID = 0
NDIS_DEFAULT_RECEIVE_QUEUE_GROUP_ID = 0
NDIS_DEFAULT_RECEIVE_FILTER_ID = 0  # never a valid assigned id
NDIS_DEFAULT_SWITCH_ID = 0
NDIS_INVALID_SWITCH_ID = 0xFFFFFFFF
NDIS_DEFAULT_VPORT_ID = 0
NDIS_INVALID_VPORT_ID = 0xFFFFFFFF
NDIS_PF_FUNCTION_ID = 0xFFFF
NDIS_INVALID_VF_FUNCTION_ID = 0xFFFF  # the same number
NDIS_INVALID_RID = 0xFFFFFFFF
NDIS_DEFAULT_PORT_NUMBER = 0

# Receive filters -----------------------------------------------------------------------------------------------------


class ReceiveFilterType(IntEnum):
    """NDIS_RECEIVE_FILTER_TYPE."""

    Undefined = 0
    VMQueue = 1
    PacketCoalescing = 2
    Maximum = 3


class FrameHeader(IntEnum):
    """NDIS_FRAME_HEADER."""

    Undefined = 0
    Mac = 1
    Arp = 2
    IPv4 = 3
    IPv6 = 4
    Udp = 5
    Maximum = 6


class MacHeaderField(IntEnum):
    """NDIS_MAC_HEADER_FIELD."""

    Undefined = 0
    DestinationAddress = 1
    SourceAddress = 2
    Protocol = 3
    VlanId = 4
    Priority = 5
    PacketType = 6
    Maximum = 7


class MacPacketType(IntEnum):
    """NDIS_MAC_PACKET_TYPE."""

    Undefined = 0
    Unicast = 1
    Multicast = 2
    Broadcast = 3
    Maximum = 4


class ArpHeaderField(IntEnum):
    """NDIS_ARP_HEADER_FIELD."""

    Undefined = 0
    Operation = 1
    SPA = 2
    TPA = 3


class IPv4HeaderField(IntEnum):
    """NDIS_IPV4_HEADER_FIELD."""

    Undefined = 0
    Protocol = 1


class IPv6HeaderField(IntEnum):
    """NDIS_IPV6_HEADER_FIELD."""

    Undefined = 0
    Protocol = 1


class UdpHeaderField(IntEnum):
    """NDIS_UDP_HEADER_FIELD."""

    Undefined = 0
    DestinationPort = 1


class ReceiveFilterTest(IntEnum):
    """NDIS_RECEIVE_FILTER_TEST (FLT-12)."""

    Undefined = 0
    Equal = 1
    MaskEqual = 2
    NotEqual = 3
    Maximum = 4


class FilterFieldFlags(IntFlag):
    """NDIS_RECEIVE_FILTER_FIELD_MAC_HEADER_VLAN_* flags of one field test."""

    UNTAGGED_OR_ZERO = 0x1


FILTER_FIELD_FLAGS_RESERVED = 0x000000FE


class FilterFlags(IntFlag):
    """NDIS_RECEIVE_FILTER_* flags of a filter."""

    RESERVED = 0x1
    PACKET_ENCAPSULATION = 0x2
    PACKET_ENCAPSULATION_GRE = 0x2


class FilterInfoArrayFlags(IntFlag):
    """NDIS_RECEIVE_FILTER_INFO_ARRAY_* flags."""

    VPORT_ID_SPECIFIED = 0x1


class EnabledFilterTypes(IntFlag):
    """NDIS_RECEIVE_FILTER_* bits of EnabledFilterTypes."""

    VMQ_FILTERS_ENABLED = 0x1
    PACKET_COALESCING_FILTERS_ENABLED = 0x2


class EnabledQueueTypes(IntFlag):
    """NDIS_RECEIVE_FILTER_* bits of EnabledQueueTypes."""

    VM_QUEUES_ENABLED = 0x1


class SupportedHeaders(IntFlag):
    """NDIS_RECEIVE_FILTER_*_HEADER_SUPPORTED."""

    MAC = 0x1
    IPV4 = 0x2
    IPV6 = 0x4
    ARP = 0x8
    UDP = 0x10


class SupportedMacHeaderFields(IntFlag):
    """NDIS_RECEIVE_FILTER_MAC_HEADER_*_SUPPORTED."""

    DEST_ADDR = 0x1
    SOURCE_ADDR = 0x2
    PROTOCOL = 0x4
    VLAN_ID = 0x8
    PRIORITY = 0x10
    PACKET_TYPE = 0x20


class SupportedFilterTests(IntFlag):
    """NDIS_RECEIVE_FILTER_TEST_HEADER_FIELD_*_SUPPORTED."""

    EQUAL = 0x1
    MASK_EQUAL = 0x2
    NOT_EQUAL = 0x4


class SupportedQueueProperties(IntFlag):
    """NDIS_RECEIVE_FILTER_*_SUPPORTED bits of SupportedQueueProperties.

    0x40 has two documented names. Miniports never set IMPLAT_MIN_OF_QUEUES_MODE, so results show the other name.
    """

    MSI_X = 0x1
    VM_QUEUE = 0x2
    LOOKAHEAD_SPLIT = 0x4
    DYNAMIC_PROCESSOR_AFFINITY_CHANGE = 0x8
    INTERRUPT_VECTOR_COALESCING = 0x10
    ANY_VLAN = 0x20
    DYNAMIC_PROCESSOR_AFFINITY_CHANGE_FOR_DEFAULT_QUEUE = 0x40
    IMPLAT_MIN_OF_QUEUES_MODE = 0x40
    IMPLAT_SUM_OF_QUEUES_MODE = 0x80
    PACKET_COALESCING_SUPPORTED_ON_DEFAULT_QUEUE = 0x100


class SupportedArpHeaderFields(IntFlag):
    """ARP fields a packet coalescing filter may test."""

    OPERATION = 0x1
    SPA = 0x2
    TPA = 0x4


class SupportedProtocolField(IntFlag):
    """The one field a packet coalescing filter may test in an IPv4 or an IPv6 header."""

    PROTOCOL = 0x1


class SupportedUdpHeaderFields(IntFlag):
    """UDP fields a packet coalescing filter may test."""

    DESTINATION_PORT = 0x1


# Receive queues ------------------------------------------------------------------------------------------------------


class ReceiveQueueType(IntEnum):
    """NDIS_RECEIVE_QUEUE_TYPE."""

    Unspecified = 0
    VMQueue = 1
    Maximum = 2


class QueueOperationalState(IntEnum):
    """NDIS_RECEIVE_QUEUE_OPERATIONAL_STATE."""

    Undefined = 0
    Running = 1
    Paused = 2
    DmaStopped = 3
    Maximum = 4


class QueueParametersFlags(IntFlag):
    """NDIS_RECEIVE_QUEUE_PARAMETERS_* flags; the high half says what a set request changes."""

    PER_QUEUE_RECEIVE_INDICATION = 0x1
    LOOKAHEAD_SPLIT_REQUIRED = 0x2
    FLAGS_CHANGED = 0x00010000
    PROCESSOR_AFFINITY_CHANGED = 0x00020000
    SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED = 0x00040000
    NAME_CHANGED = 0x00080000
    INTERRUPT_COALESCING_DOMAIN_ID_CHANGED = 0x00100000
    QOS_SQ_ID_CHANGED = 0x00200000


#: The high half of the Flags of queue, switch and VPort parameters.
CHANGE_MASK = 0xFFFF0000

# NIC switch and VPorts -----------------------------------------------------------------------------------------------


class NicSwitchType(IntEnum):
    """NDIS_NIC_SWITCH_TYPE."""

    Unspecified = 0
    External = 1
    Max = 2


class NicSwitchParametersFlags(IntFlag):
    """NDIS_NIC_SWITCH_PARAMETERS_* flags."""

    SWITCH_NAME_CHANGED = 0x00010000


class VPortState(IntEnum):
    """NDIS_NIC_SWITCH_VPORT_STATE."""

    Undefined = 0
    Activated = 1
    Deactivated = 2
    Maximum = 3


class InterruptModeration(IntEnum):
    """NDIS_NIC_SWITCH_VPORT_INTERRUPT_MODERATION."""

    Undefined = 0
    Adaptive = 1
    Off = 2
    Low = 100
    Medium = 200
    High = 300


class VPortParametersFlags(IntFlag):
    """NDIS_NIC_SWITCH_VPORT_PARAMS_* flags; the high half says what a set request changes."""

    LOOKAHEAD_SPLIT_ENABLED = 0x1
    PACKET_DIRECT_RX_ONLY = 0x2
    ENFORCE_MAX_SG_LIST = 0x8000
    FLAGS_CHANGED = 0x00010000
    NAME_CHANGED = 0x00020000
    INT_MOD_CHANGED = 0x00040000
    STATE_CHANGED = 0x00080000
    PROCESSOR_AFFINITY_CHANGED = 0x00100000
    NDK_PARAMS_CHANGED = 0x00200000
    QOS_SQ_ID_CHANGED = 0x00400000
    NUM_QUEUE_PAIRS_CHANGED = 0x00800000


class VPortInfoFlags(IntFlag):
    """NDIS_NIC_SWITCH_VPORT_INFO_* flags."""

    LOOKAHEAD_SPLIT_ENABLED = 0x1
    PACKET_DIRECT_RX_ONLY = 0x2
    GFT_ENABLED = 0x4


class VPortInfoArrayFlags(IntFlag):
    """NDIS_NIC_SWITCH_VPORT_INFO_ARRAY_* flags."""

    ENUM_ON_SPECIFIC_FUNCTION = 0x1
    ENUM_ON_SPECIFIC_SWITCH = 0x2


class NicSwitchCapabilityFlags(IntFlag):
    """NDIS_NIC_SWITCH_CAPS_* bits of NicSwitchCapabilities."""

    VLAN_SUPPORTED = 0x00000001
    PER_VPORT_INTERRUPT_MODERATION_SUPPORTED = 0x00000002
    ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED = 0x00000004
    VF_RSS_SUPPORTED = 0x00000008
    SINGLE_VPORT_POOL = 0x00000010
    RSS_PARAMETERS_PER_PF_VPORT_SUPPORTED = 0x00000020
    NIC_SWITCH_WITHOUT_IOV_SUPPORTED = 0x00000040
    RSS_ON_PF_VPORTS_SUPPORTED = 0x00000080
    RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED = 0x00000100
    RSS_PER_PF_VPORT_HASH_FUNCTION_SUPPORTED = 0x00000200
    RSS_PER_PF_VPORT_HASH_TYPE_SUPPORTED = 0x00000400
    RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED = 0x00000800
    RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED = 0x00001000


RSS_PER_PF_VPORT_MASK = 0x00000F00
#: NumQueuePairsForDefaultVPort when RSS on host VPorts is not used, and of revision 1 (OID-11).
DEFAULT_NUM_QUEUE_PAIRS_FOR_DEFAULT_VPORT = 1

# RSS -----------------------------------------------------------------------------------------------------------------


class HashInformation(IntFlag):
    """The hash information word: hash types OR hash function."""

    Toeplitz = 0x01
    Reserved1 = 0x02
    Reserved2 = 0x04
    Reserved3 = 0x08
    IPV4 = 0x00000100
    TCP_IPV4 = 0x00000200
    IPV6 = 0x00000400
    IPV6_EX = 0x00000800
    TCP_IPV6 = 0x00001000
    TCP_IPV6_EX = 0x00002000
    UDP_IPV4 = 0x00004000
    UDP_IPV6 = 0x00008000
    UDP_IPV6_EX = 0x00010000


NDIS_HASH_FUNCTION_MASK = 0x000000FF
NDIS_HASH_TYPE_MASK = 0x00FFFF00


class RssCapabilitiesFlags(IntFlag):
    """NDIS_RSS_CAPS_* bits, numbered differently from the hash types, and the hash function bit."""

    Toeplitz = 0x1
    HASH_TYPE_TCP_IPV4 = 0x100
    HASH_TYPE_TCP_IPV6 = 0x200
    HASH_TYPE_TCP_IPV6_EX = 0x400
    HASH_TYPE_UDP_IPV4 = 0x800
    HASH_TYPE_UDP_IPV6 = 0x1000
    HASH_TYPE_UDP_IPV6_EX = 0x2000
    MESSAGE_SIGNALED_INTERRUPTS = 0x01000000
    CLASSIFICATION_AT_ISR = 0x02000000
    CLASSIFICATION_AT_DPC = 0x04000000
    USING_MSI_X = 0x08000000
    RSS_AVAILABLE_ON_PORTS = 0x10000000
    SUPPORTS_MSI_X = 0x20000000
    SUPPORTS_INDEPENDENT_ENTRY_MOVE = 0x40000000


class RssParametersFlags(IntFlag):
    """NDIS_RSS_PARAM_FLAG_* of generation 1 (USHORT); a flag says what did not change."""

    BASE_CPU_UNCHANGED = 0x01
    HASH_INFO_UNCHANGED = 0x02
    ITABLE_UNCHANGED = 0x04
    HASH_KEY_UNCHANGED = 0x08
    DISABLE_RSS = 0x10
    DEFAULT_PROCESSOR_UNCHANGED = 0x20


class RssParametersV2Flags(IntFlag):
    """NDIS_RECEIVE_SCALE_PARAM_* of generation 2 (ULONG); a flag says what did change."""

    ENABLE_RSS = 0x01
    HASH_INFO_CHANGED = 0x02
    HASH_KEY_CHANGED = 0x04
    NUMBER_OF_QUEUES_CHANGED = 0x08
    NUMBER_OF_ENTRIES_CHANGED = 0x10


class IndirectionEntryFlags(IntFlag):
    """NDIS_RSS_SET_INDIRECTION_ENTRY_FLAG_* of one move command (UPD-37)."""

    PRIMARY_PROCESSOR = 0x1
    DEFAULT_PROCESSOR = 0x2


class ReceiveHashFlags(IntFlag):
    """NDIS_RECEIVE_HASH_FLAG_*."""

    ENABLE_HASH = 0x1
    HASH_INFO_UNCHANGED = 0x2
    HASH_KEY_UNCHANGED = 0x4


class RssProfile(IntEnum):
    """NDIS_RSS_PROFILE."""

    ClosestProcessor = 1
    ClosestProcessorStatic = 2
    NumaScaling = 3
    NumaScalingStatic = 4
    ConservativeScaling = 5
    Balanced = 6


#: Limits of IndirectionTableSize in bytes: revision 1 has one byte per entry, later ones a PROCESSOR_NUMBER.
INDIRECTION_TABLE_BYTES_MAX_REVISION_1 = 128
INDIRECTION_TABLE_BYTES_MAX = 512
HASH_SECRET_KEY_BYTES = 40

# Data path -----------------------------------------------------------------------------------------------------------


class NblInfo(IntEnum):
    """NET_BUFFER_LIST information slots, 64-bit numbering."""

    TcpIpChecksum = 0
    IPsecOffloadV1 = 1
    TcpLargeSend = 2
    ClassificationHandle = 3
    Ieee8021Q = 4
    CancelId = 5
    MediaSpecific = 6
    FrameType = 7
    HashValue = 8
    HashInfo = 9
    Wfp = 10
    IPsecV2Tunnel = 11
    IPsecV2Header = 12
    CorrelationId = 13
    FilteringInfo = 14
    MediaSpecificEx = 15
    NblOriginalInterfaceIfIndex = 16
    TcpReceiveBytesTransferred = 17
    SwitchForwardingReserved = 18
    SwitchForwardingDetail = 19
    VirtualSubnetInfo = 20
    IMReserved = 21
    TcpRecvSegCoalesceInfo = 22
    RscTcpTimestampDelta = 23


class ReceiveFlags(IntFlag):
    """NDIS_RECEIVE_FLAGS_* of a receive indication."""

    DISPATCH_LEVEL = 0x00000001
    RESOURCES = 0x00000002
    SINGLE_ETHER_TYPE = 0x00000100
    SINGLE_VLAN = 0x00000200
    PERFECT_FILTERED = 0x00000400
    SINGLE_QUEUE = 0x00000800
    SHARED_MEMORY_INFO_VALID = 0x00001000
    MORE_NBLS = 0x00002000


class ReturnFlags(IntFlag):
    """NDIS_RETURN_FLAGS_*."""

    DISPATCH_LEVEL = 0x1
    SINGLE_QUEUE = 0x2


class SendFlags(IntFlag):
    """NDIS_SEND_FLAGS_*."""

    DISPATCH_LEVEL = 0x1
    CHECK_FOR_LOOPBACK = 0x2
    SINGLE_QUEUE = 0x4


class SendCompleteFlags(IntFlag):
    """NDIS_SEND_COMPLETE_FLAGS_*."""

    DISPATCH_LEVEL = 0x1
    SINGLE_QUEUE = 0x2


class PacketFilterFlags(IntFlag):
    """NDIS_PACKET_TYPE_* bits of OID_GEN_CURRENT_PACKET_FILTER."""

    DIRECTED = 0x1
    MULTICAST = 0x2
    ALL_MULTICAST = 0x4
    BROADCAST = 0x8
    SOURCE_ROUTING = 0x10
    PROMISCUOUS = 0x20
