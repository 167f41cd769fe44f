"""F1 at the threshold that suits each class best; of activity in segments, and what all such scores share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.class_means import ClassMean
from effbench.evaluate.f_score import ratio
from effbench.evaluate.psds.points import Points, last_of_equals
from effbench.evaluate.scoring import Metric, Scoring
from effbench.evaluate.scoring_inputs import Events, ScoringInputs
from effbench.evaluate.segments import Segments


@dataclass(frozen=True)
class BestSegmentF1:
    """Length of the segments, above 0 s: what may be reached with other thresholds, not what is.

    The threshold is chosen on the events that it is scored with, anew in every resample.
    """

    seconds: float = 1.0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise UsageError(f"segment_seconds is {self.seconds}; expected seconds above 0")

    def metric(self, scoring: Scoring) -> Metric[ClassMean]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            options = {"segment_length": self.seconds}
            return Metric(
                scoring.reference, partial(best_by_reference, _NAME, scoring, "segment_based", options)
            )
        segments = Segments(scoring.inputs, self.seconds, scoring.missing)
        return Metric(segments, lambda: self._score(segments, scoring))

    def _score(self, segments: Segments, scoring: Scoring) -> ClassMean:
        weights = scoring.bootstrap.weights_after_ones(len(segments.counts))
        classes = scoring.inputs.classes
        best = np.full((len(classes), weights.shape[1]), np.nan)
        thresholds = {}
        for index, (scores, positive) in enumerate(segments.by_class()):
            if not len(positive):
                continue
            # F1 falls from one positive to the next: only their scores need be looked at.
            hits = weights[segments.clip[positive]].astype(np.int64)
            true, false = segments.levels(scores, positive, hits, weights, len(scores))
            found = np.cumsum(true, axis=0)
            drawn = hits.sum(axis=0)
            f1 = np.where(drawn > 0, ratio(2 * found, found + false + drawn), np.nan)
            best[index] = f1.max(axis=0)
            thresholds[classes[index]] = _below(scores, positive, int(f1[:, 0].argmax()))
        return ClassMean.of(_NAME, classes, best, thresholds)


_NAME = "segment_f1_best"


def _below(scores: np.ndarray, positive: np.ndarray, level: int) -> float:
    """A threshold between a positive's score, of the ``level``-th highest, and the next lower of all."""
    score = np.unique(scores[positive])[::-1][level]
    lower = scores[scores < score]
    return _between(lower.max(), score) if len(lower) else float("-inf")


def best_f1(
    name: str, inputs: ScoringInputs, points: Sequence[Points], truth: Events, bootstrap: ClipBootstrap
) -> ClassMean:
    """The highest F1 of each class over all thresholds.

    Args:
        name: of the quantity.
        inputs: what is scored.
        points: changes of true and false positives, by class and from the highest score to the lowest.
        truth: events that may be found.
        bootstrap: of the intervals.
    """
    weights = bootstrap.weights_after_ones(len(inputs.clips))
    events = np.zeros((len(inputs.classes), weights.shape[1]), np.int64)
    np.add.at(events, truth.class_index, weights[truth.clip])
    best = np.full(events.shape, np.nan)
    thresholds = {}
    for index in np.flatnonzero(events[:, 0]).tolist():
        mine = points[index]
        step = max(8, _CELLS // max(len(mine), 1))
        for low in range(0, weights.shape[1], step):
            drawn = weights[:, low : low + step]
            f1 = _f1_curve(mine, drawn, events[index, low : low + step])
            best[index, low : low + step] = f1.max(axis=0)
            if low == 0:
                thresholds[inputs.classes[index]] = _above_level(mine, int(f1[:, 0].argmax()))
    return ClassMean.of(name, inputs.classes, best, thresholds)


def best_by_reference(name: str, scoring: Scoring, module: str, options: Mapping[str, float]) -> ClassMean:
    """The same as a module of sed_scores_eval has it."""
    reference = scoring.reference
    f1, _, _, found, _ = reference.call(module, "best_fscore", **options)
    thresholds = {reference.names[label]: float(value) for label, value in found.items()}
    return ClassMean.of(name, scoring.inputs.classes, reference.by_class(f1), thresholds)


#: Counts of this many points times resamples are held at once.
_CELLS = 1 << 20


def _f1_curve(points: Points, weights: np.ndarray, events: np.ndarray) -> np.ndarray:
    """F1 (1 + levels, resamples) above all scores, then below each: NaN in resamples without events."""
    drawn = weights[points.clip]
    ends = last_of_equals(points.score)
    hits = np.cumsum(drawn * points.hits[:, None], axis=0, dtype=np.int64)[ends]
    false = np.cumsum(drawn * points.count[:, None], axis=0, dtype=np.int64)[ends]
    f1 = np.where(events > 0, ratio(2 * hits, hits + false + events), np.nan)
    return np.concatenate([np.where(events > 0, 0.0, np.nan)[None], f1])


def _above_level(points: Points, level: int) -> float:
    """A threshold of which the ``level`` highest different scores of the points are above."""
    levels = points.score[last_of_equals(points.score)]
    if level == 0:
        return float("inf")
    return _between(levels[level], levels[level - 1]) if level < len(levels) else float("-inf")


def _between(low: np.floating, high: np.floating) -> float:
    """A threshold that ``high`` is above and ``low`` is not, in their middle as far as their type has one."""
    middle = (low + high) / 2
    return float(middle if middle < high else low)
