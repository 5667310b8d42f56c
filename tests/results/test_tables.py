"""Tables that are written in pieces."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.kernels.serve import ENTRY_ROW
from dataplane.results import tables


def rows_of(windows: list[int]) -> npt.NDArray[Any]:
    """ENTRY_ROWs of these windows, ascending."""
    rows = np.zeros(len(windows), ENTRY_ROW)
    rows["window"] = np.sort(np.array(windows, np.int64))
    rows["received"] = np.arange(len(windows)) + 1
    return rows


WINDOWS = st.lists(st.integers(0, 12), max_size=40)


@given(st.lists(WINDOWS, min_size=1, max_size=4), st.integers(1, 30))
def test_pieces_are_all_rows_by_window(windows: list[list[int]], piece_rows: int) -> None:
    """Every row is in one piece, in order; windows of a piece come before those of the next, none is in both."""
    rows = [rows_of(one) for one in windows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_PIECE_ROWS", piece_rows)
        pieces = list(tables._pieces(rows))
    assert [np.concatenate(parts).tolist() for parts in zip(*pieces, strict=True)] == [one.tolist() for one in rows]
    of_pieces = [np.concatenate([part["window"] for part in piece]) for piece in pieces]
    for before, after in pairwise(of_pieces):
        assert before.max() < after.min()


@given(WINDOWS, st.integers(1, 30))
def test_sums_by_window(windows: list[int], piece_rows: int) -> None:
    """Sums are those of all rows of a window, however the rows are taken."""
    rows = rows_of(windows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_PIECE_ROWS", piece_rows)
        sums = tables._sums_by_window(rows, ["received"])
    assert sums["window"].tolist() == sorted(set(windows))
    assert sums["received"].tolist() == [
        int(rows["received"][rows["window"] == window].sum()) for window in sorted(set(windows))
    ]


@pytest.mark.parametrize("row", [{"a": 1}, {"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": None}])
def test_rows_and_schema_do_not_drift_apart(row: dict[str, Any]) -> None:
    """A row with a missing or additional column is a defect: no null is written and no column left out."""
    schema = pa.schema([("a", pa.int64()), ("b_c", pa.int64())])
    assert tables.rows_table([{"a": 1, "b": {"c": None}}], schema).to_pylist() == [{"a": 1, "b_c": None}]
    with pytest.raises(AssertionError, match="not both in the rows and in the schema: b"):
        tables.rows_table([row], schema)
