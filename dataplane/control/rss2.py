"""RSS of generation 2: OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 (sections 11.2 and 11.3 of the rules)."""

from __future__ import annotations

import dataclasses

from dataplane.control.capabilities import power_of_two, round_up_to_power_of_two
from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import Refusal, invalid_parameter, not_supported
from dataplane.control.scaling import (
    ScalingEntity,
    check_hash_information,
    check_rss_processors,
    check_rss_vports,
    check_shared_hash,
    hashes_alone,
    processors_in_use,
    require_generation_2,
    require_rss,
    settable_entity,
    target_entity,
)
from dataplane.control.vports import check_more_queue_pairs, check_queue_pairs
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.constants import RssParametersV2Flags
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import ScaleParametersV2
from dataplane.switch.configuration import TOEPLITZ

_FLAG = RssParametersV2Flags


def require_may_set(context: Context) -> None:
    """A set needs RSSv2, and no OID_GEN_RECEIVE_HASH in force (CAP-30, RSS-22, ERR-35)."""
    require_generation_2(context)
    require_rss(context)
    if hashes_alone(context.state):
        parameters = decode(ScaleParametersV2, context.request.information_buffer)
        if isinstance(parameters, Failure) or parameters.enables:
            raise not_supported("RSS-22: OID_GEN_RECEIVE_HASH is enabled")


def query_parameters(context: Context, _parameters: None) -> Outcome:
    """The tracked parameters without the table; ENABLE_RSS says whether they are in force (UPD-13, UPD-20)."""
    entity = target_entity(context)
    rss = entity.rss
    answer = ScaleParametersV2(
        flags=_FLAG.ENABLE_RSS if rss.enabled else 0,
        hash_information=int(rss.hash_types) | TOEPLITZ if rss.hash_types else 0,
        hash_secret_key=rss.hash_secret_key or b"",
        number_of_queues=entity.number_of_queues,
        number_of_indirection_table_entries=len(rss.indirection_table),
    )
    return Outcome(context.state, answer=answer)


def set_parameters(context: Context, parameters: ScaleParametersV2) -> Outcome:
    """Apply queues, entries, hash, then the requested state to a copy; all or nothing (UPD-21 to UPD-30).

    Section 13 gives the order of the checks: members first, then what depends on processors (INVALID_DATA), pools and
    queue counts last.
    """
    entity = settable_entity(context)
    after = _with_queues(context, entity, parameters)
    after = _with_entries(after, parameters)
    if parameters.enables:
        after = _with_hash(context, after, parameters)
        _check_enabled(context, after)
    after = dataclasses.replace(after, rss=dataclasses.replace(after.rss, enabled=parameters.enables))
    _check_shrink(entity, after)
    _check_transition(context, entity, after)
    if after.rss.enabled:
        _check_queue_count(entity, after)
        check_rss_vports(context, entity)
    if entity.vport_id is not None:
        check_more_queue_pairs(context, entity.vport_id, after.number_of_queues)
    return Outcome(after.stored(context.state))


def _with_queues(context: Context, entity: ScalingEntity, parameters: ScaleParametersV2) -> ScalingEntity:
    """NumberOfQueues, the same variable as NumQueuePairs (UPD-25, UPD-29)."""
    if not parameters.flags & _FLAG.NUMBER_OF_QUEUES_CHANGED:
        return entity
    queues = parameters.number_of_queues
    if entity.vport_id is not None:
        check_queue_pairs(context, entity.vport_id, queues, "UPD-25")
    elif not 1 <= queues <= context.capabilities.receive_queues:
        raise invalid_parameter(
            f"UPD-25: {queues} queues are not in 1..{context.capabilities.receive_queues}", by_miniport=True
        )
    return dataclasses.replace(entity, number_of_queues=queues)


def _with_entries(entity: ScalingEntity, parameters: ScaleParametersV2) -> ScalingEntity:
    """NumberOfIndirectionTableEntries: a table grows by repetition and shrinks to its beginning (UPD-25 to UPD-27)."""
    if not parameters.flags & _FLAG.NUMBER_OF_ENTRIES_CHANGED:
        return entity
    entries, table = parameters.number_of_indirection_table_entries, entity.rss.indirection_table
    if not (power_of_two(entries) and entries <= entity.table_entries_max):
        raise invalid_parameter(
            f"UPD-25: {entries} entries, allowed are powers of two up to {entity.table_entries_max}", by_miniport=True
        )
    resized = table * (entries // len(table)) if entries >= len(table) else table[:entries]
    return dataclasses.replace(entity, rss=dataclasses.replace(entity.rss, indirection_table=resized))


def _with_hash(context: Context, entity: ScalingEntity, parameters: ScaleParametersV2) -> ScalingEntity:
    """Hash information and key, if flagged as changed (UPD-22, UPD-23)."""
    rss = entity.rss
    if parameters.flags & _FLAG.HASH_INFO_CHANGED:
        rss = dataclasses.replace(rss, hash_types=check_hash_information(context, parameters.hash_information))
    if parameters.flags & _FLAG.HASH_KEY_CHANGED:
        rss = dataclasses.replace(rss, hash_secret_key=parameters.hash_secret_key)
    return dataclasses.replace(entity, rss=rss)


def _check_enabled(context: Context, entity: ScalingEntity) -> None:
    """What an enabled entity must have, apart from valid processors (UPD-24, UPD-30, RSS-19)."""
    rss = entity.rss
    if not rss.hash_types or rss.hash_secret_key is None:
        what = "hash information" if not rss.hash_types else "key"
        raise invalid_parameter(f"UPD-24: enabling, but there is no {what} yet", by_miniport=True)
    required = round_up_to_power_of_two(entity.number_of_queues)
    if entity.restricted and entity.vport_id is not None and len(rss.indirection_table) != required:
        why = f"UPD-30: {len(rss.indirection_table)} entries, a restricted table has {required}"
        raise invalid_parameter(why, by_miniport=True)
    check_shared_hash(context, entity, rss)


def _check_shrink(before: ScalingEntity, after: ScalingEntity) -> None:
    """A table can shrink to M entries only if it repeats its first M entries (UPD-27)."""
    old, new = before.rss.indirection_table, after.rss.indirection_table
    if len(new) < len(old) and new * (len(old) // len(new)) != old:
        why = f"UPD-27: the table of {len(old)} entries is not one of {len(new)} entries repeated"
        raise Refusal(NdisStatus.NDIS_STATUS_INVALID_DATA, why, by_miniport=True)


def _check_transition(context: Context, before: ScalingEntity, after: ScalingEntity) -> None:
    """Parameters that become active must name RSS processors (UPD-18)."""
    if before.rss.enabled == after.rss.enabled:
        return
    check_rss_processors(context, after.active_processors, NdisStatus.NDIS_STATUS_INVALID_DATA, "UPD-18")


def _check_queue_count(before: ScalingEntity, after: ScalingEntity) -> None:
    """No more processors may be in use than there are queues (UPD-19, UPD-28)."""
    used = processors_in_use(after.rss)
    if used > after.number_of_queues:
        rule = "UPD-28" if before.rss.enabled else "UPD-19"
        why = f"{rule}: {used} processors in use, {after.number_of_queues} queues"
        raise Refusal(NdisStatus.NDIS_STATUS_NO_QUEUES, why, by_miniport=True)
