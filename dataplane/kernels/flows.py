"""Open-addressing hash tables of flows, for use inside kernels: the items of each flow, and its last item.

The number of rows is a power of two, and at most half of the rows are used. A row belongs to the flow of its `key`; key
0 marks an empty row (a flow key of 0 is stored as 1). `_find` and `move_flows` work on tables of either row type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

#: Items of one flow.
FLOW_ROW = np.dtype([("key", np.uint64), ("items", np.int64)])

#: Of one flow, the item that arrived last among the items served while frames were held.
ORDER_ROW = np.dtype([("key", np.uint64), ("last_frame", np.int64), ("last_completion_ns", np.int64)])


@njit(inline="always")
def flow_bucket(key: Any, mask: Any) -> Any:
    """The row at which the look-up of a flow begins."""
    return (key ^ (key >> np.uint64(29))) & mask


@njit(inline="always")
def _find(table: Any, flow_key: Any) -> Any:
    """(row of a flow, whether the row is new); the table must have room for one more flow."""
    mask = np.uint64(table.shape[0] - 1)
    key = flow_key if flow_key != 0 else np.uint64(1)
    bucket = flow_bucket(key, mask)
    while True:
        found = table[bucket].key
        if found == key:
            return bucket, False
        if found == 0:
            table[bucket].key = key
            return bucket, True
        bucket = (bucket + np.uint64(1)) & mask


@njit(inline="always")
def count_item(flows: Any, used: int, flow_key: Any) -> Any:
    """Count an item of a flow in a table of FLOW_ROWs; returns the number of flows (`used` before)."""
    bucket, is_new = _find(flows, flow_key)
    flows[bucket].items += 1
    return used + is_new


@njit(inline="always")
def follow(order: Any, used: int, flow_key: Any, frame: int, completion_ns: int) -> Any:
    """Add a completion to its flow in a table of ORDER_ROWs (ORD-02); returns (number of flows, lateness in ns).

    Calls come in the order of service. An item is reordered if a later-arrived item of its flow completed earlier; its
    lateness is the time since that completion. The lateness of other items is 0.
    """
    bucket, is_new = _find(order, flow_key)
    flow = order[bucket]
    late_ns = np.int64(0)
    if is_new or frame > flow.last_frame:
        flow.last_frame = frame
        flow.last_completion_ns = completion_ns
    else:
        late_ns = completion_ns - flow.last_completion_ns
    return used + is_new, late_ns


@njit(inline="always")
def forget_order(order: Any, used: int) -> int:
    """Empty a table of ORDER_ROWs; returns the number of flows afterwards, 0."""
    if used > 0:
        for i in range(order.shape[0]):
            order[i].key = 0
    return 0


@njit(cache=True, nogil=True)
def move_flows(old: Any, new: Any) -> None:
    """Copy every row of `old` into the larger empty table `new`."""
    mask = np.uint64(new.shape[0] - 1)
    for i in range(old.shape[0]):
        key = old[i].key
        if key != 0:
            bucket = flow_bucket(key, mask)
            while new[bucket].key != 0:
                bucket = (bucket + np.uint64(1)) & mask
            new[bucket] = old[i]
