"""The start of the program as a user sees it: wall time of whole processes, caches warm.

The references are Python that does nothing, and Python that only imports the indispensable packages.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.capture_file import write_capture
from benchmarks.measure import Figure, Session, figures, seconds
from benchmarks.quick_start import FILE

_FRAMES = 1000


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """Figures of all commands; every command has its own process."""
    session.tell("starting vmmq")
    with tempfile.TemporaryDirectory(prefix="vmmq-bench-") as name:
        capture, table = Path(name) / "small.pcap", Path(name) / "small.parquet"
        write_capture(capture, _FRAMES, 64)
        steer = [*vmmq(), "steer", str(capture), "--config", str(FILE), "--quiet"]
        commands = {
            "help": [*vmmq(), "--help"],
            "steer": steer,
            "steer_to_parquet": [*steer, "--output", str(table), "--overwrite"],
            "python": [sys.executable, "-c", "pass"],
            "python_with_numba": [sys.executable, "-c", "import numpy, pyarrow, numba"],
        }
        if session.quick:
            del commands["steer_to_parquet"]
        processor_seconds: dict[str, list[float]] = {name: [] for name in commands}
        trials = {name: seconds(partial(_call, command, processor_seconds[name])) for name, command in commands.items()}
        measured = session.take_turns(trials, 2 if session.quick else 11)
    texts = {
        "help": "vmmq --help",
        "steer": f"vmmq steer of {_FRAMES:,} frames to the screen",
        "steer_to_parquet": f"vmmq steer of {_FRAMES:,} frames to Parquet",
        "python": "python -c pass",
        "python_with_numba": "python -c 'import numpy, pyarrow, numba'",
    }
    references = {name: ["python", "python_with_numba"] for name in ("help", "steer", "steer_to_parquet")}
    facts = {  # without the warm-up
        name: {"processor_seconds": statistics.median(processor_seconds[name][-len(values) :])}
        for name, values in measured.items()
    }
    yield from figures(measured, "seconds", texts, references, facts)


def vmmq() -> list[str]:
    """The command that belongs to this Python."""
    script = Path(sys.executable).with_name("vmmq")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cli"]


def _call(command: Sequence[str], processor_seconds: list[float]) -> None:
    """Run a command, and append the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
