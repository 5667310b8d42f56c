"""Random numbers that are functions of their position, and the distributions drawn with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.arrays import read_only
from dataplane.kernels.random import (
    below,
    build_alias_table,
    draw,
    exponential,
    exponential_function,
    log_of_integer,
    random_u64,
    zipf_weights,
)

WORDS = st.integers(0, 2**64 - 1)


def test_published_sequence() -> None:
    """The words are SplitMix64's: the first outputs of its reference implementation for seed 1234567."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(random_u64(np.uint64(1234567), np.uint64(i))) for i in range(5)] == expected


@given(WORDS, st.integers(1, 2**31))
def test_below(random: int, count: int) -> None:
    """`below` is the high word of the product, so every number below the count has its share."""
    assert below(np.uint64(random), count) == random * count >> 64


@given(st.integers(1, 2**64 - 1))
def test_logarithm(value: int) -> None:
    """The logarithm without libm agrees with libm's."""
    assert math.isclose(log_of_integer(np.uint64(value)), math.log(value), rel_tol=1e-13, abs_tol=2e-14)


@given(st.floats(-200, 0))
def test_exponential_function(x: float) -> None:
    """The exponential function without libm agrees with libm's."""
    assert math.isclose(exponential_function(x), math.exp(x), rel_tol=1e-12)


@given(WORDS)
def test_exponential(random: int) -> None:
    """An exponential number is the logarithm of a uniform one, and never negative."""
    expected = -math.log((random | 1) / 2**64)
    assert math.isclose(exponential(np.uint64(random)), expected, rel_tol=1e-12, abs_tol=1e-13)
    assert exponential(np.uint64(random)) >= 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.1, 3.0, 10.0])
def test_zipf_weights(exponent: float) -> None:
    """Rank r weighs 1 / r**s."""
    out = np.empty(1000)
    zipf_weights(exponent, out)
    assert np.allclose(out, np.arange(1, 1001, dtype=np.float64) ** -exponent, rtol=1e-12, atol=0)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 0))
def test_alias_table_is_exact(weights: list[float]) -> None:
    """Slots and aliases give every number the share its weight asks for, to 2**-32 of a slot."""
    table = np.empty(len(weights), np.uint64)
    build_alias_table(np.array(weights), np.empty(len(weights), np.int64), table)
    share = np.zeros(len(weights))
    for slot, entry in enumerate(table.tolist()):
        share[slot] += (entry >> 32) / 2**32
        share[entry & 0xFFFF_FFFF] += 1 - (entry >> 32) / 2**32
    assert np.allclose(share / len(weights), np.array(weights) / sum(weights), rtol=0, atol=1e-9)


def test_draws_follow_the_weights() -> None:
    """Numbers are drawn as often as they weigh (chi-squared at the 0.1 % level), weightless ones never."""
    weights = np.array([5.0, 0.0, 1.0, 1.0, 20.0, 0.5, 3.0])
    table = np.empty(7, np.uint64)
    build_alias_table(weights.copy(), np.empty(7, np.int64), table)
    table, n = read_only(table), 20_000
    drawn = [draw(table, np.uint64(random_u64(np.uint64(9), np.uint64(i)))) for i in range(n)]
    counts = np.bincount(drawn, minlength=7)
    expected = n * weights / weights.sum()
    assert counts[1] <= 1  # a threshold of 0 is exact, but the full slot is one part in 2**32 short
    used = expected > 0
    assert ((counts - expected)[used] ** 2 / expected[used]).sum() < 20.5  # 5 degrees of freedom
