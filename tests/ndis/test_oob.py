"""The per-packet out-of-band slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.ndis.oob import FilteringInfo, HashInfo, Ieee8021Q


@pytest.mark.parametrize(
    ("user_priority", "canonical_format_id", "vlan_id", "tci", "slot"),
    [
        (0, 0, 0, 0x0000, 0x00000000),
        (5, 0, 0, 0xA000, 0x00000005),
        (3, 0, 42, 0x602A, 0x000002A3),
        (5, 1, 291, 0xB123, 0x0000123D),
        (7, 1, 4095, 0xFFFF, 0x0000FFFF),
        (0, 0, 1, 0x0001, 0x00000010),
        (0, 0, 100, 0x0064, 0x00000640),
    ],
)
def test_8021q_vectors(user_priority: int, canonical_format_id: int, vlan_id: int, tci: int, slot: int) -> None:
    """The published packing vectors: the slot is not the wire TCI."""
    info = Ieee8021Q(user_priority, canonical_format_id, vlan_id)
    assert (info.pack(), info.tci) == (slot, tci)
    assert Ieee8021Q.from_tci(tci) == Ieee8021Q.unpack(slot) == info


@given(st.integers(0, 0xFFFF))
def test_every_tag_survives(tci: int) -> None:
    """No bit of a tag is lost in the slot."""
    assert Ieee8021Q.unpack(Ieee8021Q.from_tci(tci).pack()).tci == tci


def test_filtering_info() -> None:
    """VPortId 3 with FilterId 0 is 0x30000; both identifiers have 16 bits (STR-04, RX-21)."""
    assert FilteringInfo(0, 3).pack() == 0x30000
    assert FilteringInfo.unpack(0x00030001) == FilteringInfo(1, 3)
    assert FilteringInfo(0x10002, 0x10003).pack() == 0x00030002


def test_hash_info() -> None:
    """The type has bits 8 to 23, the function bits 0 to 7."""
    assert HashInfo(0x200, 1).pack() == 0x201
    assert HashInfo.unpack(0xFF004001) == HashInfo(0x4000, 1)
    assert HashInfo(0xFF0100FF, 0x1FF).pack() == 0x000100FF
