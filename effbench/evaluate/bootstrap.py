"""How far a score would move with other clips: bootstrap intervals over clips.

A resample gives each clip a weight: how often it was drawn. Counts are sums over clips, so that a resampled
score needs no more than weighted counts: nothing is detected, matched or sorted twice.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from effbench.errors import UsageError
from effbench.results.intervals import CONFIDENCE, Estimate

#: Resamples by default: less work than the score itself, and the width of an interval to about 7 %.
RESAMPLES = 100


def draw_weights(clips: int, resamples: int, seed: int) -> np.ndarray:
    """How often each clip is drawn in each resample (clips, resamples); each draws ``clips`` clips."""
    if resamples < 0:
        raise UsageError(f"resamples is {resamples}; expected 0 (no intervals) or more")
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, clips), dtype=np.int16)
    for row in weights:
        row[:] = np.bincount(generator.integers(clips, size=clips), minlength=clips)
    return np.ascontiguousarray(weights.T)


def interval(
    value: float, replicates: np.ndarray, *, top: float = 1.0, confidence: float = CONFIDENCE
) -> Estimate:
    """A score, 0 to ``top``, with the interval of as many standard deviations of its replicates as a normal
    distribution needs.

    The spread of a hundred replicates is known well, their outer percentiles are not; and resamples repeat
    clips, which shifts rank scores a little, so that their own middle is not where the score is.
    Replicates that are NaN (a class that was not drawn) don't count.
    """
    replicates = replicates[~np.isnan(replicates)]
    if len(replicates) < 2 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * float(np.std(replicates, ddof=1))
    return Estimate(value, max(value - reach, 0.0), min(value + reach, top))
