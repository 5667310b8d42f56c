"""docs/cluster.md calculates with the real sizes of reports."""

from __future__ import annotations

from pathlib import Path

from dataplane.kernels.serve import ENTRY_ROW

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"


def test_rows_of_a_report_are_as_large_as_it_says() -> None:
    """The sizes are right in the table of what leaves a node, and in the estimate that follows from it."""
    text, size = DOCUMENT.read_text("utf-8"), ENTRY_ROW.itemsize
    assert f"{size} for each table entry, window and processor with work" in text
    windows, rows = 516, 337
    report = 8 * 65_536 + 20_000 * 16 + windows * rows * size
    assert f"{windows} x {rows} x {size} ({rows} entries" in text
    assert f"= {report / 1e6:.1f} MB" in text
