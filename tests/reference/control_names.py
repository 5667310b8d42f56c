"""Names the control reference needs: flag bits of results, OIDs with their kinds, and structure sizes.

Typed from the constants and structure documents, not shared with the dataplane.
"""

from __future__ import annotations

from dataclasses import dataclass

SUCCESS = "NDIS_STATUS_SUCCESS"
PENDING = "NDIS_STATUS_PENDING"
NOT_ACCEPTED = "NDIS_STATUS_NOT_ACCEPTED"
FAILURE = "NDIS_STATUS_FAILURE"
INVALID_PARAMETER = "NDIS_STATUS_INVALID_PARAMETER"
RESOURCES = "NDIS_STATUS_RESOURCES"
NOT_SUPPORTED = "NDIS_STATUS_NOT_SUPPORTED"
REQUEST_ABORTED = "NDIS_STATUS_REQUEST_ABORTED"
INVALID_LENGTH = "NDIS_STATUS_INVALID_LENGTH"
INVALID_DATA = "NDIS_STATUS_INVALID_DATA"
FILE_NOT_FOUND = "NDIS_STATUS_FILE_NOT_FOUND"
PAUSED = "NDIS_STATUS_PAUSED"
INVALID_PORT = "NDIS_STATUS_INVALID_PORT"
INVALID_PORT_STATE = "NDIS_STATUS_INVALID_PORT_STATE"
NO_QUEUES = "NDIS_STATUS_NO_QUEUES"

HASH_BITS = {
    "Toeplitz": 0x1,
    "Reserved1": 0x2,
    "Reserved2": 0x4,
    "Reserved3": 0x8,
    "IPV4": 0x100,
    "TCP_IPV4": 0x200,
    "IPV6": 0x400,
    "IPV6_EX": 0x800,
    "TCP_IPV6": 0x1000,
    "TCP_IPV6_EX": 0x2000,
    "UDP_IPV4": 0x4000,
    "UDP_IPV6": 0x8000,
    "UDP_IPV6_EX": 0x10000,
}
HASH_FUNCTIONS = ("Toeplitz", "Reserved1", "Reserved2", "Reserved3")
#: Hash types a capability bit allows (CAP-29).
ALLOWED_HASH_TYPES = {
    "HASH_TYPE_TCP_IPV4": {"IPV4", "TCP_IPV4"},
    "HASH_TYPE_TCP_IPV6": {"IPV6", "TCP_IPV6"},
    "HASH_TYPE_TCP_IPV6_EX": {"IPV6_EX", "TCP_IPV6_EX"},
    "HASH_TYPE_UDP_IPV4": {"UDP_IPV4"},
    "HASH_TYPE_UDP_IPV6": {"UDP_IPV6"},
    "HASH_TYPE_UDP_IPV6_EX": {"UDP_IPV6_EX"},
}

QUEUE_BEHAVIOUR_FLAGS = ("PER_QUEUE_RECEIVE_INDICATION", "LOOKAHEAD_SPLIT_REQUIRED")
VPORT_BEHAVIOUR_FLAGS = ("LOOKAHEAD_SPLIT_ENABLED", "PACKET_DIRECT_RX_ONLY", "ENFORCE_MAX_SG_LIST")

#: The request kinds of an OID, its natural kind first (constants, section 2).
KINDS = {
    "OID_GEN_CURRENT_PACKET_FILTER": ("query", "set"),
    "OID_802_3_CURRENT_ADDRESS": ("query",),
    "OID_802_3_MULTICAST_LIST": ("query", "set"),
    "OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES": ("query",),
    "OID_RECEIVE_FILTER_CURRENT_CAPABILITIES": ("query",),
    "OID_RECEIVE_FILTER_GLOBAL_PARAMETERS": ("query",),
    "OID_RECEIVE_FILTER_ALLOCATE_QUEUE": ("method",),
    "OID_RECEIVE_FILTER_QUEUE_PARAMETERS": ("set", "method"),
    "OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE": ("method",),
    "OID_RECEIVE_FILTER_FREE_QUEUE": ("set",),
    "OID_RECEIVE_FILTER_ENUM_QUEUES": ("query",),
    "OID_RECEIVE_FILTER_SET_FILTER": ("method",),
    "OID_RECEIVE_FILTER_PARAMETERS": ("method",),
    "OID_RECEIVE_FILTER_CLEAR_FILTER": ("set",),
    "OID_RECEIVE_FILTER_MOVE_FILTER": ("set",),
    "OID_RECEIVE_FILTER_ENUM_FILTERS": ("method",),
    "OID_NIC_SWITCH_HARDWARE_CAPABILITIES": ("query",),
    "OID_NIC_SWITCH_CURRENT_CAPABILITIES": ("query",),
    "OID_NIC_SWITCH_CREATE_SWITCH": ("method",),
    "OID_NIC_SWITCH_PARAMETERS": ("set", "method"),
    "OID_NIC_SWITCH_DELETE_SWITCH": ("set",),
    "OID_NIC_SWITCH_ENUM_SWITCHES": ("query",),
    "OID_NIC_SWITCH_CREATE_VPORT": ("method",),
    "OID_NIC_SWITCH_VPORT_PARAMETERS": ("set", "method"),
    "OID_NIC_SWITCH_DELETE_VPORT": ("set",),
    "OID_NIC_SWITCH_ENUM_VPORTS": ("method",),
    "OID_NIC_SWITCH_ALLOCATE_VF": ("method",),
    "OID_NIC_SWITCH_FREE_VF": ("set",),
    "OID_GEN_RECEIVE_SCALE_CAPABILITIES": ("query",),
    "OID_GEN_RECEIVE_SCALE_PARAMETERS": ("query", "set"),
    "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2": ("query", "set"),
    "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES": ("method",),
    "OID_GEN_RECEIVE_HASH": ("query", "set"),
}
#: Answered by NDIS from its cache (OID-08), by OID and kind.
CACHED = {
    ("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", "method"),
    ("OID_RECEIVE_FILTER_PARAMETERS", "method"),
    ("OID_RECEIVE_FILTER_ENUM_FILTERS", "method"),
    ("OID_RECEIVE_FILTER_ENUM_QUEUES", "query"),
    ("OID_RECEIVE_FILTER_GLOBAL_PARAMETERS", "query"),
    ("OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES", "query"),
    ("OID_RECEIVE_FILTER_CURRENT_CAPABILITIES", "query"),
    ("OID_NIC_SWITCH_HARDWARE_CAPABILITIES", "query"),
    ("OID_NIC_SWITCH_CURRENT_CAPABILITIES", "query"),
    ("OID_NIC_SWITCH_PARAMETERS", "method"),
    ("OID_NIC_SWITCH_VPORT_PARAMETERS", "method"),
    ("OID_NIC_SWITCH_ENUM_VPORTS", "method"),
    ("OID_GEN_RECEIVE_SCALE_CAPABILITIES", "query"),
    ("OID_GEN_RECEIVE_SCALE_PARAMETERS", "query"),
    ("OID_GEN_RECEIVE_HASH", "query"),
}
SYNCHRONOUS = "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES"
#: VPort OIDs and MOVE_FILTER: there must be a switch (ERR-04).
NEEDS_SWITCH = {
    "OID_RECEIVE_FILTER_MOVE_FILTER",
    "OID_NIC_SWITCH_CREATE_VPORT",
    "OID_NIC_SWITCH_VPORT_PARAMETERS",
    "OID_NIC_SWITCH_DELETE_VPORT",
    "OID_NIC_SWITCH_ENUM_VPORTS",
}


@dataclass(frozen=True)
class Structure:
    """The properties of a structure that OID-09 and OID-10 check before its members."""

    type: int  # object type of the header (STR-02)
    sizes: tuple[int, ...]  # Header.Size of revision 1, 2, ...
    since: tuple[tuple[int, int], ...]  # the NDIS version from which a revision is the default


_ALWAYS = (6, 0)
STRUCTURES = {
    "OID_RECEIVE_FILTER_SET_FILTER": Structure(0x80, (36, 44), (_ALWAYS, (6, 30))),
    "OID_RECEIVE_FILTER_CLEAR_FILTER": Structure(0x80, (16,), (_ALWAYS,)),
    "OID_RECEIVE_FILTER_MOVE_FILTER": Structure(0x80, (24,), (_ALWAYS,)),
    "OID_RECEIVE_FILTER_ALLOCATE_QUEUE": Structure(0x80, (1084, 1092, 1096), (_ALWAYS, (6, 30), (6, 50))),
    "OID_RECEIVE_FILTER_FREE_QUEUE": Structure(0x80, (12,), (_ALWAYS,)),
    "OID_NIC_SWITCH_CREATE_SWITCH": Structure(0x80, (548, 552), (_ALWAYS, (6, 60))),
    "OID_NIC_SWITCH_DELETE_SWITCH": Structure(0x80, (12,), (_ALWAYS,)),
    "OID_NIC_SWITCH_CREATE_VPORT": Structure(0x80, (572, 748), (_ALWAYS, (6, 50))),
    "OID_NIC_SWITCH_DELETE_VPORT": Structure(0x80, (12,), (_ALWAYS,)),
    "OID_GEN_RECEIVE_SCALE_PARAMETERS": Structure(0x89, (28, 40, 44), (_ALWAYS, (6, 20), (6, 60))),
    "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2": Structure(0xC8, (28,), (_ALWAYS,)),
    "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES": Structure(0xC9, (20,), (_ALWAYS,)),
}
