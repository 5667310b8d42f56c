"""The C program `pipeline.c`: built with this machine's compiler and DPDK, run on our frames, checked with our hashes.

It is built every time, for the CPU it runs on, which takes about a second. It runs as a child process that answers
commands, so that it can take turns with the subjects it is compared with.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers import Missing, PeerError
from dataplane.switch.snapshot import SLOTS_PER_TARGET, TABLE_ENTRIES_MAX, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

SOURCE = Path(__file__).with_name("pipeline.c")

_INSTALL = "apt-get install libdpdk-dev pkg-config gcc"
_PROCESSORS_MAX = 256


def missing(cpu_flags: frozenset[str]) -> list[Missing]:
    """The parts of this peer that are not available on this machine."""
    absent = [program for program in ("cc", "pkg-config") if shutil.which(program) is None]
    if absent:
        return [Missing("dpdk", f"there is no {' and no '.join(absent)}", _INSTALL)]
    if subprocess.run(["pkg-config", "--exists", "libdpdk"], capture_output=True, check=False).returncode:
        return [Missing("dpdk", "pkg-config finds no libdpdk", _INSTALL)]
    if not {"gfni", "avx512f"} <= cpu_flags:
        return [Missing("dpdk_gfni", "not on this CPU", "rte_thash_gfni needs one with GFNI and AVX-512")]
    return []


@dataclass(frozen=True, slots=True)
class Workload:
    """The input of the program."""

    frames: FrameBatch  # frames at equal distances
    snapshot: SteeringSnapshot  # with filters of one address each, one key, and full tables
    tuples: npt.NDArray[np.uint8]  # (n, 36)

    def write(self, path: Path) -> None:
        """Write a file in the format of `pipeline.c`."""
        snapshot, starts = self.snapshot, self.frames.frame_start
        stride = int(starts[1] - starts[0])
        assert (np.diff(starts) == stride).all(), "frames lie the same number of bytes apart"
        [key] = snapshot.hash_secret_keys
        rows = {target_id: row for row, target_id in enumerate(snapshot.target_ids)}
        filters = snapshot.configuration.filters
        macs = np.zeros((len(filters), 2), np.uint64)
        for entry, one in zip(macs, filters, strict=True):
            entry[0] = int.from_bytes(one.tests[0].value.to_bytes(6, "big"), "little")
            entry[1] = rows[one.target_id]
        tables = snapshot.arrays.slot_processors.reshape(-1, SLOTS_PER_TARGET)[: len(rows), :TABLE_ENTRIES_MAX]
        counts = (len(self.frames), stride, len(macs), len(tables), TABLE_ENTRIES_MAX, len(self.tuples))
        with path.open("wb") as file:
            file.write(struct.pack("<8s6I40s", b"vmmq-wl1", *counts, key))
            for array in (macs, tables, self.frames.data[: len(self.frames) * stride], self.tuples):
                file.write(np.ascontiguousarray(array).tobytes())


class Program:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str], workload: Workload) -> None:
        self._process = process
        self._workload = workload
        self.methods: list[str] = self._ask("methods")

    def pipeline(self, method: str, passes: int) -> dict[str, Any]:
        """Processor `seconds` of the passes, `checksum` (the sum of all hash values) and `counts` by processor row."""
        answer: dict[str, Any] = self._ask(f"pipeline {method} {passes}")
        return answer

    def toeplitz(self, method: str, length: int, passes: int) -> dict[str, Any]:
        """Processor `seconds` of the passes over the first `length` bytes of all tuples, and `checksum`."""
        answer: dict[str, Any] = self._ask(f"toeplitz {method} {length} {passes}")
        return answer

    def check_pipeline(self, hash_value: npt.NDArray[np.uint32], processor: npt.NDArray[np.uint16]) -> None:
        """PeerError unless every method gives these columns: a wrong program is no reference."""
        wanted = (int(hash_value.sum(dtype=np.uint64)), np.bincount(processor, minlength=_PROCESSORS_MAX).tolist())
        for method in self.methods:
            answer = self.pipeline(method, passes=1)
            if (answer["checksum"], answer["counts"]) != wanted:
                raise PeerError(f"dpdk_{method} steers frames differently than the model")

    def check_toeplitz(self, length: int, hash_value: npt.NDArray[np.uint32]) -> None:
        """PeerError unless every method gives these hashes of tuples."""
        for method in self.methods:
            if self.toeplitz(method, length, passes=1)["checksum"] != int(hash_value.sum(dtype=np.uint64)):
                raise PeerError(f"dpdk_{method} hashes {length} bytes differently than the model")

    def _ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise PeerError(f"dpdk: the program ended at {command!r}") from error


@contextmanager
def program(workload: Workload, core: int) -> Iterator[Program]:
    """Build the program and start it on core `core`; PeerError if that fails."""
    with tempfile.TemporaryDirectory(prefix="vmmq-dpdk-") as name:
        folder = Path(name)
        binary = build(folder)
        workload.write(folder / "workload")
        with subprocess.Popen(
            [str(binary), str(folder / "workload"), str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                yield Program(process, workload)
            finally:
                process.kill()


def build(folder: Path) -> Path:
    """Build the executable in `folder`; PeerError with the first line of the compiler if that fails."""
    binary = folder / "pipeline"
    flags, libraries = (
        subprocess.run(["pkg-config", what, "libdpdk"], capture_output=True, text=True, check=True).stdout.split()
        for what in ("--cflags", "--libs")
    )
    # vectorization would turn the byte tables into gathers, which cost more than the loads they replace
    command = ["cc", "-O3", "-fno-tree-vectorize", *flags, "-march=native", str(SOURCE), "-o", str(binary), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"dpdk: cc fails: {next(iter(done.stderr.splitlines()), 'without a word')}")
    return binary
