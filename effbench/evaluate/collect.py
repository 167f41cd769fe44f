"""From scores to operating points: clip by clip, each loaded once, keeping only what can matter.

A clip without a class holds at least one false positive as soon as the threshold falls to its highest score.
So, where the allowed number of false positives is F, nothing counts from the (F + 1)-th highest such maximum
downwards. This floor rises while clips are read, and points under it are dropped: few of them are ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from effbench.evaluate.criteria import Criteria, Curves, judge
from effbench.evaluate.inputs import Task, exact
from effbench.evaluate.points import Points, onset_changes

#: Bytes of scores that are loaded before the floor is raised; scores in memory are taken at once.
BLOCK_BYTES = 96 << 20

#: Points kept before those that a risen floor makes superfluous are looked for.
COMPACT_POINTS = 20_000_000

#: Curves that are looked at together.
PAIRS = 4096


class Floor:
    """The score of each class under which there are too many false positives, as far as is known.

    Args:
        allowed: number of false positives that still count.
        scored: (classes,) whether a class is scored; nothing of the others is kept.
    """

    def __init__(self, allowed: int, scored: np.ndarray) -> None:
        self.allowed = allowed
        self.highest: np.ndarray | None = None
        self.value = np.where(scored, -np.inf, np.inf)

    def update(self, maxima: np.ndarray) -> None:
        """Take note of more clips' highest scores (clips, classes); -inf where a clip has the class."""
        highest = maxima if self.highest is None else np.concatenate([self.highest, maxima])
        if len(highest) > self.allowed:
            cut = len(highest) - self.allowed - 1
            highest = np.partition(highest, cut, axis=0)[cut:]
            self.value = np.where(np.isposinf(self.value), np.inf, highest[0])
        self.highest = highest

    def below(self, dtype: np.dtype) -> np.ndarray:
        """The floor in another type, rounded down."""
        rounded: np.ndarray = self.value.astype(dtype)
        return np.where(rounded > self.value, np.nextafter(rounded, dtype.type(-np.inf)), rounded)


def collect_points(task: Task, criteria: Criteria, allowed: int) -> list[Points]:
    """Every operating point of every scored class that can lie within the allowed false positives."""
    scored = task.event_counts > 0
    floor = Floor(allowed, scored)
    kept: list[Points] = []
    size = compacted = 0
    for block in _blocks(task):
        found = _Block(task, criteria, block).points(floor)
        kept.extend(found)
        size += sum(map(len, found))
        if size > compacted + COMPACT_POINTS:
            kept = _compact(kept, floor)
            size = compacted = sum(map(len, kept))
    return _compact(kept, floor)


def _compact(parts: list[Points], floor: Floor) -> list[Points]:
    return [part for part in (part.above(floor.value) for part in parts) if len(part)]


def _blocks(task: Task) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Number of the first clip and the scores of consecutive clips, loaded once each."""
    in_memory = type(task.scores) is dict
    first, block, size = 0, list[np.ndarray](), 0
    for number in range(len(task.clips)):
        scores = task.load(number)
        block.append(scores)
        size += 0 if in_memory else scores.nbytes
        if size > BLOCK_BYTES:
            yield first, block
            first, block, size = number + 1, [], 0
    if block:
        yield first, block


class _Block:
    """Some consecutive clips."""

    def __init__(self, task: Task, criteria: Criteria, block: tuple[int, list[np.ndarray]]) -> None:
        self.task, self.criteria = task, criteria
        self.first, self.scores = block
        self.last = self.first + len(self.scores)
        events = task.events
        mine = slice(*np.searchsorted(events.clip, [self.first, self.last]))
        self.present = np.zeros((len(self.scores), len(task.classes)), dtype=bool)
        self.present[events.clip[mine] - self.first, events.cls[mine]] = True

    def points(self, floor: Floor) -> list[Points]:
        maxima = self._maxima()
        floor.update(np.where(self.present, -np.inf, maxima))
        closely = self.present.copy()
        if self.criteria.cttc is not None:
            # Any detection beside an event of another class may be a cross trigger.
            closely |= self.present.any(axis=1, keepdims=True)
        closely &= maxima > floor.value
        absent = [self._absent(item, floor, closely[item]) for item in range(len(self.scores))]
        return [*absent, *self._present(floor, closely)]

    def _maxima(self) -> np.ndarray:
        maxima = np.array([exact(scores).max(axis=0) for scores in self.scores])
        if np.isnan(maxima).any():
            item, cls = np.argwhere(np.isnan(maxima))[0]
            raise self.task.refuse_nan(self.first + int(item), int(cls))
        return maxima

    def _absent(self, item: int, floor: Floor, closely: np.ndarray) -> Points:
        scores = exact(self.scores[item])
        limit = floor.below(scores.dtype)
        limit[closely] = np.inf
        return onset_changes(scores, limit, self.first + item)

    def _present(self, floor: Floor, closely: np.ndarray) -> Iterator[Points]:
        """Points of the classes to look at closely, of clips of one length at a time."""
        lengths = np.array([len(scores) for scores in self.scores])
        for frames in np.unique(lengths):
            item, cls = np.nonzero(closely & (lengths == frames)[:, None])
            for low in range(0, len(item), PAIRS):
                part = slice(low, low + PAIRS)
                curves = self._curves(item[part], cls[part], int(frames), floor)
                yield from judge(curves, self.task.events, self.criteria)

    def _curves(self, item: np.ndarray, cls: np.ndarray, frames: int, floor: Floor) -> Curves:
        owners, rows = np.unique(item, return_inverse=True)
        scores = np.concatenate([exact(self.scores[owner][:, cls[item == owner]].T) for owner in owners])
        times = np.array([self.task.times(self.first + int(owner), frames) for owner in owners])
        return Curves(
            scores, self.first + item, cls.astype(np.int16), times[rows], floor.below(scores.dtype)[cls]
        )
