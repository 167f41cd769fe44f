"""Segment-based partial area under the ROC curve (pAUROC).

Clips are cut into segments; a segment's score is its highest frame score, and it is positive if an event of
the class lies in it, however shortly. The area counts up to a false positive rate, as a fraction of the
perfect one, without McClish's correction; the curve is a staircase, as in sed_scores_eval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap, score_interval
from effbench.evaluate.reference import ReferenceScorer
from effbench.evaluate.scoring import Engine, Metric, Missing, Scoring
from effbench.evaluate.scoring_inputs import (
    Durations,
    GroundTruth,
    Scores,
    ScoringInputs,
    Timestamps,
    exact,
    indices,
    rounded,
)
from effbench.grid import FRAME_SECONDS
from effbench.results.intervals import Estimate
from effbench.shown import Row, Shown, Table


@dataclass(frozen=True, repr=False)
class PaurocResult(Shown):
    """A partial AUROC, 0 to 1.

    Attributes:
        macro: mean over the classes for which it is defined.
        per_class: of each class; NaN for one without positive, or without negative, segments.
        intervals: 95 % bootstrap interval over clips of ``macro``; empty if not asked for.
        class_intervals: the same of each class.
    """

    macro: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"pauroc {100 * self.macro:.2f} %, {len(self.per_class):,} classes"

    def sections(self) -> list[Table | str]:
        return [Table(self.rows(), f"{self}; by class, %")]

    def rows(self) -> list[Row]:
        """One row a class, in per cent; NaN where the value is not defined."""
        return [{"class": label, "pauroc": 100 * value} for label, value in self.per_class.items()]

    def to_dict(self) -> dict[str, object]:
        """Values and those of the classes in per cent, ``None`` where they are not defined."""
        by_class = {label: None if value != value else 100 * value for label, value in self.per_class.items()}
        values = {name: 100 * estimate.value for name, estimate in self.values().items()}
        return {"unit": "%", "values": values, "per_class": by_class}

    def values(self) -> dict[str, Estimate]:
        """``macro`` as the quantity ``pauroc``."""
        return {"pauroc": self.intervals.get("macro", Estimate(self.macro))}


@dataclass(frozen=True)
class PaurocParameters:
    """What makes one partial AUROC of many (see ``pauroc``); what is out of its range is a ``UsageError``."""

    segment_seconds: float = 1.0
    max_fpr: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.max_fpr <= 1 or not self.segment_seconds > 0:
            raise UsageError("expected 0 < max_fpr <= 1 and segment_seconds > 0")

    def metric(self, scoring: Scoring) -> Metric[PaurocResult]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, partial(_by_reference, scoring.reference, self))
        segments = _Segments(scoring.inputs, self.segment_seconds, scoring.missing)
        return Metric(segments, partial(_result, segments, self.max_fpr, scoring.bootstrap))


def pauroc(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    segment_seconds: float = 1.0,
    max_fpr: float = 0.1,
    missing: Missing = 0.0,
    engine: Engine = "effbench",
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PaurocResult:
    """Segment-based partial AUROC, mean over classes.

    Arguments and errors are those of ``effbench.psds1``, and three more.

    Args:
        segment_seconds: length of a segment; a clip's last one may reach past its end.
        max_fpr: false positive rate up to which the curve counts.
        missing: score of segments that lie wholly past the last frame. 0 is what the reference assigns and
            published values contain: the lowest of probabilities, but a high one of logits, where it
            stands for a probability of 0.5. ``lowest`` ranks such segments below all others.
    """
    parameters = PaurocParameters(segment_seconds, max_fpr)
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    scoring = Scoring(inputs, engine, ClipBootstrap(resamples, seed), missing)
    if engine == "reference" and missing != 0:
        raise UsageError("the reference engine gives segments without frames the score 0 and no other")
    return scoring.compute(parameters.metric)[0]


class _Segments:
    """Clips cut into segments: the highest scores of these, and which are positive."""

    def __init__(self, inputs: ScoringInputs, seconds: float, missing: Missing) -> None:
        self.inputs, self.segment_seconds = inputs, seconds
        self.missing = -np.inf if missing == "lowest" else float(missing)
        self.counts = np.ceil(inputs.seconds / seconds).astype(np.intp)
        self.clip = np.repeat(np.arange(len(self.counts)), self.counts)
        self.scores: list[np.ndarray] = []

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        edges = rounded(np.arange(self.counts[number] + 1) * self.segment_seconds)
        self.scores.append(_highest_scores(exact(scores), rounded(times), edges, self.missing))

    def areas(self, max_fpr: float, weights: np.ndarray) -> np.ndarray:
        """Partial area (classes, resamples) of every class, with clips weighted (clips, resamples).

        It is the mean over positives of how far below ``max_fpr`` the rate of those negatives is that score
        as high or higher.
        """
        totals = self.counts @ weights.astype(np.int64)
        areas = np.full((len(self.inputs.classes), weights.shape[1]), np.nan)
        deepest = self._deepest(max_fpr, weights)
        all_scores = np.concatenate(self.scores).T
        self.scores.clear()
        for index, (scores, positive) in enumerate(zip(all_scores, self._positive(), strict=True)):
            hits = weights[self.clip[positive]].astype(np.int64)
            positives, negatives = hits.sum(axis=0), totals - hits.sum(axis=0)
            true, false = self._levels(np.ascontiguousarray(scores), positive, hits, weights, deepest)
            rates = false / np.maximum(negatives, 1)
            area = (true * np.maximum(max_fpr - rates, 0.0)).sum(axis=0) / np.maximum(positives, 1)
            areas[index] = np.where((positives > 0) & (negatives > 0), area / max_fpr, np.nan)
        return areas

    def _levels(
        self, scores: np.ndarray, positive: np.ndarray, hits: np.ndarray, weights: np.ndarray, deepest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the positives at each of their scores, and of the negatives there or above.

        Shape:
            each (levels, resamples), highest score first
        """
        # Number of segments, of either kind, with at least the score of each positive.
        ranks = len(scores) - np.searchsorted(np.sort(scores), scores[positive])
        near = np.flatnonzero(ranks <= deepest + len(positive))
        near = near[np.argsort(ranks[near], kind="stable")]
        levels, start = np.unique(ranks[near], return_index=True)
        if not len(levels):
            return hits[:0], hits[:0]
        true = np.add.reduceat(hits[near], start, axis=0)
        top = np.argpartition(-scores, levels[-1] - 1)[: levels[-1]]
        clip = self.clip[top[np.argsort(-scores[top])]]
        above = np.add.reduceat(weights[clip], np.append(0, levels[:-1]), axis=0, dtype=np.int64)
        return true, np.cumsum(above - true, axis=0)

    def _deepest(self, max_fpr: float, weights: np.ndarray) -> int:
        """Number of negatives that may count, with room for a resample that is five deviations off."""
        allowed, per_clip = max_fpr * len(self.clip), len(self.clip) / len(weights)
        room = 0.0 if weights.shape[1] == 1 else 5 * np.sqrt(allowed * max(per_clip, 1.0)) + 2 * per_clip
        return int(allowed + room) + 1

    def _positive(self) -> list[np.ndarray]:
        """Index of every positive segment, by class."""
        events = self.inputs.events
        edges = rounded(np.arange(self.counts.max() + 1) * self.segment_seconds)
        start = np.searchsorted(edges[1:], events.onset, side="right")
        stop = np.minimum(np.searchsorted(edges[:-1], events.offset), self.counts[events.clip])
        first = (np.cumsum(self.counts) - self.counts)[events.clip]
        event, segment = indices(first + start, np.maximum(first + stop, first + start))
        owner = events.class_index[event]
        return [np.unique(segment[owner == index]) for index in range(len(self.inputs.classes))]


def _highest_scores(scores: np.ndarray, times: np.ndarray, edges: np.ndarray, missing: float) -> np.ndarray:
    """Highest score (segments, classes) among the frames that reach into each segment."""
    low = np.maximum(np.searchsorted(times, edges[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(times, edges[1:]), len(scores))
    result = np.full((len(low), scores.shape[1]), missing, dtype=scores.dtype)
    for segment, (start, stop) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if stop > start:
            scores[start:stop].max(axis=0, out=result[segment])
    return result


def _result(segments: _Segments, max_fpr: float, bootstrap: ClipBootstrap) -> PaurocResult:
    areas = segments.areas(max_fpr, bootstrap.weights_after_ones(len(segments.counts)))
    macro = _mean(areas)
    per_class = dict(zip(segments.inputs.classes, areas[:, 0].tolist(), strict=True))
    if not bootstrap.resamples:
        return PaurocResult(macro.item(), per_class)
    return PaurocResult(
        macro[0].item(),
        per_class,
        {"macro": score_interval(macro[0].item(), macro[1:])},
        {
            name: score_interval(value, mine[1:])
            for (name, value), mine in zip(per_class.items(), areas, strict=True)
            if not np.isnan(value)
        },
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the classes (classes, resamples) that have a value; NaN if none has."""
    defined = ~np.isnan(values)
    number = defined.sum(axis=0)
    mean: np.ndarray = np.where(defined, values, 0.0).sum(axis=0) / np.where(number, number, np.nan)
    return mean


def _by_reference(reference: ReferenceScorer, parameters: PaurocParameters) -> PaurocResult:
    areas, _ = reference.call(
        "segment_based", "auroc", segment_length=parameters.segment_seconds, max_fpr=parameters.max_fpr
    )
    known = {reference.names[label]: float(area) for label, area in areas.items() if label in reference.names}
    per_class = {name: known.get(name, float("nan")) for name in reference.inputs.classes}
    return PaurocResult(_mean(np.array(list(per_class.values()))[:, None]).item(), per_class)
