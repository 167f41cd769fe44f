"""A PSDS in every bootstrap resample, from the operating points of the score itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from effbench.evaluate.psds.points import Points, last_of_equals

#: Effective false positive rates at which the penalised curve of a resample is computed.
GRID = 400

#: Weights of this many points times resamples are held at once.
CELLS = 1 << 18


def areas(efpr: np.ndarray, tpr: np.ndarray, max_efpr: float) -> np.ndarray:
    """Area (resamples,) under each staircase up to a rate, as a fraction of the perfect one."""
    ends = np.minimum(np.concatenate([efpr, np.full_like(efpr[:1], np.inf)]), max_efpr)
    area: np.ndarray = np.einsum("rb,rb->b", tpr, np.diff(ends, axis=0)) / max_efpr
    return area


@dataclass(frozen=True)
class Weights:
    """Resamples of the clips, and what follows from them alone.

    Attributes:
        clips: (clips, resamples) how often each was drawn.
        events: (classes, resamples) number of events.
        false_positive: (resamples,) effective false positives per hour for one false positive.
        cross: (classes, resamples) for one cross trigger with each class; ``None``: they don't count.
    """

    clips: np.ndarray
    events: np.ndarray
    false_positive: np.ndarray
    cross: np.ndarray | None

    def parts(self, size: int) -> Iterator[Weights]:
        """Some resamples at a time, so that ``size`` numbers for each stay few."""
        step = max(8, CELLS // max(size, 1))
        for low in range(0, self.clips.shape[1], step):
            part = slice(low, low + step)
            cross = None if self.cross is None else self.cross[:, part]
            yield Weights(self.clips[:, part], self.events[:, part], self.false_positive[part], cross)


def staircases(points: Points, class_index: int, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Effective false positives per hour, rising, and the best true positive rates until then, of one class,
    each (steps, resamples); rates are NaN where a resample has no event of the class.

    Between two changes of the true positives, only the point with the fewest false positives counts.
    """
    events = np.where(weights.events[class_index] > 0, weights.events[class_index], np.nan)
    ends, hit = last_of_equals(points.score), np.flatnonzero(points.hits)
    if not len(hit):
        return np.zeros((1, len(events))), (0 / events)[None]
    # Numbers of the operating points (after all changes at one score) where the hits change.
    level, first = np.unique(np.searchsorted(ends, hit), return_index=True)
    gained = np.add.reduceat(weights.clips[points.clip[hit]] * points.hits[hit, None], first, axis=0)
    efpr = _false_positives(points, weights)
    efpr = efpr if len(ends) == len(points) else efpr[ends]
    efpr = np.minimum.reduceat(efpr, level, axis=0)
    efpr = efpr * weights.false_positive if weights.cross is None else efpr
    tpr = np.cumsum(gained, axis=0, dtype=np.int32) / events
    order = np.argsort(efpr, axis=0)
    tpr = np.maximum.accumulate(np.take_along_axis(tpr, order, axis=0), axis=0)
    return np.take_along_axis(efpr, order, axis=0), tpr


def _false_positives(points: Points, weights: Weights) -> np.ndarray:
    """False positives, or with cross triggers their rate, after each point (points, resamples)."""
    changes = weights.clips[points.clip] * points.count[:, None]
    if weights.cross is None:
        return np.cumsum(changes, axis=0, dtype=np.int32)
    units = np.concatenate([weights.cross, weights.false_positive[None]])
    # NO_CLASS is -1: the last row.
    return np.cumsum(changes * units[points.other], axis=0)


class PenalisedCurve:
    """Sums over classes of true positive rates and of their squares on a grid, one class after another."""

    def __init__(self, resamples: int, max_efpr: float) -> None:
        self.max_efpr = max_efpr
        self.jumps = np.zeros((2, GRID + 1, resamples))
        self.classes = np.zeros(resamples)

    def add(self, efpr: np.ndarray, tpr: np.ndarray, first: int) -> None:
        """One class's staircases (steps, resamples), for the resamples from ``first`` on."""
        drawn = ~np.isnan(tpr).any(axis=0)
        count = tpr.shape[1]
        self.classes[first : first + count] += drawn
        tpr = np.where(drawn, tpr, 0.0)
        # Grid points lie in the middle of equal parts; the last cell gathers what is beyond all.
        cell = np.ceil(np.clip(efpr / self.max_efpr, 0, 1) * GRID - 0.5).astype(np.intp)
        where = (cell * count + np.arange(count)).reshape(-1)
        for jumps, rates in zip(self.jumps, (tpr, tpr**2), strict=True):
            rise = np.diff(rates, axis=0, prepend=0.0).reshape(-1)
            summed = np.bincount(where, weights=rise, minlength=(GRID + 1) * count)
            jumps[:, first : first + count] += summed.reshape(GRID + 1, count)

    def areas(self, alpha_st: float) -> np.ndarray:
        """Area (resamples,) under mean less ``alpha_st`` standard deviations, as a fraction."""
        mean, square = np.cumsum(self.jumps, axis=1)[:, :GRID] / np.maximum(self.classes, 1)
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        area: np.ndarray = np.maximum(mean - alpha_st * spread, 0.0).mean(axis=0)
        return area


@dataclass(frozen=True)
class Replicates:
    """A PSDS in every resample: of each class (classes, resamples), NaN where it has no event of the class,
    and penalised (resamples,), to the width of the grid."""

    per_class: np.ndarray
    penalised: np.ndarray


def psds_replicates(
    by_class: Sequence[Points], weights: Weights, alpha_st: float, max_efpr: float
) -> Replicates:
    """The scores of all resamples from the points of all classes."""
    resamples = weights.clips.shape[1]
    per_class = np.full((len(by_class), resamples), np.nan)
    penalised = PenalisedCurve(resamples, max_efpr)
    for class_index, points in enumerate(by_class):
        if not weights.events[class_index].any():
            continue
        first = 0
        for part in weights.parts(len(points)):
            efpr, tpr = staircases(points, class_index, part)
            stop = first + part.clips.shape[1]
            per_class[class_index, first:stop] = areas(efpr, tpr, max_efpr)
            penalised.add(efpr, tpr, first)
            first = stop
    return Replicates(per_class, penalised.areas(alpha_st))
