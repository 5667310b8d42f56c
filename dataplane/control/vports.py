"""VPorts: creating, activating, changing, deleting, enumerating (sections 4.2 to 4.4 of the rules)."""

from __future__ import annotations

import dataclasses
from collections.abc import Container

from dataplane.control.capabilities import NDIS_6_50, NDIS_6_60, Capabilities, round_up_to_power_of_two
from dataplane.control.decision import Context, Outcome, check_affinity
from dataplane.control.requests import (
    VPORT_DELETED,
    Discard,
    Event,
    Refusal,
    RequestCompleted,
    invalid_parameter,
    not_supported,
    out_of,
)
from dataplane.control.scaling import initial_rss, processors_in_use
from dataplane.control.state import AdapterState, PendingRequest, VPortRecord, lowest_free, lowest_processor
from dataplane.ids import DEFAULT_VPORT_ID, ProcessorNumber
from dataplane.ndis.constants import (
    CHANGE_MASK,
    NDIS_DEFAULT_SWITCH_ID,
    NDIS_PF_FUNCTION_ID,
    NicSwitchCapabilityFlags,
    VPortInfoArrayFlags,
    VPortInfoFlags,
    VPortParametersFlags,
    VPortState,
)
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import DeleteVPortParameters, VPortInfo, VPortInfoArray, VPortParameters
from dataplane.ndis.values import GroupAffinity
from dataplane.switch.configuration import RssState


def default_vport(capabilities: Capabilities, num_queue_pairs: int, base: ProcessorNumber) -> VPortRecord:
    """The VPort that comes with the switch: activated, on the RSS base processor (VPT-01, VPT-13)."""
    parameters = VPortParameters(
        vport_id=DEFAULT_VPORT_ID,
        attached_function_id=NDIS_PF_FUNCTION_ID,
        num_queue_pairs=num_queue_pairs,
        vport_state=VPortState.Activated,
        processor_affinity=GroupAffinity.of([base]),
    )
    return VPortRecord(None, parameters, base, initial_rss(capabilities, base))


# Creating ------------------------------------------------------------------------------------------------------------


def create_vport(context: Context, parameters: VPortParameters) -> Outcome:
    """OID_NIC_SWITCH_CREATE_VPORT: members first, then the pools (VPT-06 to VPT-15, ERR-26, ERR-27)."""
    state, capabilities = context.state, context.capabilities
    if parameters.switch_id != NDIS_DEFAULT_SWITCH_ID or parameters.vport_id != DEFAULT_VPORT_ID:
        raise invalid_parameter("VPT-06: SwitchId and VPortId must be 0 on input")
    on_pf = parameters.attached_function_id == NDIS_PF_FUNCTION_ID
    _check_function(context, parameters)
    _check_queue_pairs_of_one(context, DEFAULT_VPORT_ID + 1, parameters.num_queue_pairs, "VPT-10")
    _check_symmetry(context, None, parameters.num_queue_pairs)
    if on_pf:
        if parameters.num_queue_pairs > 1 and not capabilities.vmmq:
            raise invalid_parameter("VPT-15: more than one queue pair needs RSS on PF VPorts")
        check_affinity(context, parameters.processor_affinity, "VPT-11", within_rss_set=capabilities.vmmq)
    vport_id = lowest_free(state.vports, 1, capabilities.nic_switch.max_num_vports - 1)
    if vport_id is None:
        raise out_of(f"CAP-14: all {capabilities.nic_switch.max_num_vports} VPorts exist")
    if on_pf and len(state.vports) > capabilities.pf_vports_max:  # with fewer VPorts there is room in any case
        on_pf_now = sum(record.on_pf for existing, record in state.vports.items() if existing != DEFAULT_VPORT_ID)
        if on_pf_now >= capabilities.pf_vports_max:
            raise out_of(f"CAP-18: all {capabilities.pf_vports_max} nondefault VPorts of the PF exist")
    _check_total_queue_pairs(context, parameters.num_queue_pairs)
    primary = context.specification.rss_base_processor
    if on_pf:
        primary = lowest_processor(parameters.processor_affinity)
    record = VPortRecord(
        context.issuer,
        dataclasses.replace(parameters, vport_id=vport_id, flags=parameters.flags & ~CHANGE_MASK),
        primary,
        initial_rss(capabilities, primary) if on_pf else RssState(),
    )
    return Outcome(state.with_vport(vport_id, record), changes={"vport_id": vport_id})


def _check_function(context: Context, parameters: VPortParameters) -> None:
    """The function must exist and be free, and the VPort state must be the one for it (VPT-08, VPT-09)."""
    function = parameters.attached_function_id
    if function == NDIS_PF_FUNCTION_ID:
        if parameters.vport_state != VPortState.Deactivated:
            raise invalid_parameter("VPT-09: a nondefault VPort of the PF is created deactivated")
        return
    assert context.state.switch is not None
    if function not in context.state.switch.virtual_functions:
        raise invalid_parameter(f"VPT-08: VF {function} is not allocated")
    if any(record.parameters.attached_function_id == function for record in context.state.vports.values()):
        raise invalid_parameter(f"VPT-08: VF {function} has a VPort already")
    if parameters.vport_state != VPortState.Activated:
        raise invalid_parameter("VPT-09: the VPort of a VF is created activated")


# Queue pairs ---------------------------------------------------------------------------------------------------------


def check_queue_pairs(context: Context, vport_id: int, num_queue_pairs: int, rule: str) -> None:
    """Whether an existing VPort may get that many queue pairs: INVALID_PARAMETER, or FAILURE for the total (CAP-20)."""
    _check_queue_pairs_of_one(context, vport_id, num_queue_pairs, rule)
    if vport_id != DEFAULT_VPORT_ID:
        _check_symmetry(context, vport_id, num_queue_pairs)


def check_more_queue_pairs(context: Context, vport_id: int, num_queue_pairs: int) -> None:
    """The total of all VPorts is limited (CAP-20). It is a pool, so this check is the last one."""
    _check_total_queue_pairs(context, num_queue_pairs - context.state.vports[vport_id].parameters.num_queue_pairs)


def _check_queue_pairs_of_one(context: Context, vport_id: int, num_queue_pairs: int, rule: str) -> None:
    limit = context.capabilities.queue_pairs_max(vport_id)
    if not 1 <= num_queue_pairs <= limit:
        raise invalid_parameter(f"{rule}: {num_queue_pairs} queue pairs are not in 1..{limit}")


def _check_symmetry(context: Context, vport_id: int | None, num_queue_pairs: int) -> None:
    """Without the asymmetric capability all nondefault VPorts have the same number (CAP-19)."""
    if context.capabilities.has(NicSwitchCapabilityFlags.ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED):
        return
    for other, record in context.state.vports.items():
        if other not in (DEFAULT_VPORT_ID, vport_id) and record.parameters.num_queue_pairs != num_queue_pairs:
            raise invalid_parameter(f"CAP-19: VPort {other} has {record.parameters.num_queue_pairs} queue pairs")


def _check_total_queue_pairs(context: Context, more: int) -> None:
    if more <= 0:
        return
    used = sum(record.parameters.num_queue_pairs for record in context.state.vports.values())
    limit = context.capabilities.nic_switch.max_num_queue_pairs
    if used + more > limit:
        raise out_of(f"CAP-20: {used + more} queue pairs wanted, the NIC has {limit}")


# Changing ------------------------------------------------------------------------------------------------------------


def query_vport(context: Context, parameters: VPortParameters) -> Outcome:
    """OID_NIC_SWITCH_VPORT_PARAMETERS as a method, for any client (VPT-23)."""
    record = _existing(context, parameters)
    return Outcome(context.state, answer=dataclasses.replace(record.parameters, header=parameters.header))


def set_vport(context: Context, parameters: VPortParameters) -> Outcome:
    """OID_NIC_SWITCH_VPORT_PARAMETERS as a set: only what a CHANGED flag names (VPT-16 to VPT-23)."""
    record = _existing(context, parameters)
    if record.deleting:
        raise invalid_parameter(f"VPT-27: VPort {parameters.vport_id} is being deleted")
    if parameters.vport_id != DEFAULT_VPORT_ID and record.owner != context.issuer:
        raise invalid_parameter(f"VPT-23: VPort {parameters.vport_id} belongs to {record.owner}")
    flag, given = VPortParametersFlags, parameters.flags
    changes: dict[str, object] = {}
    primary, rss = record.primary_processor, record.rss
    if given & flag.INT_MOD_CHANGED:
        if not context.capabilities.has(NicSwitchCapabilityFlags.PER_VPORT_INTERRUPT_MODERATION_SUPPORTED):
            raise not_supported("INT-09: interrupt moderation cannot differ between VPorts")
        changes["interrupt_moderation"] = parameters.interrupt_moderation
    if given & flag.STATE_CHANGED:
        if parameters.vport_state != VPortState.Activated:
            raise invalid_parameter("VPT-16: a VPort can be activated, nothing else")
        changes["vport_state"] = VPortState.Activated
    if given & flag.PROCESSOR_AFFINITY_CHANGED:
        if not record.on_pf:
            raise invalid_parameter("VPT-20: the VPort of a VF has no ProcessorAffinity")
        check_affinity(context, parameters.processor_affinity, "VPT-21", within_rss_set=context.capabilities.vmmq)
        changes["processor_affinity"] = parameters.processor_affinity
        primary = lowest_processor(parameters.processor_affinity)
    if given & flag.FLAGS_CHANGED:
        changes["flags"] = given & ~CHANGE_MASK
    if given & flag.NAME_CHANGED:
        changes["vport_name"] = parameters.vport_name
    if context.capabilities.ndis_version >= NDIS_6_50:
        if given & flag.NDK_PARAMS_CHANGED:
            changes["ndk_params"] = parameters.ndk_params
        if given & flag.QOS_SQ_ID_CHANGED:
            changes["qos_sq_id"] = parameters.qos_sq_id
    if given & flag.NUM_QUEUE_PAIRS_CHANGED:
        rss = _with_queue_pairs(context, record, parameters.num_queue_pairs)
        changes["num_queue_pairs"] = parameters.num_queue_pairs
    changed = dataclasses.replace(record.parameters, **changes)  # type: ignore[arg-type]
    record = dataclasses.replace(record, parameters=changed, primary_processor=primary, rss=rss)
    return Outcome(context.state.with_vport(parameters.vport_id, record))


def _existing(context: Context, parameters: VPortParameters) -> VPortRecord:
    record = context.state.vports.get(parameters.vport_id)
    if record is None or parameters.switch_id != NDIS_DEFAULT_SWITCH_ID:
        raise invalid_parameter(f"ERR-28: there is no VPort {parameters.vport_id} on switch {parameters.switch_id}")
    return record


def _with_queue_pairs(context: Context, record: VPortRecord, num_queue_pairs: int) -> RssState:
    """The RSS state of a VPort after a change to `num_queue_pairs` queue pairs (UPD-06 to UPD-11)."""
    capabilities, vport_id = context.capabilities, record.parameters.vport_id
    if capabilities.ndis_version < NDIS_6_60 or not capabilities.vmmq:
        raise invalid_parameter("VPT-20: changing NumQueuePairs needs NDIS 6.60 and RSS on PF VPorts")
    if not record.on_pf:
        raise invalid_parameter("UPD-06: NumQueuePairs of the VPort of a VF cannot change")
    check_queue_pairs(context, vport_id, num_queue_pairs, "UPD-06")
    rss = record.rss
    if rss.enabled:
        _check_enough_queues(capabilities, rss, num_queue_pairs)
        if capabilities.restricted_tables:
            entries, limit = round_up_to_power_of_two(num_queue_pairs), capabilities.table_entries_max(vport_id)
            if entries > limit:  # the table cannot have that many entries
                why = f"CAP-25: {num_queue_pairs} queue pairs need a table of {entries} entries, at most {limit} fit"
                raise invalid_parameter(why, by_miniport=True)
            if num_queue_pairs < record.parameters.num_queue_pairs:
                _check_repeats(capabilities, rss, entries)
            rss = _grown(rss, entries)
    check_more_queue_pairs(context, vport_id, num_queue_pairs)
    return rss


def _check_enough_queues(capabilities: Capabilities, rss: RssState, num_queue_pairs: int) -> None:
    """There may not be fewer queues than processors in use (UPD-08)."""
    used = processors_in_use(rss)
    if used > num_queue_pairs:
        why = f"UPD-08: {used} processors in use, {num_queue_pairs} queues"
        if capabilities.rss_generation_2:
            raise Refusal(NdisStatus.NDIS_STATUS_NO_QUEUES, why, by_miniport=True)
        raise invalid_parameter(why, by_miniport=True)


def _check_repeats(capabilities: Capabilities, rss: RssState, entries: int) -> None:
    """To lose queue pairs, a restricted table must be one of `entries` entries repeated (UPD-09)."""
    table = rss.indirection_table
    if any(processor != table[index % entries] for index, processor in enumerate(table)):
        why = f"UPD-09: the table of {len(table)} entries is not one of {entries} entries repeated"
        if capabilities.rss_generation_2:
            raise Refusal(NdisStatus.NDIS_STATUS_INVALID_DATA, why, by_miniport=True)
        raise invalid_parameter(why, by_miniport=True)


def _grown(rss: RssState, entries: int) -> RssState:
    """A restricted table is repeated up to `entries` entries (UPD-10); a longer one is kept (UPD-09)."""
    table = rss.indirection_table
    return dataclasses.replace(rss, indirection_table=table * max(1, entries // len(table)))


# Deleting and enumerating --------------------------------------------------------------------------------------------


def delete_vport(context: Context, parameters: DeleteVPortParameters) -> Outcome:
    """OID_NIC_SWITCH_DELETE_VPORT: completes when all its packets have been returned (VPT-26 to VPT-29)."""
    state, vport_id = context.state, parameters.vport_id
    record = state.vports.get(vport_id)
    if record is None or record.deleting or vport_id == DEFAULT_VPORT_ID:
        raise invalid_parameter(f"VPT-26: there is no nondefault VPort {vport_id}")
    if record.owner != context.issuer:
        raise invalid_parameter(f"VPT-23: VPort {vport_id} belongs to {record.owner}")
    if filters := state.filters_on(vport_id):
        raise invalid_parameter(f"VPT-27: VPort {vport_id} has filters {filters}")
    pending = PendingRequest(context.request.request_id, context.request.oid)
    state, busy = deleted(state, vport_id, context.outstanding, pending)
    return Outcome(state, pending=busy, discards=(discard(vport_id),))


def discard(vport_id: int) -> Discard:
    """The order to drop the frames that the hardware queues of a deleted VPort still hold (VPT-27)."""
    return Discard(vport_id, VPORT_DELETED)


def deleted(
    state: AdapterState, vport_id: int, outstanding: Container[int], pending: PendingRequest | None
) -> tuple[AdapterState, bool]:
    """The state once deletion has begun, and whether it must wait for packets (VPT-27)."""
    if vport_id not in outstanding:
        return state.with_vport(vport_id, None), False
    return state.with_vport(vport_id, dataclasses.replace(state.vports[vport_id], deleting=True, pending=pending)), True


def packets_returned(state: AdapterState, vport_id: int) -> tuple[AdapterState, tuple[Event, ...]]:
    """The last packet of a VPort came back: a VPort that is being deleted is gone now (VPT-27, VPT-29)."""
    record = state.vports.get(vport_id)
    if record is None or not record.deleting:
        return state, ()
    events: tuple[Event, ...] = ()
    if record.pending:
        events = (RequestCompleted(record.pending.request_id, record.pending.oid, NdisStatus.NDIS_STATUS_SUCCESS),)
    return state.with_vport(vport_id, None), events


def enum_vports(context: Context, parameters: VPortInfoArray) -> Outcome:
    """OID_NIC_SWITCH_ENUM_VPORTS: all, those of a function or those of a switch (VPT-24, VPT-25)."""
    by_function = parameters.flags & VPortInfoArrayFlags.ENUM_ON_SPECIFIC_FUNCTION
    by_switch = parameters.flags & VPortInfoArrayFlags.ENUM_ON_SPECIFIC_SWITCH
    if by_function and by_switch:
        raise invalid_parameter("VPT-24: both enumeration flags are set")
    elements = tuple(
        _vport_info(context.state, vport_id, record)
        for vport_id, record in context.state.vports.items()
        if (not by_function or record.parameters.attached_function_id == parameters.attached_function_id)
        and (not by_switch or parameters.switch_id == NDIS_DEFAULT_SWITCH_ID)
    )
    return Outcome(context.state, answer=dataclasses.replace(parameters, elements=elements))


def _vport_info(state: AdapterState, vport_id: int, record: VPortRecord) -> VPortInfo:
    parameters = record.parameters
    return VPortInfo(
        vport_id=vport_id,
        flags=parameters.flags & (VPortInfoFlags.LOOKAHEAD_SPLIT_ENABLED | VPortInfoFlags.PACKET_DIRECT_RX_ONLY),
        switch_id=NDIS_DEFAULT_SWITCH_ID,
        vport_name=parameters.vport_name,
        attached_function_id=parameters.attached_function_id,
        num_queue_pairs=parameters.num_queue_pairs,
        interrupt_moderation=parameters.interrupt_moderation,
        vport_state=parameters.vport_state,
        processor_affinity=parameters.processor_affinity,
        lookahead_size=parameters.lookahead_size,
        num_filters=len(state.filters_on(vport_id)),
    )
