"""Comparison of policies: the results of each run, and the means over the seeds with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich.console import Group, RenderableType
from rich.text import Text

from dataplane.engine.experiment import RunResult
from dataplane.processor.histogram import LatencyHistogram
from dataplane.results.screen import plain_table
from dataplane.results.tables import columns_of, windows_table
from dataplane.results.updates import outcome_text
from dataplane.update.certificates import UpdateReport

SCHEMA_VERSION = 1

#: Quantiles 0.975 of Student's t with 1, 2, ... degrees of freedom: NIST/SEMATECH e-Handbook of Statistical Methods,
#: section 1.3.6.7.2. Two of them bound 95 %.
T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One policy with the traffic of one seed; the fields are the columns of the exported table."""

    policy: str  # as on the command line
    seed: int
    hand_over: str
    tick_ns: int
    window_ns: int
    arrived: int
    completed: int
    max_over_mean: float | None  # of the items of all processors in the whole run (BAL-02); None without items
    jain: float | None
    window_max_over_mean: float | None  # of the busy time of all processors in a window, mean over the windows
    processors_used: float | None  # with work in a window, mean over the windows
    entries_moved: int
    requests_refused: int  # that did not end as they were to
    reordered: int
    reordered_ratio: float  # of those completed
    dropped: int  # because a DPC queue was full
    loss_ratio: float  # of those that reached a processor
    frames_held: int
    longest_hold_ns: int
    latency_p50_ns: int
    latency_p99_ns: int
    findings: tuple[str, ...]  # what was wrong with the input, the policy or its requests, one line each


class Measure(NamedTuple):
    """A row on the screen: the field it shows, and what that is multiplied by."""

    field: str
    label: str
    factor: float = 1.0


MEASURES = (
    Measure("window_max_over_mean", "busy max/mean, by window"),
    Measure("max_over_mean", "items max/mean, whole run"),
    Measure("jain", "items Jain, whole run"),
    Measure("processors_used", "processors used, by window"),
    Measure("entries_moved", "entries moved"),
    Measure("requests_refused", "requests refused"),
    Measure("reordered_ratio", "frames reordered %", 100),
    Measure("loss_ratio", "frames dropped %", 100),
    Measure("frames_held", "frames held"),
    Measure("longest_hold_ns", "longest hold us", 1e-3),
    Measure("latency_p50_ns", "latency p50 us", 1e-3),
    Measure("latency_p99_ns", "latency p99 us", 1e-3),
)
_ONLY_ORDERED = {"frames_held", "longest_hold_ns"}

SCHEMA = pa.schema(
    [("schema_version", pa.int64()), *columns_of(PolicyRun)], metadata={"vmmq.schema_version": str(SCHEMA_VERSION)}
)


def measure_run(
    result: RunResult, report: UpdateReport, summary: dict[str, Any], *, policy: str, tick_ns: int
) -> PolicyRun:
    """The results of a finished run under a policy; `summary` is that of `summarize`."""
    window_ns = result.experiment.window_ns
    table = windows_table(result)
    by_window = measure_windows(
        table["window"].to_numpy(),
        table["busy_ns"].to_numpy(),
        processors=len(result.processors),
        windows=max(1, (result.last_arrival_ns - result.start_ns) // window_ns),
    )
    latency = LatencyHistogram.merged(one.histogram for one in result.processors)
    completed, dropped = summary["completed"], summary["dropped"].get("queue_full", 0)
    return PolicyRun(
        policy=policy,
        seed=summary["seed"],
        hand_over=result.experiment.hand_over,
        tick_ns=tick_ns,
        window_ns=window_ns,
        arrived=summary["arrived"],
        completed=completed,
        max_over_mean=summary["balance"]["max_over_mean"],
        jain=summary["balance"]["jain"],
        window_max_over_mean=by_window.max_over_mean,
        processors_used=by_window.processors_used,
        entries_moved=report.totals.entries_moved,
        requests_refused=len(report.failed_requests),
        reordered=summary["order"]["reordered"],
        reordered_ratio=summary["order"]["ratio"],
        dropped=dropped,
        loss_ratio=dropped / (completed + dropped) if dropped else 0.0,
        frames_held=report.totals.frames_held,
        longest_hold_ns=report.totals.longest_hold_ns,
        latency_p50_ns=latency.quantile_ns(0.5),
        latency_p99_ns=latency.quantile_ns(0.99),
        findings=tuple(_findings(report, summary)),
    )


def _findings(report: UpdateReport, summary: dict[str, Any]) -> list[str]:
    """What makes `vmmq run` end with status 1, in words."""
    found = [*summary["findings"]]
    failed = [name for name, held in summary["checks"].items() if not held]
    for name in failed:
        if name == "updates_as_expected":
            one = report.failed_requests[0]
            count, at = len(report.failed_requests), one["requested_at_ns"] / 1e6
            found.append(f"{count:,} refused, first by {one['origin']} at {at:,.3f} ms: {outcome_text(one)}")
        else:
            found.append(f"check {name} failed")
    return found


# Statistics -----------------------------------------------------------------------------------------------------------


class WindowMeasures(NamedTuple):
    """Means over windows; None when no window counts."""

    max_over_mean: float | None
    processors_used: float | None


def measure_windows(
    window: npt.NDArray[np.integer[Any]], busy_ns: npt.NDArray[np.integer[Any]], *, processors: int, windows: int
) -> WindowMeasures:
    """Means over those of the windows 0 to `windows` - 1 that have any work.

    A row (of equally long arrays) is a processor, a window in which it had work, and its busy time in that window. Work
    after the last arrival is left out, because balance means nothing there.
    """
    inside = window < windows
    numbers, position = np.unique(window[inside], return_inverse=True)
    if not len(numbers):
        return WindowMeasures(None, None)
    total, highest = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
    np.add.at(total, position, busy_ns[inside])
    np.maximum.at(highest, position, busy_ns[inside])
    busy = total > 0
    ratios = highest[busy] * processors / total[busy]
    return WindowMeasures(float(ratios.mean()) if busy.any() else None, float(np.bincount(position).mean()))


class Estimate(NamedTuple):
    """A mean, and the half width of its 95 % interval, which is None for a single value."""

    mean: float
    half_width: float | None
    runs: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of 1 to 30 values, with its interval by Student's t; assumes a nearly normal distribution."""
    count, mean = len(values), fmean(values)
    if count == 1:
        return Estimate(mean, None, 1)
    return Estimate(mean, T_QUANTILES[count - 2] * stdev(values, mean) / math.sqrt(count), count)


# All runs together ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs of `vmmq policy compare` that were finished, be it none."""

    scenario: str
    policies: tuple[str, ...]
    runs: tuple[PolicyRun, ...]
    remarks: tuple[str, ...] = ()
    interrupted: bool = False

    def runs_of(self, policy: str) -> list[PolicyRun]:
        """The runs of one policy, by seed."""
        return [run for run in self.runs if run.policy == policy]

    def estimate(self, policy: str, field: str) -> Estimate | None:
        """Mean over the seeds of a policy; None when the field has no value in any of them."""
        values = [getattr(run, field) for run in self.runs_of(policy)]
        values = [value for value in values if value is not None]
        return estimate(values) if values else None

    @property
    def findings(self) -> tuple[str, ...]:
        """One line for each policy with findings, the first of them."""
        lines = []
        for policy in self.policies:
            found = [(run.seed, finding) for run in self.runs_of(policy) for finding in run.findings]
            if found:
                (seed, finding), more = found[0], len(found) - 1
                lines.append(f"{policy}, seed {seed}: {finding}" + (f" (and {more:,} more)" if more else ""))
        return tuple(lines)

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario,
            "interrupted": self.interrupted,
            "remarks": list(self.remarks),
            "findings": list(self.findings),
            "policies": [
                {
                    "policy": policy,
                    "seeds": [run.seed for run in self.runs_of(policy)],
                    "measures": {m.field: _estimate_document(self.estimate(policy, m.field)) for m in MEASURES},
                }
                for policy in self.policies
            ],
            "runs": [{**asdict(run), "findings": list(run.findings)} for run in self.runs],
        }


def _estimate_document(one: Estimate | None) -> dict[str, Any] | None:
    return one and {"mean": one.mean, "half_width_95": one.half_width, "runs": one.runs}


def comparison_table(runs: Sequence[PolicyRun]) -> pa.Table:
    """One row for each policy and seed; several findings are joined, none are null."""
    rows = [
        {**asdict(run), "schema_version": SCHEMA_VERSION, "findings": "; ".join(run.findings) or None} for run in runs
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


#: What writes a table, by the ending of a name.
FORMATS = {".parquet": pyarrow.parquet.write_table, ".csv": pyarrow.csv.write_csv}


def write_comparison(path: Path, runs: Sequence[PolicyRun]) -> None:
    """Write the table in the format that the ending says."""
    FORMATS[path.suffix](comparison_table(runs), path)


def comparison_screen(comparison: Comparison) -> RenderableType:
    """Policies as columns, measures as rows; findings are not shown."""
    if not comparison.runs:
        return Text.assemble((comparison.scenario, "bold"), ("\nstopped early: no run was finished", "yellow"))
    first = comparison.runs[0]
    seeds = sorted({run.seed for run in comparison.runs})
    head = Text.assemble(
        (comparison.scenario, "bold"),
        f"  tick {first.tick_ns / 1e6:g} ms, window {first.window_ns / 1e6:g} ms, {first.hand_over} hand-over, ",
        f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}: mean ± half of its 95 % interval",
    )
    if comparison.interrupted:
        head.append("\nstopped early: only runs that were finished count", "yellow")
    table = plain_table("")
    for policy in comparison.policies:
        table.add_column(policy, justify="right", overflow="fold")
    if comparison.interrupted:
        table.add_row("runs", *(str(len(comparison.runs_of(policy))) for policy in comparison.policies))
    for measure in MEASURES:
        if measure.field in _ONLY_ORDERED and first.hand_over != "ordered":
            continue
        estimates = (comparison.estimate(policy, measure.field) for policy in comparison.policies)
        table.add_row(measure.label, *(estimate_text(one, measure.factor) for one in estimates))
    return Group(head, table, *(Text(remark, "dim") for remark in comparison.remarks))


def estimate_text(one: Estimate | None, factor: float = 1.0) -> str:
    """An estimate for people: the half width with two digits, the mean with as many decimals."""
    if one is None:
        return "-"
    mean = one.mean * factor
    if one.half_width is None:
        return _plain(mean)
    half_width = one.half_width * factor
    if half_width < 1e-9 * abs(mean) or not half_width:  # all values are equal but for rounding
        return f"{_plain(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(half_width)))
    return f"{mean:,.{decimals}f} ± {half_width:,.{decimals}f}"


def _plain(value: float) -> str:
    """Four significant digits, and all digits of what is before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
