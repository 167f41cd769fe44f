"""Whether B is faster or slower than A, decided as soon as the data allow it.

The unit is a launch: both versions in new processes, run in turn, give one log ratio of their times.
Launches are independent, and symmetric about the truth, since neither version has a part of its own in
them; nothing else is assumed. So Wilcoxon's signed ranks give an exact interval for the ratio. It is looked
at after some fixed numbers of launches, each look at a share of the error, so that looking often costs
nothing of what is promised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from effbench.results.intervals import Estimate

Verdict = Literal["faster", "same", "slower", "undecided"]

#: Launches after which the interval is looked at, and the error of each of its ends there; 1 % in all.
INTERIM_LOOKS = {9: 0.002, 12: 0.002, 18: 0.0018, 27: 0.0018, 40: 0.001, 60: 0.0007, 90: 0.0007}


@dataclass(frozen=True)
class Decision:
    """What the launches so far show.

    Attributes:
        ratio: time of B over time of A, with an interval of which each end is wrong once in 100 runs.
        launches: how many there were.
        threshold: the fraction of A's time within which B is the same.
    """

    verdict: Verdict
    ratio: Estimate
    launches: int
    threshold: float

    def __str__(self) -> str:
        change, low, high = (100 * (x - 1) for x in (self.ratio.value, self.ratio.low, self.ratio.high))
        return f"{self.verdict}: {change:+.1f} % [{low:+.1f}, {high:+.1f}] in {self.launches} launches"


def decide(log_ratios: Sequence[float], threshold: float) -> Decision:
    """The verdict after these launches: that of the last look which they reach, or of the first that decided.

    Args:
        log_ratios: (launches,) log of B's time over A's.
        threshold: 0.025 calls B slower from 1.025 times A's time on, and faster from its inverse on.
    """
    edge = math.log1p(threshold)
    ratio = Estimate(math.exp(hodges_lehmann(log_ratios)), 0.0, math.inf)
    for launches, error in INTERIM_LOOKS.items():
        if launches > len(log_ratios):
            break
        seen = log_ratios[:launches]
        low, high = interval(seen, error)
        ratio = Estimate(*(math.exp(x) for x in (hodges_lehmann(seen), low, high)))
        verdict: Verdict | None = (
            "slower"
            if low > edge
            else "faster"
            if high < -edge
            else "same"
            if -edge < low and high < edge
            else None
        )
        if verdict is not None:
            return Decision(verdict, ratio, launches, threshold)
    return Decision("undecided", ratio, len(log_ratios), threshold)


def hodges_lehmann(values: Sequence[float]) -> float:
    """Median of the means of all pairs of values: nearly as sharp as the mean, and deaf to outliers."""
    return float(np.median(_pair_means(values)))


def interval(values: Sequence[float], error: float) -> tuple[float, float]:
    """Ends of the interval for the values' centre, each wrong with a probability of no more than ``error``.

    Infinite where there are too few values.
    """
    means = np.sort(_pair_means(values))
    depth = _depth(len(values), error)
    return (float(means[depth - 1]), float(means[-depth])) if depth else (-math.inf, math.inf)


def _pair_means(values: Sequence[float]) -> np.ndarray:
    given = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(len(given))
    means: np.ndarray = (given[first] + given[second]) / 2
    return means


@cache
def _depth(count: int, error: float) -> int:
    """The rank from either end whose pair mean bounds the centre; 0 where none does.

    The centre lies below the k-th smallest pair mean when the signed-rank sum is less than k, and each of
    2^count signs is as likely.
    """
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = (ways[rank:] + ways[:-rank]) / 2
        ways[:rank] /= 2
    return int(np.searchsorted(np.cumsum(ways), error, side="right"))
