"""Receive filters: setting, clearing, moving, querying (section 6 of the rules)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dataplane.control.capabilities import NDIS_6_30
from dataplane.control.decision import Context, Outcome
from dataplane.control.queue_states import QueueEvent, next_state
from dataplane.control.requests import QUEUE_CLEARED, Discard, Refusal, invalid_parameter, not_supported, out_of
from dataplane.control.state import AdapterState, FilterRecord, lowest_free
from dataplane.ids import DEFAULT_QUEUE_ID, DEFAULT_VPORT_ID
from dataplane.ndis.constants import (
    FilterFieldFlags,
    FilterFlags,
    FilterInfoArrayFlags,
    FrameHeader,
    MacHeaderField,
    ReceiveFilterTest,
    ReceiveFilterType,
    SupportedFilterTests,
    SupportedHeaders,
    SupportedMacHeaderFields,
)
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import (
    FieldParameters,
    FilterClearParameters,
    FilterInfo,
    FilterInfoArray,
    FilterParameters,
    MoveFilterParameters,
    address_of,
    short_of,
)
from dataplane.switch.configuration import FieldTest, Filter, MacField, Mode, Test

VLAN_ID_MIN, VLAN_ID_MAX = 1, 4094
_FILTER_IDS_MAX = 0xFFFF_FFFF

_TESTS = {
    ReceiveFilterTest.Equal: (Test.EQUAL, SupportedFilterTests.EQUAL),
    ReceiveFilterTest.MaskEqual: (Test.MASK_EQUAL, SupportedFilterTests.MASK_EQUAL),
    ReceiveFilterTest.NotEqual: (Test.NOT_EQUAL, SupportedFilterTests.NOT_EQUAL),
}
_FIELDS = {
    MacHeaderField.DestinationAddress: (MacField.DESTINATION_ADDRESS, SupportedMacHeaderFields.DEST_ADDR),
    MacHeaderField.VlanId: (MacField.VLAN_ID, SupportedMacHeaderFields.VLAN_ID),
}


# Setting -------------------------------------------------------------------------------------------------------------


def set_filter(context: Context, parameters: FilterParameters) -> Outcome:
    """OID_RECEIVE_FILTER_SET_FILTER: existence, ownership, members, resources, in this order (FLT-01 to FLT-40)."""
    target_id = _target_of(context, parameters)
    _check_may_filter(context, target_id)
    steering = _steering(context, parameters, target_id)
    state = _with_target_event(context.state, target_id, QueueEvent.SET_FILTER)
    filter_id = lowest_free(state.filters, 1, _FILTER_IDS_MAX)
    assert filter_id is not None, "the table is full long before the ids are"
    record = FilterRecord(
        dataclasses.replace(steering, filter_id=filter_id), dataclasses.replace(parameters, filter_id=filter_id)
    )
    _check_room(context, record)
    return Outcome(state.with_filter(filter_id, record), changes={"filter_id": filter_id})


def _target_of(context: Context, parameters: FilterParameters) -> int:
    """The queue or VPort that the filter is for (FLT-10, FLT-11)."""
    state = context.state
    if state.mode is Mode.SWITCH:
        if parameters.queue_id != DEFAULT_QUEUE_ID:
            raise invalid_parameter(f"FLT-10: QueueId {parameters.queue_id} must be 0 in switch mode")
        if parameters.vport_id not in state.vports or state.vports[parameters.vport_id].deleting:
            raise invalid_parameter(f"FLT-10: there is no VPort {parameters.vport_id}")
        return parameters.vport_id
    if parameters.vport_id != DEFAULT_VPORT_ID:
        raise invalid_parameter(f"FLT-10: VPortId {parameters.vport_id} must be 0 without a NIC switch")
    if parameters.queue_id != DEFAULT_QUEUE_ID and parameters.queue_id not in state.queues:
        raise invalid_parameter(f"FLT-10: there is no queue {parameters.queue_id}")
    return parameters.queue_id


def _check_may_filter(context: Context, target_id: int) -> None:
    """Only the owner of a queue or VPort sets filters on it; on the default one everybody may (FLT-01 to FLT-04)."""
    if target_id == DEFAULT_QUEUE_ID:  # or the default VPort: the same number
        return
    state = context.state
    owner = (state.vports if state.mode is Mode.SWITCH else state.queues)[target_id].owner
    if owner != context.issuer:
        rule, what = ("FLT-03", "VPort") if state.mode is Mode.SWITCH else ("FLT-01", "queue")
        raise invalid_parameter(f"{rule}: {what} {target_id} belongs to {owner}, not to {context.issuer}")


def _steering(context: Context, parameters: FilterParameters, target_id: int) -> Filter:
    """The filter for steering, without its id; refuses what rules or adapter do not allow (FLT-06 to FLT-28)."""
    if parameters.filter_type != ReceiveFilterType.VMQueue:
        raise invalid_parameter(f"FLT-07: filter type {parameters.filter_type} is not VMQueue")
    if parameters.requested_filter_id_bit_count:
        raise invalid_parameter("FLT-09: RequestedFilterIdBitCount must be 0")
    if parameters.filter_id:
        raise invalid_parameter(f"FLT-09: FilterId {parameters.filter_id} must be 0 on input")
    if parameters.flags & FilterFlags.PACKET_ENCAPSULATION and not context.specification.inner_headers:
        raise not_supported("FLT-40: the adapter does not look at inner headers")
    if not parameters.field_parameters:
        raise invalid_parameter("FLT-06: the filter has no field test")
    tests = tuple(_field_test(context, one) for one in parameters.field_parameters)
    # the flag counts in whatever field test it is set (FLT-25)
    flag = any(one.flags & FilterFieldFlags.UNTAGGED_OR_ZERO for one in parameters.field_parameters)
    has_vlan_test = any(test.field is MacField.VLAN_ID for test in tests)
    if flag and has_vlan_test:
        raise invalid_parameter("FLT-24: UNTAGGED_OR_ZERO together with a VLAN test")
    if not flag and not has_vlan_test and context.capabilities.ndis_version < NDIS_6_30:
        raise invalid_parameter("FLT-19: without UNTAGGED_OR_ZERO a MAC-only filter needs NDIS 6.30")
    return Filter(0, target_id, tests, untagged_or_zero=flag, owner=context.issuer)


def _field_test(context: Context, one: FieldParameters) -> FieldTest:
    """One field test, if it is defined and advertised (FLT-08, FLT-12, FLT-14)."""
    advertised = context.capabilities.receive_filter
    if one.frame_header != FrameHeader.Mac or not advertised.supported_headers & SupportedHeaders.MAC:
        raise invalid_parameter(f"FLT-08: frame header {one.frame_header} is not Mac")
    test, test_bit = _TESTS.get(one.receive_filter_test, (None, 0))  # type: ignore[call-overload]
    if test is None or not advertised.supported_filter_tests & test_bit:
        raise invalid_parameter(f"FLT-08: filter test {one.receive_filter_test} is not advertised")
    field, field_bit = _FIELDS.get(one.header_field, (None, 0))  # type: ignore[call-overload]
    if field is None:
        raise invalid_parameter(f"FLT-08: MAC header field {one.header_field} cannot be tested")
    if not advertised.supported_mac_header_fields & field_bit:
        raise invalid_parameter(
            f"{'FLT-26' if field is MacField.VLAN_ID else 'FLT-08'}: {field.name} is not advertised"
        )
    if field is MacField.DESTINATION_ADDRESS:
        return FieldTest(field, address_of(one.field_value), test, address_of(one.result_value))
    value = short_of(one.field_value)
    if test is not Test.MASK_EQUAL and not VLAN_ID_MIN <= value <= VLAN_ID_MAX:
        raise invalid_parameter(f"FLT-14: VLAN id {value} is not in {VLAN_ID_MIN}..{VLAN_ID_MAX}")
    return FieldTest(field, value, test, short_of(one.result_value))


def _check_room(context: Context, record: FilterRecord) -> None:
    """Check the limits of the filter table and, on a switch, of unicast addresses (FLT-39)."""
    capabilities, state = context.capabilities, context.state
    limit = capabilities.receive_filter.max_mac_header_filters
    if len(state.filters) >= limit:
        raise out_of(f"FLT-39: all {limit} filters are in use")
    if state.mode is Mode.SWITCH:
        new = [address for address in record.unicast_addresses if address not in state.unicast_addresses]
        limit = capabilities.nic_switch.max_num_mac_addresses
        if new and len(state.unicast_addresses) + len(new) > limit:
            raise out_of(f"FLT-39: all {limit} unicast addresses of the switch are in use")


def _with_target_event(state: AdapterState, target_id: int, event: QueueEvent) -> AdapterState:
    """The state after `event` on the queue of a filter; VPorts and the default queue have no states (QUE-03)."""
    if state.mode is not Mode.VMQ or target_id == DEFAULT_QUEUE_ID:
        return state
    queue = state.queues[target_id]
    after = next_state(queue.state, event)
    if after is None:
        raise invalid_parameter(f"QUE-04: {event.value} is invalid while queue {target_id} is {queue.state.value}")
    return state.with_queue(target_id, dataclasses.replace(queue, state=after))


# Clearing and moving -------------------------------------------------------------------------------------------------


def clear_filter(context: Context, parameters: FilterClearParameters) -> Outcome:
    """OID_RECEIVE_FILTER_CLEAR_FILTER (FLT-41 to FLT-43)."""
    record = context.state.filters.get(parameters.filter_id)
    if record is None:
        raise _not_found(f"FLT-41: there is no filter {parameters.filter_id}")
    if record.steering.owner != context.issuer:
        raise _not_found(f"FLT-41: filter {parameters.filter_id} belongs to {record.steering.owner}")
    queue_id = DEFAULT_QUEUE_ID if context.state.mode is Mode.SWITCH else record.steering.target_id
    if parameters.queue_id != queue_id:
        raise _not_found(f"FLT-41: filter {parameters.filter_id} is not on queue {parameters.queue_id}")
    state, discards = without_filter(context.state, parameters.filter_id)
    return Outcome(state, discards=discards)


def _not_found(why: str) -> Refusal:
    return Refusal(NdisStatus.NDIS_STATUS_FILE_NOT_FOUND, why)


def without_filter(state: AdapterState, filter_id: int) -> tuple[AdapterState, tuple[Discard, ...]]:
    """The state without a filter; a nondefault target without filters holds no frames (QUE-08, QUE-09, FLT-42)."""
    target_id = state.filters[filter_id].steering.target_id
    is_last = state.filters_on(target_id) == [filter_id]
    event = QueueEvent.CLEAR_LAST_FILTER if is_last else QueueEvent.CLEAR_FILTER
    state = _with_target_event(state, target_id, event).with_filter(filter_id, None)
    if is_last and target_id != DEFAULT_QUEUE_ID:
        return state, (Discard(target_id, QUEUE_CLEARED),)
    return state, ()


def move_filter(context: Context, parameters: MoveFilterParameters) -> Outcome:
    """OID_RECEIVE_FILTER_MOVE_FILTER: one assignment; the filter always has exactly one target (FLT-34 to FLT-36)."""
    state = context.state
    record = state.filters.get(parameters.filter_id)
    if record is None:
        raise invalid_parameter(f"FLT-34: there is no filter {parameters.filter_id}")
    if parameters.source_queue_id or parameters.dest_queue_id:
        raise invalid_parameter("FLT-34: the queue ids must be 0")
    if record.steering.target_id != parameters.source_vport_id:
        raise invalid_parameter(f"FLT-34: filter {parameters.filter_id} is not on VPort {parameters.source_vport_id}")
    destination = parameters.dest_vport_id
    if destination not in state.vports or state.vports[destination].deleting:
        raise invalid_parameter(f"FLT-34: there is no VPort {destination}")
    if record.steering.owner != context.issuer:
        raise invalid_parameter(f"FLT-35: filter {parameters.filter_id} belongs to {record.steering.owner}")
    if destination not in (DEFAULT_VPORT_ID, record.steering.target_id):
        _check_may_filter(context, destination)
    moved = FilterRecord(
        dataclasses.replace(record.steering, target_id=destination),
        dataclasses.replace(record.parameters, vport_id=destination),
    )
    return Outcome(state.with_filter(parameters.filter_id, moved))


# Querying ------------------------------------------------------------------------------------------------------------


def query_filter(context: Context, parameters: FilterParameters) -> Outcome:
    """OID_RECEIVE_FILTER_PARAMETERS: the stored parameters of a filter (FLT-44)."""
    record = context.state.filters.get(parameters.filter_id)
    if record is None:
        raise invalid_parameter(f"FLT-44: there is no filter {parameters.filter_id}")
    return Outcome(context.state, answer=dataclasses.replace(record.parameters, header=parameters.header))


def enum_filters(context: Context, parameters: FilterInfoArray) -> Outcome:
    """OID_RECEIVE_FILTER_ENUM_FILTERS: the filters of a queue or a VPort, ascending by id (FLT-45)."""
    target_id = _enumerated(context.state, parameters)
    elements = tuple(
        FilterInfo(
            flags=record.parameters.flags,
            filter_type=record.parameters.filter_type,
            filter_id=record.steering.filter_id,
        )
        for record in _on_target(context.state, target_id)
    )
    return Outcome(context.state, answer=dataclasses.replace(parameters, elements=elements))


def _enumerated(state: AdapterState, parameters: FilterInfoArray) -> int:
    if parameters.flags & FilterInfoArrayFlags.VPORT_ID_SPECIFIED:
        if parameters.queue_id != DEFAULT_QUEUE_ID:
            raise invalid_parameter(f"FLT-45: QueueId {parameters.queue_id} must be 0 when a VPort is named")
        if parameters.vport_id not in state.vports:
            raise invalid_parameter(f"FLT-45: there is no VPort {parameters.vport_id}")
        return parameters.vport_id
    if parameters.queue_id == DEFAULT_QUEUE_ID:  # on a switch the filters of the default VPort
        return DEFAULT_QUEUE_ID
    if parameters.queue_id not in state.queues:
        raise invalid_parameter(f"FLT-45: there is no queue {parameters.queue_id}")
    _with_target_event(state, parameters.queue_id, QueueEvent.ENUM_FILTERS)
    return parameters.queue_id


def _on_target(state: AdapterState, target_id: int) -> Sequence[FilterRecord]:
    return [record for record in state.filters.values() if record.steering.target_id == target_id]
