"""The per-packet out-of-band slots of a NET_BUFFER_LIST: the low 32 bits of each pointer-sized slot."""

from __future__ import annotations

from typing import NamedTuple

from dataplane.ndis.constants import NDIS_HASH_FUNCTION_MASK, NDIS_HASH_TYPE_MASK


class Ieee8021Q(NamedTuple):
    """NDIS_NET_BUFFER_LIST_8021Q_INFO, slot 4. An untagged frame and an all-zero tag look alike here."""

    user_priority: int  # 0..7, bits 0-2
    canonical_format_id: int  # 0 or 1, bit 3 (DEI)
    vlan_id: int  # 0..4095, bits 4-15

    def pack(self) -> int:
        """The slot; this is not the wire TCI, whose fields have the opposite order."""
        return self.user_priority | self.canonical_format_id << 3 | self.vlan_id << 4

    @classmethod
    def unpack(cls, slot: int) -> Ieee8021Q:
        """Read the slot; reserved bits are ignored."""
        return cls(slot & 0x7, slot >> 3 & 0x1, slot >> 4 & 0xFFF)

    @property
    def tci(self) -> int:
        """The tag control information as it is on the wire."""
        return self.user_priority << 13 | self.canonical_format_id << 12 | self.vlan_id

    @classmethod
    def from_tci(cls, tci: int) -> Ieee8021Q:
        """Read the 16 bits after the TPID of a tag."""
        return cls(tci >> 13 & 0x7, tci >> 12 & 0x1, tci & 0xFFF)


class FilteringInfo(NamedTuple):
    """NDIS_NET_BUFFER_LIST_FILTERING_INFO, slot 14. Identifiers have only 16 bits here (STR-04)."""

    filter_id: int  # 0 on receive (RX-21)
    target_id: int  # VPortId in switch mode, QueueId otherwise: a union

    def pack(self) -> int:
        """The slot."""
        return self.filter_id & 0xFFFF | (self.target_id & 0xFFFF) << 16

    @classmethod
    def unpack(cls, slot: int) -> FilteringInfo:
        """Read the slot."""
        return cls(slot & 0xFFFF, slot >> 16 & 0xFFFF)


class HashInfo(NamedTuple):
    """NetBufferListHashInfo, slot 9, and HashInformation of the RSS structures."""

    hash_type: int  # NDIS_HASH_*, bits 8-23
    hash_function: int  # bits 0-7

    def pack(self) -> int:
        """The word."""
        return self.hash_type & NDIS_HASH_TYPE_MASK | self.hash_function & NDIS_HASH_FUNCTION_MASK

    @classmethod
    def unpack(cls, word: int) -> HashInfo:
        """Read the word; bits 24-31 are ignored."""
        return cls(word & NDIS_HASH_TYPE_MASK, word & NDIS_HASH_FUNCTION_MASK)
