"""Percentiles and their bootstrap intervals: seeded, so that the same samples give the same interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 4000
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
    def spread(self) -> float:
        """Width of the interval as a fraction of the value."""
        return (self.high - self.low) / self.value if self.value else 0.0


def percentile(samples: ArrayLike, percent: float) -> float:
    """Percentile with linear interpolation between neighbours; 50 is the median.

    Raises:
        ValueError: no samples, or ``percent`` outside 0 to 100.
    """
    values = _checked(samples)
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, not at {percent}")
    return float(np.percentile(values, percent))


def bootstrap(
    samples: ArrayLike,
    percent: float = 50.0,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A percentile of the samples with its bootstrap percentile interval.

    Resampling is not done draw by draw: a percentile of ``n`` draws with replacement depends on one or
    two of their order statistics only, and the ranks of those are the order statistics of ``n`` uniform
    numbers, which follow beta distributions. So the resampled percentiles are drawn directly, in the same
    distribution as by drawing all ``n`` values, with memory that does not grow with ``n``.

    Args:
        samples: (n,) finite values; they are taken to be independent.
        percent: which percentile, 0 to 100.
        confidence: probability that the interval covers, e.g. 0.95.
        resamples: number of bootstrap replicates.
        seed: of the generator.

    Raises:
        ValueError: no samples, a sample that is not finite, or an impossible percentile or confidence.
    """
    values = np.sort(_checked(samples))
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not at {confidence}")
    value = percentile(values, percent)
    replicates = _resampled_percentiles(values, percent / 100, resamples, np.random.default_rng(seed))
    tail = (1 - confidence) / 2 * 100
    low, high = np.percentile(replicates, [tail, 100 - tail])
    # With skewed samples, or a percentile near an end, the interval need not hold the value itself.
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def median_interval(samples: Sequence[float], *, seed: int = 0) -> Estimate:
    """The median of the samples with its bootstrap 95 % interval."""
    return bootstrap(samples, 50.0, seed=seed)


def _resampled_percentiles(
    values: np.ndarray, quantile: float, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Percentiles (resamples,) of bootstrap resamples of the sorted ``values`` (n,)."""
    count = len(values)
    position = (count - 1) * quantile
    rank = int(position)
    fraction = position - rank
    # The order statistic of rank k (from 0) of n uniforms is Beta(k + 1, n - k); what lies above it is
    # uniform again, so that its upper neighbour is the least of n - k - 1 uniforms between it and 1.
    lower = generator.beta(rank + 1, count - rank, resamples)
    result = _draw(values, lower)
    if fraction > 0:
        upper = lower + (1 - lower) * generator.beta(1, count - rank - 1, resamples)
        result = (1 - fraction) * result + fraction * _draw(values, upper)
    return result


def _draw(values: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The values whose equal shares of [0, 1) the uniform numbers fall into."""
    drawn: np.ndarray = values[np.minimum((uniform * len(values)).astype(np.intp), len(values) - 1)]
    return drawn


def _checked(samples: ArrayLike) -> np.ndarray:
    values = np.asarray(samples, dtype=np.float64).reshape(-1)
    if values.size == 0:
        raise ValueError("no samples to summarise")
    if not np.isfinite(values).all():
        raise ValueError("a sample is not a finite number")
    return values
