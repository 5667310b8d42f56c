"""VMQ receive queues: allocate, change, complete, free, enumerate (section 5)."""

from __future__ import annotations

from typing import Any

from tests.reference.adapter_spec import VERSIONS
from tests.reference.control_names import FAILURE, INVALID_PARAMETER, QUEUE_BEHAVIOUR_FLAGS, SUCCESS
from tests.reference.control_state import (
    ANYTHING,
    Decision,
    Level,
    OpenError,
    Queue,
    Request,
    State,
    flags_out,
    lowest_free,
    processor_in,
    processors_out,
)

REPORTED_STATES = {
    "Undefined": "Undefined",
    "Allocated": "Paused",
    "Set": "Paused",
    "Paused": "Paused",
    "Running": "Running",
    "Freeing": "DmaStopped",
}


def allocate_queue(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUE-02, QUE-10 to QUE-12, MOD-03."""
    decision = Decision()
    members = request.members
    flags = members.get("flags", [])
    affinity = sorted(processor_in(processor) for processor in members.get("processor_affinity", []))
    allowed = {"PER_QUEUE_RECEIVE_INDICATION"}
    if VERSIONS[spec["ndis_version"]] < (6, 30):
        allowed.add("LOOKAHEAD_SPLIT_REQUIRED")
    bad = members.get("queue_type", "VMQueue") != "VMQueue" or not affinity or not set(flags) <= allowed
    decision.refuse(Level.VALUE, INVALID_PARAMETER, bad)
    exhausted = len(state.queues) >= spec["receive_filter_capabilities"]["num_queues"]
    decision.refuse(Level.LIMIT, FAILURE, state.has_switch or exhausted)
    if state.has_switch and bad:
        raise OpenError("MOD-03 says every allocation fails with FAILURE, the precedence says values come first")
    if not state.has_switch and state.native_rss.enabled:
        raise OpenError("no rule says what native RSS becomes when a queue is allocated")

    def apply() -> dict[str, Any]:
        queue_id = lowest_free(state.queues, 1)
        state.queues[queue_id] = Queue(
            queue_id,
            request.issuer,
            affinity,
            list(flags),
            members.get("num_suggested_receive_buffers", 0),
            members.get("vm_name", ""),
            members.get("queue_name", ""),
        )
        return {**parameters_out(state.queues[queue_id]), "msix_table_entry": ANYTHING}

    decision.apply = apply
    return decision


def parameters_out(queue: Queue) -> dict[str, Any]:
    """NDIS_RECEIVE_QUEUE_PARAMETERS of a queue, without what the miniport may choose."""
    return {
        "flags": flags_out(queue.flags, QUEUE_BEHAVIOUR_FLAGS),
        "queue_type": "VMQueue",
        "queue_id": queue.queue_id,
        "processor_affinity": processors_out(queue.affinity),
        "num_suggested_receive_buffers": queue.buffers,
        "vm_name": queue.vm_name,
        "queue_name": queue.queue_name,
    }


def change_queue(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUE-04, QUE-15 to QUE-17."""
    decision = Decision()
    members = request.members
    flags = members.get("flags", [])
    queue = state.queues.get(members.get("queue_id", 0))
    affinity = sorted(processor_in(processor) for processor in members.get("processor_affinity", []))
    bad = queue is None or queue.owner != request.issuer or queue.freeing is not None
    decision.refuse(Level.OWNER, INVALID_PARAMETER, bad)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, "PROCESSOR_AFFINITY_CHANGED" in flags and not affinity)

    def apply() -> None:
        assert queue is not None
        if "FLAGS_CHANGED" in flags:
            queue.flags = [flag for flag in flags if flag in QUEUE_BEHAVIOUR_FLAGS]
        if "PROCESSOR_AFFINITY_CHANGED" in flags:
            queue.affinity = affinity
        if "SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED" in flags:
            queue.buffers = members.get("num_suggested_receive_buffers", 0)
        if "NAME_CHANGED" in flags:
            queue.queue_name = members.get("queue_name", "")

    decision.apply = apply
    return decision


def query_queue(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUEUE_PARAMETERS, method; ERR-08."""
    decision = Decision()
    queue = state.queues.get(request.members.get("queue_id", 0))
    if queue is not None and queue.owner != request.issuer:
        raise OpenError("QUE-15 lets only the owner set parameters, ERR-08 says foreign queues fail without a kind")
    decision.refuse(Level.VALUE, INVALID_PARAMETER, queue is None or queue.freeing is not None)
    decision.apply = lambda: parameters_out(queue) if queue is not None else None
    return decision


def complete_allocation(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUE-14: every element has a status of its own."""

    def apply() -> dict[str, Any]:
        results = []
        for element in request.members.get("elements", []):
            queue = state.queues.get(element.get("queue_id", 0))
            good = queue is not None and queue.owner == request.issuer
            if queue is None or not good or queue.complete or queue.freeing is not None:
                status = INVALID_PARAMETER
            else:
                queue.complete, status = True, SUCCESS
            results.append({"queue_id": element.get("queue_id", 0), "completion_status": status})
        return {"elements": results}

    return Decision(apply=apply)


def free_queue(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUE-22 to QUE-25; the caller completes the request now or when the last packet is returned."""
    decision = Decision()
    queue_id = request.members.get("queue_id", 0)
    queue = state.queues.get(queue_id)
    good = queue is not None and queue.owner == request.issuer
    decision.refuse(Level.OWNER, INVALID_PARAMETER, not good)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, state.queue_state(queue_id) not in ("Allocated", "Paused"))

    def apply() -> None:
        assert queue is not None
        queue.freeing = request.label

    decision.apply = apply
    return decision


def enumerate_queues(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """QUE-19 to QUE-21."""
    elements = []
    for queue_id in sorted(state.queues):
        queue = state.queues[queue_id]
        if request.issuer in ("application", queue.owner):
            element = {**parameters_out(queue), "queue_state": REPORTED_STATES[state.queue_state(queue_id)]}
            if VERSIONS[spec["ndis_version"]] >= (6, 30):  # revision 2
                element["num_filters"] = len(state.filters_of(queue_id))
            elements.append(element)
    return Decision(apply=lambda: {"elements": elements, "num_elements": len(elements)})


def inspect_queue(spec: dict[str, Any], state: State, queue_id: int) -> dict[str, Any]:
    """What `inspect` shows of a queue."""
    name = state.queue_state(queue_id)
    if queue_id in state.queues and state.queues[queue_id].freeing in state.aborted:
        return {}
    if queue_id not in state.queues:
        if queue_id != 0 or state.has_switch:
            return {"queue_id": queue_id, "state": "Undefined"} if queue_id != 0 else {}
        filters = [entry.filter_id for entry in state.filters_of(0)]
        return {"queue_id": 0, "state": name, "num_filters": len(filters), "filters": filters}
    queue = state.queues[queue_id]
    filters = [entry.filter_id for entry in state.filters_of(queue_id)]
    return {
        "queue_id": queue_id,
        "state": name,
        "queue_state": REPORTED_STATES[name],
        "owner": queue.owner,
        "num_filters": len(filters),
        "filters": filters,
        "processor_affinity": processors_out(queue.affinity),
        "processor": processors_out(queue.affinity)[0],
        "outstanding": list(state.outstanding.values()).count(queue_id),
    }
