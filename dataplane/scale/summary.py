"""The evaluation of all runs: quartiles by point, efficiency and call overhead, growth of costs.

- **Throughput** is the frames of all NICs / time from the first frame to the end of the last NIC.
- **Core time of a frame** is cores used * that time / frames. An idle core counts like a busy one.
- **The work of a frame**, for one number of processors, is the smallest core time of a frame among the points with one
  NIC (median over repeats); inline points are preferred to Ray points. It is the work alone, on one core, with as few
  calls as possible.
- **Efficiency** is work / core time of a frame. The ideal throughput on n cores is n / work.
- **Call overhead** is core time - work of a frame: the time that the work does not explain. It is the cost of batches,
  messages, wake-ups, and of processes that wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from dataplane.scale.points import Point
from dataplane.scale.rows import DERIVED, SCHEMA_VERSION, RunRow, point_of
from dataplane.scale.variants import AXES

#: Up to these exponents growth is called so.
CONSTANT_MAX, LINEAR_MIN, LINEAR_MAX = 0.1, 0.85, 1.15


class Quartiles(NamedTuple):
    """The middle of some values and its half of them."""

    low: float
    median: float
    high: float


def quartiles(values: Sequence[float]) -> Quartiles:
    """Of at least one value; between two of them they are interpolated."""
    low, middle, high = np.quantile(np.asarray(values, np.float64), (0.25, 0.5, 0.75))
    return Quartiles(float(low), float(middle), float(high))


class Growth(NamedTuple):
    """How a cost follows its axis: cost ~ value ** exponent."""

    exponent: float  # least squares in logarithms over the upper half of the values
    verdict: str  # constant, below linear, linear, worse than linear


def growth(values: Sequence[float], costs: Sequence[float]) -> Growth | None:
    """The exponent of positive costs at ascending positive values; None with fewer than two.

    Where values are small what every run costs covers what grows: only the upper half counts, three values at least.
    """
    pairs = [(value, cost) for value, cost in zip(values, costs, strict=True) if cost > 0]
    pairs = pairs[min(len(pairs) // 2, max(len(pairs) - 3, 0)) :]
    if len(pairs) < 2:
        return None
    x, y = np.log(np.asarray(pairs, np.float64)).T
    exponent = float(np.polyfit(x, y, 1)[0])
    return Growth(exponent, _verdict(exponent))


def _verdict(exponent: float) -> str:
    if exponent <= CONSTANT_MAX:
        return "constant"
    if exponent < LINEAR_MIN:
        return "below linear"
    return "linear" if exponent <= LINEAR_MAX else "worse than linear"


#: What is fitted along an axis, with a name for people.
COSTS: Mapping[str, str] = {
    "ns_per_frame": "time of a frame",
    "set_up_seconds": "set-up",
    "peak_memory_bytes": "peak memory",
}


@dataclass(frozen=True, slots=True)
class PointSummary:
    """All runs of one point."""

    point: Point
    rows: tuple[RunRow, ...]  # by repeat
    work_ns: float | None  # of a frame, with that many processors; None along an axis that is not `processors`

    @property
    def processors(self) -> int:
        """That one NIC simulates."""
        return self.rows[0].processors

    @property
    def cores(self) -> int:
        """That the point can use."""
        return self.rows[0].cores

    def quartiles(self, field: str) -> Quartiles | None:
        """Of a column of `RunRow` or one of those in `value`; None without values."""
        values = [value for value in (self.value(row, field) for row in self.rows) if value is not None]
        return quartiles(values) if values else None

    def value(self, row: RunRow, field: str) -> float | None:
        """A column of a run, or what follows from it; None when that is not known."""
        match field:
            case "efficiency":
                return self.work_ns / row.core_ns_per_frame if self.work_ns and row.core_ns_per_frame else None
            case "call_overhead_ns_per_frame":
                return row.core_ns_per_frame - self.work_ns if self.work_ns is not None else None
            case "ns_per_frame":
                return 1e9 * row.seconds / row.frames if row.frames else None
            case "source_ns_per_frame":
                return 1e9 * row.source_seconds / row.frames if row.source_seconds is not None and row.frames else None
        value: float | None = getattr(row, field)
        return value


@dataclass(frozen=True)
class Summary:
    """A scaling experiment as far as it has come."""

    scenario: str
    rows: tuple[RunRow, ...]
    missing: int = 0  # runs that were asked for and are not there
    failures: Mapping[str, str] | None = None  # of runs, by what they were
    interrupted: bool = False

    @cached_property
    def points(self) -> list[PointSummary]:
        """By axis and engine, then as they grow."""
        by_point: dict[Point, list[RunRow]] = {}
        for row in self.rows:
            by_point.setdefault(point_of(row), []).append(row)
        work = self._work()
        found = [
            PointSummary(
                point, tuple(sorted(rows, key=lambda row: row.repeat)), work.get((point.axis, rows[0].processors))
            )
            for point, rows in by_point.items()
        ]
        return sorted(found, key=lambda one: _order(one.point))

    def _work(self) -> dict[tuple[str | None, int], float]:
        """The work of a frame in ns by (axis, processors)."""
        by_group: dict[tuple[str | None, int], dict[Point, list[float]]] = {}
        for row in self.rows:
            if row.nics == 1 and row.axis in (None, "processors") and row.frames:
                group = by_group.setdefault((row.axis, row.processors), {})
                group.setdefault(point_of(row), []).append(row.core_ns_per_frame)
        work = {}
        for key, points in by_group.items():
            inline = {point: values for point, values in points.items() if point.engine == "inline"}
            work[key] = min(median(values) for values in (inline or points).values())
        return work

    def derived(self) -> dict[RunRow, dict[str, float | None]]:
        """The columns of the table that follow from all rows, by row."""
        return {row: {name: one.value(row, name) for name in DERIVED} for one in self.points for row in one.rows}

    def along(self, axis: str) -> list[PointSummary]:
        """The points of one axis by its values, inline and with one NIC: what `growth` is about."""
        points = [one for one in self.points if one.point.axis == axis]
        points = [one for one in points if one.point.engine == "inline" and one.point.nics == 1]
        batches = {one.point.batch_frames for one in points}
        return [one for one in points if one.point.batch_frames == max(batches)]

    def growths(self) -> dict[str, dict[str, Growth]]:
        """For each axis with two values or more: how each of `COSTS` grows."""
        found: dict[str, dict[str, Growth]] = {}
        for axis in AXES:
            points = self.along(axis)
            for cost in COSTS:
                pairs = [(one.point.value or 0, one.quartiles(cost)) for one in points]
                known = [(value, quartiles.median) for value, quartiles in pairs if quartiles is not None]
                fit = growth([value for value, _ in known], [cost for _, cost in known])
                if fit is not None:
                    found.setdefault(axis, {})[cost] = fit
        return found

    @property
    def findings(self) -> list[str]:
        """One line for each run that failed, each kind of finding in runs, and each break of equality (ENG-01)."""
        lines = [f"{run}: {why}" for run, why in (self.failures or {}).items()]
        found = dict.fromkeys(row.findings for row in self.rows if row.findings)
        lines += [f"in runs: {finding}" for finding in found]
        digests: dict[tuple[Any, ...], set[str]] = {}
        for row in self.rows:
            key = (row.axis, row.value, row.nics, row.repeat)
            digests.setdefault(key, set()).add(row.results_digest)
        for (axis, value, nics, repeat), different in digests.items():
            if len(different) > 1:
                what = f"{axis} {value:,}, " if axis else ""
                lines.append(f"{what}{nics} NICs, repeat {repeat}: {len(different)} different results (ENG-01)")
        return lines

    @property
    def remarks(self) -> list[str]:
        """What one should know before comparing."""
        remarks = []
        machines = sorted({(row.cpu_model, row.machine_cores) for row in self.rows if row.nics == 1})
        if len(machines) > 1:
            remarks.append(
                "not all runs are from one kind of machine: "
                + ", ".join(f"{cores} x {model}" for model, cores in machines)
            )
        kept_waiting = sum(_kept_waiting(row) for row in self.rows)
        if kept_waiting:
            remarks.append(
                f"the machine was busy: in {kept_waiting} of {len(self.rows)} runs processes had to wait for a core "
                f"(cpu_seconds are less than seconds)"
            )
        if self.missing:
            remarks.append(f"{self.missing} runs are missing: the same command goes on with them")
        return remarks

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario,
            "interrupted": self.interrupted,
            "missing": self.missing,
            "remarks": self.remarks,
            "findings": self.findings,
            "points": [_point_document(one) for one in self.points],
            "growth": {
                axis: {cost: fit._asdict() for cost, fit in fits.items()} for axis, fits in self.growths().items()
            },
            "runs": [{**asdict(row), **derived} for row, derived in self.derived().items()],
        }


def _kept_waiting(row: RunRow) -> bool:
    """Whether a process that had nothing else to wait for did not get a core for a tenth of the time."""
    return row.cpu_seconds is not None and row.cpu_seconds < 0.9 * row.cores * row.seconds


_MEASURES = (
    "frames_per_second", "ns_per_frame", "core_ns_per_frame", "efficiency", "call_overhead_ns_per_frame",
    "source_ns_per_frame", "set_up_seconds", "startup_seconds", "peak_memory_bytes", "latency_p50_ns",
    "latency_p99_ns", "max_over_mean",
)  # fmt: skip


def _point_document(one: PointSummary) -> dict[str, Any]:
    measured = {name: one.quartiles(name) for name in _MEASURES}
    return {
        **asdict(one.point),
        "processors": one.processors,
        "workers": one.rows[0].workers,
        "cores": one.cores,
        "runs": len(one.rows),
        "measures": {name: value and value._asdict() for name, value in measured.items()},
    }


def _order(point: Point) -> tuple[Any, ...]:
    axes: Callable[[str | None], int] = [None, *AXES].index
    return (
        axes(point.axis),
        point.engine,
        point.nics,
        point.batch_frames,
        point.processors_per_actor or 0,
        point.value or 0,
    )
