"""RSS parameters of generation 1: OID_GEN_RECEIVE_SCALE_PARAMETERS (section 7 of the rules)."""

from __future__ import annotations

import dataclasses

from dataplane.control.capabilities import power_of_two, round_up_to_power_of_two
from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import invalid_parameter, not_supported
from dataplane.control.scaling import (
    ScalingEntity,
    check_hash_information,
    check_rss_processors,
    check_rss_vports,
    check_shared_hash,
    hashes_alone,
    processors_in_use,
    require_rss,
    settable_entity,
    target_entity,
)
from dataplane.ids import ProcessorNumber
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.constants import RssParametersFlags
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import ScaleCapabilities, ScaleParameters
from dataplane.switch.configuration import TOEPLITZ, RssState

_FLAG = RssParametersFlags


def require_may_set(context: Context) -> None:
    """A set needs RSS, generation 1, and no OID_GEN_RECEIVE_HASH in force (UPD-13, RSS-22, ERR-35)."""
    if context.capabilities.rss_generation_2:
        raise not_supported("UPD-13: on an RSSv2 adapter this OID is query only")
    require_rss(context)
    if hashes_alone(context.state):
        parameters = decode(ScaleParameters, context.request.information_buffer)
        if isinstance(parameters, Failure) or not parameters.disables:
            raise not_supported("RSS-22: OID_GEN_RECEIVE_HASH is enabled")


def query_capabilities(context: Context, _parameters: None) -> Outcome:
    """OID_GEN_RECEIVE_SCALE_CAPABILITIES: the same for every VPort, not reduced by keywords (CAP-27)."""
    return Outcome(context.state, answer=context.capabilities.receive_scale or ScaleCapabilities())


def query_parameters(context: Context, _parameters: None) -> Outcome:
    """The parameters in force; all zero while RSS is disabled (RSS-24)."""
    entity = target_entity(context)
    rss = entity.rss
    if not rss.enabled:
        return Outcome(context.state, answer=ScaleParameters(default_processor_number=ProcessorNumber(0, 0)))
    answer = ScaleParameters(
        hash_information=int(rss.hash_types) | TOEPLITZ,
        indirection_table=rss.indirection_table,
        hash_secret_key=rss.hash_secret_key or b"",
        default_processor_number=rss.default_processor,
    )
    return Outcome(context.state, answer=answer)


def set_parameters(context: Context, parameters: ScaleParameters) -> Outcome:
    """Enable, change or disable; the whole request or nothing (RSS-06 to RSS-11, RSS-25)."""
    entity = settable_entity(context)
    if parameters.disables:  # back to the state after initialization (RSS-07, RSS-08)
        rss = RssState()
    else:
        rss = _merged(context, entity, parameters)
        _check_table(context, entity, rss, taken=not parameters.flags & _FLAG.ITABLE_UNCHANGED)
        check_shared_hash(context, entity, rss)
        check_rss_vports(context, entity)
    return Outcome(dataclasses.replace(entity, rss=rss).stored(context.state))


def _merged(context: Context, entity: ScalingEntity, parameters: ScaleParameters) -> RssState:
    """The RSS state from the members of the request and the parameters it leaves unchanged (RSS-08 to RSS-11)."""
    old, flags = entity.rss, parameters.flags
    missing = [
        flag.name
        for flag, known in (
            (_FLAG.HASH_INFO_UNCHANGED, bool(old.hash_types)),
            (_FLAG.ITABLE_UNCHANGED, bool(old.indirection_table)),
            (_FLAG.HASH_KEY_UNCHANGED, old.hash_secret_key is not None),
        )
        if flags & flag and not known
    ]
    types = old.hash_types
    if not flags & _FLAG.HASH_INFO_UNCHANGED:
        types = check_hash_information(context, parameters.hash_information)
    if missing:
        raise invalid_parameter(f"RSS-08: {missing[0]}, but there is no value yet", by_miniport=True)
    return RssState(
        enabled=True,
        hash_types=types,
        hash_secret_key=old.hash_secret_key if flags & _FLAG.HASH_KEY_UNCHANGED else parameters.hash_secret_key,
        indirection_table=old.indirection_table if flags & _FLAG.ITABLE_UNCHANGED else parameters.indirection_table,
        default_processor=_default_processor(entity, parameters),
    )


def _default_processor(entity: ScalingEntity, parameters: ScaleParameters) -> ProcessorNumber:
    """The default processor: from the request, else as before, else the primary processor (RSS-02, RSS-10)."""
    if parameters.default_processor_number is None:  # revision 1 or 2
        return entity.primary_processor
    if parameters.flags & _FLAG.DEFAULT_PROCESSOR_UNCHANGED:
        return entity.rss.default_processor or entity.primary_processor
    return parameters.default_processor_number


def _check_table(context: Context, entity: ScalingEntity, rss: RssState, *, taken: bool) -> None:
    """Size, processors and number of processors (RSS-15 to RSS-20).

    An unchanged table keeps its size, even if a restricted adapter now requires another size (UPD-09).
    """
    entries = len(rss.indirection_table)
    if taken and not (power_of_two(entries) and entries <= entity.table_entries_max):
        raise invalid_parameter(
            f"RSS-15: {entries} entries, allowed are powers of two up to {entity.table_entries_max}", by_miniport=True
        )
    assert rss.default_processor is not None
    check_rss_processors(
        context, (*rss.indirection_table, rss.default_processor), NdisStatus.NDIS_STATUS_INVALID_PARAMETER, "RSS-17"
    )
    if entity.vport_id is None:  # native RSS uses a subset of the processors instead (RSS-26)
        return
    required = round_up_to_power_of_two(entity.number_of_queues)
    if taken and entity.restricted and entries != required:
        raise invalid_parameter(f"RSS-20: {entries} entries, a restricted table has {required}", by_miniport=True)
    used = processors_in_use(rss)
    if used > entity.number_of_queues:
        raise invalid_parameter(
            f"RSS-18: {used} processors in use, {entity.number_of_queues} queue pairs", by_miniport=True
        )


def native_table_in_use(rss: RssState, queues: int) -> tuple[ProcessorNumber, ...]:
    """The table of native RSS on a NIC with that many hardware queues: at most as many processors (RSS-26)."""
    order = list(dict.fromkeys(rss.indirection_table))  # by first appearance
    kept = order[: max(queues, 1)]
    in_use = {processor: kept[position % len(kept)] for position, processor in enumerate(order)}
    return tuple(in_use[processor] for processor in rss.indirection_table)
