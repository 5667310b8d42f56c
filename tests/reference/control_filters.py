"""Receive filters: set, clear, move, query, enumerate (section 6), and which frames they match."""

from __future__ import annotations

from typing import Any

from tests.reference.adapter_spec import VERSIONS
from tests.reference.control_names import FAILURE, FILE_NOT_FOUND, INVALID_PARAMETER
from tests.reference.control_state import Decision, Filter, Level, OpenError, Request, State, lowest_free

UNTAGGED_OR_ZERO = "UNTAGGED_OR_ZERO"


def vlan_filtering(spec: dict[str, Any]) -> bool:
    """VLAN_ID_SUPPORTED in the current capabilities (CAP-03)."""
    advertised = "VLAN_ID" in spec["receive_filter_capabilities"]["supported_mac_header_fields"]
    return advertised and spec["keywords"].get("*VMQVlanFiltering", 1) == 1


def completed(element: dict[str, Any]) -> dict[str, Any]:
    """A field element with the defaults of the protocol filled in."""
    value = element.get("field_value", 0)
    return {
        "flags": element.get("flags", []),
        "frame_header": element.get("frame_header", "Mac"),
        "receive_filter_test": element.get("receive_filter_test", "Equal"),
        "header_field": element.get("header_field", "DestinationAddress" if isinstance(value, str) else "VlanId"),
        "field_value": value,
        "result_value": element.get("result_value", 0),
    }


def may_set_filters(state: State, issuer: str, target: int) -> bool:
    """The default target belongs to everybody, another one to its creator (FLT-01 to FLT-03)."""
    if target == 0:
        return True
    owned: Any = state.vports if state.has_switch else state.queues
    return target in owned and owned[target].owner == issuer


def refuse_deleting(state: State, vport_id: int) -> None:
    """Leave open what a VPort is while its deletion waits for packets."""
    if vport_id in state.vports and state.vports[vport_id].deleting is not None:
        raise OpenError("no rule says what a VPort is while its deletion waits for packets")


def set_filter(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """FLT-01 to FLT-30, FLT-39."""
    decision = Decision(refused_by_ndis=True)
    members = request.members
    version = VERSIONS[spec["ndis_version"]]
    tests = [completed(element) for element in members.get("field_parameters", [])]
    queue_id = members.get("queue_id", 0)
    vport_id = members.get("vport_id", 0) if request.revision >= 2 else 0  # OID-11
    target = vport_id if state.has_switch else queue_id

    refuse_deleting(state, target)
    bad = [
        members.get("filter_type", "VMQueue") != "VMQueue",  # FLT-07
        members.get("requested_filter_id_bit_count", 0) != 0,  # FLT-09
        members.get("filter_id", 0) != 0,
        tests == [],  # FLT-06
        *(not _test_is_supported(spec, test) for test in tests),  # FLT-08, FLT-26
        *(test["header_field"] == "VlanId" and not 1 <= test["field_value"] <= 4094 for test in tests),  # FLT-14
        not _target_is_named_properly(state, queue_id, vport_id),  # FLT-10, FLT-11
        not may_set_filters(state, request.issuer, target),  # FLT-04
    ]
    decision.refuse(Level.VALUE, INVALID_PARAMETER, any(bad))
    flagged = any(UNTAGGED_OR_ZERO in test["flags"] for test in tests)  # FLT-25
    has_vlan_test = any(test["header_field"] == "VlanId" for test in tests)
    if not any(bad):
        # These are no conditions of a bad request by form; no rule names the layer that refuses it.
        decision.refused_by_ndis = False
        decision.refuse(Level.VALUE, INVALID_PARAMETER, flagged and has_vlan_test)  # FLT-24
        decision.refuse(
            Level.VALUE, INVALID_PARAMETER, version < (6, 30) and not flagged and not has_vlan_test
        )  # FLT-19, FLT-20
        decision.refuse(Level.VALUE, INVALID_PARAMETER, not state.has_switch and state.queue_state(target) == "Freeing")
        _check_limits(spec, state, tests, decision)

    def apply() -> dict[str, Any]:
        filter_id = lowest_free(state.filters, 1)  # FLT-30
        state.filters[filter_id] = Filter(filter_id, target, request.issuer, flagged, tests)
        return parameters_out(state, filter_id)

    decision.apply = apply
    return decision


def _test_is_supported(spec: dict[str, Any], test: dict[str, Any]) -> bool:
    tests = {"Equal": "EQUAL", "MaskEqual": "MASK_EQUAL", "NotEqual": "NOT_EQUAL"}
    if test["frame_header"] != "Mac":
        return False
    if tests[test["receive_filter_test"]] not in spec["receive_filter_capabilities"]["supported_filter_tests"]:
        return False
    if test["header_field"] == "VlanId":
        return vlan_filtering(spec)
    return bool(test["header_field"] == "DestinationAddress")


def _target_is_named_properly(state: State, queue_id: int, vport_id: int) -> bool:
    if state.has_switch:
        return queue_id == 0 and vport_id in state.vports
    return vport_id == 0 and (queue_id == 0 or queue_id in state.queues)


def _check_limits(spec: dict[str, Any], state: State, tests: list[dict[str, Any]], decision: Decision) -> None:
    full = len(state.filters) >= spec["receive_filter_capabilities"]["max_mac_header_filters"]
    decision.refuse(Level.LIMIT, FAILURE, full)  # FLT-39
    if state.has_switch:
        used = {address for entry in state.filters.values() for address in _unicast_addresses(entry.tests)}
        new = _unicast_addresses(tests) - used
        limit = spec["nic_switch_capabilities"]["max_num_mac_addresses"]
        decision.refuse(Level.LIMIT, FAILURE, bool(new) and len(used | new) > limit)


def _unicast_addresses(tests: list[dict[str, Any]]) -> set[str]:
    addresses = {test["field_value"] for test in tests if test["header_field"] == "DestinationAddress"}
    return {address for address in addresses if int(address[:2], 16) & 1 == 0}


def parameters_out(state: State, filter_id: int) -> dict[str, Any]:
    """NDIS_RECEIVE_FILTER_PARAMETERS of a filter, as far as the rules fix it."""
    entry = state.filters[filter_id]
    fields = ("flags", "frame_header", "receive_filter_test", "header_field", "field_value")
    return {
        "filter_type": "VMQueue",
        "queue_id": 0 if state.has_switch else entry.target,
        "vport_id": entry.target if state.has_switch else 0,
        "filter_id": filter_id,
        "requested_filter_id_bit_count": 0,
        "field_parameters": [{name: test[name] for name in fields} for test in entry.tests],
        "field_parameters_array_num_elements": len(entry.tests),
    }


def query_filter(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """FLT-44."""
    decision = Decision()
    filter_id = request.members.get("filter_id", 0)
    decision.refuse(Level.VALUE, INVALID_PARAMETER, filter_id not in state.filters)
    decision.apply = lambda: parameters_out(state, filter_id)
    return decision


def clear_filter(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """FLT-41; the caller discards what the target held (FLT-42)."""
    decision = Decision()
    entry = state.filters.get(request.members.get("filter_id", 0))
    queue_id = request.members.get("queue_id", 0)
    known = entry is not None and entry.owner == request.issuer
    matches = entry is not None and queue_id == (0 if state.has_switch else entry.target)
    decision.refuse(Level.VALUE, FILE_NOT_FOUND, not (known and matches))

    def apply() -> None:
        assert entry is not None
        del state.filters[entry.filter_id]

    decision.apply = apply
    return decision


def move_filter(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """FLT-34 to FLT-36."""
    decision = Decision()
    members = request.members
    entry = state.filters.get(members.get("filter_id", 0))
    destination = members.get("dest_vport_id", 0)
    refuse_deleting(state, destination)
    bad = [
        entry is None or entry.target != members.get("source_vport_id", 0),
        entry is None or entry.owner != request.issuer,
        members.get("source_queue_id", 0) != 0,
        members.get("dest_queue_id", 0) != 0,
        destination not in state.vports,
        not may_set_filters(state, request.issuer, destination),
    ]
    decision.refuse(Level.VALUE, INVALID_PARAMETER, any(bad))
    if entry is not None and not any(bad) and entry.target not in (0, destination):
        left = len(state.filters_of(entry.target)) - 1
        if left == 0 and any(work.target == entry.target and not work.is_completion for work in state.queued):
            raise OpenError("frames held in a VPort whose last filter is moved away")

    def apply() -> None:
        assert entry is not None
        entry.target = destination

    decision.apply = apply
    return decision


def enumerate_filters(spec: dict[str, Any], state: State, request: Request) -> Decision:
    """FLT-45; ERR-19."""
    decision = Decision()
    members = request.members
    by_vport = "VPORT_ID_SPECIFIED" in members.get("flags", [])
    if by_vport is not state.has_switch or (by_vport and members.get("queue_id", 0) != 0):
        raise OpenError("no rule says what a queue is in switch mode, or a VPort outside it")
    target = members.get("vport_id" if by_vport else "queue_id", 0)
    refuse_deleting(state, target)
    known = target in state.vports if by_vport else state.queue_state(target) not in ("Undefined", "Freeing")
    decision.refuse(Level.VALUE, INVALID_PARAMETER, not known)

    def apply() -> dict[str, Any]:
        elements = [{"filter_type": "VMQueue", "filter_id": entry.filter_id} for entry in state.filters_of(target)]
        return {"elements": elements, "num_elements": len(elements)}

    decision.apply = apply
    return decision


# --- matching ---------------------------------------------------------------------------------------------------------


def matches(entry: Filter, destination: str, vlan_id: int | None) -> bool:
    """All tests pass and the flag's condition holds (FLT-12, FLT-16, FLT-17, FLT-32)."""
    if entry.untagged_or_zero and vlan_id not in (None, 0):
        return False
    for test in entry.tests:
        if test["header_field"] == "VlanId":
            if vlan_id in (None, 0) or not _passes(test, vlan_id, 0):
                return False
        elif not _passes(test, _number(destination), _number(test["result_value"])):
            return False
    return True


def _passes(test: dict[str, Any], value: Any, result_value: int) -> bool:
    wanted = _number(test["field_value"])
    if test["receive_filter_test"] == "Equal":
        return bool(value == wanted)
    if test["receive_filter_test"] == "NotEqual":
        return bool(value != wanted)
    return bool(value & wanted == result_value)


def _number(value: Any) -> int:
    return int(value.replace(":", ""), 16) if isinstance(value, str) else int(value)


def find_target(state: State, destination: str, vlan_id: int | None, without: int | None = None) -> int | None:
    """The first target with a matching filter, in the order of FLT-37, among those that attract frames (RX-03)."""
    if state.has_switch:
        targets = [i for i in sorted(state.vports) if state.vports[i].activated and state.vports[i].deleting is None]
    else:
        targets = [0, *(i for i in sorted(state.queues) if state.queue_state(i) == "Running")]
    for target in [*(i for i in targets if i != 0), 0]:
        if target != without and any(matches(entry, destination, vlan_id) for entry in state.filters_of(target)):
            return target
    return None
