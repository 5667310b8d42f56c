"""The balance measures of BAL-02, each from its textbook formula in exact arithmetic.

A measure whose formula divides by zero has no value: None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly a load lies on processors."""

    max_over_mean: float | None  # 1 is even, n is everything on one of n; None without load
    jain: float | None  # 1 is even, 1/n is everything on one of n; None without load
    max_minus_min_over_min_percent: float | None  # 0 is even; None when some processor has no load
    cov: float | None  # standard deviation of the population / mean; None without load
    largest_flow_bound: (
        float | None
    )  # max_over_mean cannot be less with flows kept whole, at least 1; None without load


def measure_balance(loads: Sequence[int], largest_flow: int) -> Balance:
    """Measure `loads`, one per processor, of which the largest single flow is `largest_flow` (same unit, BAL-02)."""
    n, total = len(loads), sum(loads)
    if total == 0:
        return Balance(None, None, None, None, None)
    mean = Fraction(total, n)
    variance = sum((load - mean) ** 2 for load in loads) / n
    smallest, largest = min(loads), max(loads)
    return Balance(
        max_over_mean=float(largest / mean),
        jain=float(Fraction(total**2, n * sum(load**2 for load in loads))),
        max_minus_min_over_min_percent=float(Fraction(100 * (largest - smallest), smallest)) if smallest else None,
        cov=math.sqrt(variance) / float(mean),
        # wherever the largest flow goes, that processor carries at least it; and no maximum is below the mean
        largest_flow_bound=max(1.0, float(largest_flow / mean)),
    )
