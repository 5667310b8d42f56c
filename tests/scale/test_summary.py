"""The evaluation of runs: quartiles, efficiency, growth, and remarks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.scale.points import Point, Run
from dataplane.scale.rows import SCHEMA, run_row, runs_table
from dataplane.scale.screen import scale_screen
from dataplane.scale.summary import Summary, growth, quartiles
from tests.scale.examples import NIC, POINT, row


@given(
    exponent=st.floats(-0.5, 2.5),
    factor=st.floats(1e-6, 1e6),
    values=st.lists(st.integers(1, 10**6), min_size=2, max_size=9, unique=True),
)
def test_the_exponent_of_a_power_is_found(exponent: float, factor: float, values: list[int]) -> None:
    """The exponent of cost = factor * value ** exponent is found exactly; the verdict follows from it."""
    values.sort()
    fit = growth(values, [factor * value**exponent for value in values])
    assert fit is not None
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    if exponent > 1.16:
        assert fit.verdict == "worse than linear"
    if 0.86 < exponent < 1.14:
        assert fit.verdict == "linear"
    if 0.11 < exponent < 0.84:
        assert fit.verdict == "below linear"
    if exponent < 0.09:
        assert fit.verdict == "constant"


def test_what_every_run_costs_does_not_hide_growth() -> None:
    """A constant second plus a quadratic cost: the upper half of the values shows the growth."""
    values = [1, 10, 100, 1_000, 10_000, 100_000]
    fit = growth(values, [1 + (value / 1_000) ** 2 for value in values])
    assert fit is not None
    assert fit.verdict == "worse than linear"


def test_one_value_does_not_grow() -> None:
    """One value has no growth, and neither have costs of 0."""
    assert growth([5], [3.0]) is None
    assert growth([1, 2, 3], [0.0, 0.0, 1.0]) is None


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_quartiles_ascend(values: list[float]) -> None:
    """Quartiles ascend and lie among the values."""
    low, middle, high = quartiles(values)
    assert min(values) <= low <= middle <= high <= max(values) or middle == pytest.approx(middle)


RAY = Point(None, None, "ray", 1, 4096, 1)


def test_efficiency_is_against_the_best_work_on_one_core() -> None:
    """Two cores in half the time of one have efficiency 1; call overhead is core time minus work."""
    inline = [row(repeat=n, seconds=seconds) for n, seconds in enumerate((1.0, 1.2, 1.4))]
    slow = row(replace(POINT, batch_frames=64), seconds=3.0)
    with_actors = replace(NIC, ended_ns=NIC.opened_ns + 750_000_000, processor_actors=3, source_seconds=None)
    ray = run_row("small", Run(RAY, 0), [with_actors])
    summary = Summary("small", (*inline, slow, ray))
    points = {one.point: one for one in summary.points}
    middle = points[POINT].quartiles("efficiency")
    assert middle is not None
    assert middle.median == pytest.approx(1.0)
    by_row = summary.derived()
    assert ray.cores == 2
    assert ray.workers == 4
    assert by_row[ray]["efficiency"] == pytest.approx(1.2 / 1.5)
    assert by_row[ray]["call_overhead_ns_per_frame"] == pytest.approx(300)
    assert by_row[slow]["efficiency"] == pytest.approx(1.2 / 3)


def test_nics_of_one_run_are_taken_together() -> None:
    """Throughput is all frames over first frame to last end; cores are those of the machines that there are."""
    late = replace(NIC, opened_ns=NIC.opened_ns + 500_000_000, ended_ns=NIC.ended_ns + 1_000_000_000, dropped=5)
    elsewhere = replace(NIC, host="two", cores=8, peak_memory_bytes=7)
    together = run_row("small", Run(replace(POINT, nics=3), 0), [NIC, late, elsewhere])
    assert together.seconds == pytest.approx(2.0)
    assert together.frames_per_second == pytest.approx(1_500_000)
    assert (together.machine_cores, together.workers, together.cores) == (10, 3, 3)
    assert together.nodes == "one, two"
    assert (together.dropped, together.peak_memory_bytes, together.cpu_seconds) == (5, 1_000_000, 3.0)


def test_without_frames_nothing_has_a_cost() -> None:
    """A run in which nothing arrived has a row and no efficiency; table and screen take it."""
    nothing = run_row("small", Run(POINT, 0), [replace(NIC, frames=0, completed=0, items=(0,) * 4)])
    assert (nothing.frames_per_second, nothing.core_ns_per_frame, nothing.processors_used) == (0, 0, 0)
    summary = Summary("small", (nothing,))
    assert summary.derived()[nothing] == {"efficiency": None, "call_overhead_ns_per_frame": None}
    assert runs_table((nothing,), summary.derived()).num_rows == 1
    scale_screen(summary, Path("out"))
    scale_screen(Summary("small", (replace(nothing, axis="flows", value=5),)), Path("out"))


def test_unequal_results_are_a_finding() -> None:
    """Results that differ between engines or batches are reported (ENG-01); repeats have other seeds and may differ."""
    other = replace(POINT, batch_frames=64)
    equal = Summary("small", (row(), row(other), row(repeat=1, results_digest="b")))
    assert not equal.findings
    assert "ENG-01" in Summary("small", (row(), row(other, results_digest="b"))).findings[0]


def test_findings_and_remarks_name_what_happened() -> None:
    """Failures, findings of runs, busy machines, different machines, runs that are missing."""
    rows = (row(findings="a cut-off record"), row(repeat=1, cpu_seconds=0.5), row(repeat=2, cpu_model="another"))
    summary = Summary("small", rows, missing=3, failures={"inline, 1 NIC, repeat 9": "it died"})
    assert summary.findings == ["inline, 1 NIC, repeat 9: it died", "in runs: a cut-off record"]
    text = " ".join(summary.remarks)
    assert "busy: in 1 of 3 runs" in text
    assert "another" in text
    assert "3 runs are missing" in text


def test_the_table_has_the_documented_schema(tmp_path: Path) -> None:
    """All columns, with values where they are known; and the screen takes everything that the table does."""
    rows = (row(), row(replace(POINT, axis="flows", value=5)), row(replace(POINT, axis="flows", value=50), seconds=2))
    summary = Summary("small", rows, interrupted=True)
    table = runs_table(rows, summary.derived())
    assert table.schema.equals(SCHEMA, check_metadata=True)
    assert table.schema.metadata[b"vmmq.schema_version"] == b"1"
    assert table["efficiency"].null_count == 2, "growth is not about cores"
    assert not table["frames_per_second"].null_count
    assert scale_screen(summary, tmp_path)
    document = summary.document()
    assert document["growth"]["flows"]["ns_per_frame"]["exponent"] == pytest.approx(0.30103)
    assert len(document["points"]) == len(document["runs"]) == 3
