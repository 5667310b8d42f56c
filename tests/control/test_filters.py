"""Receive filters (section 6 of the rules), as far as the control plane decides about them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dataplane.control import ControlPlane
from dataplane.ids import parse_mac
from dataplane.switch.configuration import FieldTest, MacField
from dataplane.switch.configuration import Test as FilterTest
from tests.control.host import (
    FAILURE,
    FILE_NOT_FOUND,
    FLAG,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    M1,
    M2,
    M3,
    M4,
    NOT_SUPPORTED,
    SUCCESS,
    Host,
    unchanged,
)


@pytest.fixture
def queues() -> Host:
    """VMQ mode: client A owns queue 1."""
    host = Host("CFG-Q")
    host.queue([4])
    return host


@pytest.fixture
def switch() -> Host:
    """Switch mode: client A owns VPort 1, B owns VPort 2."""
    host = Host("CFG-S")
    host.vport([2])
    host.vport([4], issuer="B")
    return host


def test_ownership_of_queues(queues: Host) -> None:
    """Only its owner sets filters on a queue, everybody on the default one; NDIS refuses (FLT-01..FLT-04, ERR-11)."""
    refused = queues.filter(M1, queue_id=1, issuer="B")
    assert refused == INVALID_PARAMETER
    assert not refused.reached_miniport
    assert refused.why.startswith("FLT-01: ")
    assert queues.filter(M1, queue_id=0, issuer="B")["filter_id"] == 1
    accepted = queues.filter(M2, queue_id=1)
    assert accepted["filter_id"] == 2
    assert accepted.reached_miniport


def test_ownership_of_vports(switch: Host) -> None:
    """Only its creator sets filters on a nondefault VPort, everybody on the default one (FLT-03, FLT-04)."""
    assert switch.filter(M1, vport_id=2) == INVALID_PARAMETER
    assert switch.filter(M1, vport_id=1, issuer="B").why.startswith("FLT-03: ")
    assert [switch.filter(M1, vport_id=0, issuer=issuer)["filter_id"] for issuer in "AB"] == [1, 2]


def test_identifiers(queues: Host) -> None:
    """NDIS assigns the lowest unused id, unique on the adapter; a cleared one is used again (FLT-29, FLT-30)."""
    queues.queue([6])
    ids = [queues.filter(mac, queue_id=queue)["filter_id"] for mac, queue in ((M1, 1), (M2, 2), (M3, 0), (M4, 1))]
    assert ids == [1, 2, 3, 4]
    assert [queues.filters_on(queue=queue) for queue in (1, 2, 0)] == [[1, 4], [2], [3]]  # FLT-45
    queues.clear(2, 2)
    assert queues.filter(M2, queue_id=0)["filter_id"] == 2


def test_output_is_the_input_with_the_identifier(queues: Host) -> None:
    """SET_FILTER returns the same structure in the same buffer, FilterId filled in (FLT-05, OID-05)."""
    answer = queues.filter(M1, {"field_value": 100, "flags": []}, flag=False, queue_id=1)
    assert answer["filter_id"] == 1
    assert [one["field_value"] for one in answer["field_parameters"]] == [M1, 100]


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ({"filter_type": "PacketCoalescing"}, "FLT-07"),
        ({"filter_type": "Undefined"}, "FLT-07"),
        ({"requested_filter_id_bit_count": 4}, "FLT-09"),
        ({"filter_id": 5}, "FLT-09"),
        ({"field_parameters": []}, "FLT-06"),
        ({"field_parameters": [{"field_value": M1, "receive_filter_test": "NotEqual"}]}, "FLT-08"),
        ({"field_parameters": [{"field_value": M1, "receive_filter_test": 9}]}, "FLT-08"),
        ({"field_parameters": [{"field_value": M1, "header_field": "SourceAddress"}]}, "FLT-08"),
        ({"field_parameters": [{"frame_header": "IPv4", "header_field": "Protocol", "field_value": 6}]}, "FLT-08"),
        ({"queue_id": 3}, "FLT-10"),
        ({"vport_id": 1}, "FLT-10"),
        ({"field_parameters": [{"field_value": 0}]}, "FLT-14"),
        ({"field_parameters": [{"field_value": 4095}]}, "FLT-14"),
        ({"field_parameters": [{"field_value": M1, "flags": FLAG}, {"field_value": 10}]}, "FLT-24"),
        ({"field_parameters": [{"field_value": M1}, {"field_value": 10, "flags": FLAG}]}, "FLT-24"),
        ({"field_parameters": [{"field_value": 10}, {"field_value": M1, "flags": FLAG}]}, "FLT-24"),
    ],
)
def test_bad_parameters(queues: Host, members: dict[str, Any], rule: str) -> None:
    """NDIS refuses what rules or capabilities do not allow, and says which rule (OID-06, ERR-12, ERR-14)."""
    good = {"queue_id": 1, "field_parameters": [{"field_value": M1, "flags": FLAG}]}
    before = unchanged(queues)
    answer = queues.oid("OID_RECEIVE_FILTER_SET_FILTER", **{**good, **members})
    assert answer == INVALID_PARAMETER
    assert answer.why.startswith(rule + ": ")
    assert not answer.reached_miniport
    assert before == unchanged(queues)


def test_targets_by_mode(switch: Host) -> None:
    """In switch mode QueueId is 0 and VPortId names an existing VPort (FLT-10)."""
    assert switch.filter(M1, vport_id=1, queue_id=1) == INVALID_PARAMETER
    assert switch.filter(M1, vport_id=5) == INVALID_PARAMETER
    assert switch.filter(M1, vport_id=1) == SUCCESS


def test_neutral_filters_survive_the_switch() -> None:
    """Filters of the default queue become filters of the default VPort (FLT-11)."""
    host = Host("CFG-N")
    assert host.filter(M1) == SUCCESS
    assert host.create_switch() == SUCCESS
    assert host.filters_on(vport=0) == [1]
    assert host.filters_on(queue=0) == [1]
    assert host.clear(1) == SUCCESS


def test_further_tests_if_advertised() -> None:
    """MaskEqual and NotEqual are accepted when they are advertised, values in network order (FLT-12, FLT-13)."""
    host = Host("CFG-Q", receive_filter_capabilities={"supported_filter_tests": ["EQUAL", "MASK_EQUAL", "NOT_EQUAL"]})
    fields = [
        {"field_value": "ff:ff:ff:00:00:00", "result_value": "00:15:5d:00:00:00", "receive_filter_test": "MaskEqual"},
        {"field_value": M1, "receive_filter_test": "NotEqual"},
        {"field_value": {"hex": "0064"}, "header_field": "VlanId"},
        {
            "field_value": {"hex": "0fff"},  # a mask is no VLAN id (FLT-14)
            "result_value": {"hex": "0065"},
            "header_field": "VlanId",
            "receive_filter_test": "MaskEqual",
        },
    ]
    assert host.filter(*fields, flag=False) == SUCCESS
    (steering,) = host.control.configuration.filters
    address = MacField.DESTINATION_ADDRESS
    assert steering.tests == (
        FieldTest(address, parse_mac("ff:ff:ff:00:00:00"), FilterTest.MASK_EQUAL, parse_mac("00:15:5d:00:00:00")),
        FieldTest(address, parse_mac(M1), FilterTest.NOT_EQUAL),
        FieldTest(MacField.VLAN_ID, 100),
        FieldTest(MacField.VLAN_ID, 0x0FFF, FilterTest.MASK_EQUAL, 101),
    )


def test_flag_counts_in_every_element(queues: Host) -> None:
    """UNTAGGED_OR_ZERO counts in whatever field test it is set (FLT-16, FLT-25)."""
    queues.filter({"field_value": M1}, {"field_value": M2, "flags": FLAG}, flag=False, queue_id=1)
    assert queues.control.configuration.filters[0].untagged_or_zero


def test_mac_only_without_flag() -> None:
    """Below NDIS 6.30 it must fail, from 6.30 it matches every VLAN (FLT-19, FLT-20, MOD-01, ERR-13)."""
    old, new = Host("CFG-Q20"), Host("CFG-Q")
    refused = old.filter(M1, flag=False)
    assert refused == INVALID_PARAMETER
    assert refused.why.startswith("FLT-19: ")
    assert old.filter(M1) == SUCCESS
    assert old.filter(M1, 10) == SUCCESS
    assert new.filter(M1, flag=False) == SUCCESS
    # MOD-01: the version of the adapter counts, not that of the structure
    assert new.filter(M1, flag=False, header={"revision": 1}) == SUCCESS
    assert old.filter(M1, flag=False, header={"revision": 2}) == INVALID_PARAMETER


def test_vlan_only_and_multicast_filters(queues: Host) -> None:
    """A VLAN test alone is accepted, and so is any destination address (FLT-15, FLT-27)."""
    assert queues.filter(10, queue_id=1) == SUCCESS
    assert queues.filter("ff:ff:ff:ff:ff:ff", queue_id=1) == SUCCESS
    assert queues.filter("01:00:5e:01:02:03", queue_id=1) == SUCCESS


def test_without_vlan_filtering() -> None:
    """A VLAN test fails; a MAC filter works, with the flag or without (FLT-26, CAP-03, ERR-15)."""
    host = Host("CFG-Q", keywords={"*VMQVlanFiltering": 0})
    refused = host.filter(M1, 10)
    assert refused == INVALID_PARAMETER
    assert refused.why.startswith("FLT-26: ")
    assert host.filter(M1, flag=False) == SUCCESS
    assert host.filter(M2) == SUCCESS
    assert not host.control.configuration.vlan_filtering


def test_contradictory_and_duplicate_filters(queues: Host) -> None:
    """Two values for one field are legal, and so are identical filters on different targets (FLT-33, FLT-38)."""
    queues.queue([6])
    assert queues.filter(M1, M2, flag=False, queue_id=1) == SUCCESS
    assert [queues.filter(M3, queue_id=queue) for queue in (1, 2, 0)] == [SUCCESS] * 3


def test_filter_table_is_limited(queues: Host) -> None:
    """MaxMacHeaderFilters of all targets together (FLT-39, ERR-16)."""
    for vlan in range(1, 9):
        assert queues.filter(M1, vlan, queue_id=vlan % 2) == SUCCESS
    before = unchanged(queues)
    assert queues.filter(M1, 9, queue_id=1) == FAILURE
    assert before == unchanged(queues)


def test_unicast_addresses_of_the_switch_are_limited() -> None:
    """Distinct unicast addresses count, multicast ones and repetitions do not (FLT-39)."""
    host = Host("CFG-S", nic_switch_capabilities={"max_num_mac_addresses": 8})
    for last in range(8):
        assert host.filter(f"00:15:5d:01:03:{last:02x}") == SUCCESS
    assert host.filter(M1) == FAILURE
    assert host.filter("00:15:5d:01:03:00", 10) == SUCCESS
    assert host.filter("01:00:5e:01:02:03") == SUCCESS


def test_more_addresses_than_the_switch_takes() -> None:
    """Filters of the default queue stay when a switch comes; no further address fits then (FLT-11, FLT-39)."""
    host = Host("CFG-N", nic_switch_capabilities={"max_num_mac_addresses": 8})
    for last in range(9):
        assert host.filter(f"00:15:5d:01:03:{last:02x}") == SUCCESS
    host.create_switch()
    assert host.filter("00:15:5d:01:03:00", 10) == SUCCESS
    assert host.filter(M1) == FAILURE


def test_filters_ascend(switch: Host) -> None:
    """Filters are enumerated and steer in the order of their ids, also when an id is reused (FLT-30, FLT-45)."""
    for last in range(3):
        switch.filter(f"00:15:5d:01:03:{last:02x}", vport_id=0)
    switch.clear(1)
    assert switch.filter(M1, vport_id=0)["filter_id"] == 1
    assert switch.filters_on(vport=0) == [1, 2, 3]
    assert [one.filter_id for one in switch.control.configuration.filters] == [1, 2, 3]


def test_encapsulation_is_refused(queues: Host) -> None:
    """Inner addresses need a feature that is not built (FLT-40)."""
    assert queues.filter(M1, queue_id=1, flags=["PACKET_ENCAPSULATION"]) == NOT_SUPPORTED


# Moving --------------------------------------------------------------------------------------------------------------


def test_moving_keeps_the_identifier(switch: Host) -> None:
    """The filter is on one VPort before and on the other after, in one step (FLT-30, FLT-34)."""
    switch.filter(M1, vport_id=0)
    epoch = switch.control.epoch
    assert switch.move(1, 0, 1) == SUCCESS
    assert (switch.filters_on(vport=0), switch.filters_on(vport=1)) == ([], [1])
    assert switch.control.epoch == epoch + 1
    assert switch.move(1, 1, 0) == SUCCESS


def test_moving_to_the_same_vport(switch: Host) -> None:
    """It succeeds and changes nothing (FLT-36)."""
    switch.filter(M1, vport_id=1)
    epoch = switch.control.epoch
    assert switch.move(1, 1, 1) == SUCCESS
    assert switch.control.epoch == epoch


@pytest.mark.parametrize(
    ("filter_id", "source", "destination", "issuer", "members"),
    [
        (9, 1, 0, "A", {}),
        (1, 0, 1, "A", {}),
        (1, 1, 5, "A", {}),
        (1, 1, 0, "A", {"source_queue_id": 1}),
        (1, 1, 0, "A", {"dest_queue_id": 1}),
        (1, 1, 0, "B", {}),
        (1, 1, 2, "A", {}),
    ],
)
def test_what_cannot_be_moved(
    switch: Host, filter_id: int, source: int, destination: int, issuer: str, members: dict[str, int]
) -> None:
    """Unknown filter, wrong source, unknown or foreign destination, queue ids, not owner (FLT-34, FLT-35, ERR-20)."""
    switch.filter(M1, vport_id=1)
    before = unchanged(switch)
    answer = switch.move(filter_id, source, destination, issuer=issuer, **members)
    assert answer == INVALID_PARAMETER
    assert not answer.reached_miniport
    assert before == unchanged(switch)


def test_moving_needs_a_switch(queues: Host) -> None:
    """MOVE_FILTER is not supported in VMQ mode, without a switch, and below 6.30 (OID-13, OID-17, ERR-04)."""
    assert queues.move(1, 0, 0) == NOT_SUPPORTED
    assert Host("CFG-N").move(1, 0, 0) == NOT_SUPPORTED
    assert Host("CFG-Q20").move(1, 0, 0) == NOT_SUPPORTED


# Clearing and querying -----------------------------------------------------------------------------------------------


def test_clearing_what_is_not_there(queues: Host) -> None:
    """Unknown and foreign ids and a queue that does not match: FILE_NOT_FOUND (FLT-41, ERR-17)."""
    queues.filter(M1, queue_id=1)
    queues.filter(M2, queue_id=0, issuer="B")
    before = unchanged(queues)
    for filter_id, queue in ((9, 1), (0, 1), (1, 0), (2, 0)):
        assert queues.clear(filter_id, queue) == FILE_NOT_FOUND
    assert before == unchanged(queues)
    assert queues.clear(2, 0, issuer="B") == SUCCESS  # who set it clears it (CON-24)


def test_clearing_on_vports(switch: Host) -> None:
    """QueueId is 0 in switch mode; the last filter of a nondefault VPort takes held frames with it (FLT-41, FLT-42)."""
    switch.filter(M1, vport_id=1)
    switch.filter(M2, vport_id=0)
    assert switch.clear(1, 1) == FILE_NOT_FOUND
    assert [one.target_id for one in switch.clear(1).completion.discards] == [1]
    assert switch.clear(2).completion.discards == ()


def test_stored_parameters(queues: Host) -> None:
    """The query returns what was set, for clients and applications; unknown ids fail (FLT-31, FLT-44, ERR-18)."""
    queues.filter(M1, queue_id=1)
    for issuer in ("B", "application"):
        answer = queues.oid("OID_RECEIVE_FILTER_PARAMETERS", issuer=issuer, filter_id=1)
        assert (answer["queue_id"], answer["filter_id"]) == (1, 1)
        assert answer["field_parameters"][0]["field_value"] == M1
        assert answer["field_parameters"][0]["flags"] == FLAG
        assert not answer.reached_miniport
    for unknown in (0, 9):
        assert queues.oid("OID_RECEIVE_FILTER_PARAMETERS", filter_id=unknown) == INVALID_PARAMETER


def test_only_the_id_of_a_query_matters(queues: Host) -> None:
    """The query names a filter by its id; the rest of the input buffer does not matter (FLT-44)."""
    queues.filter(M1, queue_id=1)
    stored = queues.oid("OID_RECEIVE_FILTER_PARAMETERS", filter_id=1).out
    for rest in (
        {"queue_id": 7, "vport_id": 9, "filter_type": "Undefined", "requested_filter_id_bit_count": 4},
        {"field_parameters": [{"field_value": M2, "header": {"type": 1}}]},
        {"field_parameters_array_offset": 3, "field_parameters_array_num_elements": 5},
    ):
        assert queues.oid("OID_RECEIVE_FILTER_PARAMETERS", filter_id=1, **rest).out == stored


def test_stored_parameters_follow_a_move(switch: Host) -> None:
    """The answer names the VPort that has the filter now (FLT-34, FLT-44)."""
    switch.filter(M1, vport_id=0)
    switch.move(1, 0, 1)
    assert switch.oid("OID_RECEIVE_FILTER_PARAMETERS", filter_id=1)["vport_id"] == 1


def test_enumeration(switch: Host) -> None:
    """Filters of a VPort ascending by id; unknown targets and a queue id beside a VPort fail (FLT-45, ERR-19)."""
    for mac in (M1, M2):
        switch.filter(mac, vport_id=1)
    assert switch.filters_on(vport=1) == [1, 2]
    assert switch.filters_on(vport=2) == []
    enumerate_by = "OID_RECEIVE_FILTER_ENUM_FILTERS"
    assert switch.oid(enumerate_by, flags=["VPORT_ID_SPECIFIED"], vport_id=5) == INVALID_PARAMETER
    assert switch.oid(enumerate_by, flags=["VPORT_ID_SPECIFIED"], vport_id=1, queue_id=1) == INVALID_PARAMETER
    assert switch.oid(enumerate_by, queue_id=1) == INVALID_PARAMETER


def test_enumeration_needs_room(queues: Host) -> None:
    """BytesNeeded covers the header and all elements (OID-09, OID-19)."""
    for mac in (M1, M2):
        queues.filter(mac, queue_id=1)
    needed = 32 + 2 * 16
    short = queues.oid("OID_RECEIVE_FILTER_ENUM_FILTERS", step={"buffer_length": needed - 1}, queue_id=1)
    assert short == INVALID_LENGTH
    assert short.completion.bytes_needed == needed
    answer = queues.oid("OID_RECEIVE_FILTER_ENUM_FILTERS", step={"buffer_length": needed}, queue_id=1)
    assert (answer["first_element_offset"], answer["element_size"], answer["num_elements"]) == (32, 16, 2)


def test_enumeration_without_room_for_the_question(queues: Host) -> None:
    """BytesNeeded covers all elements, however short the buffer is; missing bytes count as 0 (OID-09)."""
    for mac, queue in ((M1, 1), (M2, 1), (M3, 0)):
        queues.filter(mac, queue_id=queue)
    for length, question, needed in (
        (0, {"queue_id": 1}, 32 + 16),  # asks for the default queue
        (4, {"queue_id": 1}, 32 + 16),
        (27, {"queue_id": 1}, 32 + 2 * 16),
        (19, {"queue_id": 1, "header": {"revision": 1}}, 24 + 2 * 16),
        (27, {"queue_id": 9}, 28),  # no such queue: the fixed part is all that can be said
    ):
        short = queues.oid("OID_RECEIVE_FILTER_ENUM_FILTERS", step={"buffer_length": length}, **question)
        assert short == INVALID_LENGTH
        assert short.completion.bytes_needed == needed


def test_encapsulation_is_accepted_where_the_feature_is(switch: Host) -> None:
    """An adapter that looks at inner headers accepts the flag, and steering is told so (FLT-40, HSH-30)."""
    switch.control = ControlPlane(dataclasses.replace(switch.control.specification, inner_headers=True))
    assert switch.filter(M1, flags=["PACKET_ENCAPSULATION"]) == SUCCESS
    assert switch.control.configuration.inner_headers
