"""The NIC switch and its virtual functions (section 4.1 of the rules)."""

from __future__ import annotations

import dataclasses

from dataplane.control.capabilities import NDIS_6_60, Capabilities
from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import (
    NDIS,
    VPORT_DELETED,
    Discard,
    Refusal,
    invalid_parameter,
    not_supported,
    out_of,
)
from dataplane.control.state import AdapterState, SwitchRecord, lowest_free
from dataplane.control.vports import default_vport
from dataplane.ids import DEFAULT_VPORT_ID, ProcessorNumber
from dataplane.ndis.constants import NDIS_DEFAULT_SWITCH_ID, NicSwitchParametersFlags, NicSwitchType
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import (
    DeleteSwitchParameters,
    FreeVfParameters,
    NicSwitchInfo,
    NicSwitchInfoArray,
    NicSwitchParameters,
    VfParameters,
)
from dataplane.switch.configuration import Filter, MacField, Mode


def require_may_create(context: Context) -> None:
    """CREATE_SWITCH comes from NDIS and not while there are VM queues (OID-16, MOD-03, ERR-21)."""
    require_ndis(context)
    if context.state.mode is Mode.VMQ:
        raise not_supported("MOD-03: the adapter is in VMQ mode")


def require_ndis(context: Context) -> None:
    """Switches are created and deleted by NDIS only (OID-16)."""
    if context.issuer != NDIS:
        raise not_supported(f"OID-16: only NDIS may do this, not {context.issuer}")


def create_switch(context: Context, parameters: NicSwitchParameters) -> Outcome:
    """OID_NIC_SWITCH_CREATE_SWITCH; the default VPort comes with it (VPT-01 to VPT-03)."""
    if parameters.switch_id != NDIS_DEFAULT_SWITCH_ID:
        raise invalid_parameter(f"VPT-01: SwitchId {parameters.switch_id} must be 0")
    if parameters.switch_type != NicSwitchType.External:
        raise invalid_parameter(f"VPT-01: switch type {parameters.switch_type} is not External")
    check_queue_pairs(context.capabilities, parameters.num_queue_pairs_for_default_vport)
    static = context.specification.switch
    if static is not None and static.static:
        repeated = ["num_vfs", "switch_friendly_name"]
        if context.capabilities.ndis_version >= NDIS_6_60:  # in older versions the member means nothing
            repeated.append("num_queue_pairs_for_default_vport")
        if any(getattr(parameters, name) != getattr(static, name) for name in repeated):
            raise invalid_parameter("VPT-03: the parameters differ from those of the static switch")
    if context.state.switch is not None:
        raise out_of("VPT-02: there is a switch already")
    base = context.specification.rss_base_processor
    return Outcome(with_switch(context.state, context.capabilities, parameters, base), changes={"switch_id": 0})


def check_queue_pairs(capabilities: Capabilities, num_queue_pairs: int) -> None:
    """NumQueuePairsForDefaultVPort is 1 up to the limit (CAP-26); before NDIS 6.60 the member means nothing."""
    if capabilities.ndis_version < NDIS_6_60:
        return
    limit = capabilities.nic_switch.max_num_queue_pairs_for_default_vport
    if not 1 <= num_queue_pairs <= limit:
        raise invalid_parameter(f"CAP-26: NumQueuePairsForDefaultVPort {num_queue_pairs} is not in 1..{limit}")


def with_switch(
    state: AdapterState, capabilities: Capabilities, parameters: NicSwitchParameters, base: ProcessorNumber
) -> AdapterState:
    """The state with a switch and its default VPort (VPT-01).

    Without RSS on PF VPorts the default VPort has one queue pair (CAP-26). Filters of the default queue become filters
    of the default VPort by having the same target number (FLT-11).
    """
    pairs = parameters.num_queue_pairs_for_default_vport if capabilities.vmmq else 1
    if pairs > capabilities.nic_switch.max_num_queue_pairs:
        raise out_of(f"CAP-20: {pairs} queue pairs wanted, the NIC has {capabilities.nic_switch.max_num_queue_pairs}")
    vport = default_vport(capabilities, pairs, base)
    return dataclasses.replace(state, switch=SwitchRecord(parameters), vports={DEFAULT_VPORT_ID: vport})


def query_switch(context: Context, parameters: NicSwitchParameters) -> Outcome:
    """OID_NIC_SWITCH_PARAMETERS as a method."""
    switch = _the_switch(context, parameters.switch_id)
    return Outcome(context.state, answer=dataclasses.replace(switch.parameters, flags=0, header=parameters.header))


def set_switch(context: Context, parameters: NicSwitchParameters) -> Outcome:
    """OID_NIC_SWITCH_PARAMETERS as a set: only the name changes, and only under its flag (VPT-04)."""
    switch = _the_switch(context, parameters.switch_id)
    if not parameters.flags & NicSwitchParametersFlags.SWITCH_NAME_CHANGED:
        return Outcome(context.state)
    renamed = dataclasses.replace(switch.parameters, switch_friendly_name=parameters.switch_friendly_name)
    return Outcome(dataclasses.replace(context.state, switch=dataclasses.replace(switch, parameters=renamed)))


def _the_switch(context: Context, switch_id: int) -> SwitchRecord:
    switch = context.state.switch
    if switch is None or switch_id != NDIS_DEFAULT_SWITCH_ID:
        raise invalid_parameter(f"VPT-04: there is no switch {switch_id}")
    return switch


def delete_switch(context: Context, parameters: DeleteSwitchParameters) -> Outcome:
    """OID_NIC_SWITCH_DELETE_SWITCH: the default VPort goes with it, nondefault ones go first (VPT-05)."""
    state = context.state
    if state.switch is None or parameters.switch_id != NDIS_DEFAULT_SWITCH_ID:
        raise Refusal(NdisStatus.NDIS_STATUS_FILE_NOT_FOUND, f"ERR-24: there is no switch {parameters.switch_id}")
    if len(state.vports) > 1:
        raise invalid_parameter("VPT-05: there are nondefault VPorts")
    neutral = dataclasses.replace(state.without_filters(), switch=None, vports={})
    return Outcome(neutral, discards=(Discard(DEFAULT_VPORT_ID, VPORT_DELETED),))


def enum_switches(context: Context, _parameters: None) -> Outcome:
    """OID_NIC_SWITCH_ENUM_SWITCHES: the switch, or nothing."""
    state, switch = context.state, context.state.switch
    if switch is None:
        return Outcome(state, answer=NicSwitchInfoArray())
    default, others = (
        [record.steering for record in state.filters.values() if (record.steering.target_id == 0) is on_default]
        for on_default in (True, False)
    )
    info = NicSwitchInfo(
        switch_type=switch.parameters.switch_type,
        switch_id=NDIS_DEFAULT_SWITCH_ID,
        switch_friendly_name=switch.parameters.switch_friendly_name,
        num_vfs=switch.parameters.num_vfs,
        num_allocated_vfs=len(switch.virtual_functions),
        num_vports=len(state.vports),
        num_active_vports=sum(record.activated for record in state.vports.values()),
        num_queue_pairs_for_default_vport=state.vports[DEFAULT_VPORT_ID].parameters.num_queue_pairs,
        num_queue_pairs_for_non_default_vports=sum(
            record.parameters.num_queue_pairs for vport_id, record in state.vports.items() if vport_id
        ),
        num_active_default_vport_mac_addresses=_distinct(default, MacField.DESTINATION_ADDRESS),
        num_active_non_default_vport_mac_addresses=_distinct(others, MacField.DESTINATION_ADDRESS),
        num_active_default_vport_vlan_ids=_distinct(default, MacField.VLAN_ID),
        num_active_non_default_vport_vlan_ids=_distinct(others, MacField.VLAN_ID),
    )
    return Outcome(state, answer=NicSwitchInfoArray(elements=(info,)))


def _distinct(filters: list[Filter], field: MacField) -> int:
    return len({test.value for one in filters for test in one.tests if test.field is field})


def allocate_vf(context: Context, parameters: VfParameters) -> Outcome:
    """OID_NIC_SWITCH_ALLOCATE_VF: the lowest free VF of the switch."""
    switch = _the_switch(context, parameters.switch_id)
    limit = min(switch.parameters.num_vfs, context.capabilities.nic_switch.max_num_vfs)
    vf_id = lowest_free(sorted(switch.virtual_functions), 0, limit - 1)
    if vf_id is None:
        raise out_of(f"VPT-08: all {limit} virtual functions are allocated")
    switch = dataclasses.replace(switch, virtual_functions=switch.virtual_functions | {vf_id})
    state = dataclasses.replace(context.state, switch=switch)
    return Outcome(state, changes={"vf_id": vf_id, "requestor_id": vf_id + 1})


def free_vf(context: Context, parameters: FreeVfParameters) -> Outcome:
    """OID_NIC_SWITCH_FREE_VF: a VF to which no VPort is attached any more."""
    switch = _the_switch(context, NDIS_DEFAULT_SWITCH_ID)
    vf_id = parameters.vf_id
    if vf_id not in switch.virtual_functions:
        raise invalid_parameter(f"VPT-08: VF {vf_id} is not allocated")
    if any(record.parameters.attached_function_id == vf_id for record in context.state.vports.values()):
        raise invalid_parameter(f"VPT-08: a VPort is attached to VF {vf_id}")
    switch = dataclasses.replace(switch, virtual_functions=switch.virtual_functions - {vf_id})
    return Outcome(dataclasses.replace(context.state, switch=switch))
