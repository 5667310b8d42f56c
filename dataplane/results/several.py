"""Several NICs of one scenario: `summary.json` of the whole, and what the terminal shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataplane.results.screen import checks_text, dropped_text, place_lines, plain_table, wall_text
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
    wall, count = summary["wall"], len(summary["adapters"])
    head = Text.assemble(
        (summary["scenario"], "bold"),
        f"  {count} NIC{'' if count == 1 else 's'}, {summary['arrived']:,} frames, {summary['completed']:,} completed",
    )
    head.append_text(dropped_text(summary["dropped"]))
    if summary["interrupted"]:
        head.append("\nstopped early: only what was read until then is counted", "yellow")
    failed = [
        f"{name} of {one['name']}" for one in summary["adapters"] for name, held in one["checks"].items() if not held
    ]
    return Group(
        head,
        _nics(summary["adapters"]),
        checks_text(failed),
        *(Text(f"! {finding}", style="yellow") for finding in summary["findings"]),
        *(Text(f"{name}: {one}", style="yellow") for name, own in wall["adapters"].items() for one in own["remarks"]),
        wall_text(wall, "frames/s of all NICs"),
        *(Text(f"{name} {line}", style="dim") for name, line in _places(wall)),
        Text(f"results in {where}, each NIC's in the directory of its name", style="bold"),
    )


def _places(wall: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, own in wall["adapters"].items():
        for line in place_lines(own):
            yield name, line


def _nics(entries: Sequence[Mapping[str, Any]]) -> Table:
    names = ("NIC", "Frames", "Model s", "Completed", "Dropped", "Reordered", "Flows", "Epochs", "max/mean")
    table = plain_table(*names, left=("NIC",))
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
