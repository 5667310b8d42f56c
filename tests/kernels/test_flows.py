"""The hash tables of flows."""

from __future__ import annotations

import numpy as np

from dataplane.kernels.flows import ORDER_ROW, follow, forget_order


def test_a_table_that_has_forgotten_is_empty() -> None:
    """Overtaken items are found until the table is emptied (ORD-02); then all its rows are free."""
    order, used = np.zeros(8, ORDER_ROW), 0
    for key in (5, 13, 0):
        used, late_ns = follow(order, used, np.uint64(key), 3, 10)
        assert late_ns == 0
    assert follow(order, used, np.uint64(5), 2, 15) == (3, 5)
    assert forget_order(order, used) == 0
    assert not order["key"].any()
    assert follow(order, 0, np.uint64(5), 2, 20) == (1, 0)
