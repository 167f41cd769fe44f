"""Polyphonic sound detection scores (PSDS), independent of any threshold.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection"; exact for all
thresholds as in Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.collect import collect_points
from effbench.evaluate.criteria import Criteria
from effbench.evaluate.curves import SECONDS_PER_HOUR, Curve, Rates, class_curve, effective_curve
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, Task, Timestamps, prepare
from effbench.evaluate.points import Points, join, split_by_class


@dataclass(frozen=True)
class PsdsResult:
    """A PSDS, 0 to 1.

    Attributes:
        macro: mean of the classes' areas, with no penalty: the paper's figure.
        penalised: area under the mean curve less ``alpha_st`` standard deviations over classes.
        per_class: area of each class; NaN for one without events, which counts nowhere else.
        curves: PSD-ROC of each class with events.
        effective: the curve behind ``penalised``.
    """

    macro: float
    penalised: float
    per_class: Mapping[str, float]
    curves: Mapping[str, Curve] = field(repr=False)
    effective: Curve = field(repr=False)


def psds1(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = 0.04,
    timestamps: Timestamps = None,
    dtc: float = 0.7,
    gtc: float = 0.7,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    workers: int | None = None,
) -> PsdsResult:
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return _psds(task, Criteria(dtc, gtc), 0.0, alpha_st, max_efpr, workers)


def psds2(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = 0.04,
    timestamps: Timestamps = None,
    dtc: float = 0.1,
    gtc: float = 0.1,
    cttc: float = 0.3,
    alpha_ct: float = 0.5,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    workers: int | None = None,
) -> PsdsResult:
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return _psds(task, Criteria(dtc, gtc, cttc), alpha_ct, alpha_st, max_efpr, workers)


def _psds(
    task: Task, criteria: Criteria, alpha_ct: float, alpha_st: float, max_efpr: float, workers: int | None
) -> PsdsResult:
    rates = Rates(task.total_duration, _cross_rates(task, alpha_ct) if criteria.cttc else None, max_efpr)
    counts = task.event_counts
    points = collect_points(task, criteria, rates.allowed(), workers or os.cpu_count() or 1)
    by_class = split_by_class(join(points), len(task.classes))
    curves = {
        name: class_curve(by_class[number], int(counts[number]), rates)
        for number, name in enumerate(task.classes)
        if counts[number]
    }
    areas = {name: curve.area(max_efpr) for name, curve in curves.items()}
    effective = effective_curve(list(curves.values()), alpha_st)
    per_class = {name: areas.get(name, float("nan")) for name in task.classes}
    return PsdsResult(
        float(np.mean(list(areas.values()))), effective.area(max_efpr), per_class, curves, effective
    )


def _cross_rates(task: Task, alpha_ct: float) -> np.ndarray:
    """Effective false positives per hour (classes,) for one cross trigger with each class."""
    seconds = np.bincount(
        task.events.cls, weights=task.events.offset - task.events.onset, minlength=len(task.classes)
    )
    others = max(int((seconds > 0).sum()) - 1, 1)
    return alpha_ct * SECONDS_PER_HOUR / others / np.maximum(seconds, 1e-12)
