"""RSS parameters: generation 1 (section 7), generation 2 with its move requests (section 11), and the receive hash."""

from __future__ import annotations

import copy
from typing import Any

from tests.reference.adapter_spec import VERSIONS, is_power_of_two, rounded_up
from tests.reference.control_names import (
    ALLOWED_HASH_TYPES,
    FAILURE,
    HASH_BITS,
    HASH_FUNCTIONS,
    INVALID_DATA,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    INVALID_PORT,
    INVALID_PORT_STATE,
    NO_QUEUES,
    NOT_ACCEPTED,
    NOT_SUPPORTED,
    SUCCESS,
)
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
    processor_in,
    processor_out,
    processors_out,
)

KEY_BYTES = 40
HASH_FLAGS = {f"RSS_PER_PF_VPORT_HASH_{what}_SUPPORTED" for what in ("FUNCTION", "TYPE", "KEY")}


def is_rss_v2(spec: dict[str, Any]) -> bool:
    """RSSv2 is advertised and the version knows it (CAP-30, OID-13)."""
    scale = spec["receive_scale_capabilities"] or {"capabilities_flags": []}
    filters = spec["receive_filter_capabilities"] or {"supported_queue_properties": []}
    return (
        VERSIONS[spec["ndis_version"]] >= (6, 80)
        and "SUPPORTS_INDEPENDENT_ENTRY_MOVE" in scale["capabilities_flags"]
        and "DYNAMIC_PROCESSOR_AFFINITY_CHANGE" in filters["supported_queue_properties"]
    )


def restricted(spec: dict[str, Any]) -> bool:
    """The table size follows from the number of queue pairs (CAP-23)."""
    flags = (spec["nic_switch_capabilities"] or {"nic_switch_capabilities": []})["nic_switch_capabilities"]
    return "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED" in flags


def _vmmq(spec: dict[str, Any]) -> bool:
    switch = spec["nic_switch_capabilities"]
    return (
        switch is not None
        and "RSS_ON_PF_VPORTS_SUPPORTED" in switch["nic_switch_capabilities"]
        and spec["keywords"].get("*RssOnHostVPorts", 1) == 1
    )


def _rss_set(spec: dict[str, Any]) -> set[Processor]:
    return {processor_in(processor) for processor in spec["rss_processors"]}


def table_limit(spec: dict[str, Any], vport: VPort | None) -> int:
    """The largest number of entries (CAP-25)."""
    if vport is None:
        return 128
    kind = "for_default_vport" if vport.vport_id == 0 else "per_non_default_pf_vport"
    return int(spec["nic_switch_capabilities"][f"number_of_indirection_table_entries_{kind}"])


def check_hash_types(spec: dict[str, Any], names: list[str], decision: Decision) -> None:
    """HSH-31 and RSS-06, for hash information that enables RSS."""
    functions = [name for name in names if name in HASH_FUNCTIONS]
    types = [name for name in names if name not in HASH_FUNCTIONS]
    allowed = {
        name
        for bit in spec["receive_scale_capabilities"]["capabilities_flags"]
        for name in ALLOWED_HASH_TYPES.get(bit, ())
        if not name.startswith("UDP") or VERSIONS[spec["ndis_version"]] >= (6, 80)
    }
    decision.refuse(Level.VALUE, INVALID_PARAMETER, not types or not set(types) <= allowed)
    if functions != ["Toeplitz"]:
        decision.refuse(Level.VALUE, NOT_SUPPORTED)


def find_entity(state: State, request: Request, decision: Decision) -> tuple[Rss, VPort | None] | None:
    """The scaling entity a request is aimed at (OID-02, OID-03); None if it does not exist."""
    if not state.has_switch:
        if request.target is not None:
            raise OpenError("a VPort named where there is no switch")
        return state.native_rss, None
    vport_id = 0 if request.target is None else request.target
    vport = state.vports.get(vport_id)
    if vport is None:
        decision.refuse(Level.TARGET, INVALID_PORT)
        return None
    if vport.deleting is not None:
        raise OpenError("no rule says what a VPort is while its deletion waits for packets")
    return vport.rss, vport


# --- generation 1 -----------------------------------------------------------------------------------------------------


def set_rss(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS, set."""
    decision = Decision()
    members = request.members
    flags = members.get("flags", [])
    in_vmq = state.mode == "vmq"
    if state.mode == "neutral" and spec["receive_filter_capabilities"] is not None:
        raise OpenError("native RSS on an adapter that can still be given a switch or queues")
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, is_rss_v2(spec) or in_vmq)
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, state.has_switch and not _vmmq(spec))
    if decision.refusals:
        return decision
    information = members.get("hash_information", [])
    function_off = "HASH_INFO_UNCHANGED" not in flags and not set(information) & set(HASH_FUNCTIONS)
    disable = "DISABLE_RSS" in flags or function_off
    if state.receive_hash.enabled:
        if disable:
            raise OpenError("disabling RSS while the receive hash is enabled")
        decision.refuse(Level.FEATURE, NOT_SUPPORTED)  # RSS-22
    if not disable:
        _check_lengths(request, decision)
    found = find_entity(state, request, decision)
    if found is None:
        return decision
    rss, vport = found
    decision.refuse(Level.VALUE, INVALID_PARAMETER, vport is not None and vport.function != "PF")
    if disable:
        decision.apply = lambda: _replace(state, vport, Rss())  # RSS-08
        return decision
    wanted = _wanted(spec, request, rss, vport, decision)
    _check_entity(spec, state, vport, wanted, decision)
    decision.apply = lambda: _replace(state, vport, wanted)
    return decision


def _replace(state: State, vport: VPort | None, rss: Rss) -> None:
    if vport is None:
        state.native_rss = rss
    else:
        vport.rss = rss


def _entry_bytes(request: Request) -> int:
    return 1 if request.revision == 1 else 4


def _check_lengths(request: Request, decision: Decision) -> None:
    """ERR-36: table and key of which the request says that they are there."""
    members = request.members
    flags = members.get("flags", [])
    if "ITABLE_UNCHANGED" not in flags:
        entry = _entry_bytes(request)
        size = members.get("indirection_table_size", entry * len(members.get("indirection_table", [])))
        if request.revision == 0 and (size % 4 != 0 or size > 128):
            raise OpenError("the size of table entries in a revision that does not exist")
        decision.refuse(Level.LENGTH, INVALID_LENGTH, size % entry != 0 or not 1 <= size <= 128 * entry)
        if not decision.refusals and size != entry * len(members.get("indirection_table", [])):
            raise OpenError("the reference works on structures: a size that is wrong, but one a table can have")
    if "HASH_KEY_UNCHANGED" not in flags:
        size = members.get("hash_secret_key_size", len(members.get("hash_secret_key", "")) // 2)
        decision.refuse(Level.LENGTH, INVALID_LENGTH, size != KEY_BYTES)


def _wanted(spec: dict[str, Any], request: Request, rss: Rss, vport: VPort | None, decision: Decision) -> Rss:
    """What the entity's parameters would become (RSS-08 to RSS-11)."""
    members = request.members
    flags = members.get("flags", [])
    wanted = copy.deepcopy(rss)
    wanted.enabled = True
    if "HASH_INFO_UNCHANGED" in flags:
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not rss.enabled)
    else:
        wanted.hash_information = flags_out(members.get("hash_information", []), HASH_BITS)
        check_hash_types(spec, wanted.hash_information, decision)
    if "HASH_KEY_UNCHANGED" in flags:
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not rss.enabled)
    else:
        wanted.key = members.get("hash_secret_key", "")
    if "ITABLE_UNCHANGED" in flags:
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not rss.enabled)
    else:
        wanted.table = [processor_in(processor) for processor in members.get("indirection_table", [])]
    primary = _native_primary(spec) if vport is None else vport.primary
    if request.revision < 3:
        wanted.default, wanted.default_was_given = primary, False  # RSS-10
    elif "DEFAULT_PROCESSOR_UNCHANGED" in flags:
        if not rss.default_was_given:
            if rss.default not in (None, primary):
                raise OpenError("whether an unchanged default that was never given follows the primary processor")
            wanted.default = primary
    else:
        wanted.default, wanted.default_was_given = processor_in(members.get("default_processor_number", 0)), True
    return wanted


def _native_primary(spec: dict[str, Any]) -> Processor:
    return processor_in(spec["rss_base_processor"]) if "rss_base_processor" in spec else min(_rss_set(spec))


def _check_entity(spec: dict[str, Any], state: State, vport: VPort | None, wanted: Rss, decision: Decision) -> None:
    """RSS-15 to RSS-21 for generation 1."""
    entries = len(wanted.table)
    bad_size = not is_power_of_two(entries) or entries > table_limit(spec, vport)
    outside = not wanted.in_use() <= _rss_set(spec)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, bad_size or outside)
    if vport is None:
        return
    if restricted(spec) and entries != rounded_up(vport.queue_pairs):
        if wanted.table == vport.rss.table:
            # In force until step 3 (UPD-09); whether another set may leave it unchanged is not said.
            raise OpenError("keeping a table of the old size after a restricted adapter lost queue pairs")
        decision.refuse(Level.VALUE, INVALID_PARAMETER)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, len(wanted.in_use()) > vport.queue_pairs)  # RSS-18
    _check_shared(spec, state, vport, wanted, decision)


def _check_shared(spec: dict[str, Any], state: State, vport: VPort, wanted: Rss, decision: Decision) -> None:
    """RSS-19 and the limit of RSS-21."""
    others = [other for other in state.vports.values() if other is not vport and other.rss.enabled]
    if HASH_FLAGS.isdisjoint(spec["nic_switch_capabilities"]["nic_switch_capabilities"]):  # all or none (CAP-22)
        clash = any((o.rss.key, o.rss.hash_information) != (wanted.key, wanted.hash_information) for o in others)
        decision.refuse(Level.VALUE, INVALID_PARAMETER, clash)
    if vport.vport_id != 0 and not vport.rss.enabled:
        limit = spec["nic_switch_capabilities"]["max_num_rss_capable_non_default_pf_vports"]
        decision.refuse(Level.LIMIT, FAILURE, sum(other.vport_id != 0 for other in others) >= limit)


def query_rss(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """RSS-24."""
    decision = Decision()
    found = find_entity(state, request, decision)
    if found is None or decision.refusals or (found[1] is not None and found[1].function != "PF"):
        raise OpenError("no rule gives the status of a query aimed at no PF VPort")
    rss, vport = found
    if state.mode == "vmq" or (state.has_switch and not _vmmq(spec)):
        raise OpenError("no rule says what RSS parameters are where there is no RSS")
    if not rss.enabled:
        decision.apply = lambda: {"hash_information": [], "indirection_table_size": 0, "hash_secret_key_size": 0}
        return decision
    out = {
        "hash_information": rss.hash_information,
        "hash_secret_key": rss.key,
        "hash_secret_key_size": KEY_BYTES,
        "indirection_table_size": 4 * len(rss.table),
    }
    if VERSIONS[spec["ndis_version"]] >= (6, 60) and rss.default is not None:
        out["default_processor_number"] = processor_out(rss.default)
    if vport is not None:
        out["indirection_table"] = processors_out(rss.table)
    decision.apply = lambda: out
    return decision


# --- generation 2 -----------------------------------------------------------------------------------------------------


def set_rss_v2(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, set (UPD-21 to UPD-30)."""
    decision = Decision()
    members = request.members
    flags = members.get("flags", [])
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, not is_rss_v2(spec) or not _vmmq(spec) or state.mode == "vmq")
    if decision.refusals:
        return decision
    if not state.has_switch:
        raise OpenError("RSSv2 without a switch")
    information = members.get("hash_information", [])
    takes_hash = "ENABLE_RSS" in flags and "HASH_INFO_CHANGED" in flags
    function_off = takes_hash and not set(information) & set(HASH_FUNCTIONS)
    enable = "ENABLE_RSS" in flags and not function_off
    takes_key = "ENABLE_RSS" in flags and "HASH_KEY_CHANGED" in flags
    key_size = members.get("hash_secret_key_size", len(members.get("hash_secret_key", "")) // 2)
    if takes_key and key_size != KEY_BYTES:
        if function_off:
            raise OpenError("a key of a wrong size in an enabling request that UPD-24 turns into a disabling one")
        decision.refuse(Level.LENGTH, INVALID_LENGTH)
    found = find_entity(state, request, decision)
    if found is None:
        return decision
    rss, vport = found
    assert vport is not None
    decision.refuse(Level.VALUE, INVALID_PARAMETER, vport.function != "PF")
    if vport.function != "PF":
        return decision

    wanted = copy.deepcopy(rss)
    queues = vport.queue_pairs
    if "NUMBER_OF_QUEUES_CHANGED" in flags:
        queues = members.get("number_of_queues", 0)
        _check_queues(spec, state, vport, queues, decision)
    if "NUMBER_OF_ENTRIES_CHANGED" in flags:
        _resize(wanted, members.get("number_of_indirection_table_entries", 0), table_limit(spec, vport), decision)
    if enable and takes_hash:
        wanted.hash_information = flags_out(information, HASH_BITS)
        check_hash_types(spec, wanted.hash_information, decision)
    if enable and takes_key:
        wanted.key = members.get("hash_secret_key", "")
    wanted.enabled = enable
    if enable:
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not wanted.hash_information or wanted.key is None)  # UPD-24
        decision.refuse(Level.VALUE, NO_QUEUES, len(wanted.in_use()) > queues)  # UPD-19, UPD-28
        outside = not wanted.in_use() <= _rss_set(spec)
        decision.refuse(Level.VALUE, INVALID_DATA, not rss.enabled and outside)  # UPD-18
        unfit = restricted(spec) and len(wanted.table) != rounded_up(queues)
        decision.refuse(Level.VALUE, INVALID_PARAMETER, unfit)  # UPD-30
        _check_shared(spec, state, vport, wanted, decision)
    else:
        outside = vport.primary not in _rss_set(spec)
        decision.refuse(Level.VALUE, INVALID_DATA, rss.enabled and outside)  # UPD-18
    if len({status for level, status in decision.refusals if level >= Level.VALUE}) > 1:
        # The precedence does not order these statuses among each other: any one of them will do.
        decision.refusals = [(Level.VALUE, status) for level, status in decision.refusals if level >= Level.VALUE] + [
            refusal for refusal in decision.refusals if refusal[0] < Level.VALUE
        ]

    def apply() -> None:
        vport.rss, vport.queue_pairs = wanted, queues

    decision.apply = apply
    return decision


def _check_queues(spec: dict[str, Any], state: State, vport: VPort, queues: int, decision: Decision) -> None:
    """NumberOfQueues is NumQueuePairs (UPD-29), with the limits of VPT-10 and CAP-26 (UPD-25)."""
    limits = spec["nic_switch_capabilities"]
    kind = "for_default" if vport.vport_id == 0 else "per_non_default"
    decision.refuse(Level.VALUE, INVALID_PARAMETER, not 1 <= queues <= limits[f"max_num_queue_pairs_{kind}_vport"])
    others = [other for other in state.vports.values() if other is not vport]
    asymmetric = "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED" in limits["nic_switch_capabilities"]
    if not asymmetric and vport.vport_id != 0:
        differs = any(other.queue_pairs != queues for other in others if other.vport_id != 0)
        decision.refuse(Level.VALUE, INVALID_PARAMETER, differs)
    if queues + sum(other.queue_pairs for other in others) > limits["max_num_queue_pairs"]:
        # CAP-20 forbids it; no rule gives the status for this OID: two that differ leave it open.
        decision.refuse(Level.VALUE, FAILURE)
        decision.refuse(Level.VALUE, INVALID_PARAMETER)


def _resize(wanted: Rss, entries: int, limit: int, decision: Decision) -> None:
    """UPD-25 to UPD-27."""
    if not is_power_of_two(entries) or entries > limit:
        decision.refuse(Level.VALUE, INVALID_PARAMETER)
        return
    table = wanted.table
    replicated = all(table[i] == table[i % entries] for i in range(len(table)))
    decision.refuse(Level.VALUE, INVALID_DATA, entries < len(table) and not replicated)
    wanted.table = [table[i % len(table)] for i in range(entries)]


def query_rss_v2(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, query."""
    decision = Decision()
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, not is_rss_v2(spec))
    if decision.refusals:
        return decision
    found = find_entity(state, request, decision)
    if found is None or found[1] is None or found[1].function != "PF" or not _vmmq(spec):
        raise OpenError("no rule gives the status of a query aimed at no PF VPort")
    rss, vport = found
    out = {"number_of_queues": vport.queue_pairs if vport else 0, "number_of_indirection_table_entries": len(rss.table)}
    if rss.enabled:
        out = {**out, "hash_information": rss.hash_information, "hash_secret_key": rss.key}  # type: ignore[dict-item]
    decision.apply = lambda: out
    return decision


# --- move requests ----------------------------------------------------------------------------------------------------


def move_entries(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES (UPD-31 to UPD-47)."""
    decision = Decision()
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, not is_rss_v2(spec))
    if decision.refusals:
        return decision
    if not state.has_switch or not _vmmq(spec):
        raise OpenError("move requests without a switch or without VMMQ")
    decision.refuse(Level.VALUE, INVALID_PARAMETER, request.target is not None)  # UPD-45
    commands = request.members.get("rss_entry_table", [])
    for command in commands:
        vport = state.vports.get(command.get("vport_id", 0))
        if vport is not None and (vport.function != "PF" or vport.deleting is not None):
            raise OpenError("moves of a VF VPort, or of one that is being deleted")

    def apply() -> dict[str, Any]:
        results = []
        for group in _groups(commands):
            status = _move_group(spec, state, group, request.processor)
            results += [{**_echo(command), "entry_status": status} for command in group]
        return {"rss_entry_table": results}

    decision.apply = apply
    return decision


def _echo(command: dict[str, Any]) -> dict[str, Any]:
    names = ("switch_id", "vport_id", "indirection_table_index")
    return {name: command.get(name, 0) for name in names}


def _groups(commands: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Maximal runs of consecutive commands for the same VPort (UPD-31)."""
    groups: list[list[dict[str, Any]]] = []
    previous: Any = None
    for command in commands:
        target = command.get("switch_id", 0), command.get("vport_id", 0)
        if target != previous:
            groups.append([])
        groups[-1].append(command)
        previous = target
    return groups


def _move_group(spec: dict[str, Any], state: State, group: list[dict[str, Any]], issuing_processor: Processor) -> str:
    """Execute a group entirely or not at all (UPD-32, UPD-33)."""
    for command in group:
        status = _command_status(spec, state, command, issuing_processor)
        if status != SUCCESS:
            return status
    vport = state.vports[group[0].get("vport_id", 0)]
    wanted, primary = copy.deepcopy(vport.rss), vport.primary
    for command in group:  # the last command for a parameter wins (UPD-44)
        what, target = _parameter(command), processor_in(command["target_processor_number"])
        if what == "primary":
            primary = target
        elif what == "default":
            wanted.default = target
        else:
            assert isinstance(what, int)
            wanted.table[what] = target
    if wanted.enabled and len(wanted.in_use()) > vport.queue_pairs:  # UPD-41
        return NO_QUEUES
    if primary != vport.primary:
        vport.affinity_is_open = True
    vport.rss, vport.primary = wanted, primary
    return SUCCESS


def _parameter(command: dict[str, Any]) -> int | str | None:
    """Which parameter a command moves (UPD-37): an entry index, "default", "primary", or None if it is malformed."""
    flags, index = command.get("flags", []), command.get("indirection_table_index", 0)
    if len(flags) > 1:
        return None
    if flags == ["DEFAULT_PROCESSOR"] or (not flags and index == 0xFFFF):
        return "default"
    if flags == ["PRIMARY_PROCESSOR"] or (not flags and index == 0xFFFE):
        return "primary"
    return int(index)


def _command_status(spec: dict[str, Any], state: State, command: dict[str, Any], issuing_processor: Processor) -> str:
    """The checks of one command in the order of UPD-43, against the state before its group (UPD-38)."""
    vport = state.vports.get(command.get("vport_id", 0))
    if command.get("switch_id", 0) != 0 or vport is None:
        return INVALID_PARAMETER
    if not vport.activated:
        return INVALID_PORT_STATE
    what = _parameter(command)
    if what is None or (isinstance(what, int) and what >= len(vport.rss.table)):
        return INVALID_PARAMETER
    if what == "primary":
        current: Processor | None = vport.primary
    elif what == "default":
        current = vport.rss.default
    else:
        assert isinstance(what, int)
        current = vport.rss.table[what]
    if current != issuing_processor:
        return NOT_ACCEPTED
    active = vport.rss.enabled is not (what == "primary")
    if active and processor_in(command["target_processor_number"]) not in _rss_set(spec):
        return INVALID_DATA
    return SUCCESS


# --- receive hash -----------------------------------------------------------------------------------------------------


def set_receive_hash(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """OID_GEN_RECEIVE_HASH, set, as far as RSS-22 and RSS-23 go."""
    decision = Decision()
    members = request.members
    if state.mode != "neutral" or spec["receive_filter_capabilities"] is not None:
        raise OpenError("the receive hash outside native mode")
    flags = members.get("flags", [])
    enable = "ENABLE_HASH" in flags
    decision.refuse(Level.FEATURE, NOT_SUPPORTED, enable and state.native_rss.enabled)
    wanted = Rss()
    if enable:
        if len(flags) != 1 or len(members.get("hash_secret_key", "")) != 2 * KEY_BYTES:
            raise OpenError("no rule says how the receive hash checks its members")
        check_hash_types(spec, members.get("hash_information", []), values := Decision())
        if values.refusals:
            raise OpenError("no rule says how the receive hash checks its members")
        wanted = Rss(True, flags_out(members["hash_information"], HASH_BITS), members["hash_secret_key"])

    def apply() -> None:
        state.receive_hash = wanted

    decision.apply = apply
    return decision


# --- steering ---------------------------------------------------------------------------------------------------------


def table_in_use(spec: dict[str, Any], rss: Rss, *, native: bool) -> list[Processor]:
    """The table that steers: for native RSS with at most as many processors as hardware queues (RSS-26)."""
    if not native:
        return rss.table
    seen: list[Processor] = []
    for processor in rss.table:
        if processor not in seen:
            seen.append(processor)
    kept = seen[: spec["receive_scale_capabilities"]["number_of_receive_queues"]]
    return [kept[seen.index(processor) % len(kept)] for processor in rss.table]


def inspect_rss(rss: Rss, primary: Processor, queues: int | None) -> dict[str, Any]:
    """What `inspect` shows of a scaling entity."""
    return {
        "enabled": rss.enabled,
        "hash_information": flags_out(rss.hash_information, HASH_BITS),
        "hash_secret_key": rss.key,
        "indirection_table": processors_out(rss.table),
        "default_processor": None if rss.default is None else processor_out(rss.default),
        "primary_processor": processor_out(primary),
        "number_of_queues": queues,
    }
