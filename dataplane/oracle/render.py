"""Results as JSON values: frames, DPC runs, sends, events (sections 6 to 9 of the protocol)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataplane.control import RequestCompleted, StatusIndicated
from dataplane.control.requests import Event
from dataplane.ndis.constants import QueueOperationalState, ReceiveFlags, SendCompleteFlags
from dataplane.ndis.oids import Oid
from dataplane.ndis.oob import FilteringInfo
from dataplane.ndis.status import StatusIndication
from dataplane.ndis.values import format_processor, format_processors, format_word
from dataplane.oracle.nbls import Arrival, DpcRun, IndicationCall, ReceivedNbl, SentNbl

Json = dict[str, Any]

#: The flags a result lists, in this order (section 6 of the protocol).
_LISTED_RECEIVE_FLAGS = (
    ReceiveFlags.RESOURCES,
    ReceiveFlags.SINGLE_QUEUE,
    ReceiveFlags.SHARED_MEMORY_INFO_VALID,
)


def nbl_record(nbl: ReceivedNbl) -> Json:
    """An NBL record, without what only its indication decides."""
    return {
        "label": nbl.label,
        "vport_id" if nbl.on_switch else "queue_id": nbl.target_id,  # the same two bytes (RX-20)
        "filter_id": 0,  # RX-21
        "filtering_info": format_word(FilteringInfo(0, nbl.target_id).pack()),
        "processor": format_processor(nbl.processor),
        "entry": nbl.entry,
        "hash_info": format_word(nbl.hash_info),
        "hash_value": format_word(nbl.hash_value),
        "ieee8021q": format_word(nbl.ieee8021q),
        "data": nbl.data.hex(),
    }


def arrival(one: Arrival) -> Json:
    """What became of a frame: indicated, held or dropped."""
    interrupts = format_processors(one.interrupts)
    if one.nbl is None:
        return {"label": one.label, "result": "dropped", "reason": one.drop_reason, "interrupts": interrupts}
    flags = one.nbl.receive_flags
    result = nbl_record(one.nbl)
    result["result"] = "held" if flags is None else "indicated"
    result["interrupts"] = interrupts
    if flags is not None:
        result["receive_flags"] = receive_flags(flags)
        result["kept"] = one.nbl.kept
    return result


def receive_flags(flags: ReceiveFlags) -> list[str]:
    """The flags of an indication call that results list."""
    return [str(flag.name) for flag in _LISTED_RECEIVE_FLAGS if flag in flags]


def dpc_runs(runs: Iterable[DpcRun]) -> list[Json]:
    """The DPC runs of a step."""
    return [
        {
            "processor": format_processor(run.processor),
            "calls": [_call(call) for call in run.calls],
            "completion_calls": [
                {
                    "flags": ["SINGLE_QUEUE"] if SendCompleteFlags.SINGLE_QUEUE in call.flags else [],
                    "nbls": [_completion(nbl) for nbl in call.nbls],
                }
                for call in run.completion_calls
            ],
        }
        for run in runs
    ]


def _call(call: IndicationCall) -> Json:
    nbls = [{**nbl_record(nbl), "kept": nbl.kept} for nbl in call.nbls]
    return {"receive_flags": receive_flags(call.flags), "nbls": nbls}


def _completion(sent: SentNbl) -> Json:
    return {"label": sent.label, "status": sent.status.name, _account(sent): sent.target_id}


def _account(sent: SentNbl) -> str:
    return "vport_id" if sent.on_switch else "queue_id"


def sends(nbls: Iterable[SentNbl]) -> list[Json]:
    """What became of the NBLs of a send call."""
    return [_send(sent) for sent in nbls]


def _send(sent: SentNbl) -> Json:
    result: Json = {
        "label": sent.label,
        "result": "completed" if sent.completed else "queued" if sent.queued else "held",
        _account(sent): sent.target_id,
        "processor": format_processor(sent.processor),
        "entry": sent.entry,
        "wire": [frame.hex() for frame in sent.wire],
        "received": [arrival(one) for one in sent.received],
    }
    if sent.completed:
        result["status"] = sent.status.name
    return result


def events(happened: Iterable[Event]) -> list[Json]:
    """Events of the control plane."""
    return [_event(event) for event in happened]


def _event(event: Event) -> Json:
    match event:
        case StatusIndicated(queue_id):
            return {
                "event": "status_indication",
                "status": StatusIndication.NDIS_STATUS_RECEIVE_QUEUE_STATE.name,
                "buffer": {"queue_id": queue_id, "queue_state": QueueOperationalState.DmaStopped.name},
            }
        case RequestCompleted(request_id, oid, status):
            return {"event": "oid_complete", "request": request_id, "oid": Oid(oid).name, "status": status.name}


def dropped(frames: Iterable[tuple[str, str]]) -> list[Json]:
    """Events of held frames that were discarded: label and reason of each."""
    return [{"event": "frame_dropped", "label": label, "reason": reason} for label, reason in frames]
