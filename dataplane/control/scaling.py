"""Code for both generations of RSS: the scaling entity, hash information, limits (sections 7 and 11 of the rules)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from dataplane.control.capabilities import INDIRECTION_TABLE_ENTRIES_MAX, NDIS_6_50, Capabilities
from dataplane.control.decision import Context
from dataplane.control.requests import Refusal, invalid_parameter, not_supported
from dataplane.control.state import AdapterState
from dataplane.ids import DEFAULT_VPORT_ID, ProcessorNumber
from dataplane.ndis.constants import (
    NDIS_DEFAULT_SWITCH_ID,
    NDIS_HASH_FUNCTION_MASK,
    NDIS_HASH_TYPE_MASK,
    HashInformation,
)
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.values import GroupAffinity, format_flags
from dataplane.switch.configuration import TOEPLITZ, HashType, Mode, RssState


@dataclass(frozen=True, slots=True)
class ScalingEntity:
    """The owner of RSS parameters: a VPort, or the whole adapter (RSS-01)."""

    vport_id: int | None  # None: the adapter
    rss: RssState
    primary_processor: ProcessorNumber
    number_of_queues: int  # NumQueuePairs of a VPort (UPD-29), hardware queues of the adapter
    table_entries_max: int  # CAP-25
    restricted: bool  # table size follows the number of queues (CAP-23)
    on_pf: bool = True
    activated: bool = True

    @property
    def active_processors(self) -> tuple[ProcessorNumber, ...]:
        """The processors that traffic can reach now: the primary one, or those of table and default (UPD-14)."""
        if not self.rss.enabled:
            return (self.primary_processor,)
        assert self.rss.default_processor is not None
        return (*self.rss.indirection_table, self.rss.default_processor)

    def stored(self, state: AdapterState) -> AdapterState:
        """The state with the RSS parameters, primary processor and number of queues of this entity."""
        if self.vport_id is None:
            native = dataclasses.replace(
                state.native,
                rss=self.rss,
                primary_processor=self.primary_processor,
                number_of_queues=self.number_of_queues,
            )
            return dataclasses.replace(state, native=native)
        record = state.vports[self.vport_id]
        parameters = record.parameters
        if self.number_of_queues != parameters.num_queue_pairs:
            parameters = dataclasses.replace(parameters, num_queue_pairs=self.number_of_queues)
        if self.primary_processor != record.primary_processor and self.primary_processor.number < 64:
            affinity = GroupAffinity.of([self.primary_processor])  # a query returns this processor (UPD-16)
            parameters = dataclasses.replace(parameters, processor_affinity=affinity)
        record = dataclasses.replace(
            record, rss=self.rss, primary_processor=self.primary_processor, parameters=parameters
        )
        return state.with_vport(self.vport_id, record)


def initial_rss(capabilities: Capabilities, primary: ProcessorNumber) -> RssState:
    """RSS of a new entity: no table (RSS-05), under RSSv2 one entry on the primary processor (UPD-15)."""
    if capabilities.rss_generation_2:
        return RssState(indirection_table=(primary,), default_processor=primary)
    return RssState()


def require_rss(context: Context) -> None:
    """RSS parameters of PF VPorts, or of the adapter, can be set in the present mode (ERR-35)."""
    capabilities, mode = context.capabilities, context.state.mode
    if capabilities.receive_scale is None:
        raise not_supported("RSS-21: the adapter has no RSS capabilities")
    if mode is Mode.VMQ:
        raise not_supported("MOD-04: RSS and VMQ are not used at the same time")
    if mode is Mode.SWITCH and not capabilities.vmmq:
        raise not_supported("RSS-21: RSS on PF VPorts is not supported or disabled by *RssOnHostVPorts")
    if mode is Mode.NEUTRAL and not capabilities.native_rss:
        raise not_supported("MOD-04: RSS is disabled by *RSS")


def require_rss_capabilities(context: Context) -> None:
    """The adapter has RSS capabilities that can be queried."""
    if context.capabilities.receive_scale is None:
        raise not_supported("RSS-21: the adapter has no RSS capabilities")


def require_generation_2(context: Context) -> None:
    """RSSv2 is advertised (CAP-30, OID-13)."""
    if not context.capabilities.rss_generation_2:
        raise not_supported("CAP-30: RSSv2 is not advertised")


def hashes_alone(state: AdapterState) -> bool:
    """Whether OID_GEN_RECEIVE_HASH is in force; with a switch or queues it is dormant, as native RSS is (RSS-22)."""
    return state.mode is Mode.NEUTRAL and state.receive_hash.enabled


def target_entity(context: Context) -> ScalingEntity:
    """The entity that the VPort of a request names (OID-02, OID-03); NDIS_STATUS_INVALID_PORT if there is none."""
    request, state = context.request, context.state
    named = request.vport_id is not None and context.capabilities.ndis_version >= NDIS_6_50
    if not named:
        return entity_of(context, state, DEFAULT_VPORT_ID if state.mode is Mode.SWITCH else None)
    vport_id = request.vport_id
    assert vport_id is not None
    known = vport_id in state.vports and not state.vports[vport_id].deleting
    if not known or request.switch_id != NDIS_DEFAULT_SWITCH_ID:
        why = f"ERR-33: there is no VPort {vport_id} on switch {request.switch_id}"
        raise Refusal(NdisStatus.NDIS_STATUS_INVALID_PORT, why)
    return entity_of(context, state, vport_id)


def settable_entity(context: Context) -> ScalingEntity:
    """The target of a set request: it must not be the VPort of a VF (RSS-21, ERR-34)."""
    entity = target_entity(context)
    if not entity.on_pf:
        raise invalid_parameter(f"RSS-21: VPort {entity.vport_id} is attached to a VF")
    return entity


def entity_of(context: Context, state: AdapterState, vport_id: int | None) -> ScalingEntity:
    """A VPort that exists, or the adapter itself (None), as scaling entity."""
    if vport_id is None:
        native = state.native
        return ScalingEntity(
            None,
            native.rss,
            native.primary_processor,
            native.number_of_queues,
            INDIRECTION_TABLE_ENTRIES_MAX,
            restricted=False,
        )
    record = state.vports[vport_id]
    return ScalingEntity(
        vport_id,
        record.rss,
        record.primary_processor,
        record.parameters.num_queue_pairs,
        context.capabilities.table_entries_max(vport_id),
        restricted=context.capabilities.restricted_tables,
        on_pf=record.on_pf,
        activated=record.activated,
    )


def processors_in_use(rss: RssState) -> int:
    """The number of distinct processors in the table, with the default processor (RSS-18, UPD-41, CON-15)."""
    return len({*rss.indirection_table, rss.default_processor})


def check_hash_information(context: Context, hash_information: int) -> HashType:
    """The hash types of hash information that enables RSS (RSS-06, HSH-31)."""
    function = hash_information & NDIS_HASH_FUNCTION_MASK
    if function != TOEPLITZ:
        why = f"RSS-06: hash function {function:#x} is not Toeplitz"
        raise Refusal(NdisStatus.NDIS_STATUS_NOT_SUPPORTED, why, by_miniport=True)
    types = hash_information & ~NDIS_HASH_FUNCTION_MASK
    if not types & NDIS_HASH_TYPE_MASK:
        raise invalid_parameter("HSH-31: Toeplitz without any hash type", by_miniport=True)
    if refused := types & ~int(context.capabilities.hash_types):
        names = ", ".join(format_flags(HashInformation, refused))
        raise invalid_parameter(f"HSH-31: the capabilities do not allow {names}", by_miniport=True)
    return HashType(types)


def check_rss_processors(
    context: Context, processors: Iterable[ProcessorNumber], status: NdisStatus, rule: str
) -> None:
    """Every processor is in the RSS processor set (CAP-32)."""
    for processor in processors:
        if processor not in context.capabilities.rss_processors:
            why = f"{rule}: processor {processor} is not in the RSS processor set"
            raise Refusal(status, why, by_miniport=True)


def check_shared_hash(context: Context, entity: ScalingEntity, rss: RssState) -> None:
    """If all PF VPorts share one hash, no VPort may use another hash (RSS-19)."""
    if entity.vport_id is None or not context.capabilities.shared_hash:
        return
    for vport_id, record in context.state.vports.items():
        other = record.rss
        if vport_id == entity.vport_id or not other.enabled:
            continue
        if (other.hash_types, other.hash_secret_key) != (rss.hash_types, rss.hash_secret_key):
            raise invalid_parameter(f"RSS-19: VPort {vport_id} uses other hash types or key", by_miniport=True)


def check_rss_vports(context: Context, entity: ScalingEntity) -> None:
    """The number of nondefault VPorts with RSS at the same time is limited (RSS-21, ERR-47)."""
    if entity.rss.enabled or entity.vport_id in (None, DEFAULT_VPORT_ID):
        return
    limit = context.capabilities.nic_switch.max_num_rss_capable_non_default_pf_vports
    enabled = sum(record.rss.enabled for vport_id, record in context.state.vports.items() if vport_id)
    if enabled >= limit:
        why = f"RSS-21: {enabled} nondefault VPorts have RSS, {limit} may"
        raise Refusal(NdisStatus.NDIS_STATUS_FAILURE, why, by_miniport=True)
