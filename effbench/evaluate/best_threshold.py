"""F1 of each class's activity in segments at the threshold that suits it best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.class_means import ClassMean
from effbench.evaluate.f_score import ratio
from effbench.evaluate.scoring import Metric, Scoring
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
            return Metric(scoring.reference, lambda: self._by_reference(scoring))
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
            f1 = ratio(2 * found, found + false + hits.sum(axis=0))
            best[index] = f1.max(axis=0)
            thresholds[classes[index]] = _below(scores, positive, int(f1[:, 0].argmax()))
        return ClassMean.of(_NAME, classes, best, thresholds)

    def _by_reference(self, scoring: Scoring) -> ClassMean:
        reference = scoring.reference
        f1, _, _, found, _ = reference.call("segment_based", "best_fscore", segment_length=self.seconds)
        thresholds = {reference.names[label]: float(value) for label, value in found.items()}
        return ClassMean.of(_NAME, scoring.inputs.classes, reference.by_class(f1), thresholds)


_NAME = "segment_f1_best"


def _below(scores: np.ndarray, positive: np.ndarray, level: int) -> float:
    """A threshold between a positive's score, of the ``level``-th highest, and the next lower of all."""
    score = np.unique(scores[positive])[::-1][level]
    lower = scores[scores < score]
    return float((score + lower.max()) / 2) if len(lower) else float("-inf")
