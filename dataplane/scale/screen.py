"""A scaling experiment on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataplane.results.screen import plain_table
from dataplane.scale.summary import COSTS, PointSummary, Quartiles, Summary
from dataplane.scale.variants import AXES


def scale_screen(summary: Summary, directory: Path) -> RenderableType:
    """A table for the grid, one for each axis that grows, and what is to be known about them."""
    parts: list[RenderableType] = [Text(summary.scenario, "bold")]
    if summary.interrupted:
        parts.append(Text("stopped early: only runs that were finished count", "yellow"))
    grid = [one for one in summary.points if one.point.axis in (None, "processors")]
    if grid:
        parts.append(_grid(grid))
    for axis in AXES:
        points = summary.along(axis)
        if len(points) > 1 or (points and axis != "processors"):  # one number of processors is in the grid already
            parts += [_growth(axis, points), Text(_growth_line(summary, axis))]
    parts += [Text(remark, "dim") for remark in summary.remarks]
    if summary.rows:
        parts.append(Text(f"table and plots in {directory}", "dim"))
    return Group(*parts)


def _grid(points: list[PointSummary]) -> Table:
    table = plain_table()
    columns = ("engine", "NICs", "processors", "batch", "per actor", "cores", "M frames/s", "quartiles", "efficiency",
               "overhead ns", "p50 us", "p99 us", "max/mean", "runs")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "engine" else "right")
    for one in points:
        point = one.point
        rate = one.quartiles("frames_per_second")
        table.add_row(
            point.engine,
            f"{point.nics:,}",
            f"{one.processors:,}",
            f"{point.batch_frames:,}",
            "-" if point.processors_per_actor is None else f"{point.processors_per_actor:,}",
            f"{one.cores:,}",
            _median(rate, 1e-6, 2),
            "-" if rate is None else f"{rate.low / 1e6:.2f} to {rate.high / 1e6:.2f}",
            _median(one.quartiles("efficiency"), 1, 2),
            _median(one.quartiles("call_overhead_ns_per_frame"), 1, 1),
            _median(one.quartiles("latency_p50_ns"), 1e-3, 1),
            _median(one.quartiles("latency_p99_ns"), 1e-3, 1),
            _median(one.quartiles("max_over_mean"), 1, 2),
            f"{len(one.rows):,}",
        )
    return table


def _growth(axis: str, points: list[PointSummary]) -> Table:
    table = plain_table()
    for column in (AXES[axis].what, "set-up s", "ns/frame", "quartiles", "of it source", "memory MB", "runs"):
        table.add_column(column, justify="right")
    for one in points:
        cost = one.quartiles("ns_per_frame")
        table.add_row(
            f"{one.point.value:,}",
            _median(one.quartiles("set_up_seconds"), 1, 3),
            _median(cost, 1, 1),
            "-" if cost is None else f"{cost.low:.1f} to {cost.high:.1f}",
            _median(one.quartiles("source_ns_per_frame"), 1, 1),
            _median(one.quartiles("peak_memory_bytes"), 1e-6, 0),
            f"{len(one.rows):,}",
        )
    return table


def _growth_line(summary: Summary, axis: str) -> str:
    """How each cost grows, in a line; empty where there is one value only."""
    fits = summary.growths().get(axis, {})
    told = [f"{COSTS[cost]} {fit.verdict} (exponent {fit.exponent:.2f})" for cost, fit in fits.items()]
    return f"with more {AXES[axis].what}: {', '.join(told)}" if told else ""


def _median(value: Quartiles | None, factor: float, decimals: int) -> str:
    return "-" if value is None else f"{value.median * factor:,.{decimals}f}"
