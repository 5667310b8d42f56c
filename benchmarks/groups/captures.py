"""Captures on disk with warm page cache: through `run`, and through `steer` to Parquet.

Start-up does not count: scenarios and kernels are loaded before. The reference `read_*` only reads the same file.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.capture_file import write_capture
from benchmarks.measure import Figure, Session, Trial, figures, rate
from benchmarks.quick_start import FILE, quick_start
from benchmarks.runs import finished, in_processor_time, no_progress
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.frame_commands import steer_capture, steer_to_file
from dataplane.scenario.source import traffic_source
from dataplane.traffic.capture import open_capture

#: Number of frames by length: files of 320 MB and 1.2 GB.
FRAMES = {64: 4_000_000, 1500: 800_000}

_PIECE_BYTES = 1 << 20


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """Figures of both lengths, which take turns."""
    trials: dict[str, Trial] = {}
    texts: dict[str, str] = {}
    references: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="vmmq-bench-") as name:
        folder = Path(name)
        for length, all_frames in FRAMES.items():
            frames = all_frames // 10 if session.quick else all_frames
            session.tell(f"writing a capture of {frames:,} frames of {length} bytes")
            capture = folder / f"{length}.pcap"
            write_capture(capture, frames, length)
            trials[f"run_{length}"] = rate(_run(capture), frames)
            texts[f"run_{length}"] = f"run --engine inline, a pcap of {frames:,} {length}-byte frames"
            trials[f"steer_{length}"] = rate(_steer(capture, folder / "steered.parquet"), frames)
            texts[f"steer_{length}"] = f"steer the same to Parquet: {frames:,} rows"
            trials[f"read_{length}"] = rate(partial(_read, capture), frames)
            texts[f"read_{length}"] = f"only read the same file, {_PIECE_BYTES >> 10} KiB at a time"
            references[f"run_{length}"] = references[f"steer_{length}"] = [f"read_{length}"]
        references["run_1500"] = ["run_64", *references["run_1500"]]
        session.tell("captures through run and steer")
        shares: dict[str, list[float]] = {name: [] for name in trials}
        watched = {name: in_processor_time(trial, shares[name]) for name, trial in trials.items()}
        measured = session.take_turns(watched, 5)
    facts = {name: {"processor_share": statistics.median(of_one)} for name, of_one in shares.items()}
    yield from figures(measured, "frames_per_second", texts, references, facts)


def _run(capture: Path) -> Callable[[], object]:
    scenario = quick_start(0, capture)
    prepared = experiment(scenario)
    return lambda: finished(run_inline(prepared, partial(traffic_source, scenario), None, no_progress))


def _steer(capture: Path, output: Path) -> Callable[[], object]:
    once = steer_capture(str(capture), FILE)

    def act() -> None:
        steering = replace(once, source=open_capture(str(capture)), drops=np.zeros_like(once.drops))
        steer_to_file(steering, output, overwrite=True)

    return act


def _read(capture: Path) -> None:
    piece = memoryview(bytearray(_PIECE_BYTES))
    with capture.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass
