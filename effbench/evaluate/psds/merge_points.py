"""Operating points: the scores at which counts change when a threshold falls past them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: ``Points.other`` of points that are no cross triggers.
NO_CLASS = -1


@dataclass(frozen=True)
class Points:
    """Changes of counts, each caused by one clip, when the threshold falls past a score.

    Attributes:
        class_index: (n,) class whose detections change.
        score: (n,) at this score.
        clip: (n,) or (): the clip (or that of all points).
        count: (n,) change of the number of false positives, or of cross triggers with ``other``.
        hits: (n,) change of the number of true positives; ``None``: no change at any.
        other: (n,) the other class of a cross trigger, or ``NO_CLASS``; ``None``: no cross triggers.
    """

    class_index: np.ndarray
    score: np.ndarray
    clip: np.ndarray
    count: np.ndarray
    hits: np.ndarray | None = None
    other: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.class_index)

    def take(self, index: np.ndarray | slice) -> Points:
        """The points that an index or mask picks."""
        return Points(
            self.class_index[index],
            self.score[index],
            self.clip if self.clip.ndim == 0 else self.clip[index],
            self.count[index],
            None if self.hits is None else self.hits[index],
            None if self.other is None else self.other[index],
        )

    def above(self, floor: np.ndarray) -> Points:
        """The points whose score is above the floor (classes,) of their class."""
        keep = self.score > floor[self.class_index]
        return self if keep.all() else self.take(keep)

    def full(self) -> Points:
        """The same points with every column present."""
        size = len(self)
        return Points(
            self.class_index,
            self.score,
            np.broadcast_to(self.clip, size),
            self.count,
            np.zeros(size, np.int8) if self.hits is None else self.hits,
            np.full(size, NO_CLASS, np.int16) if self.other is None else self.other,
        )


def join(parts: Sequence[Points]) -> Points:
    """All points of several parts, in their order."""
    if not parts:
        nothing = np.zeros(0, np.int16)
        return Points(nothing, np.zeros(0), nothing.astype(np.int32), nothing, nothing, nothing)
    full = [part.full() for part in parts]
    return Points(
        np.concatenate([part.class_index for part in full]),
        np.concatenate([part.score for part in full]),
        np.concatenate([part.clip for part in full]),
        np.concatenate([part.count for part in full]),
        np.concatenate([part.hits for part in full if part.hits is not None]),
        np.concatenate([part.other for part in full if part.other is not None]),
    )


def split_by_class(points: Points, classes: int) -> list[Points]:
    """Each class's points, from the highest score to the lowest."""
    order = np.argsort(points.class_index, kind="stable")
    bounds = np.searchsorted(points.class_index[order], np.arange(classes + 1))
    parts = []
    for low, high in pairwise(bounds):
        mine = order[low:high]
        parts.append(points.take(mine[np.argsort(-points.score[mine])]))
    return parts


def onset_changes(scores: np.ndarray, floor: np.ndarray, clip: int) -> Points:
    """Changes of the number of detections in one clip: +1 at each local maximum, -1 at each minimum.

    Where a class has no event in a clip, every detection is a false positive, and nothing more is needed.

    Args:
        scores: (frames, classes), C-contiguous.
        floor: (classes,) of the same type; only scores above it matter.
        clip: number of the clip.
    """
    classes = scores.shape[1]
    flat = scores.reshape(-1)
    where = np.flatnonzero(scores > floor)
    value = flat[where]
    before = flat[np.maximum(where - classes, 0)]
    after = flat[np.minimum(where + classes, flat.size - 1)]
    change = ((value > before) | (where < classes)).view(np.int8) - (
        (after > value) & (where < flat.size - classes)
    ).view(np.int8)
    changed = np.flatnonzero(change)
    return Points(
        (where[changed] % classes).astype(np.int16), value[changed], np.array(clip, np.int32), change[changed]
    )
