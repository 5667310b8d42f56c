"""How long a connected client waits for its request to a saturated dataplane, and what the request waits for.

    python -m benchmarks.live [REQUESTS]

The dataplane has eight processors with one actor each, and traffic as fast as possible. A *request* moves a table entry
and is answered when it has been decided between two batches. A *look* also waits for the end of a batch, but needs no
other actor. *control* calls the control actor and waits for no batch. *call* is an actor call that does neither.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actors.live import UpOptions, connected, down, up
from actors.state import StateFiles
from dataplane.ids import ProcessorNumber
from dataplane.scenario.live import client_change

SCENARIO = """
[adapter]
rss_processors = 8

[[vport]]
id = 1
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  hash_types = ["ipv4", "tcp_ipv4", "udp_ipv4"]
  indirection_table = [0, 1, 2, 3, 4, 5, 6, 7]
  num_indirection_table_entries = 128

[traffic]
profile = "uniform"
rate_pps = 5_000_000
"""


class Measured(NamedTuple):
    """The measurements of a client."""

    seconds: dict[str, list[float]]  # of every call, by way
    frames_per_second: float  # of the dataplane during the calls


def measure_live(times: int, tell: Callable[[str], object] = lambda text: None) -> Measured:
    """Start a dataplane, saturate it, and call it `times` times in each way."""
    import ray  # noqa: PLC0415  # only after `actors`, which sets how Ray starts

    with tempfile.TemporaryDirectory(prefix="vmmq-bench-") as name:
        folder = Path(name)
        scenario = folder / "live.toml"
        scenario.write_text(SCENARIO, "utf-8")
        files = StateFiles(folder / "state")
        tell("starting a dataplane")
        up(UpOptions(scenario, "bench", folder / "run", False, None, 1, False), files)
        try:
            with connected("bench", files) as dataplane:
                targets = [ProcessorNumber(0, number) for number in range(8)]

                def request(number: int) -> None:
                    members = {
                        "vport": 1,
                        "indices": str(number % 128),
                        "target": str(targets[(number + number // 128 + 1) % 8]),
                    }
                    [answer] = dataplane.request(client_change(dataplane.scenario, "move_entries", members), "A")
                    assert answer.epoch is not None, "every move changes something"

                nic, control = dataplane.handles.nic, dataplane.handles.control
                ways: dict[str, Callable[[int], object]] = {
                    "request": request,
                    "look": lambda number: ray.get(nic.statistics.options(concurrency_group="looks").remote()),
                    "control": lambda number: ray.get(control.recent.remote()),
                    "call": lambda number: ray.get(nic.address.options(concurrency_group="control").remote()),
                }
                before = dataplane.sample()
                seconds = {}
                for way, act in ways.items():
                    tell(f"{times} times: {way}")
                    seconds[way] = _seconds_of_each(act, times)
                after = dataplane.sample()
            rate = (after.nic.arrived - before.nic.arrived) / (after.seconds - before.seconds)
            return Measured(seconds, rate)
        finally:
            down("bench", files)


def _seconds_of_each(act: Callable[[int], object], times: int) -> list[float]:
    seconds = []
    for number in range(times):
        began = time.perf_counter()
        act(number)
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Print a line for each way."""
    measured = measure_live(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    for way, seconds in measured.seconds.items():
        median, p99 = np.percentile(seconds, [50, 99])
        print(f"{way:8} median {1e3 * median:7.1f} ms   p99 {1e3 * p99:7.1f} ms   of {len(seconds)}")
    print(f"at {measured.frames_per_second / 1e6:.1f} million frames a second")


if __name__ == "__main__":
    main()
