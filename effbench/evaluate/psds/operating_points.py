"""From scores to operating points: clip by clip, keeping only what lies above the floor.

Each clip is read once, and a second time only where the floor was foreseen too high for a class, which takes
clips in an order far from random.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np

from effbench.evaluate.psds.criteria import Criteria, ScoreRows, judge
from effbench.evaluate.psds.floor import Floor
from effbench.evaluate.psds.points import Points, join, onset_changes, split_by_class
from effbench.evaluate.scoring_inputs import ScoringInputs, exact
from effbench.machine.cpu import available_cores

#: Bytes of scores that are loaded before the floor is raised; scores in memory are taken at once.
LOADED_BYTES = 96 << 20

#: Points kept before those that a risen floor makes superfluous are looked for.
COMPACT_POINTS = 20_000_000

#: Scores that are matched with events at a time.
CHUNK = 1 << 16


class PointCollector:
    """Every operating point of every scored class that can lie within the allowed false positives."""

    def __init__(self, inputs: ScoringInputs, criteria: Criteria, allowed: int) -> None:
        self.inputs, self.criteria = inputs, criteria
        self.floor = Floor(allowed, inputs.event_counts > 0, len(inputs.clips))
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
        self._flush()
        self._compact()
        missed = self.floor.settle()
        if missed.any():
            self._read_again(missed)
        return split_by_class(join(self.kept), len(self.inputs.classes))

    def _read_again(self, classes: np.ndarray) -> None:
        """Collect the points of some classes (classes,) anew, above the floor as it is now."""
        others = [part.take(~classes[part.class_index]) for part in self.kept]
        self.kept, self.size, self.compacted = [], 0, 0
        self.block = _Block(0)
        for number in range(len(self.inputs.clips)):
            scores = self.inputs.load(number)
            self.add(number, scores, self.inputs.times(number, len(scores)))
        self._flush()
        self.kept += others

    def _flush(self) -> None:
        if not self.block.scores:
            return
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
                limit[present[item]] = np.inf
                return onset_changes(scores, limit, self.first + item)

            def beside_events(cells: tuple[np.ndarray, np.ndarray]) -> list[Points]:
                rows = self._rows(*cells, present[cells], floor)
                return list(judge(rows, inputs.events, criteria))

            yield from pool.map(without_events, range(len(self.scores)))
            yield from chain.from_iterable(pool.map(beside_events, self._cells(closely)))

    def _present(self, inputs: ScoringInputs) -> np.ndarray:
        """Which clips have which classes (clips, classes)."""
        present = np.zeros((len(self.scores), len(inputs.classes)), dtype=bool)
        events = inputs.events
        mine = slice(*np.searchsorted(events.clip, [self.first, self.first + len(self.scores)]))
        present[events.clip[mine] - self.first, events.class_index[mine]] = True
        return present

    def _cells(self, closely: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Clips of the block and classes, each (n,), to look at closely, of clips of one length at a time."""
        lengths = np.array([len(scores) for scores in self.scores])
        for frames in np.unique(lengths):
            items, classes = np.nonzero(closely & (lengths == frames)[:, None])
            step = max(1, CHUNK // frames)
            for low in range(0, len(items), step):
                yield items[low : low + step], classes[low : low + step]

    def _rows(self, items: np.ndarray, classes: np.ndarray, present: np.ndarray, floor: Floor) -> ScoreRows:
        """Scores of such cells."""
        owners, row = np.unique(items, return_inverse=True)
        scores = np.concatenate([exact(self.scores[owner][:, classes[items == owner]].T) for owner in owners])
        times = np.array([self.times[owner] for owner in owners])[row]
        limit = floor.below(scores.dtype)[classes]
        return ScoreRows(scores, self.first + items, classes.astype(np.int16), present, times, limit)
