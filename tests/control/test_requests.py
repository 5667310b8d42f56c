"""Requests as such: kinds, versions, buffers, layers, faults, epochs, replay (sections 1 and 3 of the rules)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.control import (
    APPLICATION,
    Condition,
    ControlPlane,
    FailureMoment,
    InjectedFailure,
    OidRequest,
    RequestCompleted,
)
from dataplane.control.dispatch import ROWS
from dataplane.control.projection import configuration_of
from dataplane.control.requests import QUEUE_CLEARED, Discard
from dataplane.ids import ProcessorNumber
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import EXCHANGES
from dataplane.oracle.oid_step import parse_oid_step
from dataplane.oracle.specification import parse_adapter, presets
from tests.control.host import (
    ABORTED,
    FAILURE,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    K1,
    M1,
    NOT_ACCEPTED,
    NOT_SUPPORTED,
    PENDING,
    RESOURCES,
    SUCCESS,
    Host,
    unchanged,
)

#: OIDs whose results are not agreed and that the model does not have.
_OUTSIDE = {Oid.OID_GEN_VLAN_ID, Oid.OID_NIC_SWITCH_VF_PARAMETERS, Oid.OID_NIC_SWITCH_ENUM_VFS}


def test_every_request_has_a_row() -> None:
    """Every kind of request of every OID has a decision, with the structures it carries (OID-01)."""
    kinds = {
        (oid, kind)
        for oid, rule in OID_RULES.items()
        for kind in rule.kinds
        if oid not in _OUTSIDE and kind is not RequestKind.QUERY_STATISTICS
    }
    assert kinds == set(ROWS)
    assert kinds <= set(EXCHANGES)


@pytest.mark.parametrize("oid", sorted(OID_RULES))
def test_other_kinds_are_not_supported(oid: Oid) -> None:
    """A kind that the OID does not take fails and never reaches the miniport (OID-01, ERR-05)."""
    host = Host("CFG-2")
    for kind in set(RequestKind) - OID_RULES[oid].kinds:
        completion = host.raw(oid, kind, b"", synchronous=OID_RULES[oid].synchronous)
        assert completion.status is NOT_SUPPORTED
        assert not completion.reached_miniport


def test_unknown_oids_are_not_supported() -> None:
    """Codes that nobody knows, and OIDs outside the model (OID-01, ERR-05)."""
    host = Host("CFG-2")
    completion = host.control.request(OidRequest(0x12345678, RequestKind.QUERY, "A"))
    assert completion.status is NOT_SUPPORTED
    assert host.oid("OID_GEN_VLAN_ID") == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        ("OID_RECEIVE_FILTER_ENUM_QUEUES", True),
        ("OID_RECEIVE_FILTER_GLOBAL_PARAMETERS", True),
        ("OID_RECEIVE_FILTER_CURRENT_CAPABILITIES", True),
        ("OID_NIC_SWITCH_HARDWARE_CAPABILITIES", True),
        ("OID_GEN_RECEIVE_SCALE_CAPABILITIES", True),
        ("OID_GEN_RECEIVE_SCALE_PARAMETERS", True),
        ("OID_GEN_CURRENT_PACKET_FILTER", False),
        ("OID_802_3_CURRENT_ADDRESS", False),
    ],
)
def test_who_answers(name: str, cached: bool) -> None:
    """NDIS answers some queries from its cache, the miniport the others (OID-08, MOD-06); applications may ask too."""
    host = Host("CFG-S")
    for issuer in ("A", APPLICATION):
        answer = host.oid(name, issuer=issuer)
        assert answer == SUCCESS
        assert answer.reached_miniport is not cached


# Buffers -------------------------------------------------------------------------------------------------------------


def test_short_buffers() -> None:
    """Shorter than the fixed part or than a declared array: INVALID_LENGTH with the minimum (OID-09, ERR-01)."""
    host = Host("CFG-Q")
    host.queue([4])
    one: dict[str, Any] = {"queue_id": 1, "field_parameters": [{"field_value": M1}]}
    for length, needed in ((1, 36), (43, 44), (103, 104)):
        short = host.oid("OID_RECEIVE_FILTER_SET_FILTER", step={"buffer_length": length}, **one)
        assert short == INVALID_LENGTH
        assert short.completion.bytes_needed == needed
        assert not short.reached_miniport
    assert host.oid("OID_RECEIVE_FILTER_SET_FILTER", step={"buffer_length": 200}, **one) == SUCCESS
    query = host.oid("OID_802_3_CURRENT_ADDRESS", step={"buffer_length": 5})
    assert query == INVALID_LENGTH
    assert query.completion.bytes_needed == 6


@pytest.mark.parametrize("header", [{"type": 0x81}, {"revision": 0}, {"size": 43}])
def test_bad_headers(header: dict[str, int]) -> None:
    """Type, revision 0, a size below that of the revision; also in a filter field (OID-10, ERR-02)."""
    host = Host("CFG-Q")
    field = {"field_value": M1}
    fields = [{**field, "header": {**header, "size": 55} if "size" in header else header}]
    assert host.oid("OID_RECEIVE_FILTER_SET_FILTER", header=header, field_parameters=[field]) == INVALID_PARAMETER
    assert host.oid("OID_RECEIVE_FILTER_SET_FILTER", field_parameters=fields) == INVALID_PARAMETER


def test_strides() -> None:
    """The declared element size is the stride; one below the structure fails (OID-12)."""
    host = Host("CFG-Q")
    fields = [{"field_value": M1}, {"field_value": 10}]
    name = "OID_RECEIVE_FILTER_SET_FILTER"
    small = host.oid(name, field_parameters=fields, field_parameters_array_element_size=48)
    assert small == INVALID_PARAMETER
    assert small.why.startswith("OID-12: ")
    assert host.oid(name, field_parameters=fields, field_parameters_array_element_size=64) == SUCCESS
    assert len(host.control.configuration.filters[0].tests) == 2


def test_precedence() -> None:
    """Kind and feature, length, header, existence, ownership, members, resources, in this order (section 13)."""
    host = Host("CFG-Q")
    host.queue([4], issuer="B")
    bad: dict[str, Any] = {"queue_id": 9, "filter_type": "Undefined", "field_parameters": [{"field_value": M1}]}
    name = "OID_RECEIVE_FILTER_SET_FILTER"
    whys = []
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"header": {"type": 1}}, {"kind": "set", "buffer_length": 50}),
        ({"header": {"type": 1}}, {"buffer_length": 50}),
        ({"header": {"type": 1}}, {}),
        ({}, {}),
        ({"queue_id": 1}, {}),
        ({"queue_id": 1}, {"issuer": "B"}),
    ]
    for change, step in changes:
        answer = host.oid(name, step=step, **{**bad, **change})
        whys.append(answer.why.split(":")[0])
    assert whys == ["OID-01", "OID-09", "OID-10", "FLT-10", "FLT-01", "FLT-07"]


def test_settings() -> None:
    """Packet filter, multicast list and address (MOD-12)."""
    host = Host("CFG-S")
    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER")["packet_filter"] == ["PROMISCUOUS"]
    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER", packet_filter=["DIRECTED", "BROADCAST"]) == SUCCESS
    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER")["packet_filter"] == ["DIRECTED", "BROADCAST"]
    addresses = ["01:00:5e:00:00:01", "33:33:00:00:00:01"]
    assert host.oid("OID_802_3_MULTICAST_LIST", addresses=addresses) == SUCCESS
    assert host.oid("OID_802_3_MULTICAST_LIST")["addresses"] == addresses
    assert host.oid("OID_802_3_CURRENT_ADDRESS")["address"] == "00:15:5d:00:00:01"
    short = host.raw(Oid.OID_GEN_CURRENT_PACKET_FILTER, RequestKind.SET, b"abc")
    assert (short.status, short.bytes_needed) == (INVALID_LENGTH, 4)
    odd = host.raw(Oid.OID_802_3_MULTICAST_LIST, RequestKind.SET, bytes(7))
    assert odd.status is INVALID_LENGTH


def test_the_structure_names_the_vport() -> None:
    """For OIDs whose structure has a VPort the VPort of the request itself is ignored (OID-04)."""
    host = Host("CFG-S")
    host.vport([2])
    elsewhere = {"vport_id": 7, "switch_id": 3}
    name = "OID_RECEIVE_FILTER_SET_FILTER"
    assert host.oid(name, request=elsewhere, vport_id=1, field_parameters=[{"field_value": M1}]) == SUCCESS
    assert host.filters_on(vport=1) == [1]
    changed = host.oid("OID_NIC_SWITCH_VPORT_PARAMETERS", request=elsewhere, vport_id=1, flags=["NAME_CHANGED"])
    assert changed == SUCCESS
    moved = host.oid("OID_RECEIVE_FILTER_MOVE_FILTER", request=elsewhere, filter_id=1, source_vport_id=1)
    assert moved == SUCCESS
    assert host.oid("OID_NIC_SWITCH_DELETE_VPORT", request=elsewhere, vport_id=1) == SUCCESS
    assert host.oid("OID_NIC_SWITCH_CREATE_VPORT", request=elsewhere, processor_affinity=[2])["vport_id"] == 1


# Faults --------------------------------------------------------------------------------------------------------------


def test_injected_failure_strikes_once() -> None:
    """The next request with that OID that reaches the miniport fails and changes nothing (ERR-50, OID-07, MOD-09)."""
    host = Host("CFG-S")
    host.control.inject(InjectedFailure(Oid.OID_NIC_SWITCH_CREATE_VPORT))
    before = unchanged(host)
    assert host.create_vport(processor_affinity=[]) == INVALID_PARAMETER  # NDIS refuses it, the shot remains
    answer = host.create_vport(processor_affinity=[2])
    assert answer == RESOURCES
    assert answer.reached_miniport
    assert before == unchanged(host)
    assert host.create_vport(processor_affinity=[2])["vport_id"] == 1


def test_injected_failures_are_used_in_order() -> None:
    """Two shots for one OID fail two requests, each with its status (ERR-50)."""
    host = Host("CFG-Q")
    for status in (RESOURCES, FAILURE):
        host.control.inject(InjectedFailure(Oid.OID_RECEIVE_FILTER_ALLOCATE_QUEUE, status, FailureMoment.END))
    assert [host.allocate(processor_affinity=[2]) for _ in range(3)] == [RESOURCES, FAILURE, SUCCESS]


def test_failure_at_the_end_shows_what_was_programmed() -> None:
    """A decision that fails at the end has the state in force until then (QUE-07)."""
    host = Host("CFG-Q")
    host.control.inject(InjectedFailure(Oid.OID_RECEIVE_FILTER_SET_FILTER, RESOURCES, FailureMoment.END))
    line = {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {"field_parameters": [{"field_value": M1}]}}
    request = parse_oid_step(line, "x", host.control.capabilities.ndis_version).request
    before = unchanged(host)
    decision = host.control.decide(request)
    assert before == unchanged(host)  # deciding changes nothing
    assert decision.completion.status is RESOURCES
    assert decision.programmed is not None
    assert decision.programmed.completion.status is SUCCESS
    assert list(decision.programmed.state.filters) == [1]
    host.control.apply(decision)
    assert not host.control.state.filters
    assert not host.control.state.injected
    assert host.control.discards_of([0, 1]) == (Discard(1, QUEUE_CLEARED),)  # the default one needs no filter (QUE-09)


@pytest.mark.parametrize("state", ["Allocated", "Paused"])
def test_reset_aborts_pending_requests(state: str) -> None:
    """FREE_QUEUE and DELETE_VPORT end with REQUEST_ABORTED, once, and leave everything as it was (OID-15, MOD-09)."""
    host = Host("CFG-Q")
    queue = host.queue([4])
    if state == "Paused":
        host.complete(queue)
    assert host.free(queue, outstanding={queue}) == PENDING
    (event,) = host.control.reset_begin()
    assert isinstance(event, RequestCompleted)
    assert event.status is ABORTED
    assert host.queue_state(queue) == state
    assert host.control.reset_begin() == ()
    assert host.free(queue) == NOT_ACCEPTED
    host.control.reset_end()
    assert host.free(queue) == SUCCESS
    switch = Host("CFG-S")
    vport = switch.vport([2])
    switch.delete_vport(vport, outstanding={vport})
    assert len(switch.control.reset_begin()) == 1
    assert switch.control.reset_begin() == ()
    assert not switch.control.state.vports[vport].deleting
    switch.delete_vport(vport)
    refused = switch.delete_switch()
    assert refused == NOT_ACCEPTED
    assert refused.reached_miniport


def test_removal() -> None:
    """A removed miniport answers CLEAR_FILTER with NOT_ACCEPTED and never comes back (OID-15)."""
    host = Host("CFG-Q")
    host.filter(M1)
    host.control.surprise_removal()
    assert host.clear(1) == NOT_ACCEPTED
    host.control.restart()
    assert host.control.reset_begin() == ()
    assert host.control.state.condition is Condition.REMOVED


def test_pause_and_restart() -> None:
    """Requests work while the adapter is paused; only the data path stops (MOD-13)."""
    host = Host("CFG-Q")
    conditions = []
    host.control.pause()
    conditions.append(host.control.state.condition)
    assert host.filter(M1) == SUCCESS
    host.control.restart()
    conditions.append(host.control.state.condition)
    assert conditions == [Condition.PAUSED, Condition.RUNNING]


def test_a_pause_and_a_reset_end_each_by_itself() -> None:
    """A reset does not end a pause, and a restart does not end a reset: OID-15 holds until its end (MOD-13)."""
    host = Host("CFG-Q")
    control, queue = host.control, host.queue([4])
    steps = (
        (control.reset_end, Condition.RUNNING),  # nothing was reset
        (control.pause, Condition.PAUSED),
        (control.reset_end, Condition.PAUSED),
        (control.reset_begin, Condition.RESETTING),
        (control.restart, Condition.RESETTING),
        (control.pause, Condition.RESETTING),
        (control.reset_end, Condition.PAUSED),
        (control.restart, Condition.RUNNING),
    )
    for step, condition in steps:
        step()
        assert control.state.condition is condition
        assert (host.free(queue) == NOT_ACCEPTED) == (condition is Condition.RESETTING)
        if condition is not Condition.RESETTING:
            queue = host.queue([4])


# Epochs and replay ---------------------------------------------------------------------------------------------------


def test_a_multicast_list_is_an_epoch() -> None:
    """It decides which frames come in (MOD-12, EPO-02); the same list again is none."""
    host = Host("CFG-S")
    for addresses, epoch in ((["01:00:5e:00:00:01"], 1), (["01:00:5e:00:00:01"], 1), ([], 2)):
        assert host.oid("OID_802_3_MULTICAST_LIST", kind="set", addresses=addresses) == SUCCESS
        assert (host.control.epoch, len(host.control.configuration.multicast_list)) == (epoch, len(addresses))


def test_a_decision_is_an_epoch_once() -> None:
    """Applying the same change again publishes nothing, even if its configuration was requested before (EPO-02)."""
    host = Host("CFG-S")
    decision = host.control.decide(OidRequest(Oid.OID_GEN_CURRENT_PACKET_FILTER, RequestKind.SET, "A", b"\1\0\0\0"))
    after = host.control.configuration_after(decision)
    for _ in range(2):
        host.control.apply(decision)
        assert host.control.epoch == 1
        assert host.control.configuration is after


def test_epochs_count_changes_of_steering() -> None:
    """Queries, refusals and changes that steering does not see publish nothing (EPO-01, EPO-02)."""
    host = Host("CFG-S")
    assert host.control.epoch == 0
    host.vport([2], active=False)
    assert host.control.epoch == 1
    host.change_vport(1, "INT_MOD_CHANGED", interrupt_moderation="Low")
    host.read_vport(1)
    host.change_vport(1, "STATE_CHANGED", vport_state="Deactivated")
    assert host.control.epoch == 1
    before = host.control.configuration
    host.change_vport(1, "STATE_CHANGED", vport_state="Activated")
    assert host.control.epoch == 2
    assert before.vports[1].activated is False  # a published configuration is never edited
    assert host.control.configuration is host.control.configuration


_ISSUERS = st.sampled_from(["A", "B", "NDIS", APPLICATION])
_IDS = st.integers(0, 4)
_AFFINITY = st.lists(st.sampled_from([0, 2, 3, 4, 6]), max_size=3)
_FIELDS = st.lists(
    st.builds(
        lambda value, flag: {"field_value": value, **({"flags": ["UNTAGGED_OR_ZERO"]} if flag else {})},
        st.sampled_from([M1, "01:00:5e:00:00:01", 0, 10, 4095]),
        st.booleans(),
    ),
    max_size=2,
)
_TABLE = st.lists(st.sampled_from([2, 4, 6, 8, 3]), max_size=4)


def _step(oid: str, **members: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda issuer, given: {"oid": oid, "issuer": issuer, "in": given}, _ISSUERS, st.fixed_dictionaries(members)
    )


_STEPS = st.one_of(
    _step("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", processor_affinity=_AFFINITY),
    _step("OID_RECEIVE_FILTER_FREE_QUEUE", queue_id=_IDS),
    _step(
        "OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", elements=st.lists(st.builds(dict, queue_id=_IDS), max_size=3)
    ),
    _step(
        "OID_RECEIVE_FILTER_SET_FILTER",
        queue_id=st.integers(0, 2),
        vport_id=st.integers(0, 2),
        field_parameters=_FIELDS,
    ),
    _step("OID_RECEIVE_FILTER_CLEAR_FILTER", filter_id=_IDS, queue_id=st.integers(0, 2)),
    _step("OID_RECEIVE_FILTER_MOVE_FILTER", filter_id=_IDS, source_vport_id=st.integers(0, 2), dest_vport_id=_IDS),
    _step("OID_NIC_SWITCH_CREATE_SWITCH", num_queue_pairs_for_default_vport=st.integers(0, 5)),
    _step("OID_NIC_SWITCH_DELETE_SWITCH", switch_id=st.just(0)),
    _step("OID_NIC_SWITCH_CREATE_VPORT", num_queue_pairs=st.integers(0, 5), processor_affinity=_AFFINITY),
    _step(
        "OID_NIC_SWITCH_VPORT_PARAMETERS",
        vport_id=_IDS,
        flags=st.lists(st.sampled_from(["STATE_CHANGED", "PROCESSOR_AFFINITY_CHANGED", "NUM_QUEUE_PAIRS_CHANGED"])),
        vport_state=st.just("Activated"),
        processor_affinity=_AFFINITY,
        num_queue_pairs=st.integers(0, 9),
    ),
    _step("OID_NIC_SWITCH_DELETE_VPORT", vport_id=_IDS),
    st.builds(
        lambda vport_id, members: {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS", "vport_id": vport_id, "in": members},
        _IDS,
        st.fixed_dictionaries(
            {
                "indirection_table": _TABLE,
                "hash_secret_key": st.just(K1),
                "hash_information": st.just(["Toeplitz", "IPV4"]),
            }
        ),
    ),
    st.builds(
        lambda vport_id, flags: {
            "oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2",
            "vport_id": vport_id,
            "in": {
                "flags": flags,
                "hash_secret_key": K1,
                "hash_information": ["Toeplitz", "IPV4"],
                "number_of_indirection_table_entries": 4,
            },
        },
        _IDS,
        st.lists(st.sampled_from(["ENABLE_RSS", "HASH_INFO_CHANGED", "HASH_KEY_CHANGED", "NUMBER_OF_ENTRIES_CHANGED"])),
    ),
    st.builds(
        lambda on, commands: {
            "oid": "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES",
            "processor": on,
            "in": {"rss_entry_table": commands},
        },
        st.sampled_from([0, 2, 4]),
        st.lists(
            st.builds(
                dict,
                vport_id=st.integers(0, 2),
                indirection_table_index=st.sampled_from([0, 1, 3, 0xFFFF, 0xFFFE]),
                target_processor_number=st.sampled_from([2, 4, 6, 3]),
            ),
            max_size=4,
        ),
    ),
)


@settings(max_examples=60)
@given(preset=st.sampled_from(sorted(presets())), steps=st.lists(_STEPS, max_size=25))
def test_replay_and_atomicity(preset: str, steps: list[dict[str, Any]]) -> None:
    """The accepted requests alone lead a new adapter to the same state; the others changed nothing (MOD-09, EPO-02).

    The epoch counts exactly the requests after which the configuration is another value.
    """
    specification = parse_adapter({"preset": preset})
    control = ControlPlane(specification)
    journal: list[OidRequest] = []
    for number, step in enumerate(steps):
        request = parse_oid_step(step, str(number), specification.ndis_version).request
        state, epoch, configuration = control.state, control.epoch, control.configuration
        completion = control.request(request)
        if completion.accepted:
            journal.append(request)
        else:
            assert control.state == state
            assert completion.why
        changed = configuration_of(specification, control.capabilities, control.state) != configuration
        assert control.epoch == epoch + changed
    replayed = ControlPlane(specification)
    for request in journal:
        assert replayed.request(request).accepted
    assert (replayed.state, replayed.epoch) == (control.state, control.epoch)
    assert replayed.configuration == control.configuration


@settings(max_examples=300)
@given(
    preset=st.sampled_from(sorted(presets())),
    oid=st.sampled_from(sorted(OID_RULES)),
    kind=st.sampled_from(list(RequestKind)),
    buffer=st.binary(max_size=120),
    vport_id=st.none() | st.integers(0, 2),
    length=st.none() | st.integers(0, 200),
)
def test_hostile_buffers(
    preset: str, oid: Oid, kind: RequestKind, buffer: bytes, vport_id: int | None, length: int | None
) -> None:
    """Whatever the bytes, a request gets a status, and a failed one changes nothing (MOD-09, OID-09, OID-10)."""
    control = ControlPlane(parse_adapter({"preset": preset}))
    before = control.state
    request = OidRequest(
        oid,
        kind,
        "A",
        buffer,
        buffer_length=length,
        vport_id=vport_id,
        processor=ProcessorNumber(0, 2),
        synchronous=OID_RULES[oid].synchronous,
    )
    completion = control.request(request)
    assert completion.status in NdisStatus
    if not completion.accepted:
        assert control.state == before
