"""The reference balance measures against values worked out by hand."""

from __future__ import annotations

import pytest

from tests.reference.balance import Balance, measure_balance


def test_even_load() -> None:
    """Equal loads are perfectly balanced by every measure (BAL-02)."""
    assert measure_balance([25, 25, 25, 25], 5) == Balance(1.0, 1.0, 0.0, 0.0, 1.0)


def test_uneven_load() -> None:
    """Loads 10, 20, 30: mean 20, squares 1400, variance 200/3; a flow of 28 makes the maximum at least 1.4 means."""
    balance = measure_balance([10, 20, 30], 28)
    assert balance.max_over_mean == 1.5
    assert balance.jain == pytest.approx(3600 / 4200)
    assert balance.max_minus_min_over_min_percent == 200.0
    assert balance.cov == pytest.approx((200 / 3) ** 0.5 / 20)
    assert balance.largest_flow_bound == 1.4


def test_everything_on_one_processor() -> None:
    """One of four: max/mean 4, Jain 1/4, no minimum to compare with (BAL-02)."""
    assert measure_balance([0, 8, 0, 0], 8) == Balance(4.0, 0.25, None, 3**0.5, 4.0)


def test_no_load() -> None:
    """Without load no measure has a value (BAL-02)."""
    assert measure_balance([0, 0], 0) == Balance(None, None, None, None, None)
