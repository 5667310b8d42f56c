"""Hash tables of flows, for use inside kernels: how many items each had, and which came last.

A table has a power of two of rows, at most half of them used; a row belongs to the flow of its `key`, and 0 marks an
empty one (a flow key of 0 is kept as 1). What `move_flows` and its like get may be of either kind of row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

#: Items of one flow.
FLOW_ROW = np.dtype([("key", np.uint64), ("items", np.int64)])

#: The item of one flow that arrived last, among those that were served while others were held.
ORDER_ROW = np.dtype([("key", np.uint64), ("last_frame", np.int64), ("last_completion_ns", np.int64)])


@njit(inline="always")
def flow_slot(key: Any, mask: Any) -> Any:
    """Where the look-up of a flow begins."""
    return (key ^ (key >> np.uint64(29))) & mask


@njit(inline="always")
def _find(table: Any, flow_key: Any) -> Any:
    """Row of a flow, and whether it is new there; the table must have room for one more flow."""
    mask = np.uint64(table.shape[0] - 1)
    key = flow_key if flow_key != 0 else np.uint64(1)
    slot = flow_slot(key, mask)
    while True:
        found = table[slot].key
        if found == key:
            return slot, False
        if found == 0:
            table[slot].key = key
            return slot, True
        slot = (slot + np.uint64(1)) & mask


@njit(inline="always")
def count_item(flows: Any, used: int, flow_key: Any) -> Any:
    """Count an item of a flow in a table of FLOW_ROWs; the number of flows."""
    slot, is_new = _find(flows, flow_key)
    flows[slot].items += 1
    return used + is_new


@njit(inline="always")
def follow(order: Any, used: int, flow_key: Any, frame: int, completion_ns: int) -> Any:
    """Add one completion to its flow in a table of ORDER_ROWs (ORD-02); the number of flows, and how late it is.

    Completions come in the order of service. One is reordered when a later-arrived item of its flow was completed
    earlier: it is late by the time since then, others by 0.
    """
    slot, is_new = _find(order, flow_key)
    flow = order[slot]
    late_ns = np.int64(0)
    if is_new or frame > flow.last_frame:
        flow.last_frame = frame
        flow.last_completion_ns = completion_ns
    else:
        late_ns = completion_ns - flow.last_completion_ns
    return used + is_new, late_ns


@njit(inline="always")
def forget_order(order: Any, used: int) -> int:
    """Empty a table of ORDER_ROWs; the number of flows in it then."""
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
            slot = flow_slot(key, mask)
            while new[slot].key != 0:
                slot = (slot + np.uint64(1)) & mask
            new[slot] = old[i]
