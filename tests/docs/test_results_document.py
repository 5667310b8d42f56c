"""docs/results.md names all files of a run and their columns, docs/cli.md every column of the per-frame table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import cli
from dataplane.results.packets import PACKET_SCHEMA

DOCUMENTATION = Path(__file__).parents[2] / "docs"
UPDATES = "## updates.json and updates.parquet"
TEXT = (DOCUMENTATION / "results.md").read_text("utf-8")
PROMISES = (
    (DOCUMENTATION / "scenario-format.md").read_text("utf-8").partition("\n## Results that scripts rely on\n\n")[2]
)

SWITCH = """
[adapter]
rss_processors = 2
[[vport]]
id = 1
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  indirection_table = [0, 1]
[traffic]
profile = "uniform"
packets = 1000
[[event]]
at_ns = 500_000
move_entries = { vport = 1, indices = "0", target = 1 }
[run]
per_packet = true
"""
VMQ = """
[adapter]
interface = "vmq"
rss_processors = 2
[[queue]]
id = 1
processor_affinity = [1]
  [[queue.filter]]
  mac = "00:15:5d:01:02:01"
[traffic]
profile = "uniform"
packets = 1000
"""


def section(heading: str) -> str:
    """The text of a section."""
    return TEXT.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def results(scenario: str, directory: Path) -> Path:
    """The run directory of a scenario."""
    path, out = directory / "s.toml", directory / "out"
    path.write_text(scenario)
    assert cli.main(["run", str(path), "--out", str(out), "--quiet"]) == 0
    return out


def keys(document: object) -> set[str]:
    """The keys of all objects in a JSON document."""
    if isinstance(document, dict):
        return set(document) | keys(list(document.values()))
    return {key for value in document for key in keys(value)} if isinstance(document, list) else set()


@pytest.mark.parametrize("scenario", [SWITCH, VMQ], ids=["switch", "vmq"])
def test_everything_a_run_leaves_is_documented(scenario: str, tmp_path: Path) -> None:
    """Each file has a row in the first table that names its columns; sections name the keys of the JSON documents.

    Where columns differ in their last part, `latency_ns_p50` `_p90` names two.
    """
    out = results(scenario, tmp_path)
    rows = {name: row for row in TEXT.partition("\n## ")[0].splitlines() for name in re.findall(r"`(\w+\.\w+)`", row)}
    assert {one.name for one in out.iterdir()} <= set(rows)
    for name in (one.name for one in out.glob("*.parquet")):
        documented = section(UPDATES) if name == "updates.parquet" else rows[name]
        columns = {column.removeprefix("verdicts_") for column in pq.read_schema(out / name).names}
        if name == "packets.parquet":
            columns -= set(PACKET_SCHEMA.names)  # "the columns of `vmmq steer`"
        assert [c for c in columns if f"`{c}`" not in documented and f"`_{c.split('_')[-1]}`" not in documented] == []
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert [key for key in summary if f"`{key}`" not in section("## summary.json")] == []
    certificates = [one for one in json.loads((out / "updates.json").read_text("utf-8")) if one["epoch"] is not None]
    assert bool(certificates) is (scenario is SWITCH)
    assert [key for one in certificates for key in one if f"`{key}`" not in section(UPDATES)] == []


def test_what_scripts_rely_on_is_there(tmp_path: Path) -> None:
    """Every key that docs/scenario-format.md promises of `summary.json` and `updates.json`."""
    out = results(SWITCH, tmp_path)
    for promise, other_mode in zip(PROMISES.split("\n\n"), (set[str](), {"queue_id"}), strict=True):
        (name,) = re.findall(r"^`(\w+\.json)`", promise)
        found = keys(json.loads((out / name).read_text("utf-8")))
        assert set(re.findall(r"`(\w+)`", promise)) - other_mode - found == set()


def test_columns_of_the_per_frame_table_are_documented() -> None:
    """docs/cli.md names exactly the columns of the per-frame table, each with its type."""
    documented = (DOCUMENTATION / "cli.md").read_text("utf-8").partition("Columns of `vmmq steer`: ")[2]
    columns = re.findall(r"`(\w+)`\s\((uint\d+|int\d+|string|`)", documented.partition("\n\n")[0])
    types = {one.name: str(one.type) for one in PACKET_SCHEMA}
    assert [name for name, _ in columns] == PACKET_SCHEMA.names
    assert [kind for _, kind in columns if kind != "`"] == [types[name] for name, kind in columns if kind != "`"]
