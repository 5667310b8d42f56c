"""Random numbers as functions of (seed, number), and distributions that use them.

The generator is SplitMix64 (Steele, Lea, Flood 2014), read at any position. A seed must give the same traffic on every
machine. Therefore logarithm and exponential use only additions, multiplications and divisions, which IEEE 754 defines
to the last bit; the results of libm differ between machines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import bits_of_float, float_of_bits, multiply_high, select_unpredictable

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFF_FFFF)
#: Resolution of the gaps between frames: units in a nanosecond.
FRACTIONS_OF_NS = 1 << 20
_FRACTION_BITS = 20

_LN_2 = 0.6931471805599453
_SQRT_2 = 1.4142135623730951
_MANTISSA = np.uint64((1 << 52) - 1)
_BITS_OF_1, _BITS_OF_2_52, _BITS_OF_2_84 = np.uint64(1023 << 52), np.uint64(1075 << 52), np.uint64(1107 << 52)
_EXPONENTIAL_MAX = 45.0


@njit(inline="always")
def mix64(value: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64: a bijection of uint64."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@njit(cache=True)
def mixed(value: np.uint64) -> np.uint64:
    """`mix64` for callers outside kernels: an inlined function has no compiled form in the cache, this one has."""
    return mix64(value)


@njit(inline="always")
def random_u64(seed: np.uint64, number: np.uint64) -> np.uint64:
    """Random word `number` of the sequence `seed`, uniform over uint64."""
    return mix64(seed + (number + np.uint64(1)) * _GOLDEN)


@njit(inline="always")
def below(random: np.uint64, count: int) -> Any:
    """A number in [0, `count`) from a random uint64, as int64: the high word of their product; `count` > 0."""
    return np.int64(multiply_high(random, np.uint64(count)))


@njit(inline="always")
def _float_of_integer(value: np.uint64) -> Any:
    """The float64 nearest to a uint64, in a form that compiles to vector instructions.

    Each 32-bit half becomes the low mantissa bits of a power of two, so the halves are exact; only the sum is rounded.
    """
    high = float_of_bits((value >> np.uint64(32)) | _BITS_OF_2_84)
    low = float_of_bits((value & _LOW_32) | _BITS_OF_2_52)
    return (high - (2.0**84 + 2.0**52)) + low


@njit(inline="always")
def _integer_of_float(value: float) -> Any:
    """The integer part of a float64 in [0, 2**52), in a form that compiles to vector instructions."""
    return np.int64(bits_of_float(np.floor(value) + 2.0**52) & _MANTISSA)


@njit(inline="always")
def log_of_integer(value: np.uint64) -> Any:
    """ln(value) of a uint64 > 0, with an error of about 1e-14; ln(1) may be below 0 by that much."""
    bits = bits_of_float(_float_of_integer(value))
    exponent = float_of_bits((bits >> np.uint64(52)) | _BITS_OF_2_52) - (2.0**52 + 1023.0)
    mantissa = float_of_bits((bits & _MANTISSA) | _BITS_OF_1)  # 1 to 2
    s = (mantissa - _SQRT_2) / (mantissa + _SQRT_2)  # ln(m) = ln(sqrt(2)) + 2 artanh(s), |s| < 0.172
    z = s * s
    series = 1.0 / 13.0 + z * (1.0 / 15.0)
    series = 1.0 / 9.0 + z * (1.0 / 11.0 + z * series)
    series = 1.0 / 5.0 + z * (1.0 / 7.0 + z * series)
    series = 2.0 * s * (1.0 + z * (1.0 / 3.0 + z * series))
    return (exponent + 0.5) * _LN_2 + series


@njit(inline="always")
def exponential(random: np.uint64) -> Any:
    """Exponentially distributed with mean 1, from a random uint64: -ln(u), 0.0 to 44.4."""
    return max(64.0 * _LN_2 - log_of_integer(random | np.uint64(1)), 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def exponential_function(x: float) -> float:
    """e**x for x <= 0."""
    halvings = np.int64(-x / _LN_2 + 0.5)
    r = x + halvings * _LN_2
    term, total = 1.0, 1.0
    for n in range(1, 15):
        term *= r / n
        total += term
    while halvings >= 32:
        total *= 2.0**-32
        halvings -= 32
    for _ in range(halvings):
        total *= 0.5
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def zipf_weights(exponent: float, out: npt.NDArray[np.float64]) -> None:
    """Weight 1 / rank**exponent of rank i + 1 into out[i]."""
    for i in range(len(out)):
        out[i] = exponential_function(-exponent * log_of_integer(np.uint64(i + 1)))


@njit(cache=True, nogil=True, error_model="numpy")
def build_alias_table(
    weights: npt.NDArray[np.float64], work: npt.NDArray[np.int64], out: npt.NDArray[np.uint64]
) -> None:
    """Vose's alias method: writes out[i] = threshold << 32 | alias, for `draw`; thresholds are exact to 2**-32.

    `weights` (n,), each >= 0 and with a sum > 0, is overwritten; `work` (n,) is scratch; `out` is (n,).
    """
    count = len(weights)
    total = 0.0
    for i in range(count):
        total += weights[i]
    small, large = 0, count
    for i in range(count):
        weights[i] = weights[i] * count / total
        if weights[i] < 1.0:
            work[small] = i
            small += 1
        else:
            large -= 1
            work[large] = i
    while small > 0 and large < count:
        small -= 1
        low, high = work[small], work[large]
        threshold = np.uint64(weights[low] * 4294967296.0)
        out[low] = (min(threshold, _LOW_32) << np.uint64(32)) | np.uint64(high)
        weights[high] -= 1.0 - weights[low]
        if weights[high] < 1.0:
            large += 1
            work[small] = high
            small += 1
    for i in range(large, count):
        out[work[i]] = (_LOW_32 << np.uint64(32)) | np.uint64(work[i])
    for i in range(small):
        out[work[i]] = (_LOW_32 << np.uint64(32)) | np.uint64(work[i])


@njit(inline="always")
def draw(table: npt.NDArray[np.uint64], random: np.uint64) -> Any:
    """An index of an alias table, distributed as its weights, from a random uint64.

    The high word of the product of the random number and the table's size is the slot. The low word decides between the
    slot and its alias.
    """
    slot = below(random, len(table))
    entry = table[slot]
    point = (random * np.uint64(len(table))) >> np.uint64(32)  # the low word of the same product
    return select_unpredictable(point < (entry >> np.uint64(32)), slot, np.int64(entry & _LOW_32))


@njit(cache=True, nogil=True, error_model="numpy")
def arrival_times(
    seed: np.uint64,
    first: int,
    time_ns: int,
    fraction: int,
    step: int,
    burst_frames: int,
    pause_mean_ns: float,
    out: npt.NDArray[np.int64],
) -> Any:
    """Write the arrival times of frames `first`, `first` + 1, ... to `out`; returns (time, fraction) of the last frame.

    Frame k arrives `step` after frame k - 1. If k is a multiple of `burst_frames`, an exponentially distributed pause
    with mean `pause_mean_ns` is added. Frame 0 arrives at (`time_ns`, `fraction`); for `first` > 0 this is the time of
    frame `first` - 1. The unit of `step` and `fraction` is 1 / FRACTIONS_OF_NS ns. Each gap is rounded once, so the
    result does not depend on where the sequence is cut.
    """
    scale = pause_mean_ns * FRACTIONS_OF_NS
    for i in range(len(out)):
        out[i] = step
    if burst_frames == 1 and scale * _EXPONENTIAL_MAX < 2.0**52:  # the same as below, with vector instructions
        for i in range(len(out)):
            out[i] += _integer_of_float(exponential(random_u64(seed, np.uint64(first + i))) * scale)
    else:
        for i in range((-first) % burst_frames, len(out), burst_frames):
            out[i] += np.int64(exponential(random_u64(seed, np.uint64(first + i))) * scale)
    if first == 0 and len(out) > 0:
        out[0] = 0
    for i in range(len(out)):
        fraction += out[i]
        time_ns += fraction >> _FRACTION_BITS
        fraction &= FRACTIONS_OF_NS - 1
        out[i] = time_ns
    return time_ns, fraction
