"""OID codes; for each OID the kinds of request and the first NDIS version (OID-01, OID-13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from dataplane.ids import NdisVersion


class Oid(IntEnum):
    """The OIDs the rules name, by their full documented names."""

    OID_GEN_CURRENT_PACKET_FILTER = 0x0001010E
    OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x00010203
    OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x00010204
    OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 = 0x00010214
    OID_GEN_VLAN_ID = 0x0001021C
    OID_GEN_RECEIVE_HASH = 0x0001021F
    OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES = 0x00010221
    OID_RECEIVE_FILTER_GLOBAL_PARAMETERS = 0x00010222
    OID_RECEIVE_FILTER_ALLOCATE_QUEUE = 0x00010223
    OID_RECEIVE_FILTER_FREE_QUEUE = 0x00010224
    OID_RECEIVE_FILTER_ENUM_QUEUES = 0x00010225
    OID_RECEIVE_FILTER_QUEUE_PARAMETERS = 0x00010226
    OID_RECEIVE_FILTER_SET_FILTER = 0x00010227
    OID_RECEIVE_FILTER_CLEAR_FILTER = 0x00010228
    OID_RECEIVE_FILTER_ENUM_FILTERS = 0x00010229
    OID_RECEIVE_FILTER_PARAMETERS = 0x0001022A
    OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE = 0x0001022B
    OID_RECEIVE_FILTER_CURRENT_CAPABILITIES = 0x0001022D
    OID_NIC_SWITCH_HARDWARE_CAPABILITIES = 0x0001022E
    OID_NIC_SWITCH_CURRENT_CAPABILITIES = 0x0001022F
    OID_RECEIVE_FILTER_MOVE_FILTER = 0x00010230
    OID_NIC_SWITCH_CREATE_SWITCH = 0x00010237
    OID_NIC_SWITCH_PARAMETERS = 0x00010238
    OID_NIC_SWITCH_DELETE_SWITCH = 0x00010239
    OID_NIC_SWITCH_ENUM_SWITCHES = 0x00010240  # the codes jump here; there is no 0x0001023A
    OID_NIC_SWITCH_CREATE_VPORT = 0x00010241
    OID_NIC_SWITCH_VPORT_PARAMETERS = 0x00010242
    OID_NIC_SWITCH_ENUM_VPORTS = 0x00010243
    OID_NIC_SWITCH_DELETE_VPORT = 0x00010244
    OID_NIC_SWITCH_ALLOCATE_VF = 0x00010245
    OID_NIC_SWITCH_FREE_VF = 0x00010246
    OID_NIC_SWITCH_VF_PARAMETERS = 0x00010247
    OID_NIC_SWITCH_ENUM_VFS = 0x00010248
    OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES = 0x000102C0
    OID_802_3_CURRENT_ADDRESS = 0x01010102
    OID_802_3_MULTICAST_LIST = 0x01010103


class RequestKind(IntEnum):
    """NDIS_REQUEST_TYPE as far as OIDs use it; an application's query is QUERY_STATISTICS."""

    QUERY = 0
    SET = 1
    QUERY_STATISTICS = 2
    METHOD = 12


@dataclass(frozen=True, slots=True)
class OidRule:
    """The kinds of request that an OID takes (OID-01)."""

    kinds: frozenset[RequestKind]  # QUERY_STATISTICS wherever QUERY is allowed
    since: NdisVersion  # below it the OID is NDIS_STATUS_NOT_SUPPORTED (OID-13)
    synchronous: bool = False  # only through the synchronous path (OID-18)


def _rules() -> dict[Oid, OidRule]:
    query = frozenset({RequestKind.QUERY, RequestKind.QUERY_STATISTICS})
    set_ = frozenset({RequestKind.SET})
    method = frozenset({RequestKind.METHOD})
    ndis5, v60, v620, v630, v680 = (NdisVersion(*v) for v in ((5, 0), (6, 0), (6, 20), (6, 30), (6, 80)))
    return {
        Oid.OID_GEN_CURRENT_PACKET_FILTER: OidRule(query | set_, ndis5),
        Oid.OID_GEN_RECEIVE_SCALE_CAPABILITIES: OidRule(query, v60),
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS: OidRule(query | set_, v60),
        Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: OidRule(query | set_, v680),
        Oid.OID_GEN_VLAN_ID: OidRule(query | set_, v60),
        Oid.OID_GEN_RECEIVE_HASH: OidRule(query | set_, v60),
        Oid.OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES: OidRule(query, v620),
        Oid.OID_RECEIVE_FILTER_GLOBAL_PARAMETERS: OidRule(query, v620),
        Oid.OID_RECEIVE_FILTER_ALLOCATE_QUEUE: OidRule(method, v620),
        Oid.OID_RECEIVE_FILTER_FREE_QUEUE: OidRule(set_, v620),
        Oid.OID_RECEIVE_FILTER_ENUM_QUEUES: OidRule(query, v620),
        Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS: OidRule(method | set_, v620),
        Oid.OID_RECEIVE_FILTER_SET_FILTER: OidRule(method, v620),
        Oid.OID_RECEIVE_FILTER_CLEAR_FILTER: OidRule(set_, v620),
        Oid.OID_RECEIVE_FILTER_ENUM_FILTERS: OidRule(method, v620),
        Oid.OID_RECEIVE_FILTER_PARAMETERS: OidRule(method, v620),
        Oid.OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE: OidRule(method, v620),
        Oid.OID_RECEIVE_FILTER_CURRENT_CAPABILITIES: OidRule(query, v620),
        # The codes of the two switch capability OIDs exist in 6.20, but there is no switch to ask about before 6.30.
        Oid.OID_NIC_SWITCH_HARDWARE_CAPABILITIES: OidRule(query, v630),
        Oid.OID_NIC_SWITCH_CURRENT_CAPABILITIES: OidRule(query, v630),
        Oid.OID_RECEIVE_FILTER_MOVE_FILTER: OidRule(set_, v630),
        Oid.OID_NIC_SWITCH_CREATE_SWITCH: OidRule(method, v630),
        Oid.OID_NIC_SWITCH_PARAMETERS: OidRule(method | set_, v630),
        Oid.OID_NIC_SWITCH_DELETE_SWITCH: OidRule(set_, v630),
        Oid.OID_NIC_SWITCH_ENUM_SWITCHES: OidRule(query, v630),
        Oid.OID_NIC_SWITCH_CREATE_VPORT: OidRule(method, v630),
        Oid.OID_NIC_SWITCH_VPORT_PARAMETERS: OidRule(method | set_, v630),  # the page, not the header comment (CON-18)
        Oid.OID_NIC_SWITCH_ENUM_VPORTS: OidRule(method, v630),
        Oid.OID_NIC_SWITCH_DELETE_VPORT: OidRule(set_, v630),
        Oid.OID_NIC_SWITCH_ALLOCATE_VF: OidRule(method, v630),
        Oid.OID_NIC_SWITCH_FREE_VF: OidRule(set_, v630),
        Oid.OID_NIC_SWITCH_VF_PARAMETERS: OidRule(method, v630),
        Oid.OID_NIC_SWITCH_ENUM_VFS: OidRule(method, v630),
        Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES: OidRule(method, v680, synchronous=True),
        Oid.OID_802_3_CURRENT_ADDRESS: OidRule(query, ndis5),
        Oid.OID_802_3_MULTICAST_LIST: OidRule(query | set_, ndis5),
    }


#: Every OID of `Oid`; an OID that is not here is NDIS_STATUS_NOT_SUPPORTED (OID-01).
OID_RULES = _rules()


def natural_kind(oid: Oid, *, with_input: bool) -> RequestKind:
    """The kind of a request that names none: set before method; set before query exactly if there is input."""
    kinds = OID_RULES[oid].kinds
    if RequestKind.SET in kinds and (with_input or RequestKind.QUERY not in kinds):
        return RequestKind.SET
    return RequestKind.QUERY if RequestKind.QUERY in kinds else RequestKind.METHOD


NDIS_OID_REQUEST_FLAGS_VPORT_ID_VALID = 0x1
