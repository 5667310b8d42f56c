"""Structured input becomes the documented bytes, bytes become structured output."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import KNOWN_NDIS_VERSIONS, NdisVersion
from dataplane.ndis import structures as s
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.layout import STRUCTURES, Member, Structure
from dataplane.ndis.structured import encode, to_json
from dataplane.ndis.values import MalformedValue

V620, V630, V660, V680 = (NdisVersion(6, minor) for minor in (20, 30, 60, 80))


def shown(cls: type[Structure], members: dict[str, Any], version: NdisVersion = V660, output: bool = True) -> Any:
    """Structured output of structured input."""
    value = decode(cls, encode(cls, members, version, output=output), output=output)
    assert not isinstance(value, Failure), value
    return to_json(value)


def test_a_filter() -> None:
    """Every member with its default, header and override numbers (section 5 of the protocol, FLT-13)."""
    members = {
        "vport_id": 1,
        "field_parameters": [
            {"flags": ["UNTAGGED_OR_ZERO"], "field_value": "00:15:5D:01:02:01"},
            {"field_value": 100},
        ],
    }
    buffer = encode(s.FilterParameters, members, V660)
    assert buffer[72:80] == bytes.fromhex("00155d010201 0000")
    assert buffer[128:132] == bytes.fromhex("0064 0000")
    header = {"type": 0x80, "revision": 2, "size": 56}
    assert shown(s.FilterParameters, members) == {
        "header": {"type": 0x80, "revision": 2, "size": 44},
        "flags": [],
        "filter_type": "VMQueue",
        "queue_id": 0,
        "filter_id": 0,
        "field_parameters_array_offset": 48,
        "field_parameters_array_num_elements": 2,
        "field_parameters_array_element_size": 56,
        "requested_filter_id_bit_count": 0,
        "max_coalescing_delay": 0,
        "vport_id": 1,
        "field_parameters": [
            {
                "header": header,
                "flags": ["UNTAGGED_OR_ZERO"],
                "frame_header": "Mac",
                "receive_filter_test": "Equal",
                "header_field": "DestinationAddress",
                "field_value": "00:15:5d:01:02:01",
                "result_value": "00:00:00:00:00:00",
            },
            {
                "header": header,
                "flags": [],
                "frame_header": "Mac",
                "receive_filter_test": "Equal",
                "header_field": "VlanId",
                "field_value": 100,
                "result_value": 0,
            },
        ],
    }


@pytest.mark.parametrize(
    ("cls", "version", "expected"),
    [
        (s.FilterParameters, V660, {"filter_type": "VMQueue", "field_parameters_array_offset": 0}),
        (s.FieldParameters, V660, {"frame_header": "Mac", "receive_filter_test": "Equal", "header_field": "Undefined"}),
        (s.QueueParameters, V660, {"queue_type": "VMQueue", "processor_affinity": [], "vm_name": ""}),
        (s.NicSwitchParameters, V660, {"switch_type": "External", "num_queue_pairs_for_default_vport": 1}),
        (
            s.VPortParameters,
            V660,
            {
                "attached_function_id": "PF",
                "num_queue_pairs": 1,
                "interrupt_moderation": "Undefined",
                "vport_state": "Deactivated",
            },
        ),
        (s.VPortInfoArray, V660, {"attached_function_id": 0, "first_element_offset": 0, "element_size": 0}),
        (s.VfParameters, V660, {"mac_address_length": 6, "permanent_mac_address": "00:00:00:00:00:00"}),
        (
            s.ScaleParameters,
            V660,
            {"default_processor_number": 0, "hash_secret_key": "", "indirection_table_offset": 0},
        ),
        (s.SetIndirectionEntry, V680, {"entry_status": "NDIS_STATUS_PENDING", "target_processor_number": 0}),
        (s.AllocationCompleteArray, V660, {"elements": [], "element_size": 0, "num_elements": 0}),
    ],
)
def test_defaults(cls: type[Structure], version: NdisVersion, expected: dict[str, Any]) -> None:
    """Missing members have the default of the protocol's table; missing parts have size, count and offset 0."""
    value = decode(cls, encode(cls, {}, version), output=True)
    assert not isinstance(value, Failure)
    result = to_json(value)
    assert {name: result[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"field_value": {"hex": "000a"}, "header_field": "VlanId"}, ("VlanId", 10)),
        ({"field_value": {"hex": "0102"}}, ("Undefined", 0x0102)),
        ({"field_value": "0x000a"}, ("VlanId", 10)),
        ({"field_value": 7, "header_field": "SourceAddress"}, ("SourceAddress", "00:07:00:00:00:00")),
        ({"field_value": 6, "frame_header": "IPv4", "header_field": "Protocol"}, ("Protocol", 6)),
        ({"field_value": 2, "frame_header": "Arp", "header_field": "TPA"}, ("TPA", 2)),
        ({"field_value": 53, "frame_header": "Udp", "header_field": "DestinationPort"}, ("DestinationPort", 53)),
        ({"field_value": 1, "frame_header": 9, "header_field": 4}, (4, 1)),
    ],
)
def test_field_values(field: dict[str, Any], expected: tuple[Any, Any]) -> None:
    """A value is a mac, a big-endian 16-bit int or raw bytes; the field has the names of its frame header (FLT-13)."""
    result = shown(s.FieldParameters, field)
    assert (result["header_field"], result["field_value"]) == expected


def test_a_header_override_chooses_the_layout() -> None:
    """The layout is that of the revision if known, else of the highest known one; other header members only replace."""
    assert len(encode(s.QueueParameters, {"header": {"revision": 1}}, V660)) == 1084
    assert len(encode(s.QueueParameters, {"header": {"revision": 2}}, V620)) == 1092
    for unknown in (0, 4, 255):
        buffer = encode(s.QueueParameters, {"header": {"revision": unknown}}, V620)
        assert (len(buffer), buffer[1], buffer[2:4]) == (1096, unknown, (1096).to_bytes(2, "little"))
    buffer = encode(s.QueueParameters, {"header": {"type": 1, "size": 3}}, V620)
    assert (len(buffer), buffer[:4]) == (1084, bytes([1, 1, 3, 0]))
    assert "default_processor_number" in shown(s.ScaleParameters, {"header": {"revision": 1}})


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_decoding_and_encoding_again_gives_the_same_rss_parameters(revision: int) -> None:
    """Members that the revision of a buffer does not have are null when decoded, and null is what encoding takes."""
    members = {
        "header": {"revision": revision},
        "hash_information": ["Toeplitz", "IPV4"],
        "indirection_table": [2, 4],
        "hash_secret_key": "5a" * 40,
        "default_processor_number": 4,
    }
    buffer = encode(s.ScaleParameters, members, V660)
    value = decode(s.ScaleParameters, buffer)
    assert not isinstance(value, Failure)
    result = to_json(value)
    assert result["default_processor_number"] == (4 if revision == 3 else None)
    assert encode(s.ScaleParameters, result, V660) == buffer


def test_null_is_for_members_that_a_revision_may_lack() -> None:
    """Null is not a value of any other member."""
    with pytest.raises(MalformedValue, match="base_cpu_number"):
        encode(s.ScaleParameters, {"base_cpu_number": None}, V660)


def test_overrides_replace_the_written_number_only() -> None:
    """Overridden numbers move neither data nor later members."""
    members = {"indirection_table": [1, 2], "hash_secret_key": "ee" * 40}
    plain = encode(s.ScaleParameters, members, V660)
    changed = encode(
        s.ScaleParameters,
        members
        | {
            "indirection_table_size": 5,
            "indirection_table_offset": 6,
            "hash_secret_key_size": 7,
            "hash_secret_key_offset": 8,
            "processor_masks_offset": 9,
            "number_of_processor_masks": 10,
            "processor_masks_entry_size": 11,
        },
        V660,
    )
    numbers = bytes.fromhex("0500 0000 06000000 0700 0000 08000000 09000000 0a000000 0b000000")
    assert changed == plain[:12] + numbers + plain[40:]


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, 16), (8, 24), (16, 32), (24, 48), (32, 64)],
)
def test_an_overridden_element_size_is_the_stride(size: int, length: int) -> None:
    """A larger stride leaves zeros after every element; at a smaller one later elements overwrite earlier ones."""
    elements = {"elements": [{"queue_id": 1}, {"queue_id": 2}], "element_size": size}
    buffer = encode(s.AllocationCompleteArray, elements, V630)
    assert len(buffer) == 24 + length
    second = 24 + size
    assert buffer[second : second + 12] == bytes.fromhex("80011000 00000000 02000000")
    if size >= 16:
        assert not any(buffer[24 + 16 : second])


@pytest.mark.parametrize("size", [1 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_absurd_element_size_makes_no_absurd_buffer(size: int) -> None:
    """The buffer stays bounded, and the request is refused as one whose array lies outside of it."""
    elements = {"elements": [{}, {}, {}], "element_size": size}
    buffer = encode(s.AllocationCompleteArray, elements, V630)
    assert len(buffer) <= (1 << 20) + 24
    assert isinstance(decode(s.AllocationCompleteArray, buffer), Failure)


@pytest.mark.parametrize(
    ("cls", "members", "word"),
    [
        (s.FilterParameters, [], "object"),
        (s.FilterParameters, None, "object"),
        (s.FilterParameters, {"queue_ids": 1}, "queue_ids"),
        (s.FilterParameters, {"queue_id": "one"}, "queue_id"),
        (s.FilterParameters, {"queue_id": 1.0}, "queue_id"),
        (s.FilterParameters, {"queue_id": True}, "queue_id"),
        (s.FilterParameters, {"queue_id": -1}, "queue_id"),
        (s.FilterParameters, {"queue_id": 1 << 32}, "queue_id"),
        (s.FilterParameters, {"queue_id": None}, "queue_id"),
        (s.FilterParameters, {"filter_type": "VmQueue"}, "filter_type"),
        (s.FilterParameters, {"flags": ["UNTAGGED_OR_ZERO"]}, "flags"),
        (s.FilterParameters, {"flags": "RESERVED"}, "flags"),
        (s.FilterParameters, {"flags": [["RESERVED"]]}, "flags"),
        (s.FilterParameters, {"field_parameters": {}}, "field_parameters"),
        (s.FilterParameters, {"field_parameters": [1]}, "field_parameters"),
        (s.FilterParameters, {"field_parameters": [{}, {"field_valu": 1}]}, "[1]"),
        (s.FilterParameters, {"field_parameters": [{"field_value": "00:15:5d:01:02"}]}, "field_value"),
        (s.FilterParameters, {"field_parameters": [{"field_value": 65536}]}, "field_value"),
        (s.FilterParameters, {"field_parameters": [{"field_value": {"hex": "0"}}]}, "field_value"),
        (s.FilterParameters, {"field_parameters": [{"field_value": {"hex": "00" * 17}}]}, "field_value"),
        (s.FilterParameters, {"field_parameters": [{"field_value": {"hx": "00"}}]}, "field_value"),
        (s.FilterParameters, {"field_parameters": [{"header_field": "Operation"}]}, "header_field"),
        (s.FilterParameters, {"header": 1}, "header"),
        (s.FilterParameters, {"header": {"rev": 1}}, "header"),
        (s.FilterParameters, {"header": {"revision": 256}}, "header.revision"),
        (s.FilterParameters, {"header": {"size": "big"}}, "header.size"),
        (s.FilterInfoArray, {"elements": []}, "elements"),
        (s.FilterInfoArray, {"num_elements": 1}, "num_elements"),
        (s.FilterGlobalParameters, {"enabled_queue_types": []}, "enabled_queue_types"),
        (s.AllocationCompleteArray, {"elements": [{"completion_status": "NDIS_STATUS_SUCCESS"}]}, "completion_status"),
        (s.NicSwitchParameters, {"ndis_reserved1": 0}, "ndis_reserved1"),
        (s.VPortParameters, {"vport_name": "x" * 257}, "vport_name"),
        (s.VPortParameters, {"vport_name": "\ud800"}, "vport_name"),
        (s.VPortParameters, {"processor_affinity": [1, "1:1"]}, "processor_affinity"),
        (s.VPortParameters, {"processor_affinity": [64]}, "processor_affinity"),
        (s.VPortParameters, {"processor_affinity": {"mask": 1, "groups": 0}}, "processor_affinity"),
        (s.VPortParameters, {"attached_function_id": "VF"}, "attached_function_id"),
        (s.ScaleParameters, {"flags": 0x10000}, "flags"),
        (s.ScaleParameters, {"hash_secret_key": "0 0"}, "hash_secret_key"),
        (s.ScaleParameters, {"hash_secret_key": "abc"}, "hash_secret_key"),
        (s.ScaleParameters, {"indirection_table": [256]}, "indirection_table"),
        (s.ScaleParameters, {"indirection_table": ["2"]}, "indirection_table"),
        (s.ScaleParameters, {"indirection_table": ["1:2"], "header": {"revision": 1}}, "indirection_table"),
        (s.SetIndirectionEntries, {"rss_entry_table": [{"entry_status": "SUCCESS"}]}, "entry_status"),
        (s.SetIndirectionEntries, {"rss_entry_table": [{"header": {}}]}, "header"),
        (s.PacketFilter, {"header": {}}, "header"),
        (s.PacketFilter, {"packet_filter": ["ALL"]}, "packet_filter"),
        (s.MulticastList, {"addresses": ["01:00:5e:00:00:0g"]}, "addresses"),
        (s.MulticastList, {"addresses": "01:00:5e:00:00:01"}, "addresses"),
    ],
)
def test_malformed_input(cls: type[Structure], members: Any, word: str) -> None:
    """Unknown members and names and wrong types are refused with a line that names the member."""
    with pytest.raises(MalformedValue) as caught:
        encode(cls, members, V660)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_output_takes_members_that_only_results_have() -> None:
    """A result can be written from its JSON, so that a decoded buffer can be encoded again."""
    value = {"elements": [{"queue_id": 3, "queue_state": "DmaStopped", "num_filters": 2}]}
    result = shown(s.QueueInfoArray, value)
    assert result["first_element_offset"] == 16
    assert result["elements"][0]["queue_state"] == "DmaStopped"
    assert shown(s.QueueInfoArray, result) == result


# Round trips ---------------------------------------------------------------------------------------------------------

_KEYS = st.binary(min_size=1, max_size=64).map(bytes.hex)
_NAMES = st.text(st.characters(blacklist_categories=["Cs"], max_codepoint=0xFFFF), max_size=256)
_PROCESSORS = st.one_of(st.integers(0, 63), st.builds("{}:{}".format, st.integers(1, 65535), st.integers(0, 63)))
_AFFINITIES = st.builds(
    lambda group, numbers: [number if group == 0 else f"{group}:{number}" for number in sorted(numbers)],
    st.integers(0, 3),
    st.sets(st.integers(0, 63)),
)
_MACS = st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))


def member_values(member: Member) -> st.SearchStrategy[Any]:
    """Canonical JSON values of a member: what `to_json` would write."""
    numbers = st.integers(0, (1 << 8 * member.c_type.size) - 1)
    return {
        "int": numbers,
        "flags": numbers.map(member.value.render),
        "enum": st.one_of(st.integers(0, 4), numbers).map(member.value.render),
        "status": numbers.map(member.value.render),
        "function": numbers.map(member.value.render),
        "proc": _PROCESSORS,
        "affinity": _AFFINITIES,
        "string": _NAMES,
        "mac": _MACS,
        "hex": st.just(bytes(member.c_type.size).hex()),
        "mac, int or hex": st.nothing(),
    }[member.value.name]


def structured_values(cls: type[Structure]) -> st.SearchStrategy[dict[str, Any]]:
    """Structured output of any structure, without the numbers that are computed."""
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, placed in cls.layout.members.items():
        if name != "header" and name not in cls.layout.numbers and not placed.member.reserved:
            optional[name] = member_values(placed.member)
    for name, part in cls.layout.parts.items():
        if part.item.structure:
            optional[name] = st.lists(structured_values(part.item.structure), max_size=3)
        else:
            assert part.item.value is not None
            optional[name] = {
                "procs": st.lists(_PROCESSORS, min_size=1, max_size=128),
                "hex": _KEYS,
                "list of affinity": st.lists(_AFFINITIES, min_size=1, max_size=3),
                "list of mac": st.lists(_MACS, max_size=4),
            }[part.item.value.name]
    if cls is s.FieldParameters:
        optional["frame_header"] = st.just("Mac")
        address = {"header_field": st.sampled_from(["DestinationAddress", "SourceAddress"]), "field_value": _MACS}
        short = {"header_field": st.sampled_from(["VlanId", "Priority", 99]), "field_value": st.integers(0, 0xFFFF)}
        del optional["field_value"], optional["result_value"], optional["header_field"]
        return st.one_of(
            *(
                st.fixed_dictionaries(pair | {"result_value": pair["field_value"]}, optional=optional)
                for pair in (address, short)
            )
        )
    return st.fixed_dictionaries({}, optional=optional)


def contains(whole: Any, part: Any) -> bool:
    """Whether every key of `part` is in `whole` with an equal value, lists element by element."""
    if isinstance(part, dict):
        return all(name in whole and contains(whole[name], part[name]) for name in part)
    if isinstance(part, list) and part and isinstance(part[0], dict):
        return len(whole) == len(part) and all(contains(*pair) for pair in zip(whole, part, strict=True))
    return bool(whole == part)


@pytest.mark.parametrize("cls", STRUCTURES.values(), ids=lambda cls: cls.layout.name)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_round_trip(cls: type[Structure], data: st.DataObject) -> None:
    """Decoding returns the given members, and encoding the output again gives the same bytes."""
    members = data.draw(structured_values(cls))
    version = NdisVersion(6, 80)
    buffer = encode(cls, members, version, output=True)
    value = decode(cls, buffer, output=True)
    assert not isinstance(value, Failure), value
    result = to_json(value)
    assert contains(result, members)
    assert encode(cls, result, version, output=True) == buffer


@given(version=st.sampled_from(KNOWN_NDIS_VERSIONS), data=st.data())
@settings(max_examples=60, deadline=None)
def test_requests_of_every_version_are_accepted(version: NdisVersion, data: st.DataObject) -> None:
    """Structured input without overrides is well-formed in the revision of any NDIS version."""
    classes: list[type[Structure]] = [s.FilterParameters, s.AllocationCompleteArray, s.SetIndirectionEntries]
    cls = data.draw(st.sampled_from(classes))
    members = data.draw(structured_values(cls))
    for element in members.get("elements", []):
        element.pop("completion_status", None)
        element.pop("flags", None)
    value = decode(cls, encode(cls, members, version))
    assert not isinstance(value, Failure), value
    name = next(iter(cls.layout.parts))
    assert len(getattr(value, name)) == len(members.get(name, []))
