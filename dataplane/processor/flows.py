"""The number of items of each flow that the processors of a host accepted (ORD-01)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.flows import FLOW_ROW, move_flows

_ROWS_AT_FIRST = 1 << 12
_GROWTH = 2


class FlowItems(NamedTuple):
    """Items by flow; each flow once."""

    keys: npt.NDArray[np.uint64]  # (flows,)
    items: npt.NDArray[np.int64]  # (flows,)

    @classmethod
    def merged(cls, parts: Sequence[FlowItems]) -> FlowItems:
        """The items of several hosts together, ascending by key."""
        keys, place = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
        items = np.zeros(len(keys), np.int64)
        np.add.at(items, place, np.concatenate([part.items for part in parts]))
        return cls(keys, items)


class FlowTable:
    """The flows of all processors of a host.

    All processors share one table. So a flow that moves to another processor, because an indirection table changes,
    occupies the caches of a core once and not for every processor.
    """

    def __init__(self) -> None:
        self.rows: npt.NDArray[Any] = np.zeros(_ROWS_AT_FIRST, FLOW_ROW)
        self.used = np.zeros(1, np.int64)

    def load_kernels(self) -> None:
        """Load the kernels that the first frames do not need; changes nothing."""
        enlarged(self.rows[:2])

    def make_room(self) -> bool:
        """Enlarge the table if it is half full; return whether it was."""
        if 2 * self.used[0] < len(self.rows):
            return False
        self.rows = enlarged(self.rows)
        return True

    def items(self) -> FlowItems:
        """What has been counted so far, ascending by key."""
        rows = self.rows[self.rows["key"] != 0]
        return FlowItems.merged([FlowItems(rows["key"], rows["items"])])


def enlarged(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A larger hash table with the rows of `table`."""
    larger = np.zeros(_GROWTH * len(table), table.dtype)
    move_flows(table, larger)
    return larger
