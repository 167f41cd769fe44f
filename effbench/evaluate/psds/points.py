"""Operating points: the scores at which counts change when a threshold falls past them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

#: ``Points.other`` of points that are not cross triggers.
NO_CLASS = -1


@dataclass(frozen=True)
class Points:
    """Changes of counts, each caused by one clip, when the threshold falls past a score.

    Attributes:
        class_index: (n,) class whose detections change.
        score: (n,) at this score.
        clip: (n,), or () where it is the same for all, as the columns that follow.
        count: change of the number of false positives, or of cross triggers with ``other``.
        hits: change of the number of true positives.
        other: the other class of a cross trigger, or ``NO_CLASS``.
    """

    class_index: np.ndarray
    score: np.ndarray
    clip: np.ndarray
    count: np.ndarray
    hits: np.ndarray = field(default_factory=lambda: np.array(0, np.int8))
    other: np.ndarray = field(default_factory=lambda: np.array(NO_CLASS, np.int16))

    def __len__(self) -> int:
        return len(self.class_index)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All columns, as the constructor takes them."""
        return self.class_index, self.score, self.clip, self.count, self.hits, self.other

    def take(self, index: np.ndarray) -> Points:
        """The points that an index or mask picks."""
        return Points(*(column[index] if column.ndim else column for column in self.columns))

    def above(self, floor: np.ndarray) -> Points:
        """The points whose score is above the floor (classes,) of their class."""
        keep = self.score > floor[self.class_index]
        return self if keep.all() else self.take(keep)


def join(parts: Sequence[Points]) -> Points:
    """All points of several parts, in their order; every column is (n,)."""
    if not parts:
        nothing = np.zeros(0, np.int16)
        parts = [Points(nothing, np.zeros(0), nothing, nothing)]
    full = (
        [column if column.ndim else np.full(len(part), column) for column in part.columns] for part in parts
    )
    return Points(*(np.concatenate(columns) for columns in zip(*full, strict=True)))


def split_by_class(points: Points, classes: int) -> list[Points]:
    """Each class's points, from the highest score to the lowest, and those of one score clip by clip: sums
    come out the same to the last bit, in whatever portions the clips were read."""
    order = np.lexsort((points.clip, points.class_index))
    bounds = np.searchsorted(points.class_index[order], np.arange(classes + 1))
    parts = []
    for low, high in pairwise(bounds):
        mine = order[low:high]
        parts.append(points.take(mine[np.argsort(-points.score[mine], kind="stable")]))
    return parts


def net(points: Points) -> Points:
    """The same counts with one point for all changes of one clip, class and other class at one score, and
    none where they cancel; ``hits`` must be 0."""
    order = np.lexsort((points.score, points.other, points.class_index, points.clip))
    first = first_of_equals(
        *(column[order] for column in (points.clip, points.class_index, points.other, points.score))
    )
    if not len(first):
        return points
    total = np.add.reduceat(points.count[order], first, dtype=np.int32)
    changed = np.flatnonzero(total)
    return replace(points.take(order[first[changed]]), count=total[changed])


def last_of_equals(*columns: np.ndarray) -> np.ndarray:
    """Index (runs,) of the last of every run of values (n,) that are equal in all columns."""
    last = np.ones(len(columns[0]), bool)
    last[:-1] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        last[:-1] |= column[1:] != column[:-1]
    return np.flatnonzero(last)


def first_of_equals(*columns: np.ndarray) -> np.ndarray:
    """Index (runs,) of the first of every such run."""
    last = last_of_equals(*columns)
    return np.append(0, last + 1)[: len(last)]


def onset_changes(scores: np.ndarray, floor: np.ndarray, clip: int) -> Points:
    """Changes of the number of detections in one clip: +1 at each local maximum, -1 at each minimum.

    Where a class has no event in a clip, every detection is a false positive, and nothing more is needed.
    Scores (frames, classes) are C-contiguous; only those above the floor (classes,), of the same type, count.
    """
    classes = scores.shape[1]
    flat = scores.reshape(-1)
    where = np.flatnonzero(scores > floor)
    value = flat[where]
    before = flat[np.maximum(where - classes, 0)]
    after = flat[np.minimum(where + classes, flat.size - 1)]
    rises = (value > before) | (where < classes)
    falls = (after > value) & (where < flat.size - classes)
    change = rises.view(np.int8) - falls.view(np.int8)
    changed = np.flatnonzero(change)
    return Points(
        (where[changed] % classes).astype(np.int16), value[changed], np.array(clip, np.int32), change[changed]
    )
