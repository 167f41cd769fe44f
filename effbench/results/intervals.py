"""A value with its 95 % interval; percentiles with bootstrap intervals, the same for the same samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % interval, all in one unit; ends of NaN where it has none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def map(self, function: Callable[[float], float]) -> Estimate:
        """Estimate of a monotonic function of the value; a falling function swaps the ends."""
        ends = sorted((function(self.low), function(self.high)))
        return Estimate(function(self.value), *ends)

    @property
    def relative_width(self) -> float:
        """Width of the interval as a fraction of the value."""
        return (self.high - self.low) / self.value if self.value else 0.0


def bootstrap(samples: ArrayLike, percent: float = 50.0, *, resamples: int = 4000) -> Estimate:
    """A percentile of the samples (50 is the median) with its bootstrap percentile interval.

    Resampling is not done draw by draw: a percentile of ``n`` draws with replacement depends on one or
    two of their order statistics only, and the ranks of those are the order statistics of ``n`` uniform
    numbers, which follow beta distributions. So the resampled percentiles are drawn directly, in the same
    distribution as by drawing all ``n`` values, with memory that does not grow with ``n``.

    Args:
        samples: (n,) finite values, at least one, which are taken to be independent; else ``ValueError``.
        percent: 0 to 100, interpolated linearly between neighbours.
        resamples: number of bootstrap replicates.
    """
    values = np.sort(np.asarray(samples, dtype=np.float64), axis=None)
    if values.size == 0:
        raise ValueError("no samples to summarise")
    if not np.isfinite(values).all():
        raise ValueError("a sample is not a finite number")
    value = float(np.percentile(values, percent))
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(_resampled(values, percent / 100, resamples), [tail, 100 - tail])
    # With skewed samples, or a percentile near an end, the interval need not hold the value itself.
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _resampled(values: np.ndarray, quantile: float, resamples: int) -> np.ndarray:
    """Quantiles (resamples,) of bootstrap resamples of the sorted ``values`` (n,)."""
    generator = np.random.default_rng(0)
    count = len(values)
    fraction, rank = np.modf((count - 1) * quantile)
    # The order statistic of rank k (from 0) of n uniforms is Beta(k + 1, n - k); what lies above it is
    # uniform again, so that its upper neighbour is the least of n - k - 1 uniforms between it and 1.
    lower = generator.beta(rank + 1, count - rank, resamples)
    result = _at(values, lower)
    if fraction > 0:
        upper = lower + (1 - lower) * generator.beta(1, count - rank - 1, resamples)
        result = (1 - fraction) * result + fraction * _at(values, upper)
    return result


def _at(values: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The values whose equal shares of [0, 1) the uniform numbers fall into."""
    drawn: np.ndarray = values[np.minimum((uniform * len(values)).astype(np.intp), len(values) - 1)]
    return drawn
