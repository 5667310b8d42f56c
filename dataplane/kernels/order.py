"""Reordering by RFC 4737, over frames in the order of their completion (ORD-02)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True)
def measure_order(
    flow_key: npt.NDArray[np.uint64],
    frame: npt.NDArray[np.int64],
    completion_ns: npt.NDArray[np.int64],
    extent: npt.NDArray[np.int64],
    late_ns: npt.NDArray[np.int64],
) -> None:
    """Write the extent and the late time offset of every row; both are 0 for a row that is not reordered.

    All arrays are (rows,). Rows are sorted by flow key, completion, and frame number (the place in arrival order). A
    row is reordered if a row of its flow with a greater frame number completed earlier. Rows with equal completion
    times are not reordered: the frame number orders them. Take the first row of the flow, in completion order, with a
    greater frame number: `extent` is the number of rows from it to this one (RFC 4737, 4.2.1), and `late_ns` is the
    time between their completions.
    """
    # The first row with a greater frame number is a maximum: its frame number is greater than those of all rows before
    # it in its flow. The maxima of a flow ascend in completion and in frame number, so a binary search finds it.
    maxima = np.empty(frame.shape[0], np.int64)  # row numbers
    count = 0
    for row in range(frame.shape[0]):
        if row == 0 or flow_key[row] != flow_key[row - 1]:
            count = 0
        if count == 0 or frame[row] > frame[maxima[count - 1]]:
            maxima[count] = row
            count += 1
            extent[row] = 0
            late_ns[row] = 0
            continue
        low, high = 0, count - 1
        while low < high:
            middle = (low + high) // 2
            if frame[maxima[middle]] > frame[row]:
                high = middle
            else:
                low = middle + 1
        first = maxima[low]
        extent[row] = row - first
        late_ns[row] = completion_ns[row] - completion_ns[first]
