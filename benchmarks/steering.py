"""The fused steering kernel against plain numpy, and 64- against 1500-byte frames: `python -m benchmarks.steering`."""

from __future__ import annotations

import numpy as np

from benchmarks.measure import in_turns
from benchmarks.numpy_pipeline import steer_with_numpy
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.receive.steering import group_rows, steer_batch
from dataplane.receive.work import new_work_columns
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
from dataplane.switch.snapshot import SteeringSnapshot, compile_snapshot
from dataplane.traffic.batch import FrameBatch, read_only

FRAMES = 16_384  # the batch size of the inline engine
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
TCP_FRAME = bytes.fromhex(
    "00155d01020100155d00009908004500002812340000400600000a0100010a0100020400005000000001000000015010ffff977e0000"
)


def eight_vports() -> SteeringSnapshot:
    """Eight VPorts with all nine hash types, 128 entries each, over eight processors."""
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
    """Random TCP flows to the eight VPorts, a frame every `stride` bytes."""
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


def measure_steering() -> dict[str, float]:
    """Rates in frames a second and their ratios."""
    snapshot, work = eight_vports(), new_work_columns(FRAMES)
    small, split, apart = tcp_frames(64, 64), tcp_frames(128, 1500), tcp_frames(1516, 1500)
    offsets, selection = np.zeros(9, np.int64), np.zeros(FRAMES, np.uint32)
    plain = steer_with_numpy(small, snapshot)
    steer_batch(small, snapshot, work, transmit_by_source=False)
    assert np.array_equal(plain.processor, work.processor)
    assert np.array_equal(plain.hash_value, work.hash_value)
    times = in_turns(
        {
            "kernel_64": lambda: steer_batch(small, snapshot, work, transmit_by_source=False),
            "numpy_64": lambda: steer_with_numpy(small, snapshot),
            "kernel_1500_header_split": lambda: steer_batch(split, snapshot, work, transmit_by_source=False),
            "kernel_1500_apart": lambda: steer_batch(apart, snapshot, work, transmit_by_source=False),
            "grouping": lambda: group_rows(work, 0, FRAMES, offsets, selection),
        }
    )
    rates = {f"{name}_frames_per_second": FRAMES / timing.median for name, timing in times.items()}
    rates["kernel_over_numpy"] = times["numpy_64"].median / times["kernel_64"].median
    rates["1500_header_split_over_64_time"] = times["kernel_1500_header_split"].median / times["kernel_64"].median
    rates["1500_apart_over_64_time"] = times["kernel_1500_apart"].median / times["kernel_64"].median
    return rates


if __name__ == "__main__":
    for name, value in measure_steering().items():
        print(f"{name:<45} {value:,.2f}")
