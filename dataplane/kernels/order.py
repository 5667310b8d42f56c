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

    Rows are ascending by flow key, completion, frame number (the place in arrival order); all arrays have one length. A
    row is reordered when a row of its flow with a greater frame number completed earlier. Equal completion times are no
    reordering: the frame number orders them. `extent` counts the rows of the flow from the first one, in completion
    order, with a greater frame number to this one (RFC 4737, 4.2.1), `late_ns` the time between their completions.
    """
    # That first one is always a maximum: a row whose frame number is greater than all before it in its flow. The maxima
    # of a flow ascend in both completion and frame number, so it is found by halving.
    maxima = np.empty(frame.shape[0], np.int64)  # rows
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
