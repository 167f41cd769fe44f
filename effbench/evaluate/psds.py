"""Polyphonic sound detection scores (PSDS), independent of any threshold.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection"; exact for all
thresholds as in Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import RESAMPLES, draw_weights, interval
from effbench.evaluate.collect import collect_points
from effbench.evaluate.criteria import Criteria
from effbench.evaluate.curves import SECONDS_PER_HOUR, Curve, Rates, class_curve, effective_curve
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, Task, Timestamps, prepare
from effbench.evaluate.points import Points, join, split_by_class
from effbench.evaluate.replicates import Weights, psds_replicates
from effbench.measure.statistics import Estimate

Engine = Literal["effbench", "reference"]


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


Psds1Result = PsdsResult


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
    engine: Engine = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS without cross triggers: how exactly events are found in time.

    Args:
        scores: clip -> (frames, classes) array of any float type; higher is surer. Any mapping will do: each
            clip is asked for once, and let go of once its operating points are known.
        ground_truth: clip -> (onset, offset, class) of its events in seconds; an empty list if it has none.
            Events of one class that overlap or touch are merged.
        durations: clip -> seconds; they make the rate of false alarms.
        classes: names of the scores' columns.
        frame_seconds: length of a frame; frame k lasts from k to k + 1 times that.
        timestamps: boundaries of the frames instead: (frames + 1,) for all clips, or clip -> (frames + 1,).
        dtc: detection tolerance: the part of a detection that must lie in events of its class.
        gtc: ground-truth intersection: the part of an event that such detections must cover.
        alpha_st: weight of the standard deviation over classes in ``penalised``.
        max_efpr: false positives per hour up to which the curve counts.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, NaN among the scores, or no event at all.
    """
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return psds(task, Settings(Criteria(dtc, gtc), 0.0, alpha_st, max_efpr), engine, resamples, seed)


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
    engine: Engine = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS with cross triggers: how well classes are told apart. ``penalised`` is DCASE's second scenario.

    Args:
        scores: as in ``psds1``, like all that is not named here.
        ground_truth: see there.
        durations: see there.
        classes: see there.
        frame_seconds: see there.
        timestamps: see there.
        dtc: see there.
        gtc: see there.
        cttc: the part of a false detection in events of another class that makes it a cross trigger.
        alpha_ct: weight of the mean rate of cross triggers in the rate of false alarms.
        alpha_st: see ``psds1``.
        max_efpr: see there.
        engine: see there.
        resamples: see there.
        seed: see there.
    """
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return psds(
        task, Settings(Criteria(dtc, gtc, cttc), alpha_ct, alpha_st, max_efpr), engine, resamples, seed
    )


def psds(task: Task, settings: Settings, engine: Engine, resamples: int, seed: int) -> PsdsResult:
    """Any PSDS of a checked task."""
    if engine == "reference":
        from effbench.evaluate.reference import reference_psds

        return reference_psds(task, settings)
    if engine != "effbench":
        raise UsageError(f"unknown engine '{engine}'; expected effbench or reference")
    rates = Rates(task.total_duration, _cross_rates(task, settings), settings.max_efpr)
    allowed = rates.allowed()
    # Where clips are drawn anew, a few more false positives than now may still count: five deviations.
    reach = allowed + (5 * int(np.sqrt(allowed) + 2) if resamples else 0)
    points = split_by_class(join(collect_points(task, settings.criteria, reach)), len(task.classes))
    curves = {
        name: class_curve(points[number], count, rates)
        for number, (name, count) in enumerate(zip(task.classes, task.event_counts.tolist(), strict=True))
        if count
    }
    result = _result(task, curves, settings)
    return _with_intervals(result, task, points, settings, resamples, seed) if resamples else result


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
