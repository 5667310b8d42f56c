"""Plots of the figures of one measurement: bars with whiskers from quartile to quartile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.screen import quantity


class Bar(NamedTuple):
    """One bar."""

    label: str
    value: float
    lower: float  # quartiles
    upper: float
    is_ours: bool = True


def bars_of(
    figures: dict[str, Any], names: Sequence[str], is_ours: Callable[[str], bool] = lambda name: True
) -> list[Bar]:
    """Bars for those of the named figures that were measured."""
    return [
        Bar(name, one[one["unit"]], one["spread"]["lower_quartile"], one["spread"]["upper_quartile"], is_ours(name))
        for name in names
        if (one := figures.get(name))
    ]


def draw_bars(path: Path, title: str, unit: str, bars: Sequence[Bar], *, logarithmic: bool = False) -> None:
    """Write an SVG of horizontal bars, the first on top; the same bars give the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "vmmq", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}):
        figure = Figure(figsize=(8, 0.9 + 0.27 * len(bars)), layout="constrained")
        axes = figure.subplots()
        rows = range(len(bars))
        values = [bar.value for bar in bars]
        axes.barh(rows, values, color=["#2f6f9f" if bar.is_ours else "#b0b0b0" for bar in bars], height=0.7)
        errors = [[bar.value - bar.lower for bar in bars], [bar.upper - bar.value for bar in bars]]
        axes.errorbar(values, rows, xerr=errors, fmt="none", ecolor="black", elinewidth=1, capsize=2)
        for row, bar in zip(rows, bars, strict=True):
            axes.annotate(
                quantity(bar.value, ""), (max(bar.value, bar.upper), row), (4, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        axes.set_yticks(rows, [bar.label for bar in bars])
        axes.invert_yaxis()
        if logarithmic:
            axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(lambda value, position: quantity(value, "") if value else "0")
        axes.set_xlabel(unit)
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
