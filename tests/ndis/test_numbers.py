"""Codes and bits are the documented ones; the lists are written out a second time here."""

from __future__ import annotations

from enum import IntEnum, IntFlag

import pytest

from dataplane.ids import NdisVersion
from dataplane.ndis import constants as c
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind, natural_kind
from dataplane.ndis.status import NdisStatus, StatusIndication

_STATUSES = """
00000000 NDIS_STATUS_SUCCESS
00000103 NDIS_STATUS_PENDING
00010001 NDIS_STATUS_NOT_RECOGNIZED
00010002 NDIS_STATUS_NOT_COPIED
00010003 NDIS_STATUS_NOT_ACCEPTED
80000011 NDIS_STATUS_BUSY
40230001 NDIS_STATUS_INDICATION_REQUIRED
c0000001 NDIS_STATUS_FAILURE
c000000d NDIS_STATUS_INVALID_PARAMETER
c000009a NDIS_STATUS_RESOURCES
c00000bb NDIS_STATUS_NOT_SUPPORTED
c0000184 NDIS_STATUS_INVALID_STATE
c0010002 NDIS_STATUS_CLOSING
c0010006 NDIS_STATUS_ADAPTER_NOT_FOUND
c001000c NDIS_STATUS_REQUEST_ABORTED
c001000d NDIS_STATUS_RESET_IN_PROGRESS
c001000f NDIS_STATUS_INVALID_PACKET
c0010011 NDIS_STATUS_ADAPTER_NOT_READY
c0010014 NDIS_STATUS_INVALID_LENGTH
c0010015 NDIS_STATUS_INVALID_DATA
c0010016 NDIS_STATUS_BUFFER_TOO_SHORT
c0010017 NDIS_STATUS_INVALID_OID
c0010018 NDIS_STATUS_ADAPTER_REMOVED
c001001b NDIS_STATUS_FILE_NOT_FOUND
c023002a NDIS_STATUS_PAUSED
c023002b NDIS_STATUS_INTERFACE_NOT_FOUND
c023002c NDIS_STATUS_UNSUPPORTED_REVISION
c023002d NDIS_STATUS_INVALID_PORT
c023002e NDIS_STATUS_INVALID_PORT_STATE
c023002f NDIS_STATUS_LOW_POWER_STATE
c0230030 NDIS_STATUS_REINIT_REQUIRED
c0230031 NDIS_STATUS_NO_QUEUES
"""

_INDICATIONS = """
4002000d NDIS_STATUS_RECEIVE_QUEUE_STATE
40020010 NDIS_STATUS_RECEIVE_FILTER_CURRENT_CAPABILITIES
40020020 NDIS_STATUS_RECEIVE_FILTER_HARDWARE_CAPABILITIES
40020030 NDIS_STATUS_RECEIVE_FILTER_QUEUE_PARAMETERS
40020040 NDIS_STATUS_NIC_SWITCH_CURRENT_CAPABILITIES
40020050 NDIS_STATUS_NIC_SWITCH_HARDWARE_CAPABILITIES
40020070 NDIS_STATUS_RECEIVE_FILTER_QUEUE_STATE_CHANGE
400200b0 NDIS_STATUS_CURRENT_MAC_ADDRESS_CHANGE
"""

# code, name, kinds ("!" = synchronous only), first NDIS version (6.30 for everything about the switch)
_OIDS = """
0001010e OID_GEN_CURRENT_PACKET_FILTER query+set 5
00010203 OID_GEN_RECEIVE_SCALE_CAPABILITIES query 6.0
00010204 OID_GEN_RECEIVE_SCALE_PARAMETERS query+set 6.0
00010214 OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 query+set 6.80
0001021c OID_GEN_VLAN_ID query+set 6.0
0001021f OID_GEN_RECEIVE_HASH query+set 6.0
00010221 OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES query 6.20
00010222 OID_RECEIVE_FILTER_GLOBAL_PARAMETERS query 6.20
00010223 OID_RECEIVE_FILTER_ALLOCATE_QUEUE method 6.20
00010224 OID_RECEIVE_FILTER_FREE_QUEUE set 6.20
00010225 OID_RECEIVE_FILTER_ENUM_QUEUES query 6.20
00010226 OID_RECEIVE_FILTER_QUEUE_PARAMETERS set+method 6.20
00010227 OID_RECEIVE_FILTER_SET_FILTER method 6.20
00010228 OID_RECEIVE_FILTER_CLEAR_FILTER set 6.20
00010229 OID_RECEIVE_FILTER_ENUM_FILTERS method 6.20
0001022a OID_RECEIVE_FILTER_PARAMETERS method 6.20
0001022b OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE method 6.20
0001022d OID_RECEIVE_FILTER_CURRENT_CAPABILITIES query 6.20
0001022e OID_NIC_SWITCH_HARDWARE_CAPABILITIES query 6.30
0001022f OID_NIC_SWITCH_CURRENT_CAPABILITIES query 6.30
00010230 OID_RECEIVE_FILTER_MOVE_FILTER set 6.30
00010237 OID_NIC_SWITCH_CREATE_SWITCH method 6.30
00010238 OID_NIC_SWITCH_PARAMETERS set+method 6.30
00010239 OID_NIC_SWITCH_DELETE_SWITCH set 6.30
00010240 OID_NIC_SWITCH_ENUM_SWITCHES query 6.30
00010241 OID_NIC_SWITCH_CREATE_VPORT method 6.30
00010242 OID_NIC_SWITCH_VPORT_PARAMETERS set+method 6.30
00010243 OID_NIC_SWITCH_ENUM_VPORTS method 6.30
00010244 OID_NIC_SWITCH_DELETE_VPORT set 6.30
00010245 OID_NIC_SWITCH_ALLOCATE_VF method 6.30
00010246 OID_NIC_SWITCH_FREE_VF set 6.30
00010247 OID_NIC_SWITCH_VF_PARAMETERS method 6.30
00010248 OID_NIC_SWITCH_ENUM_VFS method 6.30
000102c0 OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES method! 6.80
01010102 OID_802_3_CURRENT_ADDRESS query 5
01010103 OID_802_3_MULTICAST_LIST query+set 5
"""


def _pairs(text: str) -> dict[str, int]:
    return {name: int(code, 16) for code, name in (line.split() for line in text.strip().splitlines())}


def test_status_codes() -> None:
    """Every status has its documented code as unsigned 32 bits; NOT_ACCEPTED is positive and still an error."""
    assert {member.name: member.value for member in NdisStatus} == _pairs(_STATUSES)
    assert {member.name: member.value for member in StatusIndication} == _pairs(_INDICATIONS)


def test_oids() -> None:
    """Codes, request kinds and versions (OID-01, OID-13); a query may come from an application as well."""
    expected = {}
    for line in _OIDS.strip().splitlines():
        code, name, kinds, since = line.split()
        allowed = {RequestKind[kind.upper()] for kind in kinds.strip("!").split("+")}
        if RequestKind.QUERY in allowed:
            allowed.add(RequestKind.QUERY_STATISTICS)
        version = NdisVersion(*map(int, (since + ".0").split(".")[:2]))
        expected[name] = (int(code, 16), allowed, version, kinds.endswith("!"))
    found = {oid.name: (oid.value, set(rule.kinds), rule.since, rule.synchronous) for oid, rule in OID_RULES.items()}
    assert found == expected
    assert set(OID_RULES) == set(Oid)


@pytest.mark.parametrize(
    ("oid", "without", "with_input"),
    [
        (Oid.OID_GEN_CURRENT_PACKET_FILTER, "QUERY", "SET"),
        (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, "QUERY", "SET"),
        (Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS, "SET", "SET"),
        (Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, "SET", "SET"),
        (Oid.OID_RECEIVE_FILTER_SET_FILTER, "METHOD", "METHOD"),
        (Oid.OID_RECEIVE_FILTER_ENUM_QUEUES, "QUERY", "QUERY"),
        (Oid.OID_NIC_SWITCH_FREE_VF, "SET", "SET"),
        (Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES, "METHOD", "METHOD"),
    ],
)
def test_natural_kinds(oid: Oid, without: str, with_input: str) -> None:
    """The kind of a script line that does not name one (section 4 of the protocol)."""
    assert natural_kind(oid, with_input=False) == RequestKind[without]
    assert natural_kind(oid, with_input=True) == RequestKind[with_input]


@pytest.mark.parametrize(
    ("names", "first", "members"),
    [
        (c.ReceiveFilterType, 0, "Undefined VMQueue PacketCoalescing Maximum"),
        (c.FrameHeader, 0, "Undefined Mac Arp IPv4 IPv6 Udp Maximum"),
        (
            c.MacHeaderField,
            0,
            "Undefined DestinationAddress SourceAddress Protocol VlanId Priority PacketType Maximum",
        ),
        (c.MacPacketType, 0, "Undefined Unicast Multicast Broadcast Maximum"),
        (c.ArpHeaderField, 0, "Undefined Operation SPA TPA"),
        (c.ReceiveFilterTest, 0, "Undefined Equal MaskEqual NotEqual Maximum"),
        (c.ReceiveQueueType, 0, "Unspecified VMQueue Maximum"),
        (c.QueueOperationalState, 0, "Undefined Running Paused DmaStopped Maximum"),
        (c.NicSwitchType, 0, "Unspecified External Max"),
        (c.VPortState, 0, "Undefined Activated Deactivated Maximum"),
        (
            c.RssProfile,
            1,
            "ClosestProcessor ClosestProcessorStatic NumaScaling NumaScalingStatic ConservativeScaling Balanced",
        ),
    ],
)
def test_enumerations_that_count(names: type[IntEnum], first: int, members: str) -> None:
    """Enumerations without numbers in the header count up from their first member."""
    assert [(member.name, member.value) for member in names] == [
        (name, first + i) for i, name in enumerate(members.split())
    ]


@pytest.mark.parametrize(
    ("names", "bits"),
    [
        (c.FilterFieldFlags, "UNTAGGED_OR_ZERO=1"),
        (c.FilterFlags, "RESERVED=1 PACKET_ENCAPSULATION=2"),
        (c.FilterInfoArrayFlags, "VPORT_ID_SPECIFIED=1"),
        (c.SupportedHeaders, "MAC=1 IPV4=2 IPV6=4 ARP=8 UDP=10"),
        (c.SupportedMacHeaderFields, "DEST_ADDR=1 SOURCE_ADDR=2 PROTOCOL=4 VLAN_ID=8 PRIORITY=10 PACKET_TYPE=20"),
        (
            c.QueueParametersFlags,
            "PER_QUEUE_RECEIVE_INDICATION=1 LOOKAHEAD_SPLIT_REQUIRED=2 FLAGS_CHANGED=10000 "
            "PROCESSOR_AFFINITY_CHANGED=20000 SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED=40000 NAME_CHANGED=80000 "
            "INTERRUPT_COALESCING_DOMAIN_ID_CHANGED=100000 QOS_SQ_ID_CHANGED=200000",
        ),
        (
            c.VPortParametersFlags,
            "LOOKAHEAD_SPLIT_ENABLED=1 PACKET_DIRECT_RX_ONLY=2 ENFORCE_MAX_SG_LIST=8000 FLAGS_CHANGED=10000 "
            "NAME_CHANGED=20000 INT_MOD_CHANGED=40000 STATE_CHANGED=80000 PROCESSOR_AFFINITY_CHANGED=100000 "
            "NDK_PARAMS_CHANGED=200000 QOS_SQ_ID_CHANGED=400000 NUM_QUEUE_PAIRS_CHANGED=800000",
        ),
        (
            c.HashInformation,
            "Toeplitz=1 Reserved1=2 Reserved2=4 Reserved3=8 IPV4=100 TCP_IPV4=200 IPV6=400 IPV6_EX=800 "
            "TCP_IPV6=1000 TCP_IPV6_EX=2000 UDP_IPV4=4000 UDP_IPV6=8000 UDP_IPV6_EX=10000",
        ),
        (
            c.RssCapabilitiesFlags,
            "Toeplitz=1 HASH_TYPE_TCP_IPV4=100 HASH_TYPE_TCP_IPV6=200 HASH_TYPE_TCP_IPV6_EX=400 "
            "HASH_TYPE_UDP_IPV4=800 HASH_TYPE_UDP_IPV6=1000 HASH_TYPE_UDP_IPV6_EX=2000 "
            "MESSAGE_SIGNALED_INTERRUPTS=1000000 CLASSIFICATION_AT_ISR=2000000 CLASSIFICATION_AT_DPC=4000000 "
            "USING_MSI_X=8000000 RSS_AVAILABLE_ON_PORTS=10000000 SUPPORTS_MSI_X=20000000 "
            "SUPPORTS_INDEPENDENT_ENTRY_MOVE=40000000",
        ),
        (
            c.RssParametersFlags,
            "BASE_CPU_UNCHANGED=1 HASH_INFO_UNCHANGED=2 ITABLE_UNCHANGED=4 HASH_KEY_UNCHANGED=8 DISABLE_RSS=10 "
            "DEFAULT_PROCESSOR_UNCHANGED=20",
        ),
        (
            c.RssParametersV2Flags,
            "ENABLE_RSS=1 HASH_INFO_CHANGED=2 HASH_KEY_CHANGED=4 NUMBER_OF_QUEUES_CHANGED=8 "
            "NUMBER_OF_ENTRIES_CHANGED=10",
        ),
        (c.IndirectionEntryFlags, "PRIMARY_PROCESSOR=1 DEFAULT_PROCESSOR=2"),
        (c.ReceiveHashFlags, "ENABLE_HASH=1 HASH_INFO_UNCHANGED=2 HASH_KEY_UNCHANGED=4"),
        (
            c.ReceiveFlags,
            "DISPATCH_LEVEL=1 RESOURCES=2 SINGLE_ETHER_TYPE=100 SINGLE_VLAN=200 PERFECT_FILTERED=400 "
            "SINGLE_QUEUE=800 SHARED_MEMORY_INFO_VALID=1000 MORE_NBLS=2000",
        ),
        (
            c.PacketFilterFlags,
            "DIRECTED=1 MULTICAST=2 ALL_MULTICAST=4 BROADCAST=8 SOURCE_ROUTING=10 PROMISCUOUS=20",
        ),
    ],
)
def test_flags(names: type[IntFlag], bits: str) -> None:
    """Bits have their documented values; the two generations of RSS flags have opposite polarity by name."""
    expected = {name: int(value, 16) for name, value in (pair.split("=") for pair in bits.split())}
    assert {str(member.name): member.value for member in names} == expected
