"""Which function decides which request, and the checks before it.

There is one row for each OID and kind: the required feature, the handler, and whether the miniport sees the request or
NDIS answers from its cache (OID-08). `dataplane.ndis` defines the contents of the buffer; the row does not repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dataplane.control import filters, moves, nic_switch, queues, receive_hash, rss1, rss2, scaling, settings, vports
from dataplane.control.decision import (
    Context,
    Outcome,
    require_receive_filters,
    require_switch,
    require_switch_interface,
)
from dataplane.control.requests import Refusal, not_supported
from dataplane.ndis.codec import Failure, decode, encode_output
from dataplane.ndis.layout import NDIS_OBJECT_HEADER, Structure
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind
from dataplane.ndis.structures import EXCHANGES


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of request for one OID is decided."""

    handle: Callable[[Context, Any], Outcome]  # context and decoded structure -> outcome, or Refusal
    require: Callable[[Context], None]  # raises Refusal when the feature or mode is missing (ERR-03 to ERR-05, 21, 35)
    reaches_miniport: bool = True


def _nothing(_context: Context) -> None:
    """No feature is needed."""


def _ndis_switch(context: Context) -> None:
    require_switch_interface(context)
    nic_switch.require_ndis(context)


def _create_switch(context: Context) -> None:
    require_switch_interface(context)
    nic_switch.require_may_create(context)


_QUERY, _SET, _METHOD = RequestKind.QUERY, RequestKind.SET, RequestKind.METHOD
_FILTERS, _SWITCH = require_receive_filters, require_switch
_CACHED = False  # `reaches_miniport` of requests that NDIS answers

ROWS: Mapping[tuple[Oid, RequestKind], Row] = {
    (Oid.OID_GEN_CURRENT_PACKET_FILTER, _QUERY): Row(settings.query_packet_filter, _nothing),
    (Oid.OID_GEN_CURRENT_PACKET_FILTER, _SET): Row(settings.set_packet_filter, _nothing),
    (Oid.OID_802_3_CURRENT_ADDRESS, _QUERY): Row(settings.query_address, _nothing),
    (Oid.OID_802_3_MULTICAST_LIST, _QUERY): Row(settings.query_multicast_list, _nothing),
    (Oid.OID_802_3_MULTICAST_LIST, _SET): Row(settings.set_multicast_list, _nothing),
    # receive filters and VMQ queues
    (Oid.OID_RECEIVE_FILTER_HARDWARE_CAPABILITIES, _QUERY): Row(
        settings.query_filter_hardware, settings.require_filter_capabilities, _CACHED
    ),
    (Oid.OID_RECEIVE_FILTER_CURRENT_CAPABILITIES, _QUERY): Row(
        settings.query_filter_current, settings.require_filter_capabilities, _CACHED
    ),
    (Oid.OID_RECEIVE_FILTER_GLOBAL_PARAMETERS, _QUERY): Row(
        settings.query_global_parameters, settings.require_filter_capabilities, _CACHED
    ),
    (Oid.OID_RECEIVE_FILTER_ALLOCATE_QUEUE, _METHOD): Row(queues.allocate_queue, queues.require_may_allocate),
    (Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS, _METHOD): Row(queues.query_queue, _FILTERS, _CACHED),
    (Oid.OID_RECEIVE_FILTER_QUEUE_PARAMETERS, _SET): Row(queues.set_queue, _FILTERS),
    (Oid.OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE, _METHOD): Row(queues.complete_allocation, _FILTERS),
    (Oid.OID_RECEIVE_FILTER_FREE_QUEUE, _SET): Row(queues.free_queue, _FILTERS),
    (Oid.OID_RECEIVE_FILTER_ENUM_QUEUES, _QUERY): Row(queues.enum_queues, _FILTERS, _CACHED),
    (Oid.OID_RECEIVE_FILTER_SET_FILTER, _METHOD): Row(filters.set_filter, _FILTERS),
    (Oid.OID_RECEIVE_FILTER_PARAMETERS, _METHOD): Row(filters.query_filter, _FILTERS, _CACHED),
    (Oid.OID_RECEIVE_FILTER_CLEAR_FILTER, _SET): Row(filters.clear_filter, _FILTERS),
    (Oid.OID_RECEIVE_FILTER_MOVE_FILTER, _SET): Row(filters.move_filter, _SWITCH),
    (Oid.OID_RECEIVE_FILTER_ENUM_FILTERS, _METHOD): Row(filters.enum_filters, _FILTERS, _CACHED),
    # NIC switch and VPorts
    (Oid.OID_NIC_SWITCH_HARDWARE_CAPABILITIES, _QUERY): Row(
        settings.query_switch_hardware, settings.require_switch_capabilities, _CACHED
    ),
    (Oid.OID_NIC_SWITCH_CURRENT_CAPABILITIES, _QUERY): Row(
        settings.query_switch_current, settings.require_switch_capabilities, _CACHED
    ),
    (Oid.OID_NIC_SWITCH_CREATE_SWITCH, _METHOD): Row(nic_switch.create_switch, _create_switch),
    (Oid.OID_NIC_SWITCH_PARAMETERS, _METHOD): Row(nic_switch.query_switch, require_switch_interface, _CACHED),
    (Oid.OID_NIC_SWITCH_PARAMETERS, _SET): Row(nic_switch.set_switch, require_switch_interface),
    (Oid.OID_NIC_SWITCH_DELETE_SWITCH, _SET): Row(nic_switch.delete_switch, _ndis_switch),
    (Oid.OID_NIC_SWITCH_ENUM_SWITCHES, _QUERY): Row(nic_switch.enum_switches, require_switch_interface),
    (Oid.OID_NIC_SWITCH_CREATE_VPORT, _METHOD): Row(vports.create_vport, _SWITCH),
    (Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, _METHOD): Row(vports.query_vport, _SWITCH, _CACHED),
    (Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, _SET): Row(vports.set_vport, _SWITCH),
    (Oid.OID_NIC_SWITCH_DELETE_VPORT, _SET): Row(vports.delete_vport, _SWITCH),
    (Oid.OID_NIC_SWITCH_ENUM_VPORTS, _METHOD): Row(vports.enum_vports, _SWITCH, _CACHED),
    (Oid.OID_NIC_SWITCH_ALLOCATE_VF, _METHOD): Row(nic_switch.allocate_vf, _SWITCH),
    (Oid.OID_NIC_SWITCH_FREE_VF, _SET): Row(nic_switch.free_vf, _SWITCH),
    # RSS
    (Oid.OID_GEN_RECEIVE_SCALE_CAPABILITIES, _QUERY): Row(
        rss1.query_capabilities, scaling.require_rss_capabilities, _CACHED
    ),
    (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, _QUERY): Row(
        rss1.query_parameters, scaling.require_rss_capabilities, _CACHED
    ),
    (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, _SET): Row(rss1.set_parameters, rss1.require_may_set),
    (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, _QUERY): Row(rss2.query_parameters, scaling.require_generation_2),
    (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, _SET): Row(rss2.set_parameters, rss2.require_may_set),
    (Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES, _METHOD): Row(moves.move_entries, moves.require_may_move),
    (Oid.OID_GEN_RECEIVE_HASH, _QUERY): Row(receive_hash.query_hash, scaling.require_rss_capabilities, _CACHED),
    (Oid.OID_GEN_RECEIVE_HASH, _SET): Row(receive_hash.set_hash, receive_hash.require_may_set),
}


def row_of(context: Context) -> Row:
    """The row of a request; refuses an unknown OID, a wrong kind or path, and an NDIS version without it (OID-01)."""
    request, version = context.request, context.capabilities.ndis_version
    # the query of an application is handled like that of a client
    kind = RequestKind.QUERY if request.kind is RequestKind.QUERY_STATISTICS else request.kind
    rule = OID_RULES.get(request.oid)  # type: ignore[call-overload]
    if rule is None:
        raise not_supported(f"OID-01: OID {request.oid:#010x} is not known")
    if request.kind not in rule.kinds:
        raise not_supported(f"OID-01: {Oid(request.oid).name} takes no {request.kind.name.lower()}")
    if request.synchronous != rule.synchronous:
        raise not_supported(f"OID-18: {Oid(request.oid).name} came through the wrong request path")
    if version < rule.since:
        raise not_supported(f"OID-13: {Oid(request.oid).name} needs NDIS {rule.since}")
    row = ROWS.get((Oid(request.oid), kind))
    if row is None:
        raise not_supported(f"OID-01: {Oid(request.oid).name} is not part of the model")
    return row


def decide(context: Context, row: Row) -> Outcome:
    """What happens if the miniport agrees: feature, buffer, then the handler's own checks (section 13, precedence)."""
    row.require(context)
    request = context.request
    structure = EXCHANGES[Oid(request.oid), request.kind].request
    if structure is None:
        return row.handle(context, None)
    # for answers of NDIS only the fixed part matters: the result overwrites an array in the input buffer (FLT-44)
    parameters = decode(structure, request.information_buffer, fixed_only=not row.reaches_miniport)
    if isinstance(parameters, Failure):
        needed = parameters.bytes_needed
        if needed and any(part.result_only for part in structure.layout.parts.values()):
            needed = _needed_by_enumeration(context, row, structure) or needed
        raise Refusal(parameters.status, f"{parameters.rule}: {parameters.why}", bytes_needed=needed)
    return row.handle(context, parameters)


def _needed_by_enumeration(context: Context, row: Row, structure: type[Structure]) -> int | None:
    """The size an enumeration needs if its buffer is too short even for the question (OID-09): that of the answer.

    Missing bytes of the question count as 0. So an empty buffer asks about everything, or about the default queue or
    VPort. None if there is no such enumeration.
    """
    layout, buffer, version = structure.layout, context.request.information_buffer, context.capabilities.ndis_version
    fixed = layout.revision(buffer[1]) if len(buffer) > 1 else layout.revision_for(version)
    header = NDIS_OBJECT_HEADER.compiled.pack(layout.object_type, fixed.revision, fixed.size)
    question = decode(structure, (header + buffer[len(header) :]).ljust(fixed.size, b"\0"))
    assert not isinstance(question, Failure), question.why
    try:
        answer = row.handle(context, question).answer
    except Refusal:
        return None
    assert answer is not None
    return len(encode_output(answer, version, revision=fixed.revision))
