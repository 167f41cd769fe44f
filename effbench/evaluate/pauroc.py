"""Segment-based partial area under the ROC curve (pAUROC).

Clips are cut into segments; a segment's score is its highest frame score, and it is positive if an event of
the class lies in it, however shortly. The area counts up to a false positive rate, as a fraction of the
perfect one, without McClish's correction; the curve is a staircase, as in sed_scores_eval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.class_means import ClassMean
from effbench.evaluate.reference import ReferenceScorer
from effbench.evaluate.scoring import Engine, Metric, Missing, Scoring
from effbench.evaluate.scoring_inputs import (
    Durations,
    GroundTruth,
    Scores,
    ScoringInputs,
    Timestamps,
)
from effbench.evaluate.segments import Segments
from effbench.grid import FRAME_SECONDS


@dataclass(frozen=True)
class PaurocParameters:
    """What makes one partial AUROC of many (see ``pauroc``); what is out of its range is a ``UsageError``."""

    segment_seconds: float = 1.0
    max_fpr: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.max_fpr <= 1 or not self.segment_seconds > 0:
            raise UsageError("expected 0 < max_fpr <= 1 and segment_seconds > 0")

    def metric(self, scoring: Scoring) -> Metric[ClassMean]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, partial(_by_reference, scoring.reference, self))
        segments = Segments(scoring.inputs, self.segment_seconds, scoring.missing)
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
) -> ClassMean:
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


def _result(segments: Segments, max_fpr: float, bootstrap: ClipBootstrap) -> ClassMean:
    weights = bootstrap.weights_after_ones(len(segments.counts))
    return ClassMean.of("pauroc", segments.inputs.classes, _areas(segments, max_fpr, weights))


def _areas(segments: Segments, max_fpr: float, weights: np.ndarray) -> np.ndarray:
    """Partial area (classes, resamples) of every class, with clips weighted (clips, resamples).

    It is the mean over positives of how far below ``max_fpr`` the rate of those negatives is that score as
    high or higher.
    """
    totals = segments.counts @ weights.astype(np.int64)
    areas = np.full((len(segments.inputs.classes), weights.shape[1]), np.nan)
    deepest = _deepest(len(segments.clip), max_fpr, weights)
    for index, (scores, positive) in enumerate(segments.by_class()):
        hits = weights[segments.clip[positive]].astype(np.int64)
        positives, negatives = hits.sum(axis=0), totals - hits.sum(axis=0)
        true, false = segments.levels(scores, positive, hits, weights, deepest)
        rates = false / np.maximum(negatives, 1)
        area = (true * np.maximum(max_fpr - rates, 0.0)).sum(axis=0) / np.maximum(positives, 1)
        areas[index] = np.where((positives > 0) & (negatives > 0), area / max_fpr, np.nan)
    return areas


def _deepest(segments: int, max_fpr: float, weights: np.ndarray) -> int:
    """Number of negatives that may count, with room for a resample that is five deviations off."""
    allowed, per_clip = max_fpr * segments, segments / len(weights)
    room = 0.0 if weights.shape[1] == 1 else 5 * np.sqrt(allowed * max(per_clip, 1.0)) + 2 * per_clip
    return int(allowed + room) + 1


def _by_reference(reference: ReferenceScorer, parameters: PaurocParameters) -> ClassMean:
    areas, _ = reference.call(
        "segment_based", "auroc", segment_length=parameters.segment_seconds, max_fpr=parameters.max_fpr
    )
    return ClassMean.of("pauroc", reference.inputs.classes, reference.by_class(areas))
