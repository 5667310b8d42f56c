"""Plots: lines with bands on labelled axes, written as SVG or PNG; equal input gives equal files.

Importing this module imports matplotlib, which takes a while: do it where a plot is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "vmmq",  # names inside the file depend on nothing else
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
}
_PANEL_INCHES = (4.2, 3.2)


def draw(path: Path, panels: Sequence[Any], *, note: str = "") -> None:
    """Write one figure with a panel for each function of `panels`, which gets matplotlib axes to draw on.

    The ending says the format, .svg or .png. `note` stands above everything.
    """
    width, height = _PANEL_INCHES
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width * len(panels), height), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        labelled: dict[str, Any] = {}
        for panel, axis in zip(panels, axes, strict=True):
            panel(axis)
            handles, labels = axis.get_legend_handles_labels()
            labelled = dict(zip(labels, handles, strict=True)) | labelled
        if labelled:  # one for all panels: the same things have the same colours in each
            columns = min(len(labelled), 2 * len(panels))
            figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=columns)
        if note:
            figure.suptitle(note, fontsize=9)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=110, metadata=metadata)


def banded_line(
    axis: Any,
    x: Sequence[float],
    middle: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    label: str | None = None,
) -> None:
    """A line with a band around it, in the next colour of the axes."""
    [line] = axis.plot(x, middle, marker="o", markersize=3.5, linewidth=1.3, label=label)
    axis.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def logarithmic_counts(axis: Any, values: Sequence[float]) -> None:
    """A horizontal axis for counts that double or grow tenfold: each value has its tick while they are few."""
    if len(set(values)) < 2 or min(values) <= 0:
        return
    axis.set_xscale("log", base=2 if max(values) <= 4096 else 10)
    if max(values) <= 4096:
        ticks = sorted(set(values))
        axis.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axis.minorticks_off()
