"""Segment-based partial area under the ROC curve (pAUROC).

Clips are cut into segments; a segment's score is its highest frame score, and it is positive if an event of
the class lies in it, however shortly. The area counts up to a false positive rate, as a fraction of the
perfect one, without McClish's correction; the curve is a staircase, as in sed_scores_eval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import RESAMPLES, draw_weights, interval
from effbench.evaluate.inputs import (
    TIME_DECIMALS,
    Durations,
    GroundTruth,
    Scores,
    Task,
    Timestamps,
    exact,
    prepare,
)
from effbench.measure.statistics import Estimate

Missing = Literal["zero", "lowest"]


@dataclass(frozen=True)
class PaurocResult:
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


def pauroc(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = 0.04,
    timestamps: Timestamps = None,
    segment_seconds: float = 1.0,
    max_fpr: float = 0.1,
    missing: Missing = "zero",
    engine: Literal["effbench", "reference"] = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PaurocResult:
    """Segment-based partial AUROC, mean over classes.

    Args:
        scores: as in ``effbench.psds1``, like all that is not named here.
        ground_truth: see there.
        durations: see there; they make the number of segments.
        classes: see there.
        frame_seconds: see there.
        timestamps: see there.
        segment_seconds: length of a segment; a clip's last one may reach past its end.
        max_fpr: false positive rate up to which the curve counts.
        missing: score of segments that lie wholly past the last frame. ``zero`` is what the reference
            assigns and published values contain: the lowest possible of probabilities, but a high one of
            logits. ``lowest`` ranks them below all others.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals, ``zero`` only).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, or NaN among the scores.
    """
    if not 0 < max_fpr <= 1 or not segment_seconds > 0:
        raise UsageError("expected 0 < max_fpr <= 1 and segment_seconds > 0")
    if missing not in ("zero", "lowest") or engine not in ("effbench", "reference"):
        raise UsageError("expected missing to be zero or lowest, and engine effbench or reference")
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    if engine == "reference":
        return _by_reference(task, segment_seconds, max_fpr, missing)
    segments = Segments.of(task, segment_seconds, 0.0 if missing == "zero" else -np.inf)
    # In the first "resample", each clip is there once: the score itself.
    weights = np.ones((len(task.clips), 1 + resamples), dtype=np.int16)
    weights[:, 1:] = draw_weights(len(task.clips), resamples, seed)
    areas = segments.areas(max_fpr, weights)
    macro = _mean(areas)
    per_class = dict(zip(task.classes, areas[:, 0].tolist(), strict=True))
    if not resamples:
        return PaurocResult(macro.item(), per_class)
    return PaurocResult(
        macro[0].item(),
        per_class,
        {"macro": interval(macro[0].item(), macro[1:])},
        {
            name: interval(value, mine[1:])
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


def _by_reference(task: Task, segment_seconds: float, max_fpr: float, missing: Missing) -> PaurocResult:
    from effbench.evaluate.reference import reference_pauroc

    if missing != "zero":
        raise UsageError("the reference engine gives missing segments the score 0: missing='zero' only")
    per_class = reference_pauroc(task, segment_seconds, max_fpr)
    return PaurocResult(_mean(np.array(list(per_class.values()))[:, None]).item(), per_class)


@dataclass(frozen=True)
class Segments:
    """Scores and labels of all segments of all clips.

    Attributes:
        scores: (classes, segments).
        clip: (segments,) which clip.
        positive: segment indices of each class's positives.
    """

    scores: np.ndarray
    clip: np.ndarray
    positive: Sequence[np.ndarray]

    @classmethod
    def of(cls, task: Task, seconds: float, missing: float) -> Segments:
        counts = np.ceil(task.durations / seconds).astype(np.intp)
        first = np.cumsum(counts) - counts
        rows = []
        for number, count in enumerate(counts.tolist()):
            scores = exact(task.load(number))
            edges = np.round(np.arange(count + 1) * seconds, TIME_DECIMALS)
            rows.append(_highest(scores, task.times(number, len(scores)), edges, missing))
            if np.isnan(rows[-1]).any():
                raise task.refuse_nan(number, int(np.argwhere(np.isnan(rows[-1]))[0, 1]))
        clip = np.repeat(np.arange(len(counts)), counts)
        return cls(np.concatenate(rows).T, clip, _positives(task, seconds, counts, first))

    def areas(self, max_fpr: float, weights: np.ndarray) -> np.ndarray:
        """Partial area (classes, resamples) of every class, with clips weighted (clips, resamples).

        It is the mean over positives of how far below ``max_fpr`` the rate of those negatives is that score
        as high or higher.
        """
        totals = np.bincount(self.clip, minlength=len(weights)) @ weights.astype(np.int64)
        areas = np.full((len(self.scores), weights.shape[1]), np.nan)
        deepest = self._deepest(max_fpr, weights)
        for cls, (scores, positive) in enumerate(zip(self.scores, self.positive, strict=True)):
            hits = weights[self.clip[positive]].astype(np.int64)
            positives, negatives = hits.sum(axis=0), totals - hits.sum(axis=0)
            found, false = self._levels(np.ascontiguousarray(scores), positive, hits, weights, deepest)
            rates = false / np.maximum(negatives, 1)
            area = (found * np.maximum(max_fpr - rates, 0.0)).sum(axis=0) / np.maximum(positives, 1)
            areas[cls] = np.where((positives > 0) & (negatives > 0), area / max_fpr, np.nan)
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
        found = np.add.reduceat(hits[near], start, axis=0)
        top = np.argpartition(-scores, levels[-1] - 1)[: levels[-1]]
        clip = self.clip[top[np.argsort(-scores[top])]]
        above = np.add.reduceat(weights[clip], np.append(0, levels[:-1]), axis=0, dtype=np.int64)
        return found, np.cumsum(above - found, axis=0)

    def _deepest(self, max_fpr: float, weights: np.ndarray) -> int:
        """Number of negatives that may count, with room for a resample that is five deviations off."""
        allowed, per_clip = max_fpr * len(self.clip), len(self.clip) / len(weights)
        room = 0.0 if weights.shape[1] == 1 else 5 * np.sqrt(allowed * max(per_clip, 1.0)) + 2 * per_clip
        return int(allowed + room) + 1


def _highest(scores: np.ndarray, times: np.ndarray, edges: np.ndarray, missing: float) -> np.ndarray:
    """Highest score (segments, classes) among the frames that reach into each segment."""
    times = np.round(times, TIME_DECIMALS)
    low = np.maximum(np.searchsorted(times, edges[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(times, edges[1:]), len(scores))
    result = np.full((len(low), scores.shape[1]), missing, dtype=scores.dtype)
    for segment, (start, stop) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if stop > start:
            scores[start:stop].max(axis=0, out=result[segment])
    return result


def _positives(task: Task, seconds: float, counts: np.ndarray, first: np.ndarray) -> list[np.ndarray]:
    """Index of every positive segment, by class."""
    found: list[list[np.ndarray]] = [[] for _ in task.classes]
    events = task.events
    longest = np.round(np.arange(counts.max() + 1) * seconds, TIME_DECIMALS)
    start = np.searchsorted(longest[1:], events.onset, side="right")
    stop = np.minimum(np.searchsorted(longest[:-1], events.offset), counts[events.clip])
    for cls, clip, low, high in zip(events.cls, events.clip, start, stop, strict=True):
        found[cls].append(first[clip] + np.arange(low, high))
    return [np.unique(np.concatenate(mine)) if mine else np.zeros(0, np.intp) for mine in found]
