"""The NIC switch, its VFs and its VPorts: create, change, delete, query, enumerate (section 4)."""

from __future__ import annotations

from typing import Any

from tests.reference.adapter_spec import VERSIONS, rounded_up
from tests.reference.control_names import (
    FAILURE,
    FILE_NOT_FOUND,
    INVALID_DATA,
    INVALID_PARAMETER,
    NO_QUEUES,
    NOT_SUPPORTED,
    VPORT_BEHAVIOUR_FLAGS,
)
from tests.reference.control_rss import inspect_rss, is_rss_v2, restricted, table_limit
from tests.reference.control_state import (
    Decision,
    Level,
    OpenError,
    Processor,
    Request,
    Rss,
    State,
    VPort,
    flags_out,
    lowest_free,
    processor_in,
    processors_out,
)

PF = "PF"


def has_flag(spec: dict[str, Any], flag: str) -> bool:
    """A bit of NicSwitchCapabilities."""
    return flag in spec["nic_switch_capabilities"]["nic_switch_capabilities"]


def vmmq(spec: dict[str, Any]) -> bool:
    """RSS on PF VPorts is supported and not switched off (CAP-12, CAP-21)."""
    return has_flag(spec, "RSS_ON_PF_VPORTS_SUPPORTED") and spec["keywords"].get("*RssOnHostVPorts", 1) == 1


def rss_set(spec: dict[str, Any]) -> set[Processor]:
    """The RSS processor set: the processors listed (CAP-32)."""
    return {processor_in(processor) for processor in spec["rss_processors"]}


def base_processor(spec: dict[str, Any]) -> Processor:
    """The RSS base processor."""
    return processor_in(spec["rss_base_processor"]) if "rss_base_processor" in spec else min(rss_set(spec))


def build_switch(spec: dict[str, Any], state: State, parameters: dict[str, Any]) -> None:
    """The switch and its default VPort come into being (VPT-01, VPT-13)."""
    state.has_switch = True
    state.switch_name = parameters.get("switch_friendly_name", "")
    state.switch_vfs = parameters.get("num_vfs", 0)
    state.switch_queue_pairs = parameters.get("num_queue_pairs_for_default_vport", 1)
    primary = base_processor(spec)
    state.vports[0] = VPort(0, None, PF, state.switch_queue_pairs, [primary], primary, activated=True)
    if is_rss_v2(spec):
        state.vports[0].rss = Rss(table=[primary], default=primary)


def create_switch(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-01 to VPT-03, OID-16, MOD-03, CAP-26."""
    decision = Decision()
    members = request.members
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, request.issuer != "NDIS" or state.mode == "vmq")
    wanted = members.get("num_queue_pairs_for_default_vport", 1) if request.revision >= 2 else 1  # OID-11
    limit = spec["nic_switch_capabilities"]["max_num_queue_pairs_for_default_vport"]
    bad = members.get("switch_id", 0) != 0 or members.get("switch_type", "External") != "External"
    decision.refuse(Level.VALUE, INVALID_PARAMETER, bad or not 1 <= wanted <= limit)
    decision.refuse(Level.LIMIT, FAILURE, state.has_switch)
    if wanted > 1 and not vmmq(spec):
        raise OpenError("what more than one queue pair means where RSS on host VPorts is unused (CAP-26)")
    if decision.status() is None and (state.queued or state.outstanding or state.unsent or state.native_rss.enabled):
        raise OpenError("no rule says what becomes of traffic in flight when the mode changes")
    if state.static_switch is not None and decision.status() is None:
        same = all(members.get(name, 0) == state.static_switch[name] for name in ("num_vfs",))
        same = same and wanted == state.static_switch["num_queue_pairs_for_default_vport"]
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not same)  # VPT-03

    def apply() -> dict[str, Any]:
        build_switch(spec, state, {**members, "num_queue_pairs_for_default_vport": wanted})
        return switch_out(state)

    decision.apply = apply
    return decision


def switch_out(state: State) -> dict[str, Any]:
    """NDIS_NIC_SWITCH_PARAMETERS."""
    return {
        "switch_type": "External",
        "switch_id": 0,
        "switch_friendly_name": state.switch_name,
        "num_vfs": state.switch_vfs,
        "num_queue_pairs_for_default_vport": state.switch_queue_pairs,
    }


def change_switch(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-04."""
    if not state.has_switch or request.members.get("switch_id", 0) != 0:
        raise OpenError("no rule gives the status for the parameters of a switch that does not exist")

    def apply() -> None:
        if "SWITCH_NAME_CHANGED" in request.members.get("flags", []):
            state.switch_name = request.members.get("switch_friendly_name", "")

    return Decision(apply=apply)


def query_switch(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """SWITCH_PARAMETERS, method."""
    if not state.has_switch or request.members.get("switch_id", 0) != 0:
        raise OpenError("no rule gives the status for the parameters of a switch that does not exist")
    return Decision(apply=lambda: switch_out(state))


def delete_switch(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-05, OID-16, ERR-24."""
    decision = Decision()
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, request.issuer != "NDIS")
    unknown = not state.has_switch or request.members.get("switch_id", 0) != 0
    decision.refuse(Level.TARGET, FILE_NOT_FOUND, unknown)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, any(vport_id != 0 for vport_id in state.vports))
    if decision.status() is None and (state.filters or state.queued or state.outstanding or state.unsent or state.vfs):
        raise OpenError("no rule says what becomes of filters and traffic of the default VPort with its switch")

    def apply() -> None:
        state.has_switch = False
        state.vports.clear()

    decision.apply = apply
    return decision


def enumerate_switches(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_NIC_SWITCH_ENUM_SWITCHES."""
    elements = []
    if state.has_switch:
        names = ("switch_type", "switch_id", "switch_friendly_name", "num_vfs")
        elements.append({name: switch_out(state)[name] for name in names})
    return Decision(apply=lambda: {"elements": elements, "num_elements": len(elements)})


def allocate_vf(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """The lowest free VF (protocol, VF_PARAMETERS)."""
    if not state.has_switch or len(state.vfs) >= state.switch_vfs or request.members.get("switch_id", 0) != 0:
        raise OpenError("no rule gives the status when VFs run out")

    def apply() -> dict[str, Any]:
        state.vfs.append(lowest_free(state.vfs, 0))
        return {"vf_id": state.vfs[-1]}

    return Decision(apply=apply)


def free_vf(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """A VF without VPort is freed."""
    vf_id = request.members.get("vf_id", 0)
    if vf_id not in state.vfs or any(vport.function == vf_id for vport in state.vports.values()):
        raise OpenError("no rule gives the status for an unknown VF, or one with a VPort")
    return Decision(apply=lambda: state.vfs.remove(vf_id))


# --- VPorts -----------------------------------------------------------------------------------------------------------


def create_vport(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-06 to VPT-11, VPT-15, CAP-18 to CAP-20."""
    decision = Decision()
    members, limits = request.members, spec["nic_switch_capabilities"]
    function = members.get("attached_function_id", PF)
    queue_pairs = members.get("num_queue_pairs", 1)
    affinity = sorted(processor_in(processor) for processor in members.get("processor_affinity", []))
    nondefault = [vport for vport in state.vports.values() if vport.vport_id != 0]
    activated = members.get("vport_state", "Deactivated") == "Activated"

    bad = [
        members.get("vport_id", 0) != 0,
        members.get("switch_id", 0) != 0,
        activated is not (function != PF),  # VPT-09
        not 1 <= queue_pairs <= limits["max_num_queue_pairs_per_non_default_vport"],
        not _symmetric(spec, nondefault, queue_pairs),
    ]
    if function == PF:
        bad.append(not affinity)
        bad.append(vmmq(spec) and not set(affinity) <= rss_set(spec))
        bad.append(not vmmq(spec) and queue_pairs > 1)  # VPT-15
    else:
        bad.append(function not in state.vfs)
        bad.append(any(vport.function == function for vport in nondefault))
    decision.refuse(Level.VALUE, INVALID_PARAMETER, any(bad))

    on_pf = sum(vport.function == PF for vport in nondefault)
    pool = limits["max_num_vports"] - 1
    if function == PF and not has_flag(spec, "SINGLE_VPORT_POOL"):
        decision.refuse(Level.LIMIT, FAILURE, on_pf >= pool - limits["max_num_vfs"])  # CAP-18
    decision.refuse(Level.LIMIT, FAILURE, len(nondefault) >= pool)
    in_total = queue_pairs + sum(vport.queue_pairs for vport in state.vports.values())
    decision.refuse(Level.LIMIT, FAILURE, in_total > limits["max_num_queue_pairs"])  # CAP-20

    def apply() -> dict[str, Any]:
        vport_id = lowest_free(state.vports, 1)
        primary = affinity[0] if affinity else base_processor(spec)
        owner = request.issuer
        vport = VPort(vport_id, owner, function, queue_pairs, affinity, primary, activated)
        vport.name = members.get("vport_name", "")
        vport.interrupt_moderation = members.get("interrupt_moderation", "Undefined")
        if is_rss_v2(spec) and function == PF:
            vport.rss = Rss(table=[primary], default=primary)  # UPD-15
        state.vports[vport_id] = vport
        return vport_out(vport)

    decision.apply = apply
    return decision


def _symmetric(spec: dict[str, Any], others: list[VPort], queue_pairs: int) -> bool:
    """CAP-19."""
    asymmetric = has_flag(spec, "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED")
    return asymmetric or all(vport.queue_pairs == queue_pairs for vport in others)


def vport_out(vport: VPort) -> dict[str, Any]:
    """NDIS_NIC_SWITCH_VPORT_PARAMETERS of a VPort, without what the rules leave open."""
    out = {
        "switch_id": 0,
        "vport_id": vport.vport_id,
        "vport_name": vport.name,
        "attached_function_id": vport.function,
        "num_queue_pairs": vport.queue_pairs,
        "interrupt_moderation": vport.interrupt_moderation,
        "vport_state": "Activated" if vport.activated else "Deactivated",
        "flags": flags_out(vport.flags, VPORT_BEHAVIOUR_FLAGS),
    }
    if vport.function == PF and not vport.affinity_is_open:
        out["processor_affinity"] = processors_out(vport.affinity)
    return out


def query_vport(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPORT_PARAMETERS, method: any client may ask (VPT-23)."""
    decision = Decision()
    vport = state.vports.get(request.members.get("vport_id", 0))
    decision.refuse(Level.VALUE, INVALID_PARAMETER, vport is None)
    _refuse_doubtful(vport)
    decision.apply = lambda: vport_out(vport) if vport is not None else None
    return decision


def _refuse_doubtful(vport: VPort | None) -> None:
    if vport is not None and vport.deleting is not None:
        raise OpenError("no rule says what a VPort is while its deletion waits for packets")


def change_vport(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-16, VPT-19 to VPT-23, UPD-06 to UPD-11."""
    decision = Decision()
    members = request.members
    flags = members.get("flags", [])
    vport = state.vports.get(members.get("vport_id", 0))
    _refuse_doubtful(vport)
    if members.get("switch_id", 0) != 0:
        raise OpenError("no rule gives the status for VPort parameters of an unknown switch")
    foreign = vport is not None and vport.vport_id != 0 and vport.owner != request.issuer
    decision.refuse(Level.OWNER, INVALID_PARAMETER, vport is None or foreign)
    if vport is None:
        return decision
    affinity = sorted(processor_in(processor) for processor in members.get("processor_affinity", []))
    if "STATE_CHANGED" in flags:
        if not vport.activated and members.get("vport_state", "Deactivated") != "Activated":
            raise OpenError("deactivating what is not activated")
        decision.refuse(Level.VALUE, INVALID_PARAMETER, members.get("vport_state", "Deactivated") != "Activated")
    if "PROCESSOR_AFFINITY_CHANGED" in flags:
        outside = vmmq(spec) and not set(affinity) <= rss_set(spec)
        decision.refuse(Level.VALUE, INVALID_PARAMETER, vport.function != PF or not affinity or outside)
    if "INT_MOD_CHANGED" in flags and not has_flag(spec, "PER_VPORT_INTERRUPT_MODERATION_SUPPORTED"):
        decision.refuse(Level.FEATURE, NOT_SUPPORTED)  # INT-09
        if len(decision.refusals) > 1:
            raise OpenError("NOT_SUPPORTED is a choice of INT-09 without a place in the precedence")
    table = vport.rss.table
    if "NUM_QUEUE_PAIRS_CHANGED" in flags:
        table = _check_queue_pairs(spec, state, vport, members.get("num_queue_pairs", 1), decision)

    def apply() -> None:
        if "STATE_CHANGED" in flags:
            vport.activated = True
        if "PROCESSOR_AFFINITY_CHANGED" in flags:
            vport.affinity, vport.primary, vport.affinity_is_open = affinity, affinity[0], False
        if "INT_MOD_CHANGED" in flags:
            vport.interrupt_moderation = members.get("interrupt_moderation", "Undefined")
        if "NUM_QUEUE_PAIRS_CHANGED" in flags:
            vport.queue_pairs, vport.rss.table = members.get("num_queue_pairs", 1), table
        if "NAME_CHANGED" in flags:
            vport.name = members.get("vport_name", "")
        if "FLAGS_CHANGED" in flags:
            vport.flags = [flag for flag in flags if flag in VPORT_BEHAVIOUR_FLAGS]

    decision.apply = apply
    return decision


def _check_queue_pairs(
    spec: dict[str, Any], state: State, vport: VPort, wanted: int, decision: Decision
) -> list[Processor]:
    """Check a new NumQueuePairs and give the table it leads to."""
    limits = spec["nic_switch_capabilities"]
    if vport.function != PF:
        raise OpenError("UPD-06 speaks of PF VPorts only")
    available = VERSIONS[spec["ndis_version"]] >= (6, 60) and vmmq(spec)  # VPT-20
    kind = "for_default" if vport.vport_id == 0 else "per_non_default"
    others = [other for other in state.vports.values() if other is not vport]
    others_nondefault = [other for other in others if other.vport_id != 0]
    bad = not available or not 1 <= wanted <= limits[f"max_num_queue_pairs_{kind}_vport"]
    if vport.vport_id != 0:
        bad = bad or not _symmetric(spec, others_nondefault, wanted)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, bad)
    in_total = wanted + sum(other.queue_pairs for other in others)
    decision.refuse(Level.LIMIT, FAILURE, wanted > vport.queue_pairs and in_total > limits["max_num_queue_pairs"])
    rss = vport.rss
    if not rss.enabled:
        if restricted(spec) and is_rss_v2(spec):
            raise OpenError("whether UPD-09 and UPD-10 hold for a tracked table of disabled RSS")
        return rss.table
    v2 = is_rss_v2(spec)
    decision.refuse(Level.VALUE, NO_QUEUES if v2 else INVALID_PARAMETER, wanted < len(rss.in_use()))  # UPD-08
    if not restricted(spec):
        return rss.table
    entries = rounded_up(wanted)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, entries > table_limit(spec, vport))  # CAP-25
    if wanted < vport.queue_pairs:
        replicated = all(rss.table[i] == rss.table[i % entries] for i in range(len(rss.table)))
        decision.refuse(Level.VALUE, INVALID_DATA if v2 else INVALID_PARAMETER, not replicated)  # UPD-09
        return rss.table
    return [rss.table[i % len(rss.table)] for i in range(max(entries, len(rss.table)))]  # UPD-10


def delete_vport(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-23, VPT-26 to VPT-29; the caller completes it now or when the last packet is returned."""
    decision = Decision()
    vport_id = request.members.get("vport_id", 0)
    vport = state.vports.get(vport_id)
    _refuse_doubtful(vport)
    foreign = vport is not None and vport.owner != request.issuer
    decision.refuse(Level.OWNER, INVALID_PARAMETER, vport is None or vport_id == 0 or foreign)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, bool(state.filters_of(vport_id)))
    sends = [work for work in state.queued if work.is_completion] or state.unsent
    if decision.status() is None and sends:
        raise OpenError("no rule says whether unfinished sends hold up a deletion")

    def apply() -> None:
        assert vport is not None
        vport.deleting = request.label

    decision.apply = apply
    return decision


def enumerate_vports(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """VPT-24, VPT-25."""
    decision = Decision()
    flags = request.members.get("flags", [])
    decision.refuse(Level.VALUE, INVALID_PARAMETER, len(flags) == 2)
    for vport in state.vports.values():
        _refuse_doubtful(vport)
    vports = [state.vports[i] for i in sorted(state.vports)]
    if "ENUM_ON_SPECIFIC_FUNCTION" in flags:
        vports = [vport for vport in vports if vport.function == request.members.get("attached_function_id", 0)]
    if "ENUM_ON_SPECIFIC_SWITCH" in flags and request.members.get("switch_id", 0) != 0:
        vports = []
    elements = []
    for vport in vports:
        element = vport_out(vport)
        del element["flags"]  # the info structure has flags of its own
        elements.append({**element, "num_filters": len(state.filters_of(vport.vport_id))})
    decision.apply = lambda: {"elements": elements, "num_elements": len(elements)}
    return decision


def inspect_vport(spec: dict[str, Any], state: State, vport_id: int) -> Any:
    """What `inspect` shows of a VPort."""
    vport = state.vports.get(vport_id)
    if vport is None:
        return None
    if vport.deleting is not None:
        return {}
    filters = [entry.filter_id for entry in state.filters_of(vport_id)]
    shown = {
        "vport_id": vport_id,
        "vport_state": "Activated" if vport.activated else "Deactivated",
        "attached_function_id": vport.function,
        "num_queue_pairs": vport.queue_pairs,
        "num_filters": len(filters),
        "filters": filters,
        "outstanding": list(state.outstanding.values()).count(vport_id),
        "rss": inspect_rss(vport.rss, vport.primary, vport.queue_pairs),
    }
    if vport_id != 0:
        shown["owner"] = vport.owner
    if vport.function != PF:
        shown["rss"] = {"primary_processor": None}
    elif not vport.affinity_is_open:
        shown["processor_affinity"] = processors_out(vport.affinity)
    return shown
