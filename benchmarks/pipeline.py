"""Whole runs: synthetic frames to results, and captures to a table: `python -m benchmarks.pipeline`."""

from __future__ import annotations

import struct
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.steering import TCP_FRAME
from dataplane.commands import QUICK_START, update_report
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.frame_commands import steer_capture, steer_to_file
from dataplane.results.summary import summarize
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source

CONFIGS = Path(__file__).parent.parent / "configs"
_ROUNDS = 3


def write_capture(path: Path, frames: int, length: int) -> None:
    """A nanosecond pcap of 10,000 random TCP flows, each frame of `length` bytes."""
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


def synthetic_frames_per_second(frames: int) -> float:
    """`run --engine inline`: the quick start's NIC and traffic from generation to summary; the best of a few rounds."""
    text = (CONFIGS / QUICK_START).read_text("utf-8").replace("packets = 1_000_000", f"packets = {frames}")
    scenario = load_scenario(text)
    prepared = experiment(scenario)
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        result = run_inline(prepared, partial(traffic_source, scenario), None, lambda count, share: None)
        summarize(result, update_report(result), scenario=scenario.name, seed=1)
        best = min(best, time.perf_counter() - started)
    return frames / best


def capture_frames_per_second(length: int, frames: int) -> dict[str, float]:
    """A capture through `run` and through `steer` to Parquet, page cache warm."""
    with tempfile.TemporaryDirectory() as directory:
        capture = Path(directory) / "capture.pcap"
        write_capture(capture, frames, length)
        scenario = load_scenario(CONFIGS / QUICK_START, capture=str(capture))
        prepared = experiment(scenario)
        best_run = best_steer = float("inf")
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            run_inline(prepared, partial(traffic_source, scenario), None, lambda count, share: None)
            best_run = min(best_run, time.perf_counter() - started)
            started = time.perf_counter()
            steering = steer_capture(str(capture), CONFIGS / QUICK_START)
            output = Path(directory) / "out.parquet"
            steer_to_file(steering, output, overwrite=True, progress=lambda count, share: None)
            best_steer = min(best_steer, time.perf_counter() - started)
    return {f"run_capture_{length}": frames / best_run, f"steer_to_parquet_{length}": frames / best_steer}


def measure_pipeline() -> dict[str, float]:
    """Frames a second of everything above."""
    return {
        "run_inline_synthetic": synthetic_frames_per_second(10_000_000),
        **capture_frames_per_second(64, 4_000_000),
        **capture_frames_per_second(1500, 500_000),
    }


if __name__ == "__main__":
    for name, value in measure_pipeline().items():
        print(f"{name:<45} {value:,.0f} frames/s")
