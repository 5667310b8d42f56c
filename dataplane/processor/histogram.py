"""Mergeable log-linear latency histograms (PRC-06).

There are 128 buckets for each power of two. The error of a quantile is less than 1/256 (0.4 %) of its value; below
256 ns it is exact. Count, sum, minimum and maximum are exact. Merging adds buckets: it is associative and commutative.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from dataplane.kernels.serve import HISTOGRAM_BUCKETS

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """Latencies of completed items in nanoseconds."""

    buckets: npt.NDArray[np.int64]  # (HISTOGRAM_BUCKETS,)
    sum_ns: int
    min_ns: int  # 0 when empty
    max_ns: int  # 0 when empty

    @classmethod
    def empty(cls) -> LatencyHistogram:
        """No latencies."""
        return cls(np.zeros(HISTOGRAM_BUCKETS, np.int64), 0, 0, 0)

    @classmethod
    def of_kernel(
        cls, buckets: npt.NDArray[np.int64], wrapped_sum_ns: int, min_ns: int, max_ns: int
    ) -> LatencyHistogram:
        """The counts of a kernel; its sum is modulo 2^64.

        The buckets give the sum within 1/256, which shows how often it has wrapped, up to 2^70 ns.
        """
        nearly_ns = int(buckets @ _MIDDLES_NS)
        sum_ns = nearly_ns + (wrapped_sum_ns - nearly_ns + 2**63) % 2**64 - 2**63
        return cls(buckets, sum_ns, min_ns, max_ns)

    @property
    def count(self) -> int:
        """Number of latencies."""
        return int(self.buckets.sum())

    @classmethod
    def merged(cls, parts: Iterable[LatencyHistogram]) -> LatencyHistogram:
        """The histogram of all sets of latencies."""
        return reduce(cls.merge, parts, cls.empty())

    def merge(self, other: LatencyHistogram) -> LatencyHistogram:
        """The histogram of both sets of latencies."""
        if not self.count:
            return other
        if not other.count:
            return self
        return LatencyHistogram(
            self.buckets + other.buckets,
            self.sum_ns + other.sum_ns,
            min(self.min_ns, other.min_ns),
            max(self.max_ns, other.max_ns),
        )

    def quantile_ns(self, share: float) -> int:
        """The latency that `share` of the items do not exceed (nearest rank), within 0.4 %; 0 when empty."""
        count = self.count
        if not count:
            return 0
        rank = max(1, -int(-share * count // 1))
        bucket = int(np.searchsorted(np.cumsum(self.buckets), rank))
        return min(max(int(_MIDDLES_NS[bucket]), self.min_ns), self.max_ns)

    def summary(self) -> dict[str, int | float]:
        """`{p50, p90, p99, p999, max, mean}` of summary.json, in nanoseconds."""
        count = self.count
        quantiles: dict[str, int | float] = {name: self.quantile_ns(share) for name, share in QUANTILES.items()}
        return quantiles | {"max": self.max_ns, "mean": round(self.sum_ns / count, 3) if count else 0.0}


def _middles_ns() -> npt.NDArray[np.float64]:
    """Middle of each bucket's range of values, all exact: the inverse of `kernels.serve.bucket_of`."""
    bucket = np.arange(HISTOGRAM_BUCKETS)
    exponent, mantissa = np.divmod(bucket - 128, 128)
    return np.where(bucket < 256, bucket, np.ldexp(128.5 + mantissa, exponent))


_MIDDLES_NS = _middles_ns()
