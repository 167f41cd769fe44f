"""What a PSDS is computed with, and its values with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import draw_weights, interval
from effbench.evaluate.inputs import Task
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.curves import SECONDS_PER_HOUR, Curve, Rates, class_curve, effective_curve
from effbench.evaluate.psds.merge_points import Points
from effbench.evaluate.psds.operating_points import PointCollector
from effbench.evaluate.psds.replicates import Weights, psds_replicates
from effbench.results.intervals import Estimate


@dataclass(frozen=True)
class PsdsResult:
    """A PSDS, 0 to 1.

    Attributes:
        macro: mean of the classes' areas, with no penalty: the paper's figure.
        penalised: area under the mean curve less ``alpha_st`` standard deviations over classes.
        per_class: area of each class; NaN for one without events, which counts nowhere else.
        intervals: 95 % bootstrap intervals over clips of ``macro`` and ``penalised``; empty if not asked for.
        class_intervals: the same of each class with events.
        curves: PSD-ROC of each class with events.
        effective: the curve behind ``penalised``.
    """

    macro: float
    penalised: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)
    curves: Mapping[str, Curve] = field(default_factory=dict, repr=False, compare=False)
    effective: Curve | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Settings:
    """What makes one PSDS of many."""

    criteria: Criteria
    alpha_ct: float
    alpha_st: float
    max_efpr: float

    def __post_init__(self) -> None:
        fractions = {"dtc": self.criteria.dtc, "gtc": self.criteria.gtc, "cttc": self.criteria.cttc}
        for name, value in fractions.items():
            if value is not None and not 0 < value <= 1:
                raise UsageError(f"{name} is {value}; expected a fraction above 0 and up to 1")
        for name, value in {"alpha_ct": self.alpha_ct, "alpha_st": self.alpha_st}.items():
            if not value >= 0:
                raise UsageError(f"{name} is {value}; expected 0 or more")
        if not 0 < self.max_efpr < float("inf"):
            raise UsageError(f"max_efpr is {self.max_efpr}; expected false positives per hour above 0")


class PsdsMetric:
    """A PSDS that is fed clip by clip."""

    def __init__(self, task: Task, settings: Settings, resamples: int, seed: int) -> None:
        self.task, self.settings, self.resamples, self.seed = task, settings, resamples, seed
        self.rates = Rates(task.total_duration, _cross_rates(task, settings), settings.max_efpr)
        allowed = self.rates.allowed()
        # Where clips are drawn anew, a few more false positives than now may still count: five deviations.
        room = 5 * int(np.sqrt(allowed) + 2) if resamples else 0
        self.points = PointCollector(task, settings.criteria, allowed + room)
        self.add = self.points.add

    def finish(self) -> PsdsResult:
        """The score, once all clips have been added."""
        points, counts = self.points.finish(), self.task.event_counts.tolist()
        curves = {
            name: class_curve(points[number], count, self.rates)
            for number, (name, count) in enumerate(zip(self.task.classes, counts, strict=True))
            if count
        }
        result = _result(self.task, curves, self.settings)
        if not self.resamples:
            return result
        return _with_intervals(result, self.task, points, self.settings, self.resamples, self.seed)


def _result(task: Task, curves: Mapping[str, Curve], settings: Settings) -> PsdsResult:
    areas = {name: curve.area(settings.max_efpr) for name, curve in curves.items()}
    effective = effective_curve(list(curves.values()), settings.alpha_st)
    return PsdsResult(
        macro=float(np.mean(list(areas.values()))),
        penalised=effective.area(settings.max_efpr),
        per_class={name: areas.get(name, float("nan")) for name in task.classes},
        curves=curves,
        effective=effective,
    )


def _cross_rates(task: Task, settings: Settings) -> np.ndarray | None:
    """Effective false positives per hour (classes,) for one cross trigger with each class."""
    if settings.criteria.cttc is None:
        return None
    return _cross_units(_seconds_of(task)[:, None], settings)[:, 0]


def _cross_units(seconds: np.ndarray, settings: Settings) -> np.ndarray:
    """The same from the events' seconds (classes, resamples), for every resample."""
    others = np.maximum((seconds > 0).sum(axis=0) - 1, 1)
    units: np.ndarray = settings.alpha_ct * SECONDS_PER_HOUR / others / np.maximum(seconds, 1e-12)
    return units


def _seconds_of(task: Task, weights: np.ndarray | None = None) -> np.ndarray:
    """Seconds of each class's events (classes,), or in every resample (classes, resamples)."""
    seconds = task.events.offset - task.events.onset
    if weights is None:
        return np.bincount(task.events.cls, weights=seconds, minlength=len(task.classes))
    total = np.zeros((len(task.classes), weights.shape[1]))
    np.add.at(total, task.events.cls, weights[task.events.clip] * seconds[:, None])
    return total


def _with_intervals(
    result: PsdsResult, task: Task, points: Sequence[Points], settings: Settings, resamples: int, seed: int
) -> PsdsResult:
    clips = draw_weights(len(task.clips), resamples, seed)
    events = np.zeros((len(task.classes), resamples), dtype=np.int64)
    np.add.at(events, task.events.cls, clips[task.events.clip])
    crossing = settings.criteria.cttc is not None
    weights = Weights(
        clips=clips,
        events=events,
        alarm=SECONDS_PER_HOUR / (task.durations @ clips),
        cross=_cross_units(_seconds_of(task, clips), settings) if crossing else None,
    )
    replicates = psds_replicates(points, weights, settings.alpha_st, settings.max_efpr)
    macro = np.nanmean(replicates.per_class, axis=0)
    return replace(
        result,
        intervals={
            "macro": interval(result.macro, macro),
            "penalised": interval(result.penalised, replicates.penalised),
        },
        class_intervals={
            name: interval(result.per_class[name], replicates.per_class[number])
            for number, name in enumerate(task.classes)
            if name in result.curves
        },
    )
