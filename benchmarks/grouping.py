"""Grouping rows by processor from the processor column alone, as a peer does it: the subject of the figure `partition`.

In a run this step does not have to count: steering has already counted the rows of each processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.steer import divide_selection, select_rows


def group_rows(
    processor: npt.NDArray[np.uint16], offsets: npt.NDArray[np.int64], selection: npt.NDArray[np.uint32]
) -> None:
    """Group rows by processor: `selection[offsets[p]:offsets[p + 1]]` are the rows of processor row p.

    The counting sort is stable: rows ascend within a processor. Dropped rows are left out.
    """
    rows = len(processor)
    counts, ends = np.empty((1, 1, len(offsets)), np.int64), np.array([rows])
    _count_by_processor(processor, counts[0, 0])
    divide_selection(ends, counts, offsets[None])
    select_rows(processor, 0, rows, ends, counts[0], selection)


@njit(nogil=True)
def _count_by_processor(processor: Any, counts: Any) -> None:
    """Fill `counts` (processors + 1,) with the number of rows of each processor and, last, of dropped rows."""
    counts[:] = 0
    dropped = counts.shape[0] - 1
    for row in range(processor.shape[0]):
        counts[min(np.int64(processor[row]), dropped)] += 1
