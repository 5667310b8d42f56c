"""Captures for measurements."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from benchmarks.steering import TCP_FRAME


def write_capture(path: Path, frames: int, length: int) -> None:
    """Write a nanosecond pcap with frames of `length` bytes of 10,000 random TCP flows."""
    random = np.random.default_rng(3)
    flows = random.integers(0, 256, (10_000, 12), np.uint8)
    record = np.zeros((frames, 16 + length), np.uint8)
    head = np.zeros((frames, 4), np.uint32)
    head[:, 0], head[:, 1], head[:, 2:] = 1_700_000_000, np.arange(frames) * 100 % 1_000_000_000, length
    record[:, :16] = head.view(np.uint8).reshape(frames, 16)
    record[:, 16 : 16 + len(TCP_FRAME)] = np.frombuffer(TCP_FRAME, np.uint8)
    record[:, 16 + 5] = random.integers(1, 9, frames)
    record[:, 16 + 26 : 16 + 38] = flows[random.integers(0, len(flows), frames)]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        record.tofile(file)
