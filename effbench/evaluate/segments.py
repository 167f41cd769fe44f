"""Clips cut into segments, and the areas under the ROC curves of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.evaluate.inputs import TIME_DECIMALS, ScoringInputs


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

    def areas(self, max_fpr: float, weights: np.ndarray) -> np.ndarray:
        """Partial area (classes, resamples) of every class, with clips weighted (clips, resamples).

        It is the mean over positives of how far below ``max_fpr`` the rate of those negatives is that score
        as high or higher.
        """
        totals = np.bincount(self.clip, minlength=len(weights)) @ weights.astype(np.int64)
        areas = np.full((len(self.scores), weights.shape[1]), np.nan)
        deepest = self._deepest(max_fpr, weights)
        for index, (scores, positive) in enumerate(zip(self.scores, self.positive, strict=True)):
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


def highest_scores(scores: np.ndarray, times: np.ndarray, edges: np.ndarray, missing: float) -> np.ndarray:
    """Highest score (segments, classes) among the frames that reach into each segment."""
    times = np.round(times, TIME_DECIMALS)
    low = np.maximum(np.searchsorted(times, edges[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(times, edges[1:]), len(scores))
    result = np.full((len(low), scores.shape[1]), missing, dtype=scores.dtype)
    for segment, (start, stop) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if stop > start:
            scores[start:stop].max(axis=0, out=result[segment])
    return result


def segment_counts(durations: np.ndarray, seconds: float) -> np.ndarray:
    """Number of segments of clips that last so long; the last may reach past the end."""
    counts: np.ndarray = np.ceil(durations / seconds).astype(np.intp)
    return counts


def positive_segments(inputs: ScoringInputs, seconds: float, counts: np.ndarray) -> list[np.ndarray]:
    """Index of every positive segment, by class, where clips have so many (clips,)."""
    first = np.cumsum(counts) - counts
    positive: list[list[np.ndarray]] = [[] for _ in inputs.classes]
    events = inputs.events
    longest = np.round(np.arange(counts.max() + 1) * seconds, TIME_DECIMALS)
    start = np.searchsorted(longest[1:], events.onset, side="right")
    stop = np.minimum(np.searchsorted(longest[:-1], events.offset), counts[events.clip])
    for index, clip, low, high in zip(events.class_index, events.clip, start, stop, strict=True):
        positive[index].append(first[clip] + np.arange(low, high))
    return [np.unique(np.concatenate(mine)) if mine else np.zeros(0, np.intp) for mine in positive]
