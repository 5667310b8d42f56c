"""pcapng files: sections of blocks, each section with its byte order and its interfaces.

Frames come from Enhanced, Simple and (obsolete) Packet Blocks. Section Header and Interface Description Blocks are read
here, packets by the kernel; every other block is skipped. A Simple Packet Block has no time and gets that of the frame
before it. Interfaces other than Ethernet may be described, but a packet of one is an error.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from dataplane.arrays import read_only
from dataplane.kernels.capture import (
    BINARY_FRACTION,
    CAPTURED_LENGTH_MAX,
    CONTROL_BLOCK,
    DIVIDE,
    FOREIGN_LINK_TYPE,
    FULL,
    INTERFACE_COLUMNS,
    LINK_TYPE,
    MULTIPLY,
    NEED_MORE,
    TIMESTAMP_MAX_NS,
    scan_pcapng,
)
from dataplane.traffic.errors import TrafficError
from dataplane.traffic.link_types import link_type_name
from dataplane.traffic.records import Columns, RecordReader
from dataplane.traffic.window import Window

MAGIC = bytes.fromhex("0a0d0d0a")

_BYTE_ORDERS: dict[bytes, Literal["big", "little"]] = {
    bytes.fromhex("1a2b3c4d"): "big",
    bytes.fromhex("4d3c2b1a"): "little",
}
_SECTION_HEADER_BYTES_MIN, _INTERFACE_BYTES_MIN = 28, 20
_END_OF_OPTIONS, _IF_TSRESOL, _IF_FCSLEN, _IF_TSOFFSET = 0, 9, 13, 14
_MICROSECONDS = 6


class PcapngReader(RecordReader):
    """Reads the blocks of a window that starts with a Section Header Block."""

    def __init__(self, window: Window, name: str) -> None:
        super().__init__(window, name)
        self._order: Literal["big", "little"] = "little"
        self._interfaces = read_only(np.zeros((0, INTERFACE_COLUMNS), np.int64))
        self._last_timestamp_ns = 0
        self._damage = ""
        if not self._read_section_header():
            raise TrafficError(f"{name} ends inside or has a damaged pcapng section header; capture again")

    def _fill(self, columns: Columns) -> bool:
        window = self._window
        while True:
            columns.row, self._position, status = scan_pcapng(
                window.data,
                self._position,
                window.end,
                self._order == "big",
                self._interfaces,
                self._last_timestamp_ns,
                *columns.arguments,
            )
            if columns.row:
                self._last_timestamp_ns = int(columns.timestamp_ns[columns.row - 1])
            if status == CONTROL_BLOCK:
                if self._read_control_block():
                    continue
                status = NEED_MORE if not self._damage else status
            if status == FULL:
                return True
            if status == FOREIGN_LINK_TYPE:
                self._refuse_foreign(columns)
                return True
            if status != NEED_MORE or window.exhausted:
                self._report_end(damaged=status != NEED_MORE)
                return False
            if columns.row:
                return True  # a batch ends where the window does: that is where its frames lie
            self._position = window.advance(self._position)

    def _refuse_foreign(self, columns: Columns) -> None:
        """Raise at a packet that is not Ethernet, once the frames before it have been handed out."""
        if columns.row:
            return
        block = self._block(12)
        number = (
            0 if self._int(block[0:4]) == 3 else self._int(block[8:12] if self._int(block[0:4]) == 6 else block[8:10])
        )
        kind = link_type_name(int(self._interfaces[number, LINK_TYPE]))
        raise TrafficError(
            f"{self._name}: frame {self._frames}, at byte {self._window.base + self._position}, is from interface "
            f"{number}, which is {kind}, not Ethernet; leave that interface out of the capture"
        )

    def _block(self, count: int) -> bytes:
        """Up to `count` bytes of the block at the current position."""
        return self._window.data[self._position : min(self._position + count, self._window.end)].tobytes()

    def _int(self, data: bytes, signed: bool = False) -> int:
        return int.from_bytes(data, self._order, signed=signed)

    def _read_control_block(self) -> bool:
        """Read a section header or an interface; false when it is not whole; sets `_damage` when it never will be."""
        if self._block(4) == MAGIC:
            return self._read_section_header()
        return self._read_interface()

    def _read_section_header(self) -> bool:
        head = self._block(16)
        if len(head) < 16:
            return False
        order = _BYTE_ORDERS.get(head[8:12])
        if order is None:
            self._damage = "the section header has no byte-order magic"
            return False
        self._order = order
        if self._int(head[12:14]) != 1:
            raise TrafficError(
                f"{self._name} is pcapng version {self._int(head[12:14])}; only version 1 is known, "
                "convert it with editcap"
            )
        if self._whole_block(_SECTION_HEADER_BYTES_MIN) is None:
            return False
        self._interfaces = read_only(np.zeros((0, INTERFACE_COLUMNS), np.int64))
        self._position += self._int(head[4:8])
        return True

    def _read_interface(self) -> bool:
        block = self._whole_block(_INTERFACE_BYTES_MIN)
        if block is None:
            return False
        link_type, snap_length = self._int(block[8:10]), self._int(block[12:16])
        resolution, offset_s, fcs_bits = _MICROSECONDS, 0, 0
        options = block[16:-4]
        while len(options) >= 4:
            code, length = self._int(options[0:2]), self._int(options[2:4])
            value = options[4 : 4 + length]
            if code == _END_OF_OPTIONS or len(value) < length:
                break
            if code == _IF_TSRESOL and length == 1:
                resolution = value[0]
            elif code == _IF_TSOFFSET and length == 8:
                offset_s = self._int(value, signed=True)
            elif code == _IF_FCSLEN and length == 1:
                fcs_bits = value[0]
            options = options[4 + (length + 3) // 4 * 4 :]
        # the length counts bits, but the specification's own example says 4 for Ethernet, and some write that
        fcs_bytes = fcs_bits // 8 if fcs_bits >= 8 else fcs_bits
        # the kernel adds it to 0 to TIMESTAMP_MAX_NS: any sum fits in 64 bits
        offset_ns = max(min(offset_s * 1_000_000_000, TIMESTAMP_MAX_NS - 1), -2 * TIMESTAMP_MAX_NS)
        row = [[link_type, snap_length, fcs_bytes, *_resolution(resolution), offset_ns]]
        self._interfaces = read_only(np.concatenate([self._interfaces, np.array(row, np.int64)]))
        self._position += len(block)
        return True

    def _whole_block(self, length_min: int) -> bytes | None:
        """The block at the current position if it is whole and sound."""
        length = self._int(self._block(8)[4:8])
        if length < length_min or length % 4 or length > CAPTURED_LENGTH_MAX:
            self._damage = f"the block claims {length} bytes"
            return None
        block = self._block(length)
        if len(block) < length:
            return None
        if self._int(block[-4:]) != length:
            self._damage = f"the block begins with length {length} and ends with {self._int(block[-4:])}"
            return None
        return block

    def _report_end(self, damaged: bool) -> None:
        rest = self._rest
        if damaged:
            self._report_damage("block", f" ({self._damage})" if self._damage else "")
        elif rest > 0:
            # the byte order of a new section is not known yet
            is_length_known = rest >= 8 and self._block(4) != MAGIC
            self._report_cut("block", self._int(self._block(8)[4:8]) if is_length_known else None)
        elif rest < 0:
            self.findings.append(
                f"{self._name}: {self._failure}the last block is cut off: {-rest} of its bytes are missing; "
                "it held no frame"
            )
        elif self._window.failure:
            self._report_failure()


def _resolution(value: int) -> tuple[int, int]:
    """`if_tsresol` as a kind and a factor that the kernel turns time units into ns with."""
    exponent = value & 0x7F
    if value & 0x80:
        return BINARY_FRACTION, exponent
    if exponent <= 9:
        return MULTIPLY, 10 ** (9 - exponent)
    if exponent <= 28:
        divisor = 10 ** (exponent - 9)
        return DIVIDE, divisor if divisor < 1 << 63 else divisor - (1 << 64)  # a uint64 in an int64 column
    return BINARY_FRACTION, 127  # 64 bits of such units are less than a nanosecond
