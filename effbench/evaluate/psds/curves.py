"""PSD-ROC curves: the true positive rate against the effective false positive rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.evaluate.psds.points import NO_CLASS, Points, last_of_equals

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Curve:
    """A staircase: from ``efpr[k]`` effective false positives per hour on, the true positive rate is
    ``tpr[k]``; 0 before the first. Both are (steps,), and ``efpr`` rises."""

    efpr: np.ndarray
    tpr: np.ndarray

    @property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """``efpr`` and ``tpr``."""
        return self.efpr, self.tpr

    def area(self, max_efpr: float) -> float:
        """Area under the curve up to a rate, as a fraction of what a perfect detector has."""
        widths = np.diff(np.append(self.efpr, max_efpr))
        return float(np.sum(self.tpr * widths) / max_efpr)

    def at(self, efpr: np.ndarray) -> np.ndarray:
        """True positive rates at effective false positive rates."""
        return np.concatenate([[0.0], self.tpr])[np.searchsorted(self.efpr, efpr, side="right")]


@dataclass(frozen=True)
class ErrorRates:
    """How counts become rates: seconds of all clips, the rate of a cross trigger with each class (classes,)
    (``None``: they don't count), and the rate at which curves end."""

    duration: float
    cross: np.ndarray | None
    max_efpr: float

    def allowed(self) -> int:
        """Highest number of false positives within ``max_efpr``."""
        guess = int(self.max_efpr * self.duration / SECONDS_PER_HOUR) + 2
        while guess > 0 and self.of(guess) > self.max_efpr:
            guess -= 1
        return guess

    def of(self, count: np.ndarray | int) -> np.ndarray:
        """Rates of so many false positives."""
        return np.asarray(count / self.duration * SECONDS_PER_HOUR)


def class_curve(points: Points, events: int, rates: ErrorRates) -> Curve:
    """PSD-ROC of one class from its points, highest score first."""
    last = last_of_equals(points.score)
    false = points.count
    efpr = np.zeros(len(last))
    if rates.cross is not None:
        triggers = points.other != NO_CLASS
        efpr += np.cumsum(np.where(triggers, false * rates.cross[points.other], 0.0))[last]
        false = np.where(triggers, 0, false)
    efpr += rates.of(np.cumsum(false, dtype=np.int64)[last])
    true = np.cumsum(points.hits, dtype=np.int64)[last]
    return staircase(np.append(0.0, np.maximum(efpr, 0.0)), np.append(0, true) / events, rates.max_efpr)


def staircase(efpr: np.ndarray, tpr: np.ndarray, max_efpr: float) -> Curve:
    """The best true positive rate at each effective false positive rate, of points in any order."""
    order = np.lexsort((tpr, efpr))
    efpr, tpr = efpr[order], np.maximum.accumulate(tpr[order])
    rises = (tpr > np.append(0.0, tpr[:-1])) & (efpr <= max_efpr)
    # Of several steps at one rate, the highest.
    steps = np.flatnonzero(rises)
    steps = steps[last_of_equals(efpr[steps])]
    return Curve(efpr[steps], tpr[steps])


def effective_curve(curves: Sequence[Curve], alpha_st: float) -> Curve:
    """Mean over classes less ``alpha_st`` standard deviations, not below 0; not always rising."""
    efpr = np.unique(np.concatenate([np.zeros(1), *(curve.efpr for curve in curves)]))
    step = max(1, (1 << 22) // len(curves))
    parts = []
    for low in range(0, len(efpr), step):
        rates = np.array([curve.at(efpr[low : low + step]) for curve in curves])
        parts.append(rates.mean(axis=0) - alpha_st * rates.std(axis=0))
    return Curve(efpr, np.maximum(np.concatenate(parts), 0.0))
