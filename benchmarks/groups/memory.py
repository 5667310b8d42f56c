"""The memory of the largest process of a run: with growing input, and with a million flows.

A peak is the one that Linux keeps for each process (VmHWM). It includes pages of mapped files, which Linux can drop at
any time; `anonymous_bytes` is the largest amount seen without them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.capture_file import write_capture
from benchmarks.measure import Figure, Session, Trial, figures
from benchmarks.one_vport import ONE_VPORT
from benchmarks.quick_start import FILE, quick_start_text

#: Frames of the shorter run; the longer run has _TIMES times as many.
_PACKETS, _TIMES = 2_000_000, 4
_FLOWS = 1_000_000
_PACKETS_OF_FLOWS = 4_000_000  # enough that nearly every flow occurs

_LOOK_SECONDS = 0.02

#: Runs the command line; the last line of its output is the peak of its own process.
_CHILD = """
import sys, cli
code = cli.main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1])
sys.exit(code)
"""

_MANY_FLOWS = f"""
{ONE_VPORT}[traffic]
profile = "uniform"
flows = {_FLOWS}
packets = {_PACKETS_OF_FLOWS}
rate_pps = 5_000_000
"""


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """Figures of all runs; every run has its own process."""
    peaks: dict[str, list[Peak]] = {}
    trials: dict[str, Trial] = {}
    texts: dict[str, str] = {}
    packets = _PACKETS // 8 if session.quick else _PACKETS
    # after Ctrl-C a run may still write there
    with tempfile.TemporaryDirectory(prefix="vmmq-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)

        def add(name: str, text: str, scenario: str, *options: str) -> None:
            file = folder / f"{name}.toml"
            file.write_text(scenario, "utf-8")
            of_this = peaks.setdefault(name, [])
            out = str(folder / name)
            arguments = ["run", str(file), "--out", out, "--overwrite", "--quiet", "--json", *options]
            trials[name] = partial(_trial, arguments, of_this)
            texts[name] = text

        for times in (1, _TIMES):
            count = times * packets
            add(f"synthetic_{times}x", f"run of {count:,} frames of the quick start", quick_start_text(count))
            if session.quick:
                continue
            capture = folder / f"{times}.pcap"
            write_capture(capture, count, 64)
            text = f"run of a capture of {count:,} frames"
            add(f"capture_{times}x", text, FILE.read_text("utf-8"), "--capture", str(capture))
        if not session.quick:
            flows = f"run of {_PACKETS_OF_FLOWS:,} frames of {_FLOWS:,} flows"
            add("flows_1000000", flows, _MANY_FLOWS)
            add("flows_1000000_ray", f"{flows} with --engine ray: the largest process", _MANY_FLOWS, "--engine", "ray")
        session.tell("memory of runs")
        measured = session.take_turns(trials, 1 if session.quick else 2, warm_up=False)
    facts = {
        name: {"anonymous_bytes": max(peak.anonymous_bytes for peak in of_one), "processes": of_one[-1].processes}
        for name, of_one in peaks.items()
        if of_one
    }
    references = {f"{kind}_{_TIMES}x": [f"{kind}_1x"] for kind in ("synthetic", "capture")}
    yield from figures(measured, "bytes", texts, references, facts)


class Peak(NamedTuple):
    """Peaks of the processes of one run."""

    largest_bytes: int  # VmHWM of the largest process
    anonymous_bytes: int  # the most memory seen in one process, without pages of files
    processes: int  # the most at the same time


def _trial(arguments: list[str], peaks: list[Peak]) -> float:
    peaks.append(peak_of(arguments))
    return float(peaks[-1].largest_bytes)


def peak_of(arguments: list[str]) -> Peak:
    """Run `vmmq` with these arguments, and watch the process and all its descendants."""
    largest = anonymous = processes = 0
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-c", _CHILD, *arguments]
        with subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE) as child:
            while True:
                tree = descendants(child.pid)
                processes = max(processes, len(tree))
                for pid in tree:
                    status = _status(pid)
                    largest = max(largest, status.get("VmHWM", 0))
                    anonymous = max(anonymous, status.get("RssAnon", 0) + status.get("RssShmem", 0))
                try:
                    child.wait(_LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
            if child.returncode:
                assert child.stderr is not None
                raise subprocess.CalledProcessError(child.returncode, command, stderr=child.stderr.read())
        output.seek(0)
        own = 1024 * int(output.read().split()[-1])
    return Peak(max(largest, own), anonymous, processes)


def descendants(pid: int) -> list[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the name is in parentheses and may contain any character; state and parent follow it
            parent = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _status(pid: int) -> dict[str, int]:
    """The sizes in /proc/PID/status, in bytes; empty if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(size) for name, size, *_ in fields}
