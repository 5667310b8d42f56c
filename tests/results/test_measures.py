"""Balance measures against the plain reference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataplane.results.measures import balance
from tests.reference.balance import measure_balance


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=16), st.integers(0, 10**9))
def test_balance_equals_the_reference(items: list[int], largest_flow: int) -> None:
    """Max/mean, Jain's index, the RSS++ measure, coefficient of variation and flow bound are those of BAL-02."""
    largest_flow = min(largest_flow, sum(items))
    measured = balance(items, largest_flow)
    expected = measure_balance(items, largest_flow)
    for name, value in measured.items():
        wanted = getattr(expected, name)
        if wanted is None or not sum(items):
            assert value is None
        else:
            assert value is not None
            assert abs(value - wanted) <= 1e-4 * max(1.0, abs(wanted)), name
