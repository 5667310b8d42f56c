"""Small scenarios and made-up runs for the tests of scaling experiments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dataplane.processor.histogram import LatencyHistogram
from dataplane.scale.measure import NicMeasure
from dataplane.scale.points import Point, Run
from dataplane.scale.rows import RunRow, run_row

SCENARIO = """
[adapter]
rss_processors = 4
[[vport]]
id = 1
num_queue_pairs = 4
processor_affinity = [0, 1, 2, 3]
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  indirection_table = [0, 1, 2, 3]
  num_indirection_table_entries = 64
[[vport]]
id = 2
  [[vport.filter]]
  mac = "00:15:5d:01:02:02"
[[processor]]
processor = 3
receive_cost_ns = 700
[traffic]
profile = "uniform"
flows = 100
packets = 2_000
rate_pps = 1_000_000
[run]
seed = 7
"""

POINT = Point(axis=None, value=None, engine="inline", nics=1, batch_frames=4096, processors_per_actor=None)

NIC = NicMeasure(
    opened_ns=1_000_000_000,
    ended_ns=2_000_000_000,
    set_up_seconds=0.5,
    startup_seconds=0.0,
    source_seconds=0.25,
    cpu_seconds=1.0,
    peak_memory_bytes=1_000_000,
    processors=4,
    processor_actors=0,
    attempts=1,
    seed=7,
    batch_frames=4096,
    frames=1_000_000,
    completed=1_000_000,
    dropped=0,
    reordered=0,
    items=(250_000,) * 4,
    latency=LatencyHistogram.empty(),
    findings=(),
    results_digest="a",
    host="one",
    cpu_model="a processor",
    cores=2,
    load_average=0.0,
)


def written(directory: Path, text: str = SCENARIO) -> Path:
    """The scenario as a file."""
    path = directory / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def row(point: Point = POINT, repeat: int = 0, *, seconds: float = 1.0, **changes: object) -> RunRow:
    """The row of a run in which every NIC was like `NIC`, except for its duration."""
    nic = replace(NIC, ended_ns=NIC.opened_ns + round(1e9 * seconds), batch_frames=point.batch_frames)
    return replace(run_row("small", Run(point, repeat), [nic] * point.nics), **changes)  # type: ignore[arg-type]
