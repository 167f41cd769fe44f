"""Scores of decoded events whose times are right within collars: F1 and error rate.

Definitions: Mesaros et al. 2016, "Metrics for polyphonic sound event detection", as sed_eval computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.f_score import Counts, DetectionInputs, FScore, error_interval, ratio
from effbench.evaluate.inputs import Events, GroundTruth
from effbench.evaluate.one_pass import Metric
from effbench.evaluate.scoring import Scoring


@dataclass(frozen=True)
class EventCollars:
    """How far the times of an event may be off.

    Attributes:
        name: of the quantity.
        onset: seconds by which an onset may be off.
        offset: the same of offsets; ``None``: only onsets are looked at.
        offset_ratio: an offset may also be off by this part of the event's length, if that is more.
    """

    name: str
    onset: float
    offset: float | None
    offset_ratio: float = 0.2

    def metric(self, scoring: Scoring) -> Metric[FScore]:
        """The score of the events that the scores are decoded to, in the making."""
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

    def _matched(self, truth: Events, detected: Events, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Events with a partner in the largest matching; each may have those from ``first`` to ``stop``."""
        number = stop - first
        event = np.repeat(np.arange(len(truth)), number)
        detection = np.arange(len(event)) + np.repeat(first - (np.cumsum(number) - number), number)
        close = np.abs(truth.onset[event] - detected.onset[detection]) <= self.onset
        if self.offset is not None:
            reach = np.maximum(self.offset, self.offset_ratio * (truth.offset[event] - truth.onset[event]))
            close &= np.abs(truth.offset[event] - detected.offset[detection]) <= reach
        graph = coo_array(
            (np.ones(int(close.sum()), np.int8), (event[close], detection[close])),
            shape=(len(truth), len(detected)),
        )
        return np.flatnonzero(maximum_bipartite_matching(graph.tocsr(), perm_type="column") >= 0)


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
    """F1 and error rate of events whose times are right within collars.

    As many events as possible are matched, one to one. A substitution is one more match that is possible
    when classes are not looked at; sed_eval counts at most as many, because it keeps the first matches.

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
    collars = EventCollars("event_f1", onset_collar, offset_collar, offset_ratio)
    inputs = DetectionInputs(estimated, ground_truth, classes)
    return collars.score(inputs, ClipBootstrap(resamples, seed))
