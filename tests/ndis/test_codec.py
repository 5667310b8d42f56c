"""What `decode` accepts and refuses, and how results are written."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis import structures as s
from dataplane.ndis.codec import Failure, decode, encode_output, write_back
from dataplane.ndis.layout import Structure
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structured import encode
from dataplane.ndis.values import GroupAffinity

V620, V630, V660, V680 = (NdisVersion(6, minor) for minor in (20, 30, 60, 80))
LENGTH, PARAMETER = NdisStatus.NDIS_STATUS_INVALID_LENGTH, NdisStatus.NDIS_STATUS_INVALID_PARAMETER
FILTER = {"vport_id": 1, "field_parameters": [{"field_value": "00:15:5d:01:02:01", "flags": ["UNTAGGED_OR_ZERO"]}]}
RSS = {"hash_information": ["Toeplitz", "IPV4"], "indirection_table": [2, 4], "hash_secret_key": "5a" * 40}


def refused(cls: type[Structure], buffer: bytes) -> Failure:
    """The failure of decoding a request."""
    failure = decode(cls, buffer)
    assert isinstance(failure, Failure), failure
    return failure


def request(cls: type[Structure], members: dict[str, Any], version: NdisVersion = V660) -> Any:
    """The decoded value of structured input."""
    value = decode(cls, encode(cls, members, version))
    assert isinstance(value, cls), value
    return value


def status(cls: type[Structure], members: dict[str, Any], version: NdisVersion = V660) -> NdisStatus:
    """The status of the failure to decode structured input."""
    return refused(cls, encode(cls, members, version)).status


# Lengths -------------------------------------------------------------------------------------------------------------


def test_a_buffer_one_byte_short_of_its_array_names_the_bytes_needed() -> None:
    """BytesNeeded is array offset + n x element size (OID-09, ERR-01)."""
    buffer = encode(s.FilterParameters, FILTER, V660)
    assert len(buffer) == 104
    failure = refused(s.FilterParameters, buffer[:103])
    assert (failure.status, failure.bytes_needed) == (LENGTH, 104)


@pytest.mark.parametrize(("revision", "size"), [(1, 36), (2, 44)])
def test_a_buffer_shorter_than_the_fixed_part_of_its_revision(revision: int, size: int) -> None:
    """The fixed part is that of the buffer's own revision (OID-09, STR-06)."""
    buffer = encode(s.FilterParameters, {"header": {"revision": revision}}, V660)
    assert len(buffer) == size
    failure = refused(s.FilterParameters, buffer[:-1])
    assert (failure.status, failure.bytes_needed) == (LENGTH, size)
    assert isinstance(decode(s.FilterParameters, buffer), s.FilterParameters)


@pytest.mark.parametrize("length", [0, 1])
def test_a_buffer_without_a_revision_needs_at_least_the_first_one(length: int) -> None:
    """Where the header cannot be read the minimum is revision 1 (OID-09)."""
    failure = refused(s.VPortParameters, bytes(length))
    assert (failure.status, failure.bytes_needed) == (LENGTH, 572)


@pytest.mark.parametrize(
    ("offset", "count", "element_size"),
    [
        (0, 1, 56),  # the header
        (43, 1, 56),  # the last byte of the fixed part
        (49, 1, 56),  # one byte outside
        (0xFFFFFFF0, 1, 56),  # wraps
        (48, 0x04924925, 56),  # offset + count * size is a little more than 2**32
        (48, 2, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (104, 1, 56),  # behind the end
    ],
)
def test_an_array_that_is_not_inside_the_buffer(offset: int, count: int, element_size: int) -> None:
    """Arrays that overlap the fixed part, wrap around 32 bits or end outside fail with INVALID_LENGTH (OID-09)."""
    numbers = struct.pack("<III", offset, count, element_size)
    buffer = encode(s.FilterParameters, FILTER, V660)
    assert refused(s.FilterParameters, buffer[:20] + numbers + buffer[32:]).status == LENGTH


def test_an_array_of_no_elements_has_no_place() -> None:
    """Offset and element size of an empty array are not looked at; zero move commands succeed (UPD-46)."""
    override = {"rss_entry_table_offset": 0xFFFFFFFF, "rss_entry_size": 1, "number_of_rss_entries": 0}
    assert request(s.SetIndirectionEntries, override, V680).rss_entry_table == ()


def test_lengths_are_checked_before_headers() -> None:
    """A buffer with a wrong length and a wrong header fails with INVALID_LENGTH (section 13, precedence)."""
    wrong = {"header": {"type": 0x81}}
    buffer = encode(s.FilterParameters, FILTER | wrong, V660)
    assert refused(s.FilterParameters, buffer).status == PARAMETER
    assert refused(s.FilterParameters, buffer[:-1]).status == LENGTH
    assert refused(s.FilterParameters, buffer[:43]).status == LENGTH
    assert status(s.ScaleParameters, RSS | wrong | {"hash_secret_key_size": 39}) == LENGTH


def test_bytes_beyond_the_revision_are_ignored() -> None:
    """A longer buffer is fine (STR-06)."""
    buffer = encode(s.DeleteVPortParameters, {"vport_id": 3}, V660) + b"\xff" * 9
    value = decode(s.DeleteVPortParameters, buffer)
    assert isinstance(value, s.DeleteVPortParameters)
    assert value.vport_id == 3


# Headers and element sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{"type": 0x81}, {"type": 0x89}, {"revision": 0}, {"size": 43}, {"size": 0}])
def test_bad_headers(header: dict[str, int]) -> None:
    """Wrong type, revision 0 and a size below that of the revision fail with INVALID_PARAMETER (OID-10, ERR-02)."""
    assert status(s.FilterParameters, FILTER | {"header": header}) == PARAMETER


@pytest.mark.parametrize("header", [{"revision": 3}, {"revision": 255}, {"size": 45}, {"revision": 1, "size": 36}])
def test_good_headers(header: dict[str, int]) -> None:
    """A revision above the highest known is processed as that one, and a size above the fixed one is fine (OID-10)."""
    assert len(request(s.FilterParameters, FILTER | {"header": header}).field_parameters) == 1


@pytest.mark.parametrize("header", [{"type": 0x89}, {"revision": 0}, {"size": 55}])
def test_the_header_of_every_field_test_is_checked(header: dict[str, int]) -> None:
    """The same checks apply to each filter field element, the last one included (OID-10)."""
    fields = [{"field_value": "00:15:5d:01:02:01"}, {"field_value": 10, "header": header}]
    assert status(s.FilterParameters, {"field_parameters": fields}) == PARAMETER


def test_headers_of_completion_elements_are_not_checked() -> None:
    """Elements of the completion array may have any header (OID-10)."""
    elements = [{"queue_id": 7, "header": {"type": 0, "revision": 0, "size": 0}}]
    assert request(s.AllocationCompleteArray, {"elements": elements}).elements[0].queue_id == 7


@pytest.mark.parametrize(
    ("cls", "members", "size"),
    [
        (s.FilterParameters, {"field_parameters": [{}, {}], "field_parameters_array_element_size": 55}, 55),
        (s.AllocationCompleteArray, {"elements": [{}, {}], "element_size": 15}, 15),
        (s.SetIndirectionEntries, {"rss_entry_table": [{}], "rss_entry_size": 20}, 20),
        (s.SetIndirectionEntries, {"rss_entry_table": [{}], "rss_entry_size": 0}, 0),
    ],
)
def test_an_element_size_below_the_structure(cls: type[Structure], members: dict[str, Any], size: int) -> None:
    """The stride is at least the size of the element structure, else INVALID_PARAMETER (OID-12, ERR-45)."""
    failure = refused(cls, encode(cls, members, V680))
    assert failure.status == PARAMETER
    assert f"element size {size}" in failure.why


def test_the_declared_element_size_is_the_stride() -> None:
    """Elements are read at the stride of the request, also a larger one (STR-05, OID-12)."""
    table = [{"vport_id": 1, "indirection_table_index": i, "target_processor_number": 2 * i} for i in range(3)]
    members = {"rss_entry_table": table, "rss_entry_size": 32}
    assert len(encode(s.SetIndirectionEntries, members, V680)) == 24 + 3 * 32
    entries = request(s.SetIndirectionEntries, members, V680).rss_entry_table
    assert [entry.indirection_table_index for entry in entries] == [0, 1, 2]
    assert entries[2].target_processor_number == ProcessorNumber(0, 4)
    assert entries[0].entry_status == NdisStatus.NDIS_STATUS_PENDING


def test_two_commands_declared_and_room_for_one() -> None:
    """A count beyond the buffer is INVALID_LENGTH and names what it would need (ERR-44)."""
    members = {"rss_entry_table": [{}], "number_of_rss_entries": 2}
    failure = refused(s.SetIndirectionEntries, encode(s.SetIndirectionEntries, members, V680))
    assert (failure.status, failure.bytes_needed) == (LENGTH, 72)


# Revisions -----------------------------------------------------------------------------------------------------------


def test_members_of_later_revisions_have_their_defaults() -> None:
    """VPortId 0, one queue pair for the default VPort, no default processor (OID-11, RSS-10, STR-06)."""
    old = {"header": {"revision": 1}}
    assert request(s.FilterParameters, {"vport_id": 5} | old).vport_id == 0
    assert (
        request(s.NicSwitchParameters, {"num_queue_pairs_for_default_vport": 4} | old).num_queue_pairs_for_default_vport
        == 1
    )
    assert request(s.VPortParameters, {"qos_sq_id": 4} | old).qos_sq_id == 0
    for revision in (1, 2):
        value = request(s.ScaleParameters, RSS | {"default_processor_number": 6, "header": {"revision": revision}})
        assert value.default_processor_number is None
    assert request(s.ScaleParameters, RSS | {"default_processor_number": 6}).default_processor_number == (0, 6)


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (s.FilterParameters, {V620: 1, V630: 2, V660: 2, V680: 2}),
        (s.FieldParameters, {V620: 1, V630: 2}),
        (s.FilterInfoArray, {V620: 1, V630: 2}),
        (s.QueueInfo, {V620: 1, V630: 2}),
        (s.QueueParameters, {V620: 1, V630: 2, NdisVersion(6, 40): 2, NdisVersion(6, 50): 3, V680: 3}),
        (s.NicSwitchParameters, {V630: 1, NdisVersion(6, 50): 1, V660: 2}),
        (s.VPortParameters, {V630: 1, NdisVersion(6, 50): 2}),
        (s.ScaleParameters, {NdisVersion(6, 0): 1, NdisVersion(6, 1): 1, V620: 2, V630: 2, V660: 3}),
        (s.FilterCapabilities, {V620: 1, V630: 2}),
        (s.NicSwitchCapabilities, {V620: 1, V630: 2, V660: 3}),
        (s.ScaleCapabilities, {V620: 1, V630: 2, V660: 3}),
        (s.VfParameters, {V630: 1, V680: 1}),
    ],
)
def test_the_revision_of_an_ndis_version(cls: type[Structure], expected: dict[NdisVersion, int]) -> None:
    """A result has the highest revision of the adapter's NDIS version (CAP-09, MOD-01)."""
    assert {version: encode_output(cls(), version)[1] for version in expected} == expected


# RSS -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "disabling", [{"flags": ["DISABLE_RSS"]}, {"hash_information": []}, {"hash_information": ["IPV4"]}]
)
def test_a_disabling_request_has_no_table_and_no_key(disabling: dict[str, Any]) -> None:
    """With DISABLE_RSS or hash function 0 the other members are not even validated (RSS-06, RSS-07)."""
    nonsense = {
        "indirection_table_size": 3,
        "indirection_table_offset": 0xFFFFFFFF,
        "hash_secret_key_size": 1,
        "hash_secret_key_offset": 1,
        "number_of_processor_masks": 9,
    }
    value = request(s.ScaleParameters, RSS | disabling | nonsense)
    assert value.disables
    assert (value.indirection_table, value.hash_secret_key, value.processor_masks) == ((), b"", ())


def test_unchanged_parts_are_not_looked_at() -> None:
    """UNCHANGED flags exclude table, key and hash information, hash function 0 included (RSS-09)."""
    members = {"flags": ["HASH_INFO_UNCHANGED", "HASH_KEY_UNCHANGED"], "indirection_table": [2, 4]}
    value = request(s.ScaleParameters, members)
    assert not value.disables
    assert value.indirection_table == ((0, 2), (0, 4))
    assert value.hash_secret_key == b""
    members = {"flags": ["ITABLE_UNCHANGED"], "hash_information": ["Toeplitz"], "hash_secret_key": "11" * 40}
    value = request(s.ScaleParameters, members)
    assert (value.indirection_table, value.hash_secret_key) == ((), b"\x11" * 40)


@pytest.mark.parametrize(
    "override",
    [
        {"indirection_table_size": 0},
        {"indirection_table_size": 6},
        {"indirection_table_size": 516},
        {"indirection_table": []},
        {"indirection_table_offset": 40},
        {"indirection_table_offset": 0},
        {"indirection_table_offset": 0xFFFFFFFF},
        {"indirection_table_offset": 1000},
        {"hash_secret_key": ""},
        {"hash_secret_key": "00" * 39},
        {"hash_secret_key": "00" * 41},
        {"hash_secret_key_size": 0},
        {"hash_secret_key_offset": 53},
        {"hash_secret_key_offset": 43},
        {"number_of_processor_masks": 1, "processor_masks_offset": 80, "processor_masks_entry_size": 16},
    ],
)
def test_a_table_key_or_mask_array_of_impossible_place_or_size(override: dict[str, Any]) -> None:
    """Outside the buffer, over the fixed part, or of a size it cannot have: INVALID_LENGTH (ERR-36, RSS-12, RSS-29)."""
    assert status(s.ScaleParameters, RSS | override) == LENGTH


def test_table_sizes_by_revision() -> None:
    """Revision 1 has one byte per entry and at most 128, later ones four bytes and at most 128 entries (RSS-15)."""
    old = RSS | {"header": {"revision": 1}}
    value = request(s.ScaleParameters, old | {"indirection_table": [1] * 127 + [63]})
    assert len(value.indirection_table) == value.indirection_table_size == 128
    assert value.indirection_table[-1] == ProcessorNumber(0, 63)
    assert status(s.ScaleParameters, old | {"indirection_table": [1] * 129}) == LENGTH
    value = request(s.ScaleParameters, RSS | {"indirection_table": ["1:2"] * 128})
    assert (len(value.indirection_table), value.indirection_table_size) == (128, 512)
    assert value.indirection_table[0] == ProcessorNumber(1, 2)
    assert status(s.ScaleParameters, RSS | {"indirection_table": [1] * 129}) == LENGTH


@pytest.mark.parametrize("entry_size", [0, 8, 16])
def test_processor_masks_only_have_to_be_inside(entry_size: int) -> None:
    """Only the place of the masks is checked; they may even overlap the fixed part (RSS-29)."""
    masks = {"number_of_processor_masks": 2, "processor_masks_offset": 0, "processor_masks_entry_size": entry_size}
    assert request(s.ScaleParameters, RSS | masks).indirection_table == ((0, 2), (0, 4))


@pytest.mark.parametrize(
    ("members", "used"),
    [
        ({"flags": ["ENABLE_RSS", "HASH_KEY_CHANGED"]}, True),
        ({"flags": ["ENABLE_RSS", "HASH_KEY_CHANGED", "HASH_INFO_CHANGED"], "hash_information": ["Toeplitz"]}, True),
        ({"flags": ["ENABLE_RSS", "HASH_KEY_CHANGED", "HASH_INFO_CHANGED"], "hash_information": ["IPV4"]}, False),
        ({"flags": ["ENABLE_RSS"]}, False),
        ({"flags": ["HASH_KEY_CHANGED"]}, False),
    ],
)
def test_the_key_of_generation_2(members: dict[str, Any], used: bool) -> None:
    """The key counts when it is flagged changed and the request asks for RSS on (UPD-22, UPD-24, ERR-39)."""
    value = request(s.ScaleParametersV2, members | {"hash_secret_key": "77" * 40}, V680)
    assert value.hash_secret_key == (b"\x77" * 40 if used else b"")
    for bad in ({"hash_secret_key": "77" * 39}, {"hash_secret_key": "77" * 40, "hash_secret_key_offset": 69}):
        result = decode(s.ScaleParametersV2, encode(s.ScaleParametersV2, members | bad, V680))
        assert isinstance(result, Failure) == used


@pytest.mark.parametrize(
    ("flags", "used"), [(["ENABLE_HASH"], True), (["ENABLE_HASH", "HASH_KEY_UNCHANGED"], False), ([], False)]
)
def test_the_key_of_receive_hash(flags: list[str], used: bool) -> None:
    """The key counts if hashing is enabled and the key is not flagged as unchanged."""
    value = request(s.HashParameters, {"flags": flags, "hash_secret_key": "77" * 40})
    assert value.hash_secret_key == (b"\x77" * 40 if used else b"")


# Results -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "version", "offset", "size", "length"),
    [
        (s.FilterInfoArray(elements=(s.FilterInfo(filter_id=1), s.FilterInfo(filter_id=4))), V630, 32, 16, 64),
        (s.FilterInfoArray(elements=(s.FilterInfo(filter_id=1),)), V620, 24, 16, 40),
        (s.QueueInfoArray(elements=(s.QueueInfo(queue_id=1), s.QueueInfo(queue_id=2))), V630, 16, 1096, 2208),
        (s.QueueInfoArray(elements=(s.QueueInfo(queue_id=1),)), V620, 16, 1096, 1112),
        (s.VPortInfoArray(elements=(s.VPortInfo(vport_id=0),)), V660, 32, 576, 608),
        (s.NicSwitchInfoArray(elements=(s.NicSwitchInfo(),)), V660, 16, 572, 588),
        (s.QueueInfoArray(), V630, 16, 1096, 16),
    ],
)
def test_enumeration_results(value: Any, version: NdisVersion, offset: int, size: int, length: int) -> None:
    """Elements begin at the next multiple of 8 and are `sizeof` apart, also when there are none (OID-19)."""
    buffer = encode_output(value, version)
    assert len(buffer) == length
    result: Any = decode(type(value), buffer, output=True)
    assert (result.first_element_offset, result.element_size) == (offset, size)
    assert result.num_elements == len(value.elements)
    for given, read in zip(value.elements, result.elements, strict=True):
        assert {name: getattr(read, name) for name in read.layout.fields if name != "header"} == {
            name: getattr(given, name) for name in given.layout.fields if name != "header"
        }


def test_the_numbers_of_an_enumeration_request_are_not_read() -> None:
    """Arrays of enumerations are results; whatever the caller's buffer contains there is no declared array."""
    request_ = bytearray(encode(s.VPortInfoArray, {}, V660))
    request_[16:28] = b"\xff" * 12
    value = decode(s.VPortInfoArray, request_)
    assert isinstance(value, s.VPortInfoArray)
    assert value.elements == ()


def test_a_result_of_scale_parameters() -> None:
    """A query gives table, key and default processor in force; while disabled sizes are 0 (RSS-24)."""
    table = (ProcessorNumber(0, 2), ProcessorNumber(1, 4))
    value = s.ScaleParameters(indirection_table=table, hash_secret_key=b"k" * 40, hash_information=0x301)
    result = decode(s.ScaleParameters, encode_output(value, V660), output=True)
    assert isinstance(result, s.ScaleParameters)
    assert result.header == (0x89, 3, 44)
    assert (result.indirection_table, result.indirection_table_size) == (table, 8)
    assert (result.hash_secret_key, result.hash_secret_key_size) == (b"k" * 40, 40)
    off = decode(s.ScaleParameters, encode_output(s.ScaleParameters(), V660), output=True)
    assert isinstance(off, s.ScaleParameters)
    assert (off.indirection_table_size, off.hash_secret_key_size, off.indirection_table) == (0, 0, ())
    again = encode_output(s.ScaleParameters(default_processor_number=None), V660)
    assert again == encode_output(s.ScaleParameters(), V660)


def test_the_identifier_is_written_into_the_same_buffer() -> None:
    """An in/out method changes its result members and nothing else (OID-05, FLT-05)."""
    buffer = encode(s.FilterParameters, FILTER, V660)
    result = write_back(s.FilterParameters, buffer + b"behind", {"filter_id": 9})
    assert result == buffer[:16] + struct.pack("<I", 9) + buffer[20:]


def test_element_statuses_are_written_into_the_same_buffer() -> None:
    """Each element gets its own status, at the stride of the request (UPD-35, ERR-09)."""
    members = {"rss_entry_table": [{"vport_id": 1}, {"vport_id": 2}], "rss_entry_size": 32}
    buffer = encode(s.SetIndirectionEntries, members, V680)
    statuses = [{"entry_status": NdisStatus.NDIS_STATUS_SUCCESS}, {"entry_status": PARAMETER}]
    result = decode(s.SetIndirectionEntries, write_back(s.SetIndirectionEntries, buffer, {}, statuses), output=True)
    assert isinstance(result, s.SetIndirectionEntries)
    assert [(e.vport_id, e.entry_status) for e in result.rss_entry_table] == [(1, 0), (2, 0xC000000D)]
    complete = encode(s.AllocationCompleteArray, {"elements": [{"queue_id": 3}]}, V630)
    done = decode(
        s.AllocationCompleteArray,
        write_back(s.AllocationCompleteArray, complete, {}, [{"completion_status": PARAMETER}]),
        output=True,
    )
    assert isinstance(done, s.AllocationCompleteArray)
    assert (done.elements[0].queue_id, done.elements[0].completion_status) == (3, 0xC000000D)


def test_members_an_older_buffer_does_not_have_are_not_written_back() -> None:
    """A revision 1 buffer stays 1084 bytes long (STR-06)."""
    buffer = encode(s.QueueParameters, {}, V620)
    result = write_back(s.QueueParameters, buffer, {"queue_id": 1, "interrupt_coalescing_domain_id": 7})
    assert len(result) == 1084
    assert result[12:16] == struct.pack("<I", 1)


# The rest ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "characters", "text"),
    [(0, b"a\0", ""), (5, b"a\0b\0c\0", "ab"), (0xFFFF, b"x\0" * 257, "x" * 257), (4, b"\x00\xd8a\0", "\ufffda")],
)
def test_hostile_strings(length: int, characters: bytes, text: str) -> None:
    """Strings with a length beyond the array, an odd length or broken UTF-16 are read as far as possible."""
    buffer = bytearray(encode(s.NicSwitchParameters, {}, V660))
    buffer[16 : 18 + len(characters)] = struct.pack("<H", length) + characters
    value = decode(s.NicSwitchParameters, buffer)
    assert isinstance(value, s.NicSwitchParameters)
    assert value.switch_friendly_name == text


def test_multicast_list() -> None:
    """The whole buffer is addresses; a length that is no multiple of six is INVALID_LENGTH."""
    value = decode(s.MulticastList, bytes.fromhex("01005e000001 01005e0000fb"))
    assert value == s.MulticastList((0x01005E000001, 0x01005E0000FB))
    assert decode(s.MulticastList, b"") == s.MulticastList(())
    assert refused(s.MulticastList, bytes(7)).status == LENGTH
    assert encode_output(s.MulticastList((1,)), V660) == bytes(5) + b"\1"


def test_affinities() -> None:
    """GROUP_AFFINITY is read as group and mask; its processors ascend."""
    value = request(s.VPortParameters, {"processor_affinity": ["1:5", "1:2"]})
    assert value.processor_affinity == GroupAffinity(1, 0x24)
    assert value.processor_affinity.processors == ((1, 2), (1, 5))
