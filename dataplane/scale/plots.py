"""The plots of a scaling experiment; importing this imports matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dataplane.results.figures import banded_line, draw, logarithmic_counts
from dataplane.scale.points import Point
from dataplane.scale.summary import PointSummary, Quartiles, Summary
from dataplane.scale.variants import AXES

_DASHES = ("--", ":", "-.")

#: A function that draws on matplotlib axes.
Panel = Callable[[Any], None]


class _Series(NamedTuple):
    """Points that differ in their processors only."""

    label: str
    points: list[PointSummary]


def write_plots(summary: Summary, directory: Path, ending: str) -> list[Path]:
    """Write every plot for which there is something to draw; `ending` is svg or png. The names of the files."""
    note = "interrupted: only runs that were finished" if summary.interrupted else ""
    figures: dict[str, list[Panel]] = {}
    grid = [one for one in summary.points if one.point.axis in (None, "processors") and one.rows[0].frames]
    if grid:
        series = _series(grid)
        figures["throughput"] = [_by_processors(series, "frames_per_second", "M frames/s", 1e-6, ideal=True),
                                 _by_cores(grid)]  # fmt: skip
        figures["efficiency"] = [
            _by_processors(series, "efficiency", "efficiency", 1, from_zero=True),
            _by_processors(series, "call_overhead_ns_per_frame", "call overhead, ns of core time a frame", 1),
        ]
        figures["model"] = [_latency(_distinct_results(series)), _balance(_distinct_results(series))]
    for axis in AXES:
        points = summary.along(axis)
        if len(points) > 1:
            figures[f"growth-{axis}"] = [
                _along(axis, points, {"ns_per_frame": "all", "source_ns_per_frame": "making frames"}, "ns a frame", 1),
                _along(axis, points, {"set_up_seconds": None}, "set-up, s", 1),
                _along(axis, points, {"peak_memory_bytes": None}, "peak memory, MB", 1e-6),
            ]
    written = []
    for name, panels in figures.items():
        path = directory / f"{name}.{ending}"
        draw(path, panels, note=note)
        written.append(path)
    return written


def _series(points: Sequence[PointSummary]) -> list[_Series]:
    """By everything but processors; what is the same for all is not in the label."""
    grouped: dict[tuple[str, ...], list[PointSummary]] = {}
    for one in points:
        grouped.setdefault(_parts(one.point), []).append(one)
    differing = [number for number, texts in enumerate(zip(*grouped, strict=True)) if len(set(texts)) > 1]
    return [
        _Series(", ".join(parts[number] for number in differing if parts[number]), listed)
        for parts, listed in grouped.items()
    ]


def _parts(point: Point) -> tuple[str, ...]:
    """What tells series apart, in words."""
    per_actor = point.processors_per_actor
    return (
        point.engine,
        _nics(point.nics),
        f"batch {point.batch_frames:,}",
        f"{per_actor} to an actor" if per_actor else "",
    )


def _nics(count: int) -> str:
    return f"{count:,} NIC{'s' if count > 1 else ''}"


def _distinct_results(series: Sequence[_Series]) -> list[_Series]:
    """One of those that differ only in what results do not depend on: the engine, batches and actors (ENG-01)."""
    by_nics: dict[int, _Series] = {}
    for one in series:
        nics = one.points[0].point.nics
        by_nics.setdefault(nics, _Series(_nics(nics), one.points))
    return list(by_nics.values())


def _known(points: Sequence[PointSummary], field: str, factor: float) -> tuple[list[float], list[Quartiles]]:
    """Where a field has values: processors and quartiles times factor."""
    pairs = [(one.processors, one.quartiles(field)) for one in points]
    known = [(x, Quartiles(*(factor * value for value in found))) for x, found in pairs if found is not None]
    return [x for x, _ in known], [found for _, found in known]


def _line(axis: Any, x: Sequence[float], found: Sequence[Quartiles], label: str | None) -> None:
    banded_line(
        axis, x, [q.median for q in found], [q.low for q in found], [q.high for q in found], label=label or None
    )


def _by_processors(
    series: Sequence[_Series], field: str, what: str, factor: float, *, ideal: bool = False, from_zero: bool = False
) -> Panel:
    def panel(axis: Any) -> None:
        for one in series:
            x, found = _known(one.points, field, factor)
            if x:
                _line(axis, x, found, one.label)
        if ideal:
            for cores, (x, y) in _ideal(series).items():
                axis.plot(
                    x,
                    y,
                    color="0.4",
                    linestyle=_DASHES[cores % len(_DASHES)],
                    linewidth=0.9,
                    label=f"ideal, up to {cores} core{'s' if cores > 1 else ''}",
                )
        _finish(axis, [p.processors for one in series for p in one.points], "simulated processors of a NIC", what)
        if from_zero or ideal:
            _from_zero(axis)

    return panel


def _ideal(series: Sequence[_Series]) -> dict[int, tuple[list[float], list[float]]]:
    """Millions of frames a second against processors if cores cost nothing but work, by the most cores of a series."""
    lines: dict[int, dict[int, float]] = {}
    for one in series:
        most = max(point.cores for point in one.points)
        for point in one.points:
            if point.work_ns:
                lines.setdefault(most, {})[point.processors] = 1e3 * point.cores / point.work_ns
    return {most: (sorted(line), [line[x] for x in sorted(line)]) for most, line in sorted(lines.items())}


def _by_cores(points: Sequence[PointSummary]) -> Panel:
    def panel(axis: Any) -> None:
        for one in _series(points):
            rates = [(point.cores, point.quartiles("frames_per_second")) for point in one.points]
            known = [(cores, found) for cores, found in rates if found is not None]
            axis.errorbar(
                [cores for cores, _ in known],
                [found.median / 1e6 for _, found in known],
                [[(q.median - q.low) / 1e6 for _, q in known], [(q.high - q.median) / 1e6 for _, q in known]],
                fmt="o",
                markersize=3.5,
                linewidth=1,
                label=one.label or None,
            )
        works = [point.work_ns for point in points if point.work_ns]
        most = max(point.cores for point in points)
        if works:
            # the work of a frame differs a little with the processors
            least, highest = (1e3 * most / work for work in (max(works), min(works)))
            axis.fill_between([0, most], [0, least], [0, highest], color="0.85", label="ideal")
        axis.set_xticks(range(most + 1))
        _from_zero(axis)
        _finish(axis, [], "cores used", "M frames/s")

    return panel


def _latency(series: Sequence[_Series]) -> Panel:
    def panel(axis: Any) -> None:
        for one in series:
            for field, name in (("latency_p50_ns", "p50"), ("latency_p99_ns", "p99")):
                x, found = _known(one.points, field, 1e-3)
                _line(axis, x, found, f"{name}, {one.label}")
        if axis.get_ylim()[0] > 0:
            axis.set_yscale("log")
        _finish(
            axis,
            [p.processors for one in series for p in one.points],
            "simulated processors of a NIC",
            "latency, us of model time",
        )

    return panel


def _balance(series: Sequence[_Series]) -> Panel:
    def panel(axis: Any) -> None:
        for one in series:
            x, found = _known(one.points, "max_over_mean", 1)
            if x:
                _line(axis, x, found, one.label)
        axis.axhline(1, color="k", linestyle="--", linewidth=0.9)
        _finish(
            axis,
            [p.processors for one in series for p in one.points],
            "simulated processors of a NIC",
            "items, max/mean of processors",
        )

    return panel


def _along(name: str, points: Sequence[PointSummary], fields: dict[str, str | None], what: str, factor: float) -> Panel:
    def panel(axis: Any) -> None:
        for field, label in fields.items():
            pairs = [(float(one.point.value or 0), one.quartiles(field)) for one in points]
            known = [(x, Quartiles(*(factor * value for value in found))) for x, found in pairs if found is not None]
            if known:
                _line(axis, [x for x, _ in known], [found for _, found in known], label)
        _from_zero(axis)
        _finish(axis, [float(one.point.value or 0) for one in points], AXES[name].what, what)

    return panel


def _finish(axis: Any, x: Sequence[float], across: str, up: str) -> None:
    if x:
        logarithmic_counts(axis, x)
    axis.set_xlabel(across)
    axis.set_ylabel(up)


def _from_zero(axis: Any) -> None:
    axis.set_ylim(0, 1.05 * axis.get_ylim()[1])
