"""Scores of decoded events: collar-based F1, and F1 and error rate of which classes are active in segments.

Definitions: Mesaros et al. 2016, "Metrics for polyphonic sound event detection", as sed_eval computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.f_score import Counts, DetectionInputs, FScore, error_interval, ratio
from effbench.evaluate.reference import score_by_sed_eval
from effbench.evaluate.scoring import Metric, Scoring
from effbench.evaluate.scoring_inputs import Events, GroundTruth, indices, rounded
from effbench.results.intervals import Estimate


def event_f1(
    estimated: GroundTruth,
    ground_truth: GroundTruth,
    *,
    classes: Sequence[str],
    onset_collar: float = 0.2,
    offset_collar: float | None = 0.2,
    offset_ratio: float = 0.2,
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> FScore:
    """F1 and error rate of events whose onsets and offsets are right within collars.

    As many events as possible are matched, one to one. A substitution is one more match that is possible
    regardless of class; sed_eval counts at most as many, because it keeps the first matches.

    Args:
        estimated: clip -> (onset, offset, class) of detected events in seconds; clips without an entry have
            none.
        ground_truth: clip -> events; all its clips count.
        classes: that may occur.
        onset_collar: seconds by which an onset may be off.
        offset_collar: the same for offsets; ``None``: onsets alone count.
        offset_ratio: an offset may also be off by this part of the event's length, if that is more.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: a clip without ground truth, or an event of no known class or with impossible times.
    """
    collars = EventCollars("event_f1", onset_collar, offset_collar, offset_ratio)
    inputs = DetectionInputs(estimated, ground_truth, classes)
    return collars.score(inputs, ClipBootstrap(resamples, seed))


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

    Arguments and errors are those of ``event_f1``, and the length of a segment.
    """
    inputs = DetectionInputs(estimated, ground_truth, classes)
    return SegmentParameters(segment_seconds).score(inputs, ClipBootstrap(resamples, seed))


@dataclass(frozen=True)
class SegmentScore:
    """Scores of classes' activity in segments.

    Attributes:
        f1: of active segments.
        error_rate: substitutions, deletions and insertions per active segment of the ground truth.
        substitutions: the error rate's share of active classes that were detected as others.
        deletions: its share of missed activity.
        insertions: its share of false activity; there is no upper bound.
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

    @property
    def class_intervals(self) -> Mapping[str, Estimate]:
        """The same with 95 % intervals; empty if not asked for."""
        return self.f1.class_intervals

    def values(self) -> dict[str, Estimate]:
        """F1, its mean over classes, and the error rate under the names of their quantities."""
        error_rate = self.intervals.get("error_rate", Estimate(self.error_rate))
        return {**self.f1.values(), "segment_error_rate": error_rate}


@dataclass(frozen=True)
class EventCollars:
    """How far the times of an event may be off (see ``event_f1``), and the name of the score's quantity."""

    name: str
    onset: float
    offset: float | None
    offset_ratio: float = 0.2

    def metric(self, scoring: Scoring) -> Metric[FScore]:
        """The score of the events that the scores are decoded to, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.decoded, lambda: self._by_reference(scoring.detections))
        return Metric(scoring.decoded, lambda: self.score(scoring.detections, scoring.bootstrap))

    def score(self, inputs: DetectionInputs, bootstrap: ClipBootstrap) -> FScore:
        """The score of detected events."""
        truth, detected = inputs.truth, inputs.detected
        matched = self._matched(truth, detected, *detected.of_pairs(truth.clip, truth.class_index))
        any_class = self._matched(truth, detected, *detected.of_clips(truth.clip))
        counts = Counts(
            hits=inputs.count(truth.clip[matched], truth.class_index[matched]),
            truth=inputs.count(truth.clip, truth.class_index),
            detected=inputs.count(detected.clip, detected.class_index),
        )
        close = np.bincount(truth.clip[any_class], minlength=inputs.clip_count)
        errors = (counts.truth + counts.detected - counts.hits).sum(axis=1) - close
        error_rate = float(ratio(errors.sum(), np.array(len(truth))))
        score = counts.f_score(self.name, inputs.classes, bootstrap)
        interval = error_interval(error_rate, errors, counts.truth.sum(axis=1), bootstrap)
        return replace(score, error_rate=error_rate, intervals={**score.intervals, **interval})

    def _by_reference(self, inputs: DetectionInputs) -> FScore:
        """The score by sed_eval, which has one collar for onsets and offsets."""
        if self.offset not in (None, self.onset):
            raise UsageError(
                f"the reference engine has one collar for onsets and offsets, not {self.onset} and "
                f"{self.offset} s ({self.name})"
            )
        score, errors = score_by_sed_eval(
            "EventBasedMetrics",
            self.name,
            inputs,
            t_collar=self.onset,
            percentage_of_length=self.offset_ratio,
            evaluate_offset=self.offset is not None,
        )
        return replace(score, error_rate=errors["error_rate"])

    def close(
        self, onset: np.ndarray, offset: np.ndarray, found_onset: np.ndarray, found_offset: np.ndarray
    ) -> np.ndarray:
        """Whether detections are within the collars of events, element by element."""
        close: np.ndarray = rounded(np.abs(onset - found_onset) - self.onset) <= 0
        if self.offset is not None:
            reach = np.maximum(self.offset, self.offset_ratio * (offset - onset))
            close &= rounded(np.abs(offset - found_offset) - reach) <= 0
        return close

    def _matched(self, truth: Events, detected: Events, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Events with a partner in the largest matching; each may have those from ``first`` to ``stop``."""
        event, detection = indices(first, stop)
        close = self.close(
            *(truth.onset[event], truth.offset[event]),
            *(detected.onset[detection], detected.offset[detection]),
        )
        graph = coo_array(
            (np.ones(int(close.sum()), np.int8), (event[close], detection[close])),
            shape=(len(truth), len(detected)),
        )
        return np.flatnonzero(maximum_bipartite_matching(graph.tocsr(), perm_type="column") >= 0)


@dataclass(frozen=True)
class SegmentParameters:
    """Length of the segments, above 0 s."""

    seconds: float = 1.0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise UsageError(f"segment_seconds is {self.seconds}; expected seconds above 0")

    def metric(self, scoring: Scoring) -> Metric[SegmentScore]:
        """The score of the events that the scores are decoded to, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.decoded, lambda: self._by_reference(scoring.detections))
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

    def _by_reference(self, inputs: DetectionInputs) -> SegmentScore:
        """The score by sed_eval."""
        score, errors = score_by_sed_eval(
            "SegmentBasedMetrics", "segment_f1", inputs, time_resolution=self.seconds
        )
        return SegmentScore(
            f1=score,
            error_rate=errors["error_rate"],
            substitutions=errors["substitution_rate"],
            deletions=errors["deletion_rate"],
            insertions=errors["insertion_rate"],
        )

    def _active(self, events: Events) -> np.ndarray:
        """Clip, segment and class (n, 3) of every segment with activity, each once."""
        start = np.floor(rounded(events.onset / self.seconds)).astype(np.int64)
        event, segment = indices(start, np.ceil(rounded(events.offset / self.seconds)).astype(np.int64))
        return np.unique(np.stack([events.clip[event], segment, events.class_index[event]], axis=1), axis=0)


def _errors(clips: int, active: np.ndarray, detected: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Substitutions, deletions and insertions of every clip (clips, 3)."""
    segments, place = np.unique(np.concatenate([active, detected, hits])[:, :2], axis=0, return_inverse=True)
    parts = np.split(place, np.cumsum([len(active), len(detected)]))
    truth, found, right = (np.bincount(part, minlength=len(segments)) for part in parts)
    kinds = (np.minimum(truth, found) - right, np.maximum(truth - found, 0), np.maximum(found - truth, 0))
    totals = [np.bincount(segments[:, 0], weights=kind, minlength=clips) for kind in kinds]
    return np.stack(totals, axis=1)
