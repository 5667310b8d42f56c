"""Frames, sends, DPCs, returns: the receive and transmit decision (sections 9, 10 and 12) and what a client is handed.

The order of the model is arrival, classification, hardware queue, interrupt, DPC, indication (MOD-07).
"""

from __future__ import annotations

from typing import Any

from tests.reference.control_filters import find_target
from tests.reference.control_names import INVALID_PORT_STATE, PAUSED, SUCCESS
from tests.reference.control_rss import table_in_use
from tests.reference.control_state import (
    ANYTHING,
    OpenError,
    Processor,
    Rss,
    State,
    VPort,
    Work,
    processor_out,
    processors_out,
)
from tests.reference.control_switch import base_processor
from tests.reference.steering import Tag, parse, parse_and_hash

BROADCAST = "ff:ff:ff:ff:ff:ff"
DROP_REASONS = {"paused": "paused", "resetting": "resetting", "removed": "removed"}


def word(value: int) -> str:
    """A 32-bit value as results write it."""
    return f"0x{value:08x}"


def number(text: Any) -> int:
    """A word as steps write it."""
    return text if isinstance(text, int) else int(text, 16)


def target_name(state: State) -> str:
    """The target of an NBL as results write it."""
    return "vport_id" if state.has_switch else "queue_id"


def is_holding(state: State, processor: Processor) -> bool:
    """Whether the DPC of a processor waits for `run_dpc` or `release_dpc`."""
    return processor in state.held or (state.hold_all and processor not in state.not_held)


# --- receive ----------------------------------------------------------------------------------------------------------


def arrive(
    spec: dict[str, Any],
    state: State,
    frame: bytes,
    wire_length: int,
    label: str,
    keep: bool,
    sender: int | None = None,
) -> tuple[dict[str, Any], Work | None]:
    """Classify a frame and place it in a hardware queue; its result if it was dropped, else the work."""
    state.arrived += 1
    parsed = parse(frame, wire_length)
    if parsed is None or state.run_state != "running":
        if parsed is None and state.run_state != "running":
            raise OpenError("a runt that arrives at an adapter that does not run")
        return _dropped(state, "runt" if parsed is None else DROP_REASONS[state.run_state]), None
    if parsed.tag is not None and len(frame) < 18:
        raise OpenError("a frame that ends behind its tag")
    destination = ":".join(f"{byte:02x}" for byte in frame[:6])
    target = find_target(state, destination, None if parsed.tag is None else parsed.tag.vlan_id, without=sender)
    if target is None:
        if not packet_filter_accepts(spec, state, destination):
            return _dropped(state, "packet filter"), None
        target = 0
    rss, primary, native = _spreading(spec, state, target)
    types, key = rss.hash_types(), bytes.fromhex(rss.key or "")
    hash_type, hash_value, _ = parse_and_hash(frame, wire_length, types, key) if types else (0, 0, b"")
    if native and state.receive_hash.enabled:
        processor, entry = primary, None  # RSS-23
    else:
        processor, entry = spread(spec, rss, primary, hash_value if hash_type else None, native=native)
    record = {
        "label": label,
        target_name(state): target,
        "filter_id": 0,
        "filtering_info": word(target << 16),
        "processor": processor_out(processor),
        "entry": entry,
        "hash_info": word(hash_type | 1 if hash_type else 0),
        "hash_value": word(hash_value if hash_type else 0),
        "ieee8021q": word(0 if parsed.tag is None else parsed.tag.out_of_band()),
        "data": (frame if parsed.tag is None else frame[:12] + frame[16:]).hex(),
    }
    return {}, Work(processor, target, label, record, keep=keep)


def _dropped(state: State, reason: str) -> dict[str, Any]:
    state.drops[reason] = state.drops.get(reason, 0) + 1
    return {"result": "dropped", "reason": reason}


def _spreading(spec: dict[str, Any], state: State, target: int) -> tuple[Rss, Processor, bool]:
    """RSS of a target, its processor without RSS, and whether it is the adapter as a whole (RX-14)."""
    if state.has_switch:
        vport = state.vports[target]
        if vport.function != "PF":
            raise OpenError("traffic of a VF is not the host's")
        return vport.rss, vport.primary, False
    if target in state.queues:
        return Rss(), state.queues[target].affinity[0], False
    if state.queues:
        return Rss(), base_processor(spec), False
    native = state.receive_hash if state.receive_hash.enabled else state.native_rss
    return native, base_processor(spec), True


def spread(
    spec: dict[str, Any], rss: Rss, primary: Processor, hash_value: int | None, *, native: bool
) -> tuple[Processor, int | None]:
    """Processor and table entry of a frame or a completion (RSS-13, RSS-14, RX-12 to RX-14, TX-01, TX-02, TX-05)."""
    if not rss.enabled:
        return primary, None
    if hash_value is None:
        assert rss.default is not None
        return rss.default, None
    entry = hash_value % len(rss.table)  # a power of two: the low bits (HSH-27)
    return table_in_use(spec, rss, native=native)[entry], entry


def packet_filter_accepts(spec: dict[str, Any], state: State, destination: str) -> bool:
    """RX-07."""
    bits = state.packet_filter
    is_group = int(destination[:2], 16) & 1 == 1
    return (
        "PROMISCUOUS" in bits
        or ("DIRECTED" in bits and destination == spec["permanent_address"])
        or ("MULTICAST" in bits and destination in state.multicast_list)
        or ("ALL_MULTICAST" in bits and is_group and destination != BROADCAST)
        or ("BROADCAST" in bits and destination == BROADCAST)
    )


def frame_step(spec: dict[str, Any], state: State, members: dict[str, Any], label: str) -> dict[str, Any]:
    """A frame arrives from the physical port: its result."""
    frame = bytes.fromhex(members["frame"])
    wire_length = members.get("wire_length", len(frame))
    dropped, work = arrive(spec, state, frame, wire_length, label, members.get("keep", False))
    if work is None:
        return {**dropped, "interrupts": []}
    doubtful = work.processor in state.doubtful
    raised: list[Processor] = []
    queue_work(state, work, raised)
    runs = run_dpcs(state, [work.processor]) if not is_holding(state, work.processor) else []
    result = frame_result(work, runs)
    if not doubtful:
        result["interrupts"] = processors_out(raised)
    return result


def queue_work(state: State, work: Work, raised: list[Processor]) -> None:
    """Into the hardware queue; an interrupt unless one is pending (INT-05)."""
    state.queued.append(work)
    if work.processor not in state.pending:
        state.pending.add(work.processor)
        raised.append(work.processor)


def frame_result(work: Work, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The result of a queued frame: held, or indicated by one of the DPC runs."""
    for run in runs:
        for call in run["calls"]:
            for nbl in call["nbls"]:
                if nbl["label"] == work.label:
                    return {**nbl, "result": "indicated", "receive_flags": call["receive_flags"]}
    return {**work.record, "result": "held"}


# --- DPCs -------------------------------------------------------------------------------------------------------------


def run_dpcs(state: State, processors: list[Processor]) -> list[dict[str, Any]]:
    """Run the DPC of every processor named that has an interrupt pending, once, ascending."""
    runs = []
    for processor in sorted(set(processors)):
        if processor in state.pending:
            run = _run_dpc(state, processor)
            if run["calls"] or run["completion_calls"]:
                runs.append(run)
    return runs


def _run_dpc(state: State, processor: Processor) -> dict[str, Any]:
    works = [work for work in state.queued if work.processor == processor]
    state.queued = [work for work in state.queued if work.processor != processor]
    state.pending.discard(processor)
    state.doubtful.discard(processor)
    receives = [work for work in works if not work.is_completion]
    completions = sorted((work for work in works if work.is_completion), key=lambda work: work.submitted)  # TX-14
    calls = [call for per_queue, group in _groups(state, receives) for call in _indicate(state, group, per_queue)]
    return {
        "processor": processor_out(processor),
        "calls": calls,
        "completion_calls": [_complete(state, completions)] if completions else [],
    }


def _groups(state: State, works: list[Work]) -> list[tuple[bool, list[Work]]]:
    """The works of each indication call (RX-23), and whether it is a call of its own queue (RX-22)."""
    targets = sorted({work.target for work in works})
    if state.has_switch:
        return [(False, [work for work in works if work.target == target]) for target in targets]
    own = [i for i in targets if i in state.queues and "PER_QUEUE_RECEIVE_INDICATION" in state.queues[i].flags]
    groups = [(True, [work for work in works if work.target == target]) for target in own]
    others = [work for work in works if work.target not in own]
    return [*groups, (False, others)] if others else groups


def _indicate(state: State, works: list[Work], per_queue: bool) -> list[dict[str, Any]]:
    """One indication call, and a second one with RESOURCES for NBLs without a receive buffer (RX-25)."""
    limit = state.receive_buffers
    if limit is not None and len(works) > 1:
        raise OpenError("how many buffers the frames of one call use before it returns")
    common = ["SINGLE_QUEUE"] if per_queue else []
    if state.mode == "vmq":
        common = [*common, "SHARED_MEMORY_INFO_VALID"]
    normal, scarce = [], []
    for work in works:
        state.indicated += 1
        if limit is not None and len(state.outstanding) >= limit:
            scarce.append({**work.record, "kept": False})
        else:
            if work.keep:
                state.outstanding[work.label] = work.target
            normal.append({**work.record, "kept": work.keep})
    calls = [{"receive_flags": common, "nbls": normal}] if normal else []
    if scarce:
        calls.append({"receive_flags": ["RESOURCES", *common], "nbls": scarce})
    return calls


def _complete(state: State, works: list[Work]) -> dict[str, Any]:
    """One send completion call for all completions of a DPC (TX-11)."""
    nbls = [{name: work.record[name] for name in ("label", "status", target_name(state))} for work in works]
    single = state.mode == "vmq" and len({work.target for work in works}) == 1
    return {"flags": ["SINGLE_QUEUE"] if single else [], "nbls": nbls}


def discard(state: State, target: int, reason: str) -> list[dict[str, Any]]:
    """Drop every frame held for a target (QUE-08, FLT-42, VPT-27); the events."""
    dropped = [work for work in state.queued if work.target == target and not work.is_completion]
    state.queued = [work for work in state.queued if work not in dropped]
    for work in dropped:
        _dropped(state, reason)
        if not any(other.processor == work.processor for other in state.queued):
            state.doubtful.add(work.processor)
    return [{"event": "frame_dropped", "label": work.label, "reason": reason} for work in dropped]


# --- transmit ---------------------------------------------------------------------------------------------------------


def send_step(spec: dict[str, Any], state: State, members: dict[str, Any], label: str) -> dict[str, Any]:
    """One send call: the results of its NBLs, the DPC runs and the interrupts."""
    nbls = members["send"] if isinstance(members["send"], list) else [members["send"]]
    many = len(nbls) > 1
    sends = []
    for position, nbl in enumerate(nbls, 1):
        default = f"{label}.{position}" if many else label
        sends.append(_accept(spec, state, nbl, nbl.get("label", default)))
    if state.run_state != "running":
        return {"sends": [_not_running(send) for send in sends], "dpcs": [], "interrupts": []}
    raised: list[Processor] = []
    for send in sends:
        if send["status"] == SUCCESS and state.hold_tx:
            state.unsent.append(send)
        else:
            _transmit(spec, state, send, raised)
    return _finish(state, sends, raised)


def release_tx_step(spec: dict[str, Any], state: State) -> dict[str, Any]:
    """All accepted sends are transmitted in submission order."""
    state.hold_tx = False
    sends, state.unsent = state.unsent, []
    raised: list[Processor] = []
    for send in sends:
        _transmit(spec, state, send, raised)
    return _finish(state, sends, raised)


def _accept(spec: dict[str, Any], state: State, nbl: dict[str, Any], label: str) -> dict[str, Any]:
    """Fix the VPort or queue, the completion processor and the status of an NBL (TX-04 to TX-09, TX-12)."""
    frames = nbl["data"] if isinstance(nbl["data"], list) else [nbl["data"]]
    target = nbl.get("vport_id", nbl.get("queue_id", 0))
    send: dict[str, Any] = {
        "nbl": nbl,
        "label": label,
        "frames": frames,
        "status": SUCCESS,
        "submitted": state.submitted,
    }
    send |= {"works": [], "results": [], "wire": []}
    state.submitted += 1
    if state.has_switch:
        vport = state.vports.get(target)
        if vport is None:
            target, vport = 0, state.vports[0]  # TX-06
        if vport.deleting is not None or vport.function != "PF":
            raise OpenError("sends of a VPort that is being deleted, or of a VF")
        if _may_not_send(state, vport):
            status, entry = INVALID_PORT_STATE, None
            return {**send, "target": target, "processor": vport.primary, "entry": entry, "status": status}
        rss, primary, native = vport.rss, vport.primary, False
    else:
        if target in state.queues and state.queues[target].freeing is not None:
            raise OpenError("sends of a queue that is being freed")
        target = target if target in state.queues else 0  # TX-09
        rss, primary, native = _spreading(spec, state, target)
        if native and state.receive_hash.enabled:
            rss = Rss()
    info = number(nbl.get("hash_info", 0))
    value = number(nbl.get("hash_value", 0)) if info & 0xFF else None  # TX-04
    processor, entry = spread(spec, rss, primary, value, native=native)
    return {**send, "target": target, "processor": processor, "entry": entry}


def _may_not_send(state: State, vport: VPort) -> bool:
    """TX-08."""
    return not vport.activated or (vport.vport_id != 0 and not state.filters_of(vport.vport_id))


def _transmit(spec: dict[str, Any], state: State, send: dict[str, Any], raised: list[Processor]) -> None:
    """Put the frames on the wire or into another VPort (VPT-32), and queue the completion."""
    tag = number(send["nbl"].get("ieee8021q", 0))
    for position, text in enumerate(send["frames"], 1):
        if send["status"] != SUCCESS:
            break
        frame = _tagged(bytes.fromhex(text), tag)
        if _goes_to_another_vport(state, send["target"], frame):
            suffix = "/rx" if position == 1 else f"/rx{position}"
            keep = send["nbl"].get("keep", False)
            dropped, work = arrive(spec, state, frame, len(frame), send["label"] + suffix, keep, sender=send["target"])
            if work is not None:
                send["doubtful"] = send.get("doubtful", False) or work.processor in state.doubtful
                queue_work(state, work, raised)
            send["works"].append((dropped, work))
        else:
            send["wire"].append(frame.hex())
    record = {"label": send["label"], "status": send["status"], target_name(state): send["target"]}
    send["doubtful"] = send.get("doubtful", False) or send["processor"] in state.doubtful
    work = Work(
        send["processor"], send["target"], send["label"], record, is_completion=True, submitted=send["submitted"]
    )
    send["completion"] = work
    queue_work(state, work, raised)


def _tagged(frame: bytes, out_of_band: int) -> bytes:
    """The frame with the tag of a nonzero 8021Q OOB inserted (TX-13)."""
    if out_of_band == 0:
        return frame
    tci = (out_of_band & 7) << 13 | (out_of_band >> 3 & 1) << 12 | out_of_band >> 4 & 0xFFF
    return frame[:12] + b"\x81\x00" + tci.to_bytes(2, "big") + frame[12:]


def _goes_to_another_vport(state: State, sender: int, frame: bytes) -> bool:
    if not state.has_switch:
        return False
    parsed = parse(frame, len(frame))
    if parsed is None:
        raise OpenError("a runt is sent")
    vlan_id = Tag.from_tci(int.from_bytes(frame[14:16], "big")).vlan_id if parsed.tag else None
    destination = ":".join(f"{byte:02x}" for byte in frame[:6])
    first = find_target(state, destination, vlan_id)
    other = find_target(state, destination, vlan_id, without=sender)
    if other is not None and first == sender:
        raise OpenError("a frame that matches a filter of its own sender first, and one of another VPort")
    return other is not None


def _finish(state: State, sends: list[dict[str, Any]], raised: list[Processor]) -> dict[str, Any]:
    """Run the DPCs of a send step; returns the result of every NBL."""
    pending = [processor for processor in state.pending if not is_holding(state, processor)]
    runs = run_dpcs(state, pending)
    results = []
    for send in sends:
        result: dict[str, Any] = {
            "label": send["label"],
            target_name(state): send["target"],
            "processor": processor_out(send["processor"]),
            "entry": send["entry"],
            "wire": send["wire"],
            "received": [dropped or frame_result(work, runs) for dropped, work in send["works"]],
        }
        if "completion" not in send:
            result["result"] = "queued"
        elif send["completion"] in state.queued:
            result["result"] = "held"
        else:
            result.update(result="completed", status=send["status"])
        results.append(result)
    doubtful = any(send.get("doubtful") for send in sends)
    interrupts: Any = ANYTHING if doubtful else {"any_order": processors_out(raised)}
    return {"sends": results, "dpcs": runs, "interrupts": interrupts}


def _not_running(send: dict[str, Any]) -> dict[str, Any]:
    return {"label": send["label"], "result": "completed", "status": PAUSED, "processor": None, "wire": []}
