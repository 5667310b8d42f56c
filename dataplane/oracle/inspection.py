"""The `inspect` step: looking into the model as nobody could look into a miniport (section 9 of the protocol)."""

from __future__ import annotations

from typing import Any

from dataplane.control import ControlPlane
from dataplane.control.queue_states import OPERATIONAL_STATE, QueueState
from dataplane.control.state import VPortRecord
from dataplane.ids import DEFAULT_QUEUE_ID, ProcessorNumber
from dataplane.ndis.constants import HashInformation, VPortState
from dataplane.ndis.values import (
    MalformedValue,
    format_affinity,
    format_enum,
    format_flags,
    format_function,
    format_processor,
    format_processors,
    parse_int,
)
from dataplane.oracle.datapath import DataPath
from dataplane.oracle.lines import check_members
from dataplane.switch.configuration import TOEPLITZ, Mode, RssState

Json = dict[str, Any]


def inspect(what: Any, control: ControlPlane, data_path: DataPath) -> Json:
    """The result members of an `inspect` step; nothing changes."""
    match what:
        case "adapter":
            return {"mode": control.state.mode.value, "state": control.state.condition.value}
        case "counters":
            return _counters(data_path)
        case "native_rss":
            return {"rss": _native_rss(control)}
        case {"queue": queue_id}:
            check_members(what, ("queue",), "inspect")
            return {"queue": _queue(parse_int(queue_id), control, data_path)}
        case {"vport": vport_id}:
            check_members(what, ("vport",), "inspect")
            return {"vport": _vport(parse_int(vport_id), control, data_path)}
    raise MalformedValue('inspect is "adapter", "counters", "native_rss", {"queue": id} or {"vport": id}')


def _counters(data_path: DataPath) -> Json:
    return {
        "arrived": data_path.arrived,
        "indicated": data_path.indicated,
        "dropped": data_path.drop_reasons.total(),
        "held": data_path.held,
        "drop_reasons": dict(data_path.drop_reasons),
    }


def _queue(queue_id: int, control: ControlPlane, data_path: DataPath) -> Json:
    state = control.state
    record = state.queues.get(queue_id)
    queue_state, owner = QueueState.UNDEFINED, None
    if queue_id == DEFAULT_QUEUE_ID:  # always there, running, nobody's (QUE-01)
        queue_state, processor = QueueState.RUNNING, control.configuration.rss_base_processor
        affinity = [format_processor(processor)]
    elif record is not None:
        queue_state, owner, processor = record.state, record.owner, record.processor
        affinity = format_affinity(record.parameters.processor_affinity)
    result: Json = {
        "queue_id": queue_id,
        "state": queue_state.value,
        "queue_state": OPERATIONAL_STATE[queue_state].name,
        "owner": owner,
    }
    if queue_state is QueueState.UNDEFINED:
        return result
    filters = [] if state.mode is Mode.SWITCH else state.filters_on(queue_id)
    return result | {
        "num_filters": len(filters),
        "filters": filters,
        "processor_affinity": affinity,
        "processor": format_processor(processor),
        "outstanding": data_path.outstanding_by_target[queue_id],
    }


def _vport(vport_id: int, control: ControlPlane, data_path: DataPath) -> Json | None:
    record = control.state.vports.get(vport_id)
    if record is None:
        return None
    parameters, filters = record.parameters, control.state.filters_on(vport_id)
    return {
        "vport_id": vport_id,
        "vport_state": format_enum(VPortState, parameters.vport_state),
        "deleting": record.deleting,
        "owner": record.owner,
        "attached_function_id": format_function(parameters.attached_function_id),
        "num_queue_pairs": parameters.num_queue_pairs,
        "num_filters": len(filters),
        "filters": filters,
        "processor_affinity": format_affinity(parameters.processor_affinity),
        "outstanding": data_path.outstanding_by_target[vport_id],
        "rss": _vport_rss(record),
    }


def _vport_rss(record: VPortRecord) -> Json:
    primary = record.primary_processor if record.on_pf else None
    return _rss(record.rss, primary) | {"number_of_queues": record.parameters.num_queue_pairs}


def _native_rss(control: ControlPlane) -> Json:
    native = control.state.native
    return _rss(native.rss, native.primary_processor) | {"number_of_queues": None}


def _rss(rss: RssState, primary: ProcessorNumber | None) -> Json:
    hash_information = int(rss.hash_types) | TOEPLITZ if rss.hash_types else 0
    return {
        "enabled": rss.enabled,
        "hash_information": format_flags(HashInformation, hash_information),
        "hash_secret_key": rss.hash_secret_key.hex() if rss.hash_secret_key is not None else None,
        "indirection_table": format_processors(rss.indirection_table),
        "default_processor": format_processor(rss.default_processor),
        "primary_processor": format_processor(primary),
    }
