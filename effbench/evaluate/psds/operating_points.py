"""From scores to operating points: clip by clip, each loaded once, keeping only what can matter.

A clip without a class holds at least one false positive as soon as the threshold falls to its highest score.
So, where the allowed number of false positives is F, nothing counts from the (F + 1)-th highest such maximum
downwards. This floor rises while clips are read, and points under it are dropped: few of them are ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from effbench.evaluate.psds.criteria import Criteria, ScoreRows, judge
from effbench.evaluate.psds.points import Points, join, onset_changes, split_by_class
from effbench.evaluate.scoring_inputs import ScoringInputs, exact
from effbench.machine.cpu import available_cores

#: Bytes of scores that are loaded before the floor is raised; scores in memory are taken at once.
LOADED_BYTES = 96 << 20

#: Points kept before those that a risen floor makes superfluous are looked for.
COMPACT_POINTS = 20_000_000

#: Scores that are matched with events at a time.
CHUNK = 1 << 16


class Floor:
    """The score of each class under which there are more false positives than allowed, as far as is known.

    Nothing is kept of classes that are not ``scored`` (classes,).
    """

    def __init__(self, allowed: int, scored: np.ndarray) -> None:
        self.allowed = allowed
        self.highest: np.ndarray | None = None
        self.value = np.where(scored, -np.inf, np.inf)

    def update(self, maxima: np.ndarray) -> None:
        """Raise the floor by more clips' highest scores (clips, classes), -inf where a clip has the class."""
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


class PointCollector:
    """Every operating point of every scored class that can lie within the allowed false positives."""

    def __init__(self, inputs: ScoringInputs, criteria: Criteria, allowed: int) -> None:
        self.inputs, self.criteria = inputs, criteria
        self.floor = Floor(allowed, inputs.event_counts > 0)
        self.in_memory = type(inputs.scores) is dict
        self.block, self.waiting = _Block(0), 0
        self.kept: list[Points] = []
        self.size = self.compacted = 0

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        self.block.scores.append(scores)
        self.block.times.append(times)
        self.waiting += 0 if self.in_memory else scores.nbytes
        if self.waiting > LOADED_BYTES:
            self._flush()

    def finish(self) -> list[Points]:
        """Points of every class (classes,), from the highest score to the lowest."""
        if self.block.scores:
            self._flush()
        self._compact()
        return split_by_class(join(self.kept), len(self.inputs.classes))

    def _flush(self) -> None:
        points = list(self.block.points(self.inputs, self.criteria, self.floor))
        self.block, self.waiting = _Block(self.block.first + len(self.block.scores)), 0
        self.kept += points
        self.size += sum(map(len, points))
        if self.size > self.compacted + COMPACT_POINTS:
            self._compact()

    def _compact(self) -> None:
        above = (part.above(self.floor.value) for part in self.kept)
        self.kept = [part for part in above if len(part)]
        self.size = self.compacted = sum(map(len, self.kept))


class _Block:
    """Consecutive clips from ``first`` on."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.scores: list[np.ndarray] = []
        self.times: list[np.ndarray] = []

    def points(self, inputs: ScoringInputs, criteria: Criteria, floor: Floor) -> Iterator[Points]:
        """Operating points above the floor, which is raised first; clips are spread over the cores."""
        with ThreadPoolExecutor(available_cores()) as pool:
            maxima = np.array(list(pool.map(lambda scores: exact(scores).max(axis=0), self.scores)))
            present = self._present(inputs)
            floor.update(np.where(present, -np.inf, maxima))
            # Any detection beside an event of another class may be a cross trigger.
            beside = present if criteria.cttc is None else present.any(axis=1, keepdims=True)
            closely = beside & (maxima > floor.value)

            def without_events(item: int) -> Points:
                scores = exact(self.scores[item])
                limit = floor.below(scores.dtype)
                limit[closely[item]] = np.inf
                return onset_changes(scores, limit, self.first + item)

            yield from pool.map(without_events, range(len(self.scores)))
        for rows in self._rows(closely, floor):
            yield from judge(rows, inputs.events, criteria)

    def _present(self, inputs: ScoringInputs) -> np.ndarray:
        """Which clips have which classes (clips, classes)."""
        present = np.zeros((len(self.scores), len(inputs.classes)), dtype=bool)
        events = inputs.events
        mine = slice(*np.searchsorted(events.clip, [self.first, self.first + len(self.scores)]))
        present[events.clip[mine] - self.first, events.class_index[mine]] = True
        return present

    def _rows(self, closely: np.ndarray, floor: Floor) -> Iterator[ScoreRows]:
        """Scores of the classes to look at closely, of clips of one length at a time."""
        lengths = np.array([len(scores) for scores in self.scores])
        for frames in np.unique(lengths):
            items, classes = np.nonzero(closely & (lengths == frames)[:, None])
            step = max(1, CHUNK // frames)
            for low in range(0, len(items), step):
                item, class_index = items[low : low + step], classes[low : low + step]
                owners, row = np.unique(item, return_inverse=True)
                columns = [exact(self.scores[owner][:, class_index[item == owner]].T) for owner in owners]
                scores = np.concatenate(columns)
                times = np.array([self.times[owner] for owner in owners])[row]
                limit = floor.below(scores.dtype)[class_index]
                yield ScoreRows(scores, self.first + item, class_index.astype(np.int16), times, limit)
