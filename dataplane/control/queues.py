"""VMQ receive queues: allocating, completing, changing, freeing, enumerating (section 5 of the rules)."""

from __future__ import annotations

import dataclasses
from collections.abc import Container

from dataplane.control.capabilities import NDIS_6_30, NDIS_6_50
from dataplane.control.decision import Context, Outcome, check_affinity, require_receive_filters
from dataplane.control.queue_states import OPERATIONAL_STATE, QueueEvent, QueueState, next_state
from dataplane.control.requests import (
    APPLICATION,
    NDIS,
    Event,
    RequestCompleted,
    StatusIndicated,
    invalid_parameter,
    not_supported,
    out_of,
)
from dataplane.control.state import AdapterState, PendingRequest, QueueRecord, lowest_free, lowest_processor
from dataplane.ids import ProcessorNumber
from dataplane.ndis.constants import CHANGE_MASK, QueueParametersFlags, ReceiveQueueType
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import (
    AllocationCompleteArray,
    AllocationCompleteParameters,
    QueueFreeParameters,
    QueueInfo,
    QueueInfoArray,
    QueueParameters,
)
from dataplane.switch.configuration import Mode


def require_may_allocate(context: Context) -> None:
    """VM queues must be enabled; in switch mode the refusal names the mode (MOD-02, MOD-03)."""
    require_receive_filters(context)
    if context.state.mode is not Mode.SWITCH and not context.capabilities.vm_queues:
        raise not_supported("MOD-02: VM queues are not enabled by the keywords")


def allocate_queue(context: Context, parameters: QueueParameters) -> Outcome:
    """OID_RECEIVE_FILTER_ALLOCATE_QUEUE (QUE-02, QUE-10 to QUE-12, MOD-03)."""
    state = context.state
    if parameters.queue_type != ReceiveQueueType.VMQueue:
        raise invalid_parameter(f"QUE-10: queue type {parameters.queue_type} is not VMQueue")
    _check_flags(context, parameters.flags)
    check_affinity(context, parameters.processor_affinity, "QUE-10", within_rss_set=False)
    if state.mode is Mode.SWITCH:
        raise out_of("MOD-03: the adapter is in switch mode")
    limit = context.capabilities.receive_filter.num_queues
    queue_id = lowest_free(state.queues, 1, limit)
    if queue_id is None:
        raise out_of(f"QUE-12: all {limit} queues are allocated")
    vector = _vector_of(context, lowest_processor(parameters.processor_affinity))
    assigned = {"queue_id": queue_id, "msix_table_entry": vector, "interrupt_coalescing_domain_id": vector}
    allocated = next_state(QueueState.UNDEFINED, QueueEvent.ALLOCATE_QUEUE)
    assert allocated is not None
    record = QueueRecord(context.issuer, allocated, dataclasses.replace(parameters, **assigned))  # type: ignore[arg-type]
    return Outcome(state.with_queue(queue_id, record), changes=assigned)


def _check_flags(context: Context, flags: int) -> None:
    """Only two behaviour flags exist, and lookahead split only before NDIS 6.30 (QUE-10)."""
    allowed = int(QueueParametersFlags.PER_QUEUE_RECEIVE_INDICATION)
    if context.capabilities.ndis_version < NDIS_6_30:
        allowed |= int(QueueParametersFlags.LOOKAHEAD_SPLIT_REQUIRED)  # ~ of an IntFlag loses the bits without a name
    if unknown := flags & ~allowed:
        raise invalid_parameter(f"QUE-10: Flags {unknown:#x} cannot be set")


def _vector_of(context: Context, processor: ProcessorNumber) -> int:
    """The MSI-X table entry of a processor, shared by the queues of that processor only (INT-07)."""
    processors = context.specification.rss_processors
    return processors.index(processor) if processor in processors else len(processors)


def _owned_queue(context: Context, queue_id: int, rule: str) -> QueueRecord:
    """A nondefault queue of the issuer (QUE-15, QUE-25)."""
    record = context.state.queues.get(queue_id)
    if record is None:  # also for the default queue, which has no record (QUE-01)
        raise invalid_parameter(f"{rule}: there is no queue {queue_id} that could be changed")
    if record.owner != context.issuer:
        raise invalid_parameter(f"QUE-15: queue {queue_id} belongs to {record.owner}, not to {context.issuer}")
    return record


def _after(queue_id: int, record: QueueRecord, event: QueueEvent) -> QueueState:
    state = next_state(record.state, event)
    if state is None:
        raise invalid_parameter(f"QUE-04: {event.value} is invalid while queue {queue_id} is {record.state.value}")
    return state


def query_queue(context: Context, parameters: QueueParameters) -> Outcome:
    """OID_RECEIVE_FILTER_QUEUE_PARAMETERS as a method: the current parameters, for anybody."""
    record = context.state.queues.get(parameters.queue_id)
    if record is None:
        raise invalid_parameter(f"ERR-08: there is no queue {parameters.queue_id} with parameters")
    _after(parameters.queue_id, record, QueueEvent.QUEUE_PARAMETERS)
    return Outcome(context.state, answer=dataclasses.replace(record.parameters, header=parameters.header))


def set_queue(context: Context, parameters: QueueParameters) -> Outcome:
    """OID_RECEIVE_FILTER_QUEUE_PARAMETERS as a set: only what a CHANGED flag names (QUE-16, QUE-17)."""
    queue_id, flag = parameters.queue_id, QueueParametersFlags
    record = _owned_queue(context, queue_id, "ERR-08")
    state_after = _after(queue_id, record, QueueEvent.QUEUE_PARAMETERS)
    changes: dict[str, object] = {}
    if parameters.flags & flag.FLAGS_CHANGED:
        changes["flags"] = parameters.flags & ~CHANGE_MASK
        _check_flags(context, parameters.flags & ~CHANGE_MASK)
    if parameters.flags & flag.PROCESSOR_AFFINITY_CHANGED:
        check_affinity(context, parameters.processor_affinity, "QUE-17", within_rss_set=False)
        changes["processor_affinity"] = parameters.processor_affinity
        changes["msix_table_entry"] = _vector_of(context, lowest_processor(parameters.processor_affinity))
    if parameters.flags & flag.SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED:
        changes["num_suggested_receive_buffers"] = parameters.num_suggested_receive_buffers
    if parameters.flags & flag.NAME_CHANGED:  # the page of NDIS_RECEIVE_QUEUE_PARAMETERS: QueueName
        changes["queue_name"] = parameters.queue_name
    version = context.capabilities.ndis_version
    if parameters.flags & flag.INTERRUPT_COALESCING_DOMAIN_ID_CHANGED and version >= NDIS_6_30:
        changes["interrupt_coalescing_domain_id"] = parameters.interrupt_coalescing_domain_id
    if parameters.flags & flag.QOS_SQ_ID_CHANGED and version >= NDIS_6_50:
        changes["qos_sq_id"] = parameters.qos_sq_id
    changed = dataclasses.replace(record.parameters, **changes)  # type: ignore[arg-type]
    return Outcome(
        context.state.with_queue(queue_id, dataclasses.replace(record, state=state_after, parameters=changed))
    )


def complete_allocation(context: Context, parameters: AllocationCompleteArray) -> Outcome:
    """OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE: every element has its own result (QUE-14)."""
    state = context.state
    statuses = []
    for element in parameters.elements:
        state, status = _complete_one(state, context.issuer, element)
        statuses.append({"completion_status": int(status)})
    return Outcome(state, changes={}, element_changes=statuses)


def _complete_one(
    state: AdapterState, issuer: str, element: AllocationCompleteParameters
) -> tuple[AdapterState, NdisStatus]:
    record = state.queues.get(element.queue_id)
    after = next_state(record.state, QueueEvent.ALLOCATION_COMPLETE) if record else None
    if record is None or record.owner != issuer or after is None:
        return state, NdisStatus.NDIS_STATUS_INVALID_PARAMETER
    completed = state.with_queue(element.queue_id, dataclasses.replace(record, state=after))
    return completed, NdisStatus.NDIS_STATUS_SUCCESS


def free_queue(context: Context, parameters: QueueFreeParameters) -> Outcome:
    """OID_RECEIVE_FILTER_FREE_QUEUE: DMA stops, the miniport says so, and waits for its packets (QUE-22 to QUE-25)."""
    record = _owned_queue(context, parameters.queue_id, "QUE-25")
    _after(parameters.queue_id, record, QueueEvent.FREE_QUEUE)
    pending = PendingRequest(context.request.request_id, context.request.oid)
    state, busy = freed(context.state, parameters.queue_id, context.outstanding, pending)
    return Outcome(state, pending=busy, events=(StatusIndicated(parameters.queue_id),))


def freed(
    state: AdapterState, queue_id: int, outstanding: Container[int], pending: PendingRequest | None
) -> tuple[AdapterState, bool]:
    """The state once freeing has begun, and whether it must wait for packets (QUE-23, QUE-24)."""
    record = state.queues[queue_id]
    stopped = next_state(record.state, QueueEvent.FREE_QUEUE)
    assert stopped is not None
    freeing = next_state(stopped, QueueEvent.DMA_STOPPED)
    assert freeing is not None
    if queue_id not in outstanding:
        return state.with_queue(queue_id, None), False
    waiting = dataclasses.replace(record, state=freeing, pending=pending, state_before_free=record.state)
    return state.with_queue(queue_id, waiting), True


def packets_returned(state: AdapterState, queue_id: int) -> tuple[AdapterState, tuple[Event, ...]]:
    """The last packet of a queue came back: a queue that is being freed is gone now (QUE-24)."""
    record = state.queues.get(queue_id)
    if record is None or next_state(record.state, QueueEvent.PACKETS_RETURNED) is None:
        return state, ()
    events: tuple[Event, ...] = ()
    if record.pending:
        events = (RequestCompleted(record.pending.request_id, record.pending.oid, NdisStatus.NDIS_STATUS_SUCCESS),)
    return state.with_queue(queue_id, None), events


def enum_queues(context: Context, _parameters: None) -> Outcome:
    """OID_RECEIVE_FILTER_ENUM_QUEUES: the queues of a client; all queues for applications and NDIS (QUE-19)."""
    everything = context.issuer in (APPLICATION, NDIS)
    elements = tuple(
        _queue_info(context.state, queue_id, record)
        for queue_id, record in context.state.queues.items()
        if everything or record.owner == context.issuer
    )
    return Outcome(context.state, answer=QueueInfoArray(elements=elements))


def _queue_info(state: AdapterState, queue_id: int, record: QueueRecord) -> QueueInfo:
    parameters = record.parameters
    return QueueInfo(
        flags=parameters.flags,
        queue_type=parameters.queue_type,
        queue_id=queue_id,
        queue_group_id=parameters.queue_group_id,
        queue_state=OPERATIONAL_STATE[record.state],
        processor_affinity=parameters.processor_affinity,
        num_suggested_receive_buffers=parameters.num_suggested_receive_buffers,
        msix_table_entry=parameters.msix_table_entry,
        lookahead_size=parameters.lookahead_size,
        vm_name=parameters.vm_name,
        queue_name=parameters.queue_name,
        num_filters=len(state.filters_on(queue_id)),
        interrupt_coalescing_domain_id=parameters.interrupt_coalescing_domain_id,
    )
