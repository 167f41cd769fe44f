"""Scores as a protocol wants them, made clip by clip when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from effbench.data.labels import Event, merge_events
from effbench.errors import UsageError
from effbench.evaluate.inputs import GroundTruth, Scores, checked_shape
from effbench.evaluate.median import median_filter


class FilteredScores(Mapping[str, ArrayLike]):
    """Some clips and columns of scores, filtered when they are asked for."""

    def __init__(
        self, scores: Scores, clips: Sequence[str], classes: tuple[str, ...], columns: np.ndarray, window: int
    ) -> None:
        self.source, self.clips, self.window = scores, dict.fromkeys(clips), window
        self.all_classes, self.columns = classes, columns
        self.classes = tuple(classes[column] for column in columns)

    def scored(self, ground_truth: GroundTruth) -> tuple[FilteredScores, GroundTruth]:
        """The clips and columns that have events, and these events."""
        for clip in ground_truth:
            if clip not in self.clips:
                raise UsageError(f"clip '{clip}' has ground truth but no scores")
        known = set(self.all_classes)
        kept = {
            clip: merge_events(Event(*event) for event in ground_truth.get(clip, ()) if event[2] in known)
            for clip in self.clips
        }
        kept = {clip: events for clip, events in kept.items() if events}
        if not kept:
            raise UsageError("no clip has both scores and an event of one of their classes")
        active = {event[2] for events in kept.values() for event in events}
        columns = np.flatnonzero([name in active for name in self.all_classes])
        return FilteredScores(self.source, list(kept), self.all_classes, columns, self.window), kept

    def __getitem__(self, clip: str) -> np.ndarray:
        array = checked_shape(clip, np.asarray(self.source[clip]), len(self.all_classes))
        if len(self.columns) < array.shape[1]:
            array = array[:, self.columns]
        return array if self.window == 1 else median_filter(array, self.window)

    def __contains__(self, clip: object) -> bool:
        # Asking the scores themselves might load them.
        return clip in self.clips

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)
