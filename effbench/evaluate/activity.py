"""Scores of which classes are active in which segments: F1 and error rate.

Definitions: Mesaros et al. 2016, "Metrics for polyphonic sound event detection", as sed_eval computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.f_score import Counts, DetectionInputs, FScore, error_interval, ratio
from effbench.evaluate.inputs import Events, GroundTruth
from effbench.evaluate.one_pass import Metric
from effbench.evaluate.scoring import Scoring
from effbench.results.intervals import Estimate


@dataclass(frozen=True)
class SegmentScore:
    """Scores of classes' activity in segments.

    Attributes:
        f1: of active segments.
        error_rate: substitutions, deletions and insertions per active segment of the ground truth.
        substitutions: the error rate's share of segments whose classes were taken for others.
        deletions: its share of missed activity.
        insertions: its share of activity that is not there; there is no upper bound.
        intervals: 95 % bootstrap interval over clips of ``error_rate``; empty if not asked for.
    """

    f1: FScore
    error_rate: float
    substitutions: float
    deletions: float
    insertions: float
    intervals: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def per_class(self) -> Mapping[str, float]:
        """F1 of each class; NaN for one that is never active nor detected."""
        return self.f1.per_class

    def values(self) -> dict[str, Estimate]:
        """F1, its mean over classes, and the error rate under the names of their quantities."""
        error_rate = self.intervals.get("error_rate", Estimate(self.error_rate))
        return {**self.f1.values(), "segment_error_rate": error_rate}


@dataclass(frozen=True)
class SegmentParameters:
    """Length of the segments in seconds.

    Raises:
        UsageError: it is not above 0.
    """

    seconds: float = 1.0
    name: str = "segment"

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise UsageError(f"segment_seconds is {self.seconds}; expected seconds above 0")

    def metric(self, scoring: Scoring) -> Metric[SegmentScore]:
        """The score of the events that the scores are decoded to, in the making."""
        return Metric(scoring.decoded, lambda: self.score(scoring.detections, scoring.bootstrap))

    def score(self, inputs: DetectionInputs, bootstrap: ClipBootstrap) -> SegmentScore:
        """The score of detected events."""
        active, detected = self._active(inputs.truth), self._active(inputs.detected)
        cells, sides = np.unique(np.concatenate([active, detected]), axis=0, return_counts=True)
        hits = cells[sides == 2]
        counts = Counts(*(inputs.count(part[:, 0], part[:, 2]) for part in (hits, active, detected)))
        errors = _errors(inputs.clip_count, active, detected, hits)
        substitutions, deletions, insertions = ratio(errors.sum(axis=0), np.array(len(active))).tolist()
        error_rate = substitutions + deletions + insertions
        return SegmentScore(
            f1=counts.f_score("segment_f1", inputs.classes, bootstrap),
            error_rate=error_rate,
            substitutions=substitutions,
            deletions=deletions,
            insertions=insertions,
            intervals=error_interval(error_rate, errors.sum(axis=1), counts.truth.sum(axis=1), bootstrap),
        )

    def _active(self, events: Events) -> np.ndarray:
        """Clip, segment and class (n, 3) of every segment with activity, each once."""
        start = np.floor(events.onset / self.seconds).astype(np.int64)
        number = np.ceil(events.offset / self.seconds).astype(np.int64) - start
        event = np.repeat(np.arange(len(events)), number)
        segment = np.arange(len(event)) + np.repeat(start - (np.cumsum(number) - number), number)
        return np.unique(np.stack([events.clip[event], segment, events.class_index[event]], axis=1), axis=0)


def segment_scores(
    estimated: GroundTruth,
    ground_truth: GroundTruth,
    *,
    classes: Sequence[str],
    segment_seconds: float = 1.0,
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> SegmentScore:
    """F1 and error rate of which classes are active in which segments.

    Arguments and errors are those of ``event_f1``, and one more.

    Args:
        segment_seconds: length of a segment.
    """
    inputs = DetectionInputs(estimated, ground_truth, classes)
    return SegmentParameters(segment_seconds).score(inputs, ClipBootstrap(resamples, seed))


def _errors(clips: int, active: np.ndarray, detected: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Substitutions, deletions and insertions of every clip (clips, 3)."""
    segments, place = np.unique(np.concatenate([active, detected, hits])[:, :2], axis=0, return_inverse=True)
    parts = np.split(place, np.cumsum([len(active), len(detected)]))
    there, said, right = (np.bincount(part, minlength=len(segments)) for part in parts)
    kinds = (np.minimum(there, said) - right, np.maximum(there - said, 0), np.maximum(said - there, 0))
    totals = [np.bincount(segments[:, 0], weights=kind, minlength=clips) for kind in kinds]
    return np.stack(totals, axis=1)
