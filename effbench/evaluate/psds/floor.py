"""The floor: the score under which nothing counts.

A clip without a class holds at least one false positive as soon as the threshold falls to its highest score.
So, where the allowed number of false positives is F, nothing counts from the (F + 1)-th highest such maximum
downwards. Of clips that are read one after another, this maximum is known at the end only; it is foreseen
from those so far, with room to be wrong.
"""

from __future__ import annotations

import numpy as np

#: The floor is foreseen for this many times the allowed false positives, and some more.
FORESIGHT, SPARE = 1.5, 20


class Floor:
    """The floor of each class, which rises while ``clips`` clips are read.

    Nothing is kept of classes that are not ``scored`` (classes,).
    """

    def __init__(self, allowed: int, scored: np.ndarray, clips: int) -> None:
        self.allowed, self.scored, self.clips = allowed, scored, clips
        self.seen = 0
        self.highest = np.zeros((0, len(scored)))
        self.value = np.where(scored, -np.inf, np.inf)

    def update(self, maxima: np.ndarray) -> None:
        """Raise the floor by more clips' highest scores (clips, classes), -inf where a clip has the class.

        Once all clips are known, it stays as it is.
        """
        if self.seen == self.clips:
            return
        self.seen += len(maxima)
        self.highest = _from_highest(np.concatenate([self.highest, maxima]), self.allowed)
        rank = self.allowed
        if self.seen < self.clips:
            rank = min(rank, int(FORESIGHT * self.allowed * self.seen / self.clips) + SPARE)
        if rank < len(self.highest):
            self.value = np.maximum(self.value, _from_highest(self.highest, rank)[0])

    def settle(self) -> np.ndarray:
        """Classes (classes,) whose floor was foreseen too high; lowers it to where it belongs, and leaves
        nothing to be kept of the others. All clips must be known."""
        certain = self.highest[0] if len(self.highest) > self.allowed else np.full(len(self.scored), -np.inf)
        missed: np.ndarray = self.scored & (self.value > certain)
        self.value = np.where(missed, certain, np.inf)
        return missed

    def below(self, dtype: np.dtype) -> np.ndarray:
        """The floor in another type, rounded down."""
        rounded: np.ndarray = self.value.astype(dtype)
        return np.where(rounded > self.value, np.nextafter(rounded, dtype.type(-np.inf)), rounded)


def _from_highest(values: np.ndarray, rank: int) -> np.ndarray:
    """The ``rank`` + 1 highest values of each column, the lowest of them first; all if there are fewer."""
    cut = len(values) - rank - 1
    return values if cut < 0 else np.partition(values, cut, axis=0)[cut:]
