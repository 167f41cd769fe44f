"""PSDS that do not depend on the median filter: each class has the best of several at every operating point.

Source: Ebbers et al. 2023, "Post-processing independent evaluation of sound event detection systems".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.median import MedianWindow, median_filter
from effbench.evaluate.psds.curves import Curve, effective_curve, staircase
from effbench.evaluate.psds.score import PsdsInTheMaking, PsdsParameters, PsdsResult
from effbench.evaluate.scoring import Metric, Scoring


@dataclass(frozen=True)
class FilterIndependentPsds:
    """A PSDS, and the filters of which each class has the best; values have no intervals."""

    psds: PsdsParameters
    windows: tuple[MedianWindow, ...]

    def metric(self, scoring: Scoring) -> Metric[PsdsResult]:
        """The score of unfiltered inputs, in the making."""
        if scoring.engine == "reference":
            raise UsageError(f"the reference engine computes no {self.psds.name}: take effbench's")
        filtered = _Filtered(scoring, self)
        return Metric(filtered, partial(self._merged, filtered))

    def _merged(self, filtered: _Filtered) -> PsdsResult:
        results = [making.result() for making in filtered.makings]
        first, limit = results[0], self.psds.max_efpr
        curves = {name: _best([result.curves[name] for result in results], limit) for name in first.curves}
        areas = {name: curve.area(limit) for name, curve in curves.items()}
        effective = effective_curve(list(curves.values()), self.psds.alpha_st)
        return replace(
            first,
            macro=float(np.mean(list(areas.values()))),
            penalised=effective.area(limit),
            per_class={name: areas.get(name, float("nan")) for name in first.per_class},
            curves=curves,
            effective=effective,
        )


class _Filtered:
    """Hands every clip, filtered by each window, to a PSDS of its own."""

    def __init__(self, scoring: Scoring, parameters: FilterIndependentPsds) -> None:
        self.windows = parameters.windows
        self.makings = [
            PsdsInTheMaking(scoring.inputs, parameters.psds, ClipBootstrap(0)) for _ in self.windows
        ]

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        seconds = float(times[-1] - times[0]) / len(scores)
        for window, making in zip(self.windows, self.makings, strict=True):
            making.points.add(number, median_filter(scores, window.in_frames(seconds)), times)


def _best(curves: list[Curve], max_efpr: float) -> Curve:
    """The highest true positive rate of several curves at each rate of false positives."""
    efpr = np.concatenate([curve.efpr for curve in curves])
    return staircase(efpr, np.concatenate([curve.tpr for curve in curves]), max_efpr)
