"""Policies side by side: statistics against values worked out by hand, the table and the screen."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from rich.console import Console

from dataplane.results.comparison import (
    MEASURES,
    SCHEMA,
    T_QUANTILES,
    Comparison,
    Estimate,
    PolicyRun,
    comparison_screen,
    comparison_table,
    estimate,
    estimate_text,
    measure_windows,
    write_comparison,
)

DOCUMENTATION = Path(__file__).parents[2] / "docs"

RUN = PolicyRun(
    policy="none", seed=1, hand_over="permissive", tick_ns=5_000_000, window_ns=1_000_000, arrived=1000, completed=990,
    max_over_mean=2.0, jain=0.5, window_max_over_mean=3.0, processors_used=1.5, entries_moved=0, requests_refused=0,
    reordered=0, reordered_ratio=0.0, dropped=10, loss_ratio=0.01, frames_held=7, longest_hold_ns=1500,
    latency_p50_ns=2500, latency_p99_ns=1_234_567, findings=(),
)  # fmt: skip


def student_probability(t: float, degrees: int) -> float:
    """P(-t < T < t) of Student's t: Simpson's rule over its density."""
    scale = math.gamma((degrees + 1) / 2) / (math.sqrt(degrees * math.pi) * math.gamma(degrees / 2))
    x = np.linspace(0, t, 4001)
    density = scale * (1 + x * x / degrees) ** (-(degrees + 1) / 2)
    weights = np.where(np.arange(len(x)) % 2, 4, 2)
    weights[[0, -1]] = 1
    return float(2 * (density * weights).sum() * (x[1] - x[0]) / 3)


def test_quantiles_of_student() -> None:
    """Each quantile bounds 95 % of its distribution, within the precision of three decimals."""
    assert len(T_QUANTILES) == 29
    for degrees, t in enumerate(T_QUANTILES, 1):
        below, above = student_probability(t - 0.0006, degrees), student_probability(t + 0.0006, degrees)
        assert below < 0.95 < above


def test_estimate_by_hand() -> None:
    """Mean 3, variance 2.5, so t(4) * sqrt(2.5 / 5); one value has no interval, equal values have a width of 0."""
    assert estimate([1, 2, 3, 4, 5]) == pytest.approx((3.0, 2.776 * math.sqrt(0.5), 5))
    assert estimate([2.0, 4.0]) == pytest.approx((3.0, 12.706, 2))
    assert estimate([7]) == Estimate(7.0, None, 1)
    assert estimate([7, 7, 7]) == Estimate(7.0, 0.0, 3)
    assert estimate([0.0] * 15 + [2.0] * 15).half_width == pytest.approx(2.045 * math.sqrt(30 / 29 / 30))


def test_windows_by_hand() -> None:
    """Four processors: 30 of 40 on one is 3, even is 1, alone is 4; other windows do not count (BAL-01)."""
    window = np.array([0, 0, 1, 1, 1, 1, 4, 9])
    busy_ns = np.array([30, 10, 5, 5, 5, 5, 8, 50])
    measured = measure_windows(window, busy_ns, processors=4, windows=9)
    assert measured == ((3 + 1 + 4) / 3, (2 + 4 + 1) / 3)
    assert measure_windows(window, busy_ns, processors=4, windows=1) == (3.0, 2.0)
    assert measure_windows(window, 0 * busy_ns, processors=4, windows=9) == (None, 7 / 3)
    assert measure_windows(window[:0], busy_ns[:0], processors=4, windows=9) == (None, None)


@pytest.mark.parametrize(
    ("one", "factor", "text"),
    [
        (None, 1.0, "-"),
        (Estimate(1.23456, None, 1), 1.0, "1.235"),
        (Estimate(123456.0, None, 1), 1.0, "123,456"),
        (Estimate(1.23456, 0.0, 3), 1.0, "1.235 ± 0"),
        (Estimate(0.1, 1e-17, 3), 1.0, "0.1 ± 0"),
        (Estimate(1.23456, 0.0346, 3), 1.0, "1.235 ± 0.035"),
        (Estimate(1.23456, 0.346, 3), 1.0, "1.23 ± 0.35"),
        (Estimate(1234.56, 34.6, 3), 1.0, "1,235 ± 35"),
        (Estimate(0.0123, 0.0045, 3), 100, "1.23 ± 0.45"),
        (Estimate(0.0, 0.0, 3), 1.0, "0 ± 0"),
    ],
)
def test_estimates_for_people(one: Estimate | None, factor: float, text: str) -> None:
    """The half width has two digits; the mean ends where the half width does."""
    assert estimate_text(one, factor) == text


def comparison() -> Comparison:
    """Two policies, two seeds, the second policy interrupted after its first."""
    other = replace(RUN, policy="rsspp", window_max_over_mean=None, findings=("oh", "dear"))
    return Comparison("s", ("none", "rsspp"), (RUN, other, replace(RUN, seed=2, jain=0.7)), interrupted=True)


def test_estimates_of_a_comparison() -> None:
    """Each policy has the mean of its own finished runs; a measure without values has none."""
    one = comparison()
    assert one.estimate("none", "jain") == pytest.approx((0.6, 1.2706, 2))
    assert one.estimate("rsspp", "jain") == Estimate(0.5, None, 1)
    assert one.estimate("rsspp", "window_max_over_mean") is None
    assert one.findings == ("rsspp, seed 1: oh (and 1 more)",)


def lines_of(one: Comparison) -> list[str]:
    """The lines of the screen."""
    console = Console(width=200, record=True, file=StringIO())
    console.print(comparison_screen(one))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_screen() -> None:
    """Policies are columns and measures rows; measures of ordered hand-over are shown only with it."""
    head, early, policies, runs, *rows = lines_of(comparison())
    assert head.startswith("s  tick 5 ms, window 1 ms, permissive hand-over, seeds 1 to 2")
    assert early == "stopped early: only runs that were finished count"
    assert policies.split() == ["none", "rsspp"]
    assert runs.split() == ["runs", "2", "1"]
    shown = [measure for measure in MEASURES if measure.field not in {"frames_held", "longest_hold_ns"}]
    assert [row.startswith(measure.label) for row, measure in zip(rows, shown, strict=True)] == [True] * len(shown)
    assert rows[0].split()[-4:] == ["3", "±", "0", "-"]
    assert rows[-1].split()[-4:] == ["1,235", "±", "0", "1,235"]
    ordered = replace(comparison(), runs=tuple(replace(run, hand_over="ordered") for run in comparison().runs))
    assert [line.split()[-4:] for line in lines_of(ordered) if "hold us" in line] == [["1.5", "±", "0", "1.5"]]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_table(ending: str, tmp_path: Path) -> None:
    """One row for each policy and seed, the fields and a schema version as columns, in both formats."""
    path = tmp_path / f"runs.{ending}"
    runs = comparison().runs
    write_comparison(path, runs)
    if ending == "parquet":
        table = pyarrow.parquet.read_table(path)
        assert table.schema.equals(SCHEMA)
        assert table.schema.metadata[b"vmmq.schema_version"] == b"1"
        assert table.equals(comparison_table(runs))
    else:
        header, *rows = path.read_text().splitlines()
        assert header.replace('"', "").split(",") == SCHEMA.names
        assert len(rows) == 3
    names = ["schema_version", *(field.name for field in fields(PolicyRun))]
    assert comparison_table(runs).column_names == names
    rows = comparison_table(runs).to_pylist()
    assert [(row["policy"], row["seed"], row["findings"]) for row in rows] == [
        ("none", 1, None),
        ("rsspp", 1, "oh; dear"),
        ("none", 2, None),
    ]
    for run, row in zip(runs, rows, strict=True):
        assert all(row[name] == getattr(run, name) for name in names[1:-1])


def test_documentation() -> None:
    """Every column is in the contract of the command line, every row of the screen in the page on policies."""
    contract = (DOCUMENTATION / "cli.md").read_text("utf-8")
    section = contract.partition("Columns of `vmmq policy compare")[2].partition("\n\n")[0]
    assert [name for name in SCHEMA.names if f"`{name}`" not in section] == []
    policies = (DOCUMENTATION / "policies.md").read_text("utf-8")
    assert [one.label for one in MEASURES if f"\n{one.label} " not in policies] == []
