"""Moving single RSSv2 steering parameters: OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES (section 11.4 of the rules).

Commands are taken in groups, which are maximal runs for the same VPort. Each group is tried on a copy of its entity.
The present processor of a parameter is that before the group, and the number of processors is checked once, at the end
of the group. A failed group changes nothing (UPD-31 to UPD-34). No internal work stays pending, so disabling or
deletion has nothing to wait for (UPD-48).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import Refusal, invalid_parameter
from dataplane.control.scaling import ScalingEntity, entity_of, processors_in_use, require_generation_2, require_rss
from dataplane.control.state import AdapterState
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, DEFAULT_VPORT_ID, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
from dataplane.ndis.constants import NDIS_DEFAULT_SWITCH_ID, IndirectionEntryFlags
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import SetIndirectionEntries, SetIndirectionEntry
from dataplane.switch.configuration import Mode


def require_may_move(context: Context) -> None:
    """Move commands need RSSv2 and a scaling entity (OID-13, MOD-04)."""
    require_generation_2(context)
    require_rss(context)


def move_entries(context: Context, parameters: SetIndirectionEntries) -> Outcome:
    """Execute the groups in array order; the request succeeds even if groups fail (UPD-34, UPD-36)."""
    if context.request.vport_id is not None:
        raise invalid_parameter("UPD-45: the request must not name a VPort, its commands do")
    state = context.state
    statuses: list[dict[str, int]] = []
    whys: list[str] = []
    for group in groups(parameters.rss_entry_table):
        state, status, why = _execute(context, state, group)
        statuses += [{"entry_status": int(status)}] * len(group)
        whys += [why] if why else []
    return Outcome(state, changes={}, element_changes=statuses, why="; ".join(whys))


def groups(commands: Sequence[SetIndirectionEntry]) -> Iterator[list[SetIndirectionEntry]]:
    """Maximal runs of consecutive commands for one VPort (UPD-31)."""
    for _, run in groupby(commands, key=lambda command: (command.switch_id, command.vport_id)):
        yield list(run)


def _execute(
    context: Context, state: AdapterState, group: Sequence[SetIndirectionEntry]
) -> tuple[AdapterState, NdisStatus, str]:
    """One group: the state after it and the status of all its commands, or the state as it was (UPD-32, UPD-33)."""
    try:
        before = _entity(context, state, group[0])
        after = _with_processors(before, {_checked_index(context, before, one): one for one in group})
        _check_queue_count(after)
    except Refusal as refusal:
        return state, refusal.status, refusal.why
    return after.stored(state), NdisStatus.NDIS_STATUS_SUCCESS, ""


def _entity(context: Context, state: AdapterState, command: SetIndirectionEntry) -> ScalingEntity:
    """The VPort of a group, which must be activated; without a switch, 0 and 0 mean the adapter (UPD-42, UPD-49)."""
    vport_id = command.vport_id
    known = vport_id in state.vports and not state.vports[vport_id].deleting
    if state.mode is not Mode.SWITCH:
        known = vport_id == DEFAULT_VPORT_ID
    if command.switch_id != NDIS_DEFAULT_SWITCH_ID or not known:
        raise invalid_parameter(f"UPD-42: there is no VPort {vport_id} on switch {command.switch_id}")
    entity = entity_of(context, state, vport_id if state.mode is Mode.SWITCH else None)
    if not entity.on_pf:
        raise invalid_parameter(f"UPD-42: VPort {vport_id} is attached to a VF")
    if not entity.activated:
        why = f"UPD-42: VPort {vport_id} is not activated"
        raise Refusal(NdisStatus.NDIS_STATUS_INVALID_PORT_STATE, why)
    return entity


def _checked_index(context: Context, entity: ScalingEntity, command: SetIndirectionEntry) -> int:
    """The index that a command moves, after its checks: flags and index, issuing processor, processor set (UPD-43)."""
    index = parameter_index(entity, command)
    current, issuing = processor_at(entity, index), context.request.processor
    if current != issuing:
        why = f"UPD-38: the parameter is on processor {current}, the request runs on {issuing}"
        raise Refusal(NdisStatus.NDIS_STATUS_NOT_ACCEPTED, why)
    target = command.target_processor_number
    active = entity.rss.enabled != (index == PRIMARY_PROCESSOR_INDEX)
    if active and target not in context.capabilities.rss_processors:
        why = f"UPD-40: processor {target} is not in the RSS processor set"
        raise Refusal(NdisStatus.NDIS_STATUS_INVALID_DATA, why)
    return index


def parameter_index(entity: ScalingEntity, command: SetIndirectionEntry) -> int:
    """Table index, DEFAULT_PROCESSOR_INDEX or PRIMARY_PROCESSOR_INDEX that a command names (UPD-37)."""
    flags, index = command.flags, command.indirection_table_index
    if not flags:
        entries = len(entity.rss.indirection_table)
        if index >= entries and index not in (DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX):
            raise invalid_parameter(f"UPD-37: index {index} is not below {entries}")
        return index
    if flags == IndirectionEntryFlags.DEFAULT_PROCESSOR:
        return DEFAULT_PROCESSOR_INDEX
    if flags == IndirectionEntryFlags.PRIMARY_PROCESSOR:
        return PRIMARY_PROCESSOR_INDEX
    raise invalid_parameter(f"UPD-37: Flags {flags:#x} is not one of the two flags")


def processor_at(entity: ScalingEntity, index: int) -> ProcessorNumber | None:
    """The processor that a steering parameter points to now."""
    if index == PRIMARY_PROCESSOR_INDEX:
        return entity.primary_processor
    if index == DEFAULT_PROCESSOR_INDEX:
        return entity.rss.default_processor
    return entity.rss.indirection_table[index]


def _with_processors(entity: ScalingEntity, commands: Mapping[int, SetIndirectionEntry]) -> ScalingEntity:
    """The entity after its parameters point to the targets of `commands`, by index."""
    table, default, primary = list(entity.rss.indirection_table), entity.rss.default_processor, entity.primary_processor
    for index, command in commands.items():
        target = command.target_processor_number
        if index == PRIMARY_PROCESSOR_INDEX:
            primary = target
        elif index == DEFAULT_PROCESSOR_INDEX:
            default = target
        else:
            table[index] = target
    rss = dataclasses.replace(entity.rss, indirection_table=tuple(table), default_processor=default)
    return dataclasses.replace(entity, rss=rss, primary_processor=primary)


def _check_queue_count(entity: ScalingEntity) -> None:
    """After the whole group, no more processors may be in use than there are queues (UPD-41)."""
    used = processors_in_use(entity.rss)
    if entity.rss.enabled and used > entity.number_of_queues:
        why = f"UPD-41: {used} processors in use, {entity.number_of_queues} queues"
        raise Refusal(NdisStatus.NDIS_STATUS_NO_QUEUES, why)
