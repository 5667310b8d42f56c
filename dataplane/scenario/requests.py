"""A scenario as the specification of an adapter, and the OID requests that set it up.

Every function turns a table, or a part of one, into requests. This module neither checks nor issues requests; `set_up`
issues them. `checks` has refused what the file can express and a request cannot (an affinity over two groups, a default
processor before NDIS 6.60).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from functools import reduce
from operator import or_
from typing import TypeVar

from dataplane.control import NDIS, AdapterSpecification, OidRequest
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.constants import (
    FilterFieldFlags,
    MacHeaderField,
    PacketFilterFlags,
    VPortParametersFlags,
    VPortState,
)
from dataplane.ndis.layout import HeadedStructure
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.structures import (
    AllocationCompleteArray,
    AllocationCompleteParameters,
    FieldParameters,
    FilterCapabilities,
    FilterParameters,
    MulticastList,
    NicSwitchCapabilities,
    NicSwitchParameters,
    PacketFilter,
    QueueParameters,
    ScaleCapabilities,
    VPortParameters,
)
from dataplane.ndis.values import GroupAffinity
from dataplane.scenario.capabilities import CAPABILITY_FLAGS
from dataplane.scenario.model import Adapter, Filter, Queue, Rss, VPort
from dataplane.switch.configuration import TOEPLITZ, HashType
from dataplane.update import requests as update
from dataplane.update.requests import oid_request, set_parameters, set_parameters_v2

#: The client that creates what a scenario lists; events issue their requests as the same client by default.
SCENARIO_CLIENT = update.CLIENT

#: The keywords that make an adapter offer each interface (CAP-10).
_KEYWORDS = {
    "switch": {"*SriovPreferred": 1, "*RssOrVmqPreference": 1, "*SRIOV": 1, "*VMQ": 1, "*RSS": 1},
    "vmq": {"*SriovPreferred": 0, "*RssOrVmqPreference": 1, "*SRIOV": 0, "*VMQ": 1, "*RSS": 1},
    "native-rss": {"*SriovPreferred": 0, "*RssOrVmqPreference": 0, "*SRIOV": 0, "*VMQ": 0, "*RSS": 1},
}
_FIELD_VALUE_BYTES = 16

AnyCapabilities = TypeVar("AnyCapabilities", bound=HeadedStructure)


# The adapter ---------------------------------------------------------------------------------------------------------


def specification_of(adapter: Adapter) -> AdapterSpecification:
    """The adapter as it is initialized, before anybody has requested anything.

    It has the capabilities of its interface. Native RSS needs receive filter capabilities only to advertise RSSv2
    (CAP-30); without RSSv2 it is a NIC that has none.
    """
    filters = adapter.interface != "native-rss" or adapter.has_rss_v2
    switch = adapter.interface == "switch"
    return AdapterSpecification(
        ndis_version=adapter.ndis_version,
        permanent_address=adapter.permanent_address,
        rss_processors=adapter.rss_processors,
        rss_base_processor=adapter.rss_base_processor,
        rss_max_processor=adapter.rss_max_processor,
        keywords=tuple(_KEYWORDS[adapter.interface].items()),
        receive_filter_capabilities=_capabilities(adapter, FilterCapabilities) if filters else None,
        nic_switch_capabilities=_capabilities(adapter, NicSwitchCapabilities) if switch else None,
        receive_scale_capabilities=_capabilities(adapter, ScaleCapabilities),
        inner_headers=adapter.inner_headers,
    )


def _capabilities(adapter: Adapter, structure: type[AnyCapabilities]) -> AnyCapabilities:
    """A capability structure with the members that [adapter] knows."""
    members = {name: getattr(adapter, name) for name in structure.layout.members if name in Adapter.model_fields}
    flags = {name: _word(CAPABILITY_FLAGS[name], members[name]) for name in members.keys() & CAPABILITY_FLAGS.keys()}
    return structure(**members | flags)


def _word(flags: type[IntFlag], names: Sequence[str]) -> int:
    return reduce(or_, (int(flags[name]) for name in names), 0)


def create_switch(adapter: Adapter) -> OidRequest:
    """OID_NIC_SWITCH_CREATE_SWITCH, which is for NDIS to issue (OID-16)."""
    return oid_request(
        Oid.OID_NIC_SWITCH_CREATE_SWITCH,
        NicSwitchParameters(num_vfs=adapter.max_num_vfs),
        adapter.ndis_version,
        kind=RequestKind.METHOD,
        issuer=NDIS,
    )


def query_filter_types() -> OidRequest:
    """OID_RECEIVE_FILTER_GLOBAL_PARAMETERS: what a client of VMQ asks first."""
    return OidRequest(Oid.OID_RECEIVE_FILTER_GLOBAL_PARAMETERS, RequestKind.QUERY, SCENARIO_CLIENT)


def set_packet_filter(adapter: Adapter) -> OidRequest:
    """OID_GEN_CURRENT_PACKET_FILTER (MOD-12)."""
    wanted = _word(PacketFilterFlags, [name.upper() for name in adapter.packet_filter])
    return oid_request(Oid.OID_GEN_CURRENT_PACKET_FILTER, PacketFilter(packet_filter=wanted), adapter.ndis_version)


def set_multicast_list(adapter: Adapter) -> OidRequest:
    """OID_802_3_MULTICAST_LIST (MOD-12)."""
    addresses = MulticastList(addresses=adapter.multicast_list)
    return oid_request(Oid.OID_802_3_MULTICAST_LIST, addresses, adapter.ndis_version)


# VPorts and queues ---------------------------------------------------------------------------------------------------


def create_vport(vport: VPort, version: NdisVersion) -> OidRequest:
    """OID_NIC_SWITCH_CREATE_VPORT for a nondefault VPort of the PF, deactivated as it must be (VPT-06, VPT-09)."""
    parameters = VPortParameters(
        vport_name=vport.name,
        num_queue_pairs=vport.num_queue_pairs,
        vport_state=VPortState.Deactivated,
        processor_affinity=_affinity(vport.processor_affinity),
    )
    return oid_request(Oid.OID_NIC_SWITCH_CREATE_VPORT, parameters, version, kind=RequestKind.METHOD)


def activate_vport(vport_id: int, version: NdisVersion) -> OidRequest:
    """OID_NIC_SWITCH_VPORT_PARAMETERS with STATE_CHANGED (VPT-16)."""
    return _change_vport(
        VPortParameters(vport_id=vport_id, flags=VPortParametersFlags.STATE_CHANGED, vport_state=VPortState.Activated),
        version,
    )


def name_and_affinity(vport: VPort, version: NdisVersion) -> OidRequest:
    """OID_NIC_SWITCH_VPORT_PARAMETERS for the default VPort, which nobody creates (VPT-19)."""
    return _change_vport(
        VPortParameters(
            vport_id=vport.id,
            flags=VPortParametersFlags.NAME_CHANGED | VPortParametersFlags.PROCESSOR_AFFINITY_CHANGED,
            vport_name=vport.name,
            processor_affinity=_affinity(vport.processor_affinity),
        ),
        version,
    )


def change_queue_pairs(vport: VPort, version: NdisVersion) -> OidRequest:
    """OID_NIC_SWITCH_VPORT_PARAMETERS with NUM_QUEUE_PAIRS_CHANGED (UPD-06)."""
    return update.change_queue_pairs(vport.id, vport.num_queue_pairs, version)


def _change_vport(parameters: VPortParameters, version: NdisVersion) -> OidRequest:
    return oid_request(Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, parameters, version)


def allocate_queue(queue: Queue, version: NdisVersion) -> OidRequest:
    """OID_RECEIVE_FILTER_ALLOCATE_QUEUE (QUE-10)."""
    parameters = QueueParameters(
        processor_affinity=_affinity(queue.processor_affinity), vm_name=queue.name, queue_name=queue.name
    )
    return oid_request(Oid.OID_RECEIVE_FILTER_ALLOCATE_QUEUE, parameters, version, kind=RequestKind.METHOD)


def complete_allocation(queue_id: int, version: NdisVersion) -> OidRequest:
    """OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE for one queue (QUE-14)."""
    array = AllocationCompleteArray(elements=(AllocationCompleteParameters(queue_id=queue_id),))
    return oid_request(Oid.OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE, array, version, kind=RequestKind.METHOD)


def set_filter(item: Filter, version: NdisVersion, *, vport_id: int = 0, queue_id: int = 0) -> OidRequest:
    """OID_RECEIVE_FILTER_SET_FILTER; the flag goes with the first field test (FLT-16, FLT-25)."""
    tests = []
    if item.mac is not None:
        tests.append((MacHeaderField.DestinationAddress, item.mac.to_bytes(6, "big")))
    if item.vlan is not None:
        tests.append((MacHeaderField.VlanId, item.vlan.to_bytes(2, "big")))  # FLT-13
    parameters = FilterParameters(
        vport_id=vport_id,
        queue_id=queue_id,
        field_parameters=tuple(
            FieldParameters(
                flags=FilterFieldFlags.UNTAGGED_OR_ZERO if item.untagged_or_zero and i == 0 else 0,
                header_field=field,
                field_value=value.ljust(_FIELD_VALUE_BYTES, b"\0"),
            )
            for i, (field, value) in enumerate(tests)
        ),
    )
    return oid_request(Oid.OID_RECEIVE_FILTER_SET_FILTER, parameters, version, kind=RequestKind.METHOD)


def _affinity(processors: Sequence[ProcessorNumber]) -> GroupAffinity:
    """The mask of the processors in the group of the lowest one; `checks` refuses affinities of several groups."""
    group = min(processors).group if processors else 0
    return GroupAffinity.of([processor for processor in processors if processor.group == group])


# RSS -----------------------------------------------------------------------------------------------------------------


def set_rss_parameters(rss: Rss, version: NdisVersion, vport_id: int | None) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS: everything at once, which enables RSS (generation 1)."""
    return set_parameters(
        version,
        vport_id,
        indirection_table=rss.indirection_table,
        hash_information=hash_information(rss.hash_types),
        hash_secret_key=rss.key,
        default_processor=rss.default_processor,
    )


def set_table_size(entries: int, version: NdisVersion, vport_id: int | None) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 of an entity whose RSS is off and stays off (UPD-22, UPD-26)."""
    return set_parameters_v2(version, vport_id, enable=False, entries=entries)


def enable_rss(rss: Rss, version: NdisVersion, vport_id: int | None) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: all entries, hash types and key, and RSS on (UPD-21, UPD-23)."""
    return set_parameters_v2(
        version,
        vport_id,
        enable=True,
        hash_information=hash_information(rss.hash_types),
        hash_secret_key=rss.key,
        entries=rss.num_indirection_table_entries,
    )


#: OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES, one request for each processor that entries leave (UPD-31, UPD-38).
move_entries = update.move_entries


def shortest_table(rss: Rss) -> tuple[ProcessorNumber, ...]:
    """The beginning of a table that it only repeats: a table grows by repetition, so no more need be moved (UPD-26)."""
    table, entries = rss.indirection_table, rss.num_indirection_table_entries
    size = 1
    while size < entries and table[:entries] != table[:size] * (entries // size):
        size *= 2
    return table[: min(size, entries)]


def hash_information(hash_types: Sequence[str]) -> int:
    """The hash types that are named, with the hash function (RSS-06)."""
    return _word(HashType, [name.upper() for name in hash_types]) | TOEPLITZ
