"""How far a score would move with other clips: bootstrap intervals over clips.

A resample gives each clip a weight: how often it was drawn. Counts are sums over clips, so that a resampled
score needs weighted counts alone: nothing is detected, matched or sorted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from effbench.errors import UsageError
from effbench.results.intervals import CONFIDENCE, Estimate

#: Resamples by default: less work than the score itself, and the width of an interval to about 7 %.
CLIP_RESAMPLES = 100


@dataclass(frozen=True)
class ClipBootstrap:
    """Resamples of the clips: how many (0: no intervals), and the seed of their drawing."""

    resamples: int = CLIP_RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 0:
            raise UsageError(f"resamples is {self.resamples}; expected 0 (no intervals) or more")

    def weights(self, clips: int) -> np.ndarray:
        """How often each clip is drawn in each resample (clips, resamples); each draws ``clips`` clips."""
        generator = np.random.default_rng(self.seed)
        weights = np.empty((self.resamples, clips), dtype=np.int16)
        for row in weights:
            row[:] = np.bincount(generator.integers(clips, size=clips), minlength=clips)
        return np.ascontiguousarray(weights.T)

    def weights_after_ones(self, clips: int) -> np.ndarray:
        """The same after a column of ones, the clips as they are: (clips, 1 + resamples)."""
        return np.column_stack([np.ones(clips, np.int16), self.weights(clips)])


@dataclass(frozen=True)
class ScoreEstimate(Estimate):
    """A score whose interval comes of resampled clips; ``replicates`` (resamples,) are its values there, NaN
    where it is not defined."""

    replicates: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False, repr=False)


def score_interval(
    value: float, replicates: np.ndarray, *, bottom: float = 0.0, top: float = 1.0
) -> ScoreEstimate:
    """A score, ``bottom`` to ``top``, with the interval of as many standard deviations of its replicates as a
    normal distribution needs; an interval of NaN where fewer than two replicates are defined.

    The spread of a hundred replicates is known well, their outer percentiles are not; and resamples repeat
    clips, which shifts rank scores a little, so that their own middle is not where the score is.
    Replicates that are NaN (a class that was not drawn) don't count.
    """
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < 2 or np.isnan(value):
        return ScoreEstimate(value, replicates=replicates)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * float(np.std(defined, ddof=1))
    return ScoreEstimate(value, max(value - reach, bottom), min(value + reach, top), replicates)


def paired_difference(first: Estimate, second: Estimate) -> Estimate:
    """The second score less the first, with the interval of its replicates: those of both on equal clips.

    Both must come of one ``ClipBootstrap`` on the same clips; without replicates there is no interval.
    """
    difference = second.value - first.value
    if not (isinstance(first, ScoreEstimate) and isinstance(second, ScoreEstimate)):
        return Estimate(difference)
    replicates = second.replicates - first.replicates
    return score_interval(difference, replicates, bottom=-math.inf, top=math.inf)
