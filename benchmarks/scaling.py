"""Measures the figures of docs/scaling.md with `vmmq scale`, and writes its tables: `python -m benchmarks.scaling`.

It also writes the plots. Finished runs are kept in runs/scaling-document, so that the next call continues an
interrupted one.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from actors.scale import scale
from dataplane.scale.experiment import ScaleOptions
from dataplane.scale.points import GridOptions
from dataplane.scale.summary import COSTS, PointSummary, Quartiles, Summary
from dataplane.scale.variants import AXES

ROOT = Path(__file__).parent.parent
SCENARIO = ROOT / "configs" / "scaling.toml"
DOCUMENT = ROOT / "docs" / "scaling.md"
PLOTS = ROOT / "docs" / "scaling"
RUNS = ROOT / "runs" / "scaling-document"

#: Grids by the directory of their runs; all grids of a directory form one experiment.
GRIDS: Mapping[str, Sequence[GridOptions]] = {
    "grid": (
        GridOptions(processors="1,2,4,8,16", nics="1,2", engine="inline"),
        GridOptions(processors="1,2,4,8,16", engine="ray"),
        GridOptions(processors="1,2,4,8,16", engine="ray", processors_per_actor="8"),
    ),
    "batches": (GridOptions(processors="8", batch="256,1024,4096,16384,65536,262144"),),
    "growth": (GridOptions(grow=tuple(AXES), repeat=2),),
}


def measured() -> dict[str, Summary]:
    """Run all grids; returns the summaries by directory."""
    found = {}
    for name, grids in GRIDS.items():
        for grid in grids:
            summary, directory = scale(ScaleOptions(SCENARIO, grid, RUNS / name), None, "svg", _tell)
            if summary.interrupted:
                sys.exit("interrupted: the same command goes on")
            found[name] = summary
        for plot in () if name == "batches" else directory.glob("*.svg"):
            PLOTS.mkdir(exist_ok=True)
            shutil.copyfile(plot, PLOTS / plot.name)
    return found


def _tell(frames: int, share: float) -> None:
    print(f"\r{100 * share:3.0f} %", end="", file=sys.stderr, flush=True)


def sections(found: Mapping[str, Summary]) -> dict[str, str]:
    """Markdown of every marked section of the document."""
    grid, growth = found["grid"], found["growth"]
    return {
        "machine": _machine(found.values()),
        "grid": _table(GRID_COLUMNS, grid.points),
        "batches": _table(GRID_COLUMNS, found["batches"].points),
        "fits": _fits(growth),
        **{
            axis: _table({AXES[axis].what: lambda one: f"{one.point.value:,}", **GROWTH_COLUMNS}, growth.along(axis))
            for axis in AXES
        },
    }


Column = Callable[[PointSummary], str]


def _quartiles(field: str, factor: float, decimals: int) -> Column:
    def text(one: PointSummary) -> str:
        found = one.quartiles(field)
        return "-" if found is None else _spread(found, factor, decimals)

    return text


def _spread(found: Quartiles, factor: float, decimals: int) -> str:
    low, middle, high = (f"{value * factor:,.{decimals}f}" for value in found)
    return middle if low == high else f"{middle} ({low} to {high})"


GRID_COLUMNS: Mapping[str, Column] = {
    "engine": lambda one: one.point.engine,
    "NICs": lambda one: f"{one.point.nics}",
    "processors": lambda one: f"{one.processors}",
    "per actor": lambda one: f"{one.point.processors_per_actor or '-'}",
    "batch": lambda one: f"{one.point.batch_frames:,}",
    "cores": lambda one: f"{one.cores}",
    "M frames/s": _quartiles("frames_per_second", 1e-6, 2),
    "efficiency": _quartiles("efficiency", 1, 2),
    "call overhead ns": _quartiles("call_overhead_ns_per_frame", 1, 0),
    "p50 us": _quartiles("latency_p50_ns", 1e-3, 1),
    "p99 us": _quartiles("latency_p99_ns", 1e-3, 1),
    "max/mean": _quartiles("max_over_mean", 1, 2),
}
GROWTH_COLUMNS: Mapping[str, Column] = {
    "set-up s": _quartiles("set_up_seconds", 1, 3),
    "ns a frame": _quartiles("ns_per_frame", 1, 0),
    "making frames ns": _quartiles("source_ns_per_frame", 1, 0),
    "peak memory MB": _quartiles("peak_memory_bytes", 1e-6, 0),
}


def _table(columns: Mapping[str, Column], points: Sequence[PointSummary]) -> str:
    return _markdown(list(columns), [[column(one) for column in columns.values()] for one in points])


def _fits(growth: Summary) -> str:
    rows = [
        [AXES[axis].what, *(f"{fits[cost].verdict} ({fits[cost].exponent:.2f})" for cost in COSTS)]
        for axis, fits in growth.growths().items()
    ]
    return _markdown(["with more", *COSTS.values()], rows)


def _machine(summaries: Iterable[Summary]) -> str:
    rows = [row for summary in summaries for row in summary.rows]
    models = ", ".join(sorted({f"{row.machine_cores} cores of {row.cpu_model}" for row in rows}))
    loads = sorted(row.load_average for row in rows)
    return (
        f"{models}, Linux {platform.release()}, Python {platform.python_version()}; {len(rows)} runs. The median load "
        f"average before a run was {loads[len(loads) // 2]:.1f}, the largest {loads[-1]:.1f}."
    )


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(document: str, texts: Mapping[str, str]) -> str:
    """The document with new text between `<!-- measured: NAME -->` and `<!-- end -->`; KeyError for unknown names."""

    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{texts[match[2]]}\n\n<!-- end -->"

    return re.sub(r"(<!-- measured: (\w+) -->).*?<!-- end -->", replaced, document, flags=re.DOTALL)


def main() -> None:
    """Measure, then write."""
    texts = sections(measured())
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8"), texts), encoding="utf-8")
    print(f"\n{DOCUMENT.relative_to(ROOT)} and the plots in {PLOTS.relative_to(ROOT)} are new")


if __name__ == "__main__":
    main()
