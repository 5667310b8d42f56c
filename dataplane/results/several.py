"""Several NICs of one scenario: `summary.json` of the whole, and what the terminal shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataplane.results.screen import place_lines, si
from dataplane.results.summary import SCHEMA_VERSION

#: What an entry says of its NIC, as the NIC's own summary does.
_TOLD = (
    "seed", "interrupted", "start_ns", "duration_ns", "arrived", "completed", "dropped", "timestamp_regressions",
    "findings", "flows", "balance", "order", "epochs", "checks",
)  # fmt: skip


def summarize_several(
    scenario: str, seed: int, summaries: Sequence[Mapping[str, Any]], *, interrupted: bool
) -> dict[str, Any]:
    """The summary of the whole without `wall`, from those of its NICs in file order.

    NICs have nothing to do with each other: counts are added up, a check holds when it does for every NIC that has it.
    """
    dropped: Counter[str] = Counter()
    checks: dict[str, bool] = {}
    for one in summaries:
        dropped.update(one["dropped"])
        for name, held in one["checks"].items():
            checks[name] = checks.get(name, True) and held
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario,
        "seed": seed,
        "interrupted": interrupted,
        **{name: sum(one[name] for one in summaries) for name in ("arrived", "completed")},
        "dropped": dict(sorted(dropped.items())),
        "timestamp_regressions": sum(one["timestamp_regressions"] for one in summaries),
        "findings": [f"{one['scenario']}: {finding}" for one in summaries for finding in one["findings"]],
        "reordered": sum(one["order"]["reordered"] for one in summaries),
        "adapters": [{"name": one["scenario"], **{key: one[key] for key in _TOLD}} for one in summaries],
        "checks": checks,
    }


def several_screen(summary: dict[str, Any], where: Path) -> RenderableType:
    """Totals, a line for each NIC, throughput, and where the results are."""
    wall = summary["wall"]
    dropped = sum(summary["dropped"].values())
    head = Text.assemble(
        (summary["scenario"], "bold"),
        f"  {len(summary['adapters'])} NICs, {summary['arrived']:,} frames, {summary['completed']:,} completed",
    )
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in summary["dropped"].items())
    head.append(f", {dropped:,} dropped ({reasons})" if dropped else ", none dropped", "red" if dropped else "")
    if summary["interrupted"]:
        head.append("\nstopped early: only what was read until then is counted", "yellow")
    failed = [
        f"{name} of {one['name']}" for one in summary["adapters"] for name, held in one["checks"].items() if not held
    ]
    return Group(
        head,
        _nics(summary["adapters"]),
        Text("checks   " + (f"failed: {', '.join(failed)}" if failed else "all held"), "red" if failed else ""),
        *(Text(f"! {finding}", style="yellow") for finding in summary["findings"]),
        Text(
            f"{wall['engine']} engine: {wall['seconds']:.2f} s, {si(wall['frames_per_second'])} frames/s of all NICs"
            + (f", start-up {wall['startup_seconds']:.1f} s" if wall.get("startup_seconds") else ""),
            style="dim",
        ),
        *(Text(f"{name} {line}", style="dim") for name, line in _places(wall)),
        Text(f"results in {where}, each NIC's in the directory of its name", style="bold"),
    )


def _places(wall: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, own in wall["adapters"].items():
        for line in place_lines(own):
            yield name, line


def _nics(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("NIC", "Frames", "Model s", "Completed", "Dropped", "Reordered", "Flows", "Epochs", "max/mean"):
        table.add_column(name, justify="left" if name == "NIC" else "right", no_wrap=True)
    for one in entries:
        dropped, reordered = sum(one["dropped"].values()), one["order"]["reordered"]
        balance = one["balance"]["max_over_mean"]
        table.add_row(
            one["name"],
            f"{one['arrived']:,}",
            f"{one['duration_ns'] / 1e9:.6g}",
            f"{one['completed']:,}",
            Text(f"{dropped:,}", "red" if dropped else ""),
            Text(f"{reordered:,}", "red" if reordered else ""),
            f"{one['flows']:,}",
            f"{one['epochs']:,}",
            "-" if balance is None else f"{balance:.4g}",
        )
    return table
