"""Screen and summary of several NICs, and of the placement of a simulated host."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from dataplane.results.screen import place_lines
from dataplane.results.several import several_screen, summarize_several


def entry(name: str, **changes: Any) -> dict[str, Any]:
    """The summary of a NIC."""
    counts = {"seed": 1, "start_ns": 0, "duration_ns": 10**9, "arrived": 10, "completed": 7, "timestamp_regressions": 1}
    measures = {"order": {"reordered": 2}, "balance": {"max_over_mean": None}, "flows": 4, "epochs": 1}
    kept = {"interrupted": False, "dropped": {"runt": 3}, "findings": ["cut off"], "checks": {"order_kept": True}}
    return {"scenario": name} | counts | measures | kept | changes


def test_counts_are_added_and_checks_hold_together() -> None:
    """A check that only some NICs have counts for these NICs; a finding names its NIC."""
    entries = [
        entry("a"),
        entry("b", dropped={"queue_full": 1, "runt": 1}, checks={"order_kept": False, "updates_no_loss": True}),
    ]
    summary = summarize_several("both", 5, entries, interrupted=True)
    assert (summary["scenario"], summary["seed"], summary["interrupted"]) == ("both", 5, True)
    assert (summary["arrived"], summary["completed"], summary["reordered"]) == (20, 14, 4)
    assert summary["timestamp_regressions"] == 2
    assert summary["dropped"] == {"queue_full": 1, "runt": 4}
    assert summary["checks"] == {"order_kept": False, "updates_no_loss": True}
    assert summary["findings"] == ["a: cut off", "b: cut off"]
    assert [one["name"] for one in summary["adapters"]] == ["a", "b"]


def wall_of_a_host(**changes: Any) -> dict[str, Any]:
    """The facts of a run on Ray about its host."""
    placement = {"driver": "10.0.0.1/aa", "nic": "10.0.0.2/bb", "processors": ["10.0.0.2/bb"]}
    sent = {"progress": 0.001, "reports": 2.0}
    place = {"placement": placement, "transport": "ring", "bytes_to_driver_per_frame": sent}
    return place | {"remarks": []} | changes


def test_place_of_a_host() -> None:
    """The node, the transport and the bytes by kind; nothing for an engine that has no places."""
    assert place_lines({"engine": "inline"}) == []
    [line] = place_lines(wall_of_a_host())
    assert line == "on 10.0.0.2/bb, ring; to the driver 2 bytes a frame (progress 0.001, reports 2)"
    placement = {"driver": "d", "nic": "d", "processors": ["d", "e"]}
    [line] = place_lines(wall_of_a_host(placement=placement, object_store_bytes_per_frame=55.5))
    assert line.startswith("on the driver's node, ring, processors also on e; ")
    assert line.endswith("; through the object store 55.5")


def test_screen_names_every_nic() -> None:
    """One row each, the place of each, whose check failed, what a clock showed, and where the results are."""
    summary = summarize_several("both", 5, [entry("a"), entry("b", checks={"x": False})], interrupted=False)
    summary["wall"] = {
        "engine": "ray",
        "seconds": 1.0,
        "frames_per_second": 20,
        "startup_seconds": 0.5,
        "adapters": {"a": wall_of_a_host(), "b": wall_of_a_host(remarks=["its policy is slow"])},
    }
    output = io.StringIO()
    Console(file=output, width=200).print(several_screen(summary, Path("runs/both")))
    text = output.getvalue()
    assert "2 NICs, 20 frames, 14 completed, 6 dropped (runt 6)" in text
    assert "failed: x of b" in text
    assert "b: its policy is slow" in text
    assert "a on 10.0.0.2/bb" in text
    assert "b on 10.0.0.2/bb" in text
    assert "runs/both" in text
