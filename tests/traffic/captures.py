"""Captures written byte by byte, independently of the readers, and the frames that reading must give."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dataplane.traffic.batch import FrameBatch, TrafficSource
from dataplane.traffic.capture import open_capture

Order = Literal["big", "little"]


@dataclass(frozen=True)
class Packet:
    """One frame of a capture."""

    timestamp_ns: int
    data: bytes  # what was captured
    wire_length: int

    @classmethod
    def whole(cls, timestamp_ns: int, data: bytes) -> Packet:
        """A frame captured to its end."""
        return cls(timestamp_ns, data, len(data))


def pcap(
    packets: Iterable[Packet],
    *,
    order: Order = "little",
    nanoseconds: bool = True,
    snap_length: int = 262_144,
    link_word: int = 1,
) -> bytes:
    """A classic capture."""
    sign = "<" if order == "little" else ">"
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(sign + "IHHiIII", magic, 2, 4, 0, 0, snap_length, link_word)]
    for packet in packets:
        seconds, rest_ns = divmod(packet.timestamp_ns, 1_000_000_000)
        fraction = rest_ns if nanoseconds else rest_ns // 1000
        parts.append(struct.pack(sign + "IIII", seconds, fraction, len(packet.data), packet.wire_length) + packet.data)
    return b"".join(parts)


class Pcapng:
    """Builds a pcapng file block by block."""

    def __init__(self, order: Order = "little") -> None:
        self._sign = "<" if order == "little" else ">"
        self.data = b""

    def block(self, kind: int, body: bytes) -> Pcapng:
        """Any block; the body is padded."""
        body += bytes(-len(body) % 4)
        length = struct.pack(self._sign + "I", len(body) + 12)
        self.data += struct.pack(self._sign + "I", kind) + length + body + length
        return self

    def section(self, order: Order | None = None) -> Pcapng:
        """A Section Header Block; `order` changes the byte order from here on."""
        if order:
            self._sign = "<" if order == "little" else ">"
        return self.block(0x0A0D0D0A, struct.pack(self._sign + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link_type: int = 1, snap_length: int = 0, options: Sequence[tuple[int, bytes]] = ()) -> Pcapng:
        """An Interface Description Block."""
        body = struct.pack(self._sign + "HHI", link_type, 0, snap_length)
        for code, value in options:
            body += struct.pack(self._sign + "HH", code, len(value)) + value + bytes(-len(value) % 4)
        return self.block(1, body + (bytes(4) if options else b""))

    def offset(self, seconds: int) -> tuple[int, bytes]:
        """Option if_tsoffset."""
        return 14, struct.pack(self._sign + "q", seconds)

    def enhanced(self, units: int, data: bytes, wire_length: int | None = None, interface: int = 0) -> Pcapng:
        """An Enhanced Packet Block."""
        wire_length = len(data) if wire_length is None else wire_length
        head = struct.pack(self._sign + "IIIII", interface, units >> 32, units & 0xFFFF_FFFF, len(data), wire_length)
        return self.block(6, head + data)

    def obsolete(self, units: int, data: bytes, interface: int = 0) -> Pcapng:
        """A Packet Block, with a drop count of 7."""
        head = struct.pack(self._sign + "HHIIII", interface, 7, units >> 32, units & 0xFFFF_FFFF, len(data), len(data))
        return self.block(2, head + data)

    def simple(self, data: bytes, wire_length: int) -> Pcapng:
        """A Simple Packet Block."""
        return self.block(3, struct.pack(self._sign + "I", wire_length) + data)


def frame(number: int, length: int) -> bytes:
    """An IPv4-looking frame of any length whose bytes name it."""
    head = bytes.fromhex("00155d010201 0200aabbcc00 0800") + number.to_bytes(4, "big")
    return (head + bytes((number * 7 + i) % 256 for i in range(length)))[:length]


def packets(count: int = 20) -> list[Packet]:
    """Frames of all sorts of lengths, 1.5 us apart, beginning at a time that needs all 64 bits."""
    return [Packet.whole(1_700_000_000_999_999_000 + 1500 * i, frame(i, 14 + (i * 37) % 300)) for i in range(count)]


def read(source: TrafficSource, batch_frames: int = 1000) -> list[Packet]:
    """Everything a source yields; checks that frames are numbered without gaps and batches are not too long."""
    found: list[Packet] = []
    for batch in source.batches(batch_frames):
        assert 0 < len(batch) <= batch_frames
        assert batch.first_frame == len(found)
        found += _packets_of(batch)
    return found


def read_file(path: Path, batch_frames: int = 1000) -> list[Packet]:
    """All frames of a sound capture, each captured completely."""
    source = open_capture(str(path))
    found = read(source, batch_frames)
    assert source.findings == []
    return found


def _packets_of(batch: FrameBatch) -> list[Packet]:
    return [Packet(int(batch.timestamp_ns[i]), batch.frame(i), int(batch.wire_length[i])) for i in range(len(batch))]
