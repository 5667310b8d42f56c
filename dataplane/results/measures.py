"""Balance measures (BAL-02)."""

from __future__ import annotations

from collections.abc import Sequence


def balance(items: Sequence[int], largest_flow: int) -> dict[str, float | None]:
    """Measures over the items of each processor; `largest_flow` is the number of items of the largest single flow.

    `max_minus_min_over_min_percent` is None when some processor has nothing. `largest_flow_bound` is what max/mean
    cannot fall below whatever the tables say, since one flow stays on one processor: its share times the number of
    processors, at least 1.
    """
    total, count = sum(items), len(items)
    if not total:
        return {
            "max_over_mean": None,
            "jain": None,
            "max_minus_min_over_min_percent": None,
            "cov": None,
            "largest_flow_bound": None,
        }
    mean = total / count
    variance = sum((value - mean) ** 2 for value in items) / count
    low, high = min(items), max(items)
    return {
        "max_over_mean": round(high / mean, 6),
        "jain": round(total**2 / (count * sum(value**2 for value in items)), 6),
        "max_minus_min_over_min_percent": round(100 * (high - low) / low, 4) if low else None,
        "cov": round(variance**0.5 / mean, 6),
        "largest_flow_bound": round(max(1.0, largest_flow * count / total), 6),
    }
