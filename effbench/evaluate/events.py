"""Scores of decoded events: collar-based and segment-based F1, and the segment-based error rate.

Definitions: Mesaros et al. 2016, "Metrics for polyphonic sound event detection", as sed_eval computes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import RESAMPLES, draw_weights, interval
from effbench.evaluate.inputs import Events, GroundTruth, collect_events
from effbench.results.intervals import Estimate


@dataclass(frozen=True)
class FScore:
    """F1, precision and recall, 0 to 1.

    Attributes:
        micro: F1 of all events, or active segments, together.
        macro: mean of the classes' F1.
        precision: of all together; NaN if nothing was detected.
        recall: of all together.
        per_class: F1 of each class; NaN for one that neither occurs nor is detected.
        intervals: 95 % bootstrap intervals over clips of ``micro``, ``macro`` and ``error_rate``; empty if
            not asked for.
        error_rate: substitutions, deletions and insertions per event; NaN for segments, which have their own.
    """

    micro: float
    macro: float
    precision: float
    recall: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    error_rate: float = math.nan


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


def event_f1(
    estimated: GroundTruth,
    ground_truth: GroundTruth,
    *,
    classes: Sequence[str],
    onset_collar: float = 0.2,
    offset_collar: float | None = 0.2,
    offset_ratio: float = 0.2,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> FScore:
    """F1 and error rate of events whose times are right within collars.

    As many events as possible are matched, one to one. A substitution is one more match that is possible
    when classes are not looked at; sed_eval finds at most as many, because it keeps the first matches.

    Args:
        estimated: clip -> (onset, offset, class) of detected events in seconds; a clip that is not there has
            none.
        ground_truth: clip -> events; all its clips count.
        classes: that may occur.
        onset_collar: seconds by which an onset may be off.
        offset_collar: the same of offsets; ``None``: only onsets are looked at.
        offset_ratio: an offset may also be off by this part of the event's length, if that is more.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: a clip without ground truth, or an event of no known class or with impossible times.
    """
    truth, found, clips = _both(estimated, ground_truth, classes)
    match = partial(
        _matched,
        truth,
        found,
        onset_collar=onset_collar,
        offset_collar=offset_collar,
        offset_ratio=offset_ratio,
    )
    matched, any_class = match(*found.of_pairs(truth.clip, truth.cls)), match(*found.of_clips(truth.clip))
    shape = (len(clips), len(classes))
    hits = _count(truth.clip[matched], truth.cls[matched], shape)
    counts = Counts(hits, _count(truth.clip, truth.cls, shape), _count(found.clip, found.cls, shape))
    score = counts.f_score(classes, resamples, seed)
    close = np.bincount(truth.clip[any_class], minlength=len(clips))
    errors = (counts.truth + counts.detected - hits).sum(axis=1) - close
    error_rate = float(_ratio(errors.sum(), np.array(len(truth))))
    intervals = dict(score.intervals)
    if resamples:
        weights = draw_weights(len(clips), resamples, seed)
        replicates = _ratio(errors @ weights, counts.truth.sum(axis=1) @ weights)
        intervals["error_rate"] = interval(error_rate, replicates, top=math.inf)
    return replace(score, error_rate=error_rate, intervals=intervals)


def segment_scores(
    estimated: GroundTruth,
    ground_truth: GroundTruth,
    *,
    classes: Sequence[str],
    segment_seconds: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SegmentScore:
    """F1 and error rate of which classes are active in which segments.

    Args:
        estimated: see ``event_f1``, like all that is not named here.
        ground_truth: see there.
        classes: see there.
        segment_seconds: length of a segment.
        resamples: see there.
        seed: see there.
    """
    if not segment_seconds > 0:
        raise UsageError(f"segment_seconds is {segment_seconds}; expected seconds above 0")
    truth, found, clips = _both(estimated, ground_truth, classes)
    shape = (len(clips), len(classes))
    active, detected = _active(truth, segment_seconds), _active(found, segment_seconds)
    cells, sides = np.unique(np.concatenate([active, detected]), axis=0, return_counts=True)
    hits = cells[sides == 2]
    counts = Counts(*(_count(part[:, 0], part[:, 2], shape) for part in (hits, active, detected)))
    errors = _errors(len(clips), active, detected, hits)
    substitutions, deletions, insertions = _ratio(errors.sum(axis=0), np.array(len(active))).tolist()
    error_rate = substitutions + deletions + insertions
    weights = draw_weights(len(clips), resamples, seed)
    replicates = _ratio(errors.sum(axis=1) @ weights, counts.truth.sum(axis=1) @ weights)
    return SegmentScore(
        f1=counts.f_score(classes, resamples, seed),
        error_rate=error_rate,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        intervals={"error_rate": interval(error_rate, replicates, top=math.inf)} if resamples else {},
    )


@dataclass(frozen=True)
class Counts:
    """Numbers of hits, of what there is and of what was detected, each (clips, classes)."""

    hits: np.ndarray
    truth: np.ndarray
    detected: np.ndarray

    def f_score(self, classes: Sequence[str], resamples: int, seed: int) -> FScore:
        """F1 of all clips, and intervals over them."""
        weights = np.ones((len(self.hits), 1 + resamples), dtype=np.int64)
        weights[:, 1:] = draw_weights(len(self.hits), resamples, seed)
        hits, truth, detected = (part.T @ weights for part in (self.hits, self.truth, self.detected))
        per_class = _ratio(2 * hits, truth + detected)
        micro = _ratio(2 * hits.sum(axis=0), truth.sum(axis=0) + detected.sum(axis=0))
        defined = ~np.isnan(per_class)
        macro = _ratio(np.where(defined, per_class, 0.0).sum(axis=0), defined.sum(axis=0))
        intervals = {
            name: interval(float(values[0]), values[1:])
            for name, values in {"micro": micro, "macro": macro}.items()
            if resamples
        }
        return FScore(
            micro=float(micro[0]),
            macro=float(macro[0]),
            precision=float(_ratio(hits.sum(axis=0), detected.sum(axis=0))[0]),
            recall=float(_ratio(hits.sum(axis=0), truth.sum(axis=0))[0]),
            per_class=dict(zip(classes, per_class[:, 0].tolist(), strict=True)),
            intervals=intervals,
        )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Quotient, NaN where there is nothing."""
    quotient: np.ndarray = part / np.where(whole > 0, whole, np.nan)
    return quotient


def _both(
    estimated: GroundTruth, ground_truth: GroundTruth, classes: Sequence[str]
) -> tuple[Events, Events, Sequence[str]]:
    clips = sorted(ground_truth)
    for clip in estimated:
        if clip not in ground_truth:
            raise UsageError(f"clip '{clip}' has detected events but no ground truth (an empty list is fine)")
    truth = collect_events(ground_truth, clips, classes, merge=False)
    found = collect_events({clip: estimated.get(clip, ()) for clip in clips}, clips, classes, merge=False)
    return truth, found, clips


def _matched(
    truth: Events,
    found: Events,
    first: np.ndarray,
    stop: np.ndarray,
    *,
    onset_collar: float,
    offset_collar: float | None,
    offset_ratio: float,
) -> np.ndarray:
    """Events that the largest matching gives a detection; each may have those from ``first`` to ``stop``."""
    number = stop - first
    event = np.repeat(np.arange(len(truth)), number)
    detection = np.arange(len(event)) + np.repeat(first - (np.cumsum(number) - number), number)
    close = np.abs(truth.onset[event] - found.onset[detection]) <= onset_collar
    if offset_collar is not None:
        reach = np.maximum(offset_collar, offset_ratio * (truth.offset[event] - truth.onset[event]))
        close &= np.abs(truth.offset[event] - found.offset[detection]) <= reach
    graph = coo_array(
        (np.ones(int(close.sum()), np.int8), (event[close], detection[close])),
        shape=(len(truth), len(found)),
    )
    return np.flatnonzero(maximum_bipartite_matching(graph.tocsr(), perm_type="column") >= 0)


def _count(clip: np.ndarray, cls: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    counted: np.ndarray = np.bincount(clip * shape[1] + cls, minlength=shape[0] * shape[1]).reshape(shape)
    return counted


def _active(events: Events, seconds: float) -> np.ndarray:
    """Clip, segment and class (n, 3) of every segment with activity, each once."""
    start = np.floor(events.onset * 1 / seconds).astype(np.int64)
    number = np.ceil(events.offset * 1 / seconds).astype(np.int64) - start
    event = np.repeat(np.arange(len(events)), number)
    segment = np.arange(len(event)) + np.repeat(start - (np.cumsum(number) - number), number)
    return np.unique(np.stack([events.clip[event], segment, events.cls[event]], axis=1), axis=0)


def _errors(clips: int, active: np.ndarray, detected: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Substitutions, deletions and insertions of every clip (clips, 3)."""
    segments, place = np.unique(np.concatenate([active, detected, hits])[:, :2], axis=0, return_inverse=True)
    parts = np.split(place, np.cumsum([len(active), len(detected)]))
    there, said, right = (np.bincount(part, minlength=len(segments)) for part in parts)
    kinds = (np.minimum(there, said) - right, np.maximum(there - said, 0), np.maximum(said - there, 0))
    totals = [np.bincount(segments[:, 0], weights=kind, minlength=clips) for kind in kinds]
    return np.stack(totals, axis=1)
