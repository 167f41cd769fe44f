"""Clips cut into segments: the highest scores of these, and which are positive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from effbench.evaluate.scoring import Missing
from effbench.evaluate.scoring_inputs import ScoringInputs, exact, indices, rounded


class Segments:
    """Segments of all clips; a segment is positive if an event of the class lies in it, however shortly.

    Args:
        inputs: scores and events.
        seconds: length of a segment; a clip's last one may reach past its end.
        missing: score of segments without frames.
    """

    def __init__(self, inputs: ScoringInputs, seconds: float, missing: Missing) -> None:
        self.inputs, self.segment_seconds = inputs, seconds
        self.missing = -np.inf if missing == "lowest" else float(missing)
        self.counts = np.ceil(inputs.seconds / seconds).astype(np.intp)
        self.clip = np.repeat(np.arange(len(self.counts)), self.counts)
        self.scores: list[np.ndarray] = []

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        edges = rounded(np.arange(self.counts[number] + 1) * self.segment_seconds)
        self.scores.append(_highest_scores(exact(scores), rounded(times), edges, self.missing))

    def by_class(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Scores (segments,) of every class, and the index of its positive ones; once."""
        scores = np.concatenate(self.scores).T
        self.scores.clear()
        for mine, positive in zip(scores, self._positive(), strict=True):
            yield np.ascontiguousarray(mine), positive

    def levels(
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

    def _positive(self) -> list[np.ndarray]:
        """Index of every positive segment, by class."""
        events = self.inputs.events
        edges = rounded(np.arange(self.counts.max() + 1) * self.segment_seconds)
        start = np.searchsorted(edges[1:], events.onset, side="right")
        stop = np.minimum(np.searchsorted(edges[:-1], events.offset), self.counts[events.clip])
        first = (np.cumsum(self.counts) - self.counts)[events.clip]
        event, segment = indices(first + start, np.maximum(first + stop, first + start))
        owner = events.class_index[event]
        return [np.unique(segment[owner == index]) for index in range(len(self.inputs.classes))]


def _highest_scores(scores: np.ndarray, times: np.ndarray, edges: np.ndarray, missing: float) -> np.ndarray:
    """Highest score (segments, classes) among the frames that reach into each segment."""
    low = np.maximum(np.searchsorted(times, edges[:-1], side="right") - 1, 0)
    high = np.minimum(np.searchsorted(times, edges[1:]), len(scores))
    result = np.full((len(low), scores.shape[1]), missing, dtype=scores.dtype)
    for segment, (start, stop) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if stop > start:
            scores[start:stop].max(axis=0, out=result[segment])
    return result
