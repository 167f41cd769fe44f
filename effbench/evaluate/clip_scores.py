"""Scores of clip-wise predictions: which classes does a clip contain?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from effbench.evaluate.class_means import ClassMean
from effbench.evaluate.f_score import ratio
from effbench.evaluate.scoring import Metric, Scoring


def average_precision(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Mean of the precisions at the ranks of the positives, from scores and labels (clips,).

    Clips of equal score have one rank, that of the last of them. NaN without positives.

    Source: Gemmeke et al. 2017 (AudioSet), non-interpolated average precision.
    """
    return float(_average_precisions(scores, labels, np.ones((len(scores), 1), np.int64))[0])


def mean_average_precision(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Mean of ``average_precision`` over the classes (clips, classes) that occur; NaN if none does."""
    values = [average_precision(scores[:, c], labels[:, c]) for c in np.flatnonzero(labels.any(0))]
    return float(np.mean(values)) if values else float("nan")


class ClipPrecision:
    """Mean average precision of clips: the score of a clip is the highest of its frames."""

    def metric(self, scoring: Scoring) -> Metric[ClassMean]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, lambda: self._by_reference(scoring))
        highest = _HighestScores()
        return Metric(highest, lambda: self._score(np.array(highest.scores), scoring))

    def _score(self, scores: np.ndarray, scoring: Scoring) -> ClassMean:
        events, classes = scoring.inputs.events, scoring.inputs.classes
        labels = np.zeros(scores.shape, bool)
        labels[events.clip, events.class_index] = True
        weights = scoring.bootstrap.weights_after_ones(len(scores))
        columns = zip(scores.T, labels.T, strict=True)
        values = [_average_precisions(mine, present, weights) for mine, present in columns]
        return ClassMean.of("map", classes, np.array(values))

    def _by_reference(self, scoring: Scoring) -> ClassMean:
        values, _ = scoring.reference.call("clip_based", "average_precision")
        return ClassMean.of("map", scoring.inputs.classes, scoring.reference.by_class(values))


class _HighestScores:
    """The highest scores (classes,) of each clip."""

    def __init__(self) -> None:
        self.scores: list[np.ndarray] = []

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        self.scores.append(scores.max(axis=0))


def _average_precisions(
    scores: NDArray[np.floating], labels: NDArray[np.bool_], weights: np.ndarray
) -> np.ndarray:
    """``average_precision`` (resamples,) with every clip as often as its weight (clips, resamples) says."""
    order = np.argsort(-scores, kind="stable")
    ranked, drawn = scores[order], weights[order].astype(np.int64)
    last = np.append(ranked[1:] != ranked[:-1], True)
    true = np.cumsum(drawn * labels[order, None], axis=0)
    precision = true[last] / np.maximum(np.cumsum(drawn, axis=0)[last], 1)
    summed = (np.diff(true[last], axis=0, prepend=0) * precision).sum(axis=0)
    return ratio(summed, true[-1])
