"""The small vocabulary every other module shares: processor numbers, MAC addresses, NDIS versions."""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_VPORT_ID = 0
DEFAULT_QUEUE_ID = 0
NO_FILTER_ID = 0
BROADCAST_ADDRESS = 0xFFFF_FFFF_FFFF

#: Indices of RSSv2 that name a steering parameter instead of a table entry (UPD-37).
DEFAULT_PROCESSOR_INDEX = 0xFFFF
PRIMARY_PROCESSOR_INDEX = 0xFFFE

_PROCESSOR = re.compile(r"(?:(\d+):)?(\d+)", re.ASCII)
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}", re.ASCII)


class ProcessorNumber(NamedTuple):
    """A processor as PROCESSOR_NUMBER has it; ordered group first (CAP-31)."""

    group: int  # 0..65535
    number: int  # 0..63

    def __str__(self) -> str:
        return f"{self.group}:{self.number}"

    @classmethod
    def parse(cls, text: str | int) -> ProcessorNumber:
        """Read `3`, `"3"` or `"1:16"`; raises ValueError for anything else."""
        if isinstance(text, int) and not isinstance(text, bool):
            group, number = 0, text
        else:
            match = _PROCESSOR.fullmatch(str(text).strip())
            if not match:
                raise ValueError(f"{text!r} is not a processor: write 3 or '1:16'")
            group, number = int(match[1] or 0), int(match[2])
        if not (0 <= group <= 0xFFFF and 0 <= number <= 63):
            raise ValueError(f"{text!r} is not a processor: the group is 0..65535 and the number 0..63")
        return cls(group, number)


def parse_mac(text: str) -> int:
    """Read `00:15:5d:01:02:01` as a 48-bit integer, first byte most significant; ValueError otherwise."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"{text!r} is not a MAC address: write six hexadecimal bytes as 00:15:5d:01:02:01")
    return int(text.replace(":", "").replace("-", ""), 16)


def format_mac(address: int) -> str:
    """Write a 48-bit integer as `00:15:5d:01:02:01`."""
    return ":".join(f"{byte:02x}" for byte in address.to_bytes(6, "big"))


class NdisVersion(NamedTuple):
    """The NDIS contract version of an adapter (MOD-01)."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> NdisVersion:
        """Read `"6.60"`; raises ValueError for a version the rules do not know."""
        for version in KNOWN_NDIS_VERSIONS:
            if str(version) == text:
                return version
        known = ", ".join(str(version) for version in KNOWN_NDIS_VERSIONS)
        raise ValueError(f"{text!r} is not an NDIS version of the model: one of {known}")


KNOWN_NDIS_VERSIONS = tuple(NdisVersion(6, minor) for minor in (0, 1, 20, 30, 40, 50, 60, 80))
