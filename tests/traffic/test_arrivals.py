"""Arrival times: exactness, statistics, independence of the split."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.traffic.arrivals import KINDS, Arrivals
from dataplane.traffic.errors import TrafficError


def gaps(arrivals: Arrivals, frames: int) -> npt.NDArray[np.int64]:
    """The first gaps in ns."""
    return np.diff(arrivals.clock(0).times(frames + 1))


@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.integers(0, 2**64 - 1), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_split_changes_nothing(kind: str, seed: int, parts: list[int]) -> None:
    """Times do not depend on how they are requested, nor on skipped frames (TIM-01)."""
    arrivals = Arrivals(3e6, kind, seed, burst_frames=7)
    whole = arrivals.clock(5).times(sum(parts)).tolist()
    clock = arrivals.clock(5)
    assert [time for part in parts for time in clock.times(part).tolist()] == whole
    clock = arrivals.clock(5)
    clock.skip(parts[0])
    assert clock.times(sum(parts[1:])).tolist() == whole[parts[0] :]
    assert all(before <= after for before, after in pairwise(whole))
    assert whole[0] == 5


@pytest.mark.parametrize("rate_pps", [1.0, 3.0, 1e6, 3e6, 14_880_952.0, 1e9])
def test_constant(rate_pps: float) -> None:
    """Frame k of a constant rate arrives at k / rate, within a millionth of a gap for each frame."""
    times = Arrivals(rate_pps, "constant").clock(1000).times(100_000)
    expected = 1000 + np.arange(100_000) * (1e9 / rate_pps)
    assert np.all(np.abs(times - expected) <= 1 + expected * 1e-6)


@pytest.mark.parametrize("rate_pps", [0.5, 1e6, 5e7])
def test_poisson(rate_pps: float) -> None:
    """Gaps of Poisson arrivals have the exponential distribution: mean, deviation, and Kolmogorov-Smirnov."""
    n = 200_000
    sample = gaps(Arrivals(rate_pps, seed=11), n) * (rate_pps / 1e9)
    assert abs(sample.mean() - 1) < 4 / math.sqrt(n)
    assert abs(sample.std() - 1) < 4 * math.sqrt(2 / n)
    distance = np.abs(np.sort(1 - np.exp(-sample)) - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.95 / math.sqrt(n) + rate_pps / 1e9  # 0.1 % level, and times are whole nanoseconds
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 4 / math.sqrt(n)


def test_on_off() -> None:
    """Bursts of the asked length at the peak rate, exponential pauses, and the asked mean rate."""
    arrivals = Arrivals(1e6, "on-off", seed=2, burst_frames=50, on_share=0.25)
    sample = gaps(arrivals, 50 * 20_000)
    pauses = sample[49::50]
    assert np.all(np.delete(sample, np.s_[49::50]) == 250)
    assert abs(pauses.mean() - 250 - 37_500) < 4 * 37_500 / math.sqrt(len(pauses))
    assert abs(sample.mean() / 1000 - 1) < 0.03


def test_seeds_differ() -> None:
    """Another seed gives other times, the same seed the same: these values must never change."""
    seed_1 = [1407, 183, 1057, 414, 74]
    assert gaps(Arrivals(1e6, seed=1), 5).tolist() == seed_1
    assert gaps(Arrivals(1e6, seed=2), 5).tolist() != seed_1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rate_pps": 0.0}, "rate_pps = 0"),
        ({"rate_pps": 2e9}, "rate_pps = 2e"),
        ({"rate_pps": float("nan")}, "rate_pps = nan"),
        ({"rate_pps": 1e-3}, "gaps of minutes"),
        ({"rate_pps": 1e-300}, "gaps of minutes"),
        ({"rate_pps": 1e-300, "kind": "constant"}, "gaps of minutes"),
        ({"rate_pps": 1.0, "kind": "pareto"}, "poisson, constant, on-off"),
        ({"rate_pps": 1.0, "kind": "on-off", "burst_frames": 0}, "burst_frames"),
        ({"rate_pps": 1.0, "kind": "on-off", "on_share": 1.5}, "on_share"),
    ],
)
def test_impossible_values(keys: dict[str, object], message: str) -> None:
    """Invalid values are refused, and the error says which values are valid."""
    with pytest.raises(TrafficError, match=message):
        Arrivals(**keys)  # type: ignore[arg-type]
