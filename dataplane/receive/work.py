"""Work columns: what the NIC front end writes about each frame of a batch, and what the processors add.

There is one row for each frame, in arrival order. The values that processors read lie side by side (`WORK_ROW`): a
processor takes rows from all over a batch, and would otherwise fetch a cache line for every column of every frame. The
further values for a reader of rows also lie side by side (`OUT_OF_BAND_ROW`), so that the steering kernel needs fewer
addresses. The arrays may lie anywhere: in this process for the inline engine, in a buffer of the descriptor ring for
the Ray engine. Rows grouped by processor are a *selection vector* (row numbers) with offsets; rows are not copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.work import OUT_OF_BAND_ROW, WORK_ROW

#: Names for users of the codes of the `drop` column.
DROP_REASONS = ("", "runt", "packet filter", "queue_full")


class WorkColumns(NamedTuple):
    """Columns of a batch, all of the same length; columns for a reader of rows are empty if there is no such reader."""

    rows: npt.NDArray[Any]  # WORK_ROW; its fields are properties of this class
    processor: npt.NDArray[np.uint16]  # row of the snapshot's processors, NO_PROCESSOR when dropped
    #: For a reader of rows from here on.
    out_of_band: npt.NDArray[Any]  # OUT_OF_BAND_ROW; its fields are properties as well
    completion_ns: npt.NDArray[np.int64]  # set by the processor; NOT_COMPLETED when dropped

    @property
    def timestamp_ns(self) -> npt.NDArray[np.int64]:
        """Arrival, ns of model time."""
        return self._field("timestamp_ns")

    @property
    def flow_key(self) -> npt.NDArray[np.uint64]:
        """The flow key (ORD-01)."""
        return self._field("flow_key")

    @property
    def wire_length(self) -> npt.NDArray[np.uint32]:
        """Bytes on the wire."""
        return self._field("wire_length")

    @property
    def entry_slot(self) -> npt.NDArray[np.uint32]:
        """Steering parameter that chose the processor (SteeringSnapshot.entry_slots)."""
        return self._field("entry_slot")

    @property
    def target(self) -> npt.NDArray[np.uint16]:
        """Row of the snapshot's targets, NO_TARGET when dropped."""
        return self._field("target")

    @property
    def hash_kind(self) -> npt.NDArray[np.uint8]:
        """Code of HASH_KINDS."""
        return self._field("hash_kind")

    @property
    def flags(self) -> npt.NDArray[np.uint8]:
        """TAGGED, TRANSMIT."""
        return self._field("flags")

    @property
    def drop(self) -> npt.NDArray[np.uint8]:
        """Code of DROP_REASONS; processors set it as well."""
        return self._field("drop")

    @property
    def hash_value(self) -> npt.NDArray[np.uint32]:
        """0 without hash: see hash_kind (HSH-28)."""
        return self._out_of_band("hash_value")

    @property
    def filter_id(self) -> npt.NDArray[np.uint32]:
        """Filter that matched, 0 = none."""
        return self._out_of_band("filter_id")

    @property
    def table_index(self) -> npt.NDArray[np.uint16]:
        """Table index, or 0xFFFF default / 0xFFFE primary processor."""
        return self._out_of_band("table_index")

    @property
    def tci(self) -> npt.NDArray[np.uint16]:
        """Tag control information, 0 without a tag; `ndis.oob.Ieee8021Q` makes the 8021Q OOB of it."""
        return self._out_of_band("tci")

    def _field(self, name: str) -> npt.NDArray[Any]:
        field: npt.NDArray[Any] = self.rows[name]
        return field

    def _out_of_band(self, name: str) -> npt.NDArray[Any]:
        field: npt.NDArray[Any] = self.out_of_band[name]
        return field


WORK_DTYPES: dict[str, np.dtype[Any]] = {
    "rows": WORK_ROW,
    "processor": np.dtype(np.uint16),
    "out_of_band": OUT_OF_BAND_ROW,
    "completion_ns": np.dtype(np.int64),
}

_ALWAYS = ("rows", "processor")


def work_bytes(rows: int, *, rows_wanted: bool = True) -> int:
    """Bytes that `work_columns_in` needs for `rows` frames, each column on a cache line of its own."""
    return sum(_padded(length * dtype.itemsize) for length, dtype in _shapes(rows, rows_wanted=rows_wanted))


def work_columns_in(buffer: npt.NDArray[np.uint8], rows: int, *, rows_wanted: bool = True) -> WorkColumns:
    """Lay the columns of `rows` frames out in `buffer` (uint8, at least `work_bytes`, 64-byte aligned)."""
    at = 0
    columns: list[Any] = []
    for length, dtype in _shapes(rows, rows_wanted=rows_wanted):
        size = length * dtype.itemsize
        columns.append(buffer[at : at + size].view(dtype))
        at += _padded(size)
    return WorkColumns(*columns)


def new_work_columns(rows: int, *, rows_wanted: bool = True) -> WorkColumns:
    """Columns for `rows` frames in memory of this process."""
    columns: list[Any] = [np.zeros(length, dtype) for length, dtype in _shapes(rows, rows_wanted=rows_wanted)]
    return WorkColumns(*columns)


def first_rows(columns: WorkColumns, low: int, high: int) -> WorkColumns:
    """Rows `low` to `high - 1` as views."""
    views: list[Any] = [column[low:high] for column in columns]
    return WorkColumns(*views)


def _shapes(rows: int, *, rows_wanted: bool) -> list[tuple[int, np.dtype[Any]]]:
    return [(rows if rows_wanted or name in _ALWAYS else 0, dtype) for name, dtype in WORK_DTYPES.items()]


def _padded(size: int) -> int:
    return (size + 63) & ~63
