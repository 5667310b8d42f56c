"""The input of the steering kernel and its peers: the same frames, and the NIC at which they arrive."""

from __future__ import annotations

import numpy as np

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    RssState,
    VPort,
)
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch, read_only

FRAMES = 16_384  # 64 bytes of each frame and the work columns fit into the second- and third-level caches
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
TCP_FRAME = bytes.fromhex(
    "00155d01020100155d00009908004500002812340000400600000a0100010a0100020400005000000001000000015010ffff977e0000"
)


def eight_vports() -> SteeringSnapshot:
    """Eight VPorts over eight processors, each with all nine hash types and 128 entries."""
    processors = tuple(ProcessorNumber(0, n) for n in range(8))
    types = HashType.NONE
    for one in HashType:
        types |= one
    rss = RssState(True, types, KEY, tuple(processors[n % 8] for n in range(128)), processors[0])
    return compile_snapshot(
        AdapterConfiguration(
            mode=Mode.SWITCH,
            ndis_version=NdisVersion(6, 80),
            rss_processors=processors,
            rss_base_processor=processors[0],
            permanent_address=0x00155D000001,
            filters=tuple(
                Filter(n, n, (FieldTest(MacField.DESTINATION_ADDRESS, 0x00155D010200 + n),), True) for n in range(1, 9)
            ),
            vports=tuple(VPort(n, True, processors[n % 8], rss) for n in range(9)),
        ),
        0,
    )


def tcp_frames(stride: int, captured: int) -> FrameBatch:
    """Frames of random TCP flows to the eight VPorts; a frame starts every `stride` bytes."""
    random = np.random.default_rng(1)
    data = np.zeros((FRAMES, stride), np.uint8)
    data[:, : len(TCP_FRAME)] = np.frombuffer(TCP_FRAME, np.uint8)
    data[:, 5] = random.integers(1, 9, FRAMES)
    data[:, 26:38] = random.integers(0, 256, (FRAMES, 12))
    lengths = read_only(np.full(FRAMES, captured, np.uint32))
    return FrameBatch(
        0,
        read_only(np.arange(FRAMES, dtype=np.int64) * 100),
        lengths,
        lengths,
        read_only(np.arange(FRAMES, dtype=np.int64) * stride),
        read_only(data.reshape(-1)),
    )
