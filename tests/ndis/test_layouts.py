"""The declared structures lie in memory as documented."""

from __future__ import annotations

import re

import pytest

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.codec import decode
from dataplane.ndis.layout import STRUCTURES
from dataplane.ndis.structured import encode
from dataplane.ndis.structures import ScaleParameters
from dataplane.ndis.values import GroupAffinity
from tests.ndis.layouts import LAYOUTS, DocumentedLayout

by_structure = pytest.mark.parametrize("documented", LAYOUTS, ids=lambda documented: documented.name)


def snake_case(name: str) -> str:
    """The protocol's form of a member name, as its examples show it: VPort, VF, MSIX, VM, ARP and IPv4 are words."""
    name = name.rpartition(".")[2].replace("VPort", "Vport").replace("IPv", "Ipv").replace("MSIX", "Msix")
    name = re.sub(r"([A-Z])([A-Z]+)(?=[A-Z][a-z]|$|s\b|s[A-Z])", lambda m: m[1] + m[2].lower(), name)
    name = name.replace("VMf", "Vmf").replace("VFId", "VfId").replace("VMN", "VmN").replace("VMF", "VmF")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def test_every_documented_structure_is_declared_and_no_other() -> None:
    """The model knows exactly the documented structures, besides the three buffers without a structure."""
    assert {documented.name for documented in LAYOUTS} == set(STRUCTURES) - {
        "PACKET_FILTER",
        "CURRENT_ADDRESS",
        "MULTICAST_LIST",
    }


@by_structure
def test_offsets_and_sizes(documented: DocumentedLayout) -> None:
    """Every member has the compiler's offset, and `sizeof` counts the tail padding (STR-03)."""
    layout = STRUCTURES[documented.name].layout
    declared = [(placed.offset, placed.member.c_type.size, placed.member.c_name) for placed in layout.members.values()]
    assert declared == list(documented.members)
    if documented.sizeof is not None:
        assert layout.sizeof == documented.sizeof


@by_structure
def test_header_size_of_every_revision(documented: DocumentedLayout) -> None:
    """Header.Size is the end of the last member of the revision, without tail padding; types as in STR-02."""
    layout = STRUCTURES[documented.name].layout
    if documented.sizes:
        assert tuple(revision.size for revision in layout.revisions) == documented.sizes
    assert layout.object_type == documented.object_type


@by_structure
def test_attribute_names(documented: DocumentedLayout) -> None:
    """Attributes are the snake_case forms of the documented names."""
    layout = STRUCTURES[documented.name].layout
    assert [placed.attribute for placed in layout.members.values()] == [
        snake_case(name) for _, _, name in documented.members
    ]


@by_structure
def test_values_are_read_from_their_offsets(documented: DocumentedLayout) -> None:
    """A little-endian number written at a documented offset is what its attribute reads (STR-01)."""
    cls = STRUCTURES[documented.name]
    layout = cls.layout
    buffer = bytearray(layout.sizeof)
    expected = {}
    for i, (attribute, placed) in enumerate(layout.members.items()):
        offset, size, _ = documented.members[i]
        if isinstance(placed.member.c_type.zero, int) and placed.member.c_type.load is None:
            expected[attribute] = 0x0807060504030201 + i & (1 << 8 * size) - 1
            buffer[offset : offset + size] = expected[attribute].to_bytes(size, "little")
    values = dict(zip(layout.fields, layout.revisions[-1].load(bytes(buffer)), strict=True))
    assert {attribute: values[attribute] for attribute in expected} == expected


def test_building_blocks() -> None:
    """PROCESSOR_NUMBER, GROUP_AFFINITY and NDIS_IF_COUNTED_STRING have their documented inner layout."""
    buffer = encode(
        STRUCTURES["NDIS_RECEIVE_QUEUE_PARAMETERS"],
        {"processor_affinity": {"group": 2, "mask": "0x8000000000000001"}, "vm_name": "vm\u00e9"},
        NdisVersion(6, 60),
    )
    assert buffer[24:40] == bytes.fromhex("0100000000000080 0200 000000000000")
    assert buffer[52:60] == bytes.fromhex("0600 76006d00e900")
    assert not any(buffer[60:568])
    rss = encode(ScaleParameters, {"default_processor_number": "3:17"}, NdisVersion(6, 60))
    assert rss[40:44] == bytes.fromhex("0300 11 00")


def test_the_documented_example_of_a_scale_parameters_buffer() -> None:
    """Revision 3 with 16 entries: table at 44, key at 108, one mask at 152, 168 bytes in all (STR-05)."""
    processors = [2, 4, 6, 8] * 4
    buffer = encode(
        ScaleParameters,
        {
            "hash_information": ["Toeplitz", "IPV4"],
            "indirection_table": processors,
            "hash_secret_key": "ab" * 40,
            "processor_masks": [[2, 4, 6, 8]],
        },
        NdisVersion(6, 60),
    )
    assert len(buffer) == 168
    assert buffer[44:108] == b"".join(bytes([0, 0, number, 0]) for number in processors)
    assert buffer[108:148] == b"\xab" * 40
    assert buffer[152:168] == bytes.fromhex("5401000000000000 0000 000000000000")
    value = decode(ScaleParameters, buffer)
    assert isinstance(value, ScaleParameters)
    assert (value.indirection_table_size, value.indirection_table_offset) == (64, 44)
    assert (value.hash_secret_key_size, value.hash_secret_key_offset) == (40, 108)
    assert value.processor_masks_offset == 152
    assert (value.number_of_processor_masks, value.processor_masks_entry_size) == (1, 16)
    assert value.indirection_table == tuple(ProcessorNumber(0, number) for number in processors)
    assert value.processor_masks == (GroupAffinity(0, 0x154),)
