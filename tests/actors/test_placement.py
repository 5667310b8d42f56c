"""The processors of a cluster that simulated hosts request, and the size of what they send."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.placement import processors_for_each
from actors.wire import sent_bytes


@pytest.mark.parametrize(
    ("free", "hosts", "actors", "expected"),
    [
        ([16], 1, 5, 5),  # one for each actor
        ([16, 16], 2, 5, 5),
        ([2], 1, 9, 2),  # the whole of a small node
        ([2, 2], 2, 9, 2),
        ([8], 2, 9, 4),  # equal shares
        ([2, 2], 3, 9, 1),
        ([0, 3], 1, 2, 2),
        ([1], 2, 3, 0.5),
        ([1], 3, 3, 0.3333),
        ([0.5, 0.5], 2, 4, 0.5),
        ([0, 0], 2, 4, 1),  # to wait for
        ([], 1, 1, 1),
    ],
)
def test_shares(free: list[float], hosts: int, actors: int, expected: float) -> None:
    """A seat has one processor for each actor of the host, or fewer if the cluster has fewer."""
    assert processors_for_each(free, hosts, actors) == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 12), st.integers(1, 9))
def test_all_hosts_find_room(free: list[int], hosts: int, actors: int) -> None:
    """If anything is free, all seats fit at the same time, as Ray counts; larger seats would not."""
    share = processors_for_each(free, hosts, actors)
    exact = Fraction(round(share * 10_000), 10_000)
    room = sum(Fraction(node) // exact for node in free)
    if sum(free):
        assert room >= hosts
        assert 0 < share <= actors
        assert share == actors or share < 1 or sum(node // (share + 1) for node in free) < hosts
    else:
        assert share == 1


@pytest.mark.parametrize("value", [None, b"x" * 70_000, np.arange(10_000), [np.zeros(3), "text", (1, 2)]])
def test_sent_bytes(value: object) -> None:
    """The size of a value is the size of its pickle; arrays count once."""
    assert abs(sent_bytes(value) - len(pickle.dumps(value, protocol=5))) < 300
