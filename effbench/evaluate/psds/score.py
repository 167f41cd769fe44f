"""Polyphonic sound detection scores (PSDS), independent of any threshold.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection"; exact for all
thresholds as in Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap, score_interval
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.curves import SECONDS_PER_HOUR, Curve, ErrorRates, class_curve, effective_curve
from effbench.evaluate.psds.operating_points import PointCollector
from effbench.evaluate.psds.points import Points
from effbench.evaluate.psds.replicates import Weights, psds_replicates
from effbench.evaluate.reference import ReferenceScorer
from effbench.evaluate.scoring import Engine, Metric, Scoring
from effbench.evaluate.scoring_inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.grid import FRAME_SECONDS
from effbench.results.intervals import Estimate
from effbench.shown import Row, Shown, Table, number_of


@dataclass(frozen=True, repr=False)
class PsdsResult(Shown):
    """A PSDS, 0 to 1.

    Attributes:
        name: of the quantity, ``psds1`` or ``psds2``.
        macro: mean of the classes' areas, with no penalty: the paper's figure.
        penalised: area under the mean curve less ``alpha_st`` standard deviations over classes.
        per_class: area of each class; NaN for one without events, which counts nowhere else.
        intervals: 95 % bootstrap intervals over clips of ``macro`` and ``penalised``; empty if not asked for.
        class_intervals: the same of each class with events.
        curves: PSD-ROC of each class with events.
        effective: the curve behind ``penalised``.
    """

    name: str
    macro: float
    penalised: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)
    curves: Mapping[str, Curve] = field(default_factory=dict, repr=False, compare=False)
    effective: Curve | None = field(default=None, repr=False, compare=False)

    @property
    def mean_curve(self) -> Curve:
        """Mean of the classes' curves, the one whose area is ``macro``."""
        return effective_curve(list(self.curves.values()), alpha_st=0.0)

    def __str__(self) -> str:
        return f"{self.name} {100 * self.macro:.2f} %, {number_of(len(self.per_class), 'class')}"

    def sections(self) -> list[Table | str]:
        return [Table(self.rows(), f"{self}; by class, %")]

    def rows(self) -> list[Row]:
        """One row a class, in per cent; NaN where the value is not defined."""
        return [{"class": label, self.name: 100 * value} for label, value in self.per_class.items()]

    def to_dict(self) -> dict[str, object]:
        """Values and those of the classes in per cent, ``None`` where they are not defined."""
        by_class = {label: None if value != value else 100 * value for label, value in self.per_class.items()}
        values = {name: 100 * estimate.value for name, estimate in self.values().items()}
        return {"unit": "%", "values": values, "per_class": by_class}

    def values(self) -> dict[str, Estimate]:
        """``macro`` and ``penalised`` under the names of their quantities."""
        return {
            self.name: self.intervals.get("macro", Estimate(self.macro)),
            f"{self.name}_penalised": self.intervals.get("penalised", Estimate(self.penalised)),
        }


Psds1Result = PsdsResult


def psds1(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    dtc: float = 0.7,
    gtc: float = 0.7,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    engine: Engine = "effbench",
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS without cross triggers: how exactly events are detected in time.

    Args:
        scores: clip -> (frames, classes) array of any float type; a higher score is surer. Any mapping will
            do: each clip is asked for once, and let go of once its operating points are known. Where the
            scores of clips depend much on their order, all are asked for a second time.
        ground_truth: clip -> (onset, offset, class) of its events in seconds; an empty list if it has none.
            Events of one class that overlap or touch are merged.
        durations: clip -> seconds; false positives are counted per hour of all of them.
        classes: names of the scores' columns.
        frame_seconds: length of a frame; frame k lasts from k to k + 1 times that.
        timestamps: boundaries of the frames instead: (frames + 1,) for all clips, or clip -> (frames + 1,).
        dtc: detection tolerance: the part of a detection that must lie in events of its class.
        gtc: ground-truth intersection: the part of an event that such detections must cover.
        alpha_st: weight of the standard deviation over classes in ``penalised``.
        max_efpr: effective false positives per hour up to which the curve counts.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, NaN among the scores, or no event at all.
    """
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    parameters = PsdsParameters("psds1", Criteria(dtc, gtc), alpha_st=alpha_st, max_efpr=max_efpr)
    return Scoring(inputs, engine, ClipBootstrap(resamples, seed)).compute(parameters.metric)[0]


def psds2(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    dtc: float = 0.1,
    gtc: float = 0.1,
    cttc: float = 0.3,
    alpha_ct: float = 0.5,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    engine: Engine = "effbench",
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS with cross triggers: how well classes are told apart. ``penalised`` is DCASE's second scenario.

    Arguments and errors are those of ``psds1``, and two more.

    Args:
        cttc: the part of a false detection in events of another class that makes it a cross trigger.
        alpha_ct: weight of the mean rate of cross triggers in the effective false positive rate.
    """
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    parameters = PsdsParameters("psds2", Criteria(dtc, gtc, cttc), alpha_ct, alpha_st, max_efpr)
    return Scoring(inputs, engine, ClipBootstrap(resamples, seed)).compute(parameters.metric)[0]


@dataclass(frozen=True)
class PsdsParameters:
    """What makes one PSDS of many (see ``psds2``); what is out of its range is a ``UsageError``."""

    name: str
    criteria: Criteria
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_efpr: float = 100.0

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

    def metric(self, scoring: Scoring) -> Metric[PsdsResult]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, partial(_by_reference, scoring.reference, self))
        psds = PsdsInTheMaking(scoring.inputs, self, scoring.bootstrap)
        return Metric(psds.points, psds.result)

    def cross_trigger_rates(self, inputs: ScoringInputs, weights: np.ndarray) -> np.ndarray | None:
        """Effective false positives per hour for a cross trigger with each class; ``None``: they don't count.

        Shape:
            how often each clip is drawn (clips, resamples) -> (classes, resamples)
        """
        if self.criteria.cttc is None:
            return None
        events = inputs.events
        seconds = np.zeros((len(inputs.classes), weights.shape[1]))
        np.add.at(seconds, events.class_index, weights[events.clip] * (events.offset - events.onset)[:, None])
        others = np.maximum((seconds > 0).sum(axis=0) - 1, 1)
        rates: np.ndarray = self.alpha_ct * SECONDS_PER_HOUR / others / np.maximum(seconds, 1e-12)
        return rates


class PsdsInTheMaking:
    """Collects operating points, then makes curves and intervals of them."""

    def __init__(self, inputs: ScoringInputs, parameters: PsdsParameters, bootstrap: ClipBootstrap) -> None:
        self.inputs, self.parameters, self.bootstrap = inputs, parameters, bootstrap
        cross = parameters.cross_trigger_rates(inputs, np.ones((len(inputs.clips), 1), np.int16))
        self.rates = ErrorRates(
            float(sum(inputs.seconds.tolist())), None if cross is None else cross[:, 0], parameters.max_efpr
        )
        allowed = self.rates.allowed()
        # Where clips are drawn anew, a few more false positives than now may still count: five deviations.
        room = 5 * int(np.sqrt(allowed) + 2) if bootstrap.resamples else 0
        self.points = PointCollector(inputs, parameters.criteria, allowed + room)

    def result(self) -> PsdsResult:
        """The score, once all clips have been added."""
        points, counts = self.points.finish(), self.inputs.event_counts.tolist()
        curves = {
            name: class_curve(points[index], count, self.rates)
            for index, (name, count) in enumerate(zip(self.inputs.classes, counts, strict=True))
            if count
        }
        areas = {name: curve.area(self.parameters.max_efpr) for name, curve in curves.items()}
        effective = effective_curve(list(curves.values()), self.parameters.alpha_st)
        result = PsdsResult(
            name=self.parameters.name,
            macro=float(np.mean(list(areas.values()))),
            penalised=effective.area(self.parameters.max_efpr),
            per_class={name: areas.get(name, float("nan")) for name in self.inputs.classes},
            curves=curves,
            effective=effective,
        )
        return self._with_intervals(result, points) if self.bootstrap.resamples else result

    def _with_intervals(self, result: PsdsResult, points: Sequence[Points]) -> PsdsResult:
        inputs, parameters = self.inputs, self.parameters
        clips = self.bootstrap.weights(len(inputs.clips))
        events = np.zeros((len(inputs.classes), clips.shape[1]), dtype=np.int64)
        np.add.at(events, inputs.events.class_index, clips[inputs.events.clip])
        weights = Weights(
            clips=clips,
            events=events,
            false_positive=SECONDS_PER_HOUR / (inputs.seconds @ clips),
            cross=parameters.cross_trigger_rates(inputs, clips),
        )
        replicates = psds_replicates(points, weights, parameters.alpha_st, parameters.max_efpr)
        return replace(
            result,
            intervals={
                "macro": score_interval(result.macro, np.nanmean(replicates.per_class, axis=0)),
                "penalised": score_interval(result.penalised, replicates.penalised),
            },
            class_intervals={
                name: score_interval(result.per_class[name], replicates.per_class[index])
                for index, name in enumerate(inputs.classes)
                if name in result.curves
            },
        )


def _by_reference(reference: ReferenceScorer, parameters: PsdsParameters) -> PsdsResult:
    criteria = parameters.criteria
    crossing = criteria.cttc is not None and parameters.alpha_ct > 0
    penalised, areas, (etpr, efpr), curves = reference.call(
        "intersection_based",
        "psds",
        dtc_threshold=criteria.dtc,
        gtc_threshold=criteria.gtc,
        cttc_threshold=criteria.cttc if crossing else None,
        alpha_ct=parameters.alpha_ct if crossing else 0.0,
        alpha_st=parameters.alpha_st,
        unit_of_time="hour",
        max_efpr=parameters.max_efpr,
    )
    per_class = {reference.names[label]: float(area) for label, area in areas.items()}
    return PsdsResult(
        name=parameters.name,
        macro=float(np.mean(list(per_class.values()))),
        penalised=float(penalised),
        per_class={name: per_class.get(name, float("nan")) for name in reference.inputs.classes},
        curves={reference.names[label]: Curve(curve[1], curve[0]) for label, curve in curves.items()},
        effective=Curve(efpr, etpr),
    )
