"""Buffers explained byte by byte, and converted by name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import NdisVersion
from dataplane.ndis import structures as s
from dataplane.ndis.codec import Failure
from dataplane.ndis.describe import buffer_to_json, describe, find_structure, json_to_buffer
from dataplane.ndis.layout import STRUCTURES, Structure
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.values import MalformedValue

V660 = NdisVersion(6, 60)


def test_a_filter_row_by_row() -> None:
    """Members by their documented names, padding named, elements numbered."""
    members = {"vport_id": 1, "field_parameters": [{"field_value": "00:15:5d:01:02:01"}, {"field_value": 10}]}
    rows = describe("NDIS_RECEIVE_FILTER_PARAMETERS", json_to_buffer("FILTER_PARAMETERS", members, V660))
    found = {row.member: row for row in rows}
    assert found["Header.Type"][:2] == (0, 1)
    assert found["Header.Size"].meaning == "44"
    assert found["FilterType"][0:2] + found["FilterType"][3:] == (8, 4, "01000000", "VMQueue")
    assert found["VPortId"].raw == "01000000"
    assert found["field_parameters[1].HeaderField"].meaning == "VlanId"
    assert (found["field_parameters[1].FieldValue"].offset, found["field_parameters[1].FieldValue"].size) == (128, 16)
    assert [(row.offset, row.size) for row in rows if row.member == "(padding)"] == [(44, 4), (68, 4), (124, 4)]


def test_a_table_entry_by_entry() -> None:
    """Table entries, key and masks are rows of their own."""
    members = {
        "hash_information": ["Toeplitz", "IPV4"],
        "indirection_table": [2, "1:4"],
        "hash_secret_key": "5a" * 40,
        "processor_masks": [[2, 4]],
    }
    rows = describe("SCALE_PARAMETERS", json_to_buffer("SCALE_PARAMETERS", members, V660))
    found = {row.member: row for row in rows}
    assert found["HashInformation"].meaning == "Toeplitz | IPV4"
    assert tuple(found["indirection_table[1]"]) == (48, 4, "indirection_table[1]", "01000400", "1:4")
    assert (found["hash_secret_key"].offset, found["hash_secret_key"].size) == (52, 40)
    assert found["processor_masks[0]"].meaning == "[2, 4]"


def test_a_buffer_that_ends_inside_a_member() -> None:
    """A truncated member has its name, not that of padding, and the failure says how much is missing (OID-09)."""
    buffer = json_to_buffer("FILTER_CLEAR_PARAMETERS", {"queue_id": 1}, V660)
    assert describe("FILTER_CLEAR_PARAMETERS", buffer[:2]) == [(0, 2, "Header", "8001", "cut off: 2 of 4 bytes")]
    assert describe("FILTER_CLEAR_PARAMETERS", buffer[:11])[-2:] == [
        (4, 4, "Flags", "00000000", "0"),
        (8, 3, "QueueId", "010000", "cut off: 3 of 4 bytes"),
    ]
    assert describe("FILTER_CLEAR_PARAMETERS", buffer[:8])[-1].member == "Flags"
    assert buffer_to_json("FILTER_CLEAR_PARAMETERS", buffer[:2]) == Failure(
        NdisStatus.NDIS_STATUS_INVALID_LENGTH, 16, "the buffer is too short: the fixed part needs 16 bytes, 2 are there"
    )


@pytest.mark.parametrize("cls", STRUCTURES.values(), ids=lambda cls: cls.layout.name)
@given(buffer=st.binary(max_size=120), length=st.integers(0, 1700))
@settings(max_examples=15, deadline=None)
def test_every_byte_is_described(cls: type[Structure], buffer: bytes, length: int) -> None:
    """Rows ascend, cover the buffer without a gap and show its bytes, however malformed it is."""
    buffer = buffer.ljust(length, b"\0")
    end = 0
    for row in describe(cls.layout.name, buffer):
        assert row.offset <= end
        assert row.size > 0
        assert bytes.fromhex(row.raw) == buffer[row.offset : row.offset + row.size]
        end = max(end, row.offset + row.size)
    assert end == len(buffer)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("NDIS_RECEIVE_FILTER_PARAMETERS", s.FilterParameters),
        ("filter_parameters", s.FilterParameters),
        ("OID_RECEIVE_FILTER_SET_FILTER", s.FilterParameters),
        ("oid_gen_receive_scale_parameters", s.ScaleParameters),
        ("0x00010244", s.DeleteVPortParameters),
        ("OID_RECEIVE_FILTER_ENUM_QUEUES", s.QueueInfoArray),
        ("OID_802_3_MULTICAST_LIST", s.MulticastList),
    ],
)
def test_names(name: str, cls: type[Structure]) -> None:
    """Structures are found by both their names and by the OIDs that carry them."""
    assert find_structure(name) is cls


@pytest.mark.parametrize("name", ["NDIS_NOTHING", "OID_NOTHING", "0x0", "0xzz", "", "OID_GEN_VLAN_ID"])
def test_unknown_names(name: str) -> None:
    """An unknown name is one line for humans."""
    with pytest.raises(MalformedValue):
        find_structure(name)


def test_there_and_back() -> None:
    """A decoded request encodes to the same bytes; a malformed one says why it is."""
    buffer = json_to_buffer("OID_NIC_SWITCH_CREATE_VPORT", {"vport_name": "web", "processor_affinity": [2]}, V660)
    members = buffer_to_json("OID_NIC_SWITCH_CREATE_VPORT", buffer)
    assert not isinstance(members, Failure)
    assert json_to_buffer("VPORT_PARAMETERS", members, V660) == buffer
    failure = buffer_to_json("VPORT_PARAMETERS", buffer[:-1])
    assert isinstance(failure, Failure)
    assert failure.bytes_needed == 748
