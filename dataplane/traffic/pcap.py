"""Classic pcap files: a 24-byte header, then records of a 16-byte header and the captured bytes.

Read are microsecond and nanosecond files in both byte orders. An FCS that the link-type field declares is taken off,
because frames of the model have none (MOD-10). The time zone field is ignored, as everybody does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataplane.kernels.capture import CAPTURED_LENGTH_MAX, DAMAGED, FULL, scan_pcap
from dataplane.traffic.errors import TrafficError
from dataplane.traffic.link_types import ETHERNET, link_type_name
from dataplane.traffic.records import Columns, RecordReader
from dataplane.traffic.window import Window

_FILE_HEADER_BYTES = 24
_RECORD_HEADER_BYTES = 16
_SNAP_LENGTH_DEFAULT = 262_144  # what tcpdump takes as the largest sensible snap length

#: Magic number as the first four bytes of the file: byte order, nanoseconds in one unit of the fraction.
MAGIC: dict[bytes, tuple[Literal["big", "little"], int]] = {
    bytes.fromhex("a1b2c3d4"): ("big", 1000),
    bytes.fromhex("d4c3b2a1"): ("little", 1000),
    bytes.fromhex("a1b23c4d"): ("big", 1),
    bytes.fromhex("4d3cb2a1"): ("little", 1),
}


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the file header says."""

    big_endian: bool
    unit_ns: int
    snap_length: int
    link_type: int
    fcs_bytes: int

    @classmethod
    def parse(cls, data: bytes, name: str) -> FileHeader:
        """Read the first 24 bytes; raises TrafficError."""
        if len(data) < _FILE_HEADER_BYTES:
            raise TrafficError(f"{name} ends inside its pcap file header ({len(data)} of 24 bytes); capture again")
        order, unit_ns = MAGIC[data[:4]]
        major, snap_length, link_word = (
            int.from_bytes(data[low:high], order) for low, high in ((4, 6), (16, 20), (20, 24))
        )
        if major != 2:
            raise TrafficError(f"{name} is pcap version {major}; only version 2 is known, convert it with editcap")
        # bit 26 says that the top four bits are the FCS length in 16-bit words
        fcs_bytes = (link_word >> 28) * 2 if link_word & 0x0400_0000 else 0
        return cls(order == "big", unit_ns, snap_length, link_word & 0xFFFF, fcs_bytes)


class PcapReader(RecordReader):
    """Reads the records of a window that starts with a pcap file header."""

    def __init__(self, window: Window, name: str) -> None:
        super().__init__(window, name)
        self._header = FileHeader.parse(window.data[: min(window.end, _FILE_HEADER_BYTES)].tobytes(), name)
        if self._header.link_type != ETHERNET:
            raise TrafficError(
                f"{name} was captured on {link_type_name(self._header.link_type)}, not on Ethernet; "
                "capture on an Ethernet interface"
            )
        self._position = _FILE_HEADER_BYTES
        self._long_fractions = np.zeros(1, np.int64)

    def _fill(self, columns: Columns) -> bool:
        window, header = self._window, self._header
        limit = min(max(header.snap_length, _SNAP_LENGTH_DEFAULT), CAPTURED_LENGTH_MAX)
        while True:
            columns.row, self._position, status = scan_pcap(
                window.data,
                self._position,
                window.end,
                header.big_endian,
                header.unit_ns,
                limit,
                header.fcs_bytes,
                self._long_fractions,
                *columns.arguments,
            )
            if status == FULL:
                return True
            if status == DAMAGED or window.exhausted:
                self._report_end(damaged=status == DAMAGED)
                return False
            if columns.row:
                return True  # a batch ends where the window does: that is where its frames lie
            self._position = window.advance(self._position)

    def _report_end(self, damaged: bool) -> None:
        if count := int(self._long_fractions[0]):
            self.findings.append(
                f"{self._name}: {count} records have a fraction of a second that is a second or more: "
                "their times are not to be trusted"
            )
        window, is_length_known = self._window, self._rest >= _RECORD_HEADER_BYTES
        record = window.data[self._position : window.end]
        order: Literal["big", "little"] = "big" if self._header.big_endian else "little"
        claimed = int.from_bytes(record[8:12].tobytes(), order) if is_length_known else 0
        if damaged:
            self._report_damage("record header", f" (it claims {claimed} captured bytes)")
        elif self._rest:
            self._report_cut("record", _RECORD_HEADER_BYTES + claimed if is_length_known else None)
        elif window.failure:
            self._report_failure()
