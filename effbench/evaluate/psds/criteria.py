"""Which detections are true, false or cross-triggered where a clip has events: the intersection criteria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from effbench.evaluate.inputs import TIME_DECIMALS, Events
from effbench.evaluate.psds.components import Components, components
from effbench.evaluate.psds.merge_points import Points

#: Scores held at once while detections are looked for.
CHUNK = 1 << 16


@dataclass(frozen=True)
class Criteria:
    """Tolerances of the intersection criteria, as fractions.

    Attributes:
        dtc: a detection is relevant if at least this part of it lies in events of its class.
        gtc: an event is a true positive if at least this part of it lies in relevant detections.
        cttc: an irrelevant detection triggers another class if at least this part of it lies in events of
            that class; ``None``: not looked at.
    """

    dtc: float
    gtc: float
    cttc: float | None = None


@dataclass(frozen=True)
class ScoreRows:
    """Scores of single classes in single clips.

    Attributes:
        scores: (rows, frames).
        clip: (rows,) index of the clip.
        class_index: (rows,)
        times: (rows, frames + 1) boundaries of the frames in seconds.
        floor: (rows,) scores up to this one don't matter.
    """

    scores: np.ndarray
    clip: np.ndarray
    class_index: np.ndarray
    times: np.ndarray
    floor: np.ndarray

    def chunks(self) -> Iterator[ScoreRows]:
        """Parts of bounded size."""
        step = max(1, CHUNK // self.scores.shape[1])
        for low in range(0, len(self.scores), step):
            part = slice(low, low + step)
            yield ScoreRows(
                self.scores[part], self.clip[part], self.class_index[part], self.times[part], self.floor[part]
            )


def judge(rows: ScoreRows, events: Events, criteria: Criteria) -> Iterator[Points]:
    """Changes of the counts of true positives, false positives and cross triggers, part by part."""
    for part in rows.chunks():
        tree = components(part.scores, part.floor)
        detections = _Detections(part, tree)
        if criteria.cttc is None:
            first, stop = events.of_pairs(part.clip, part.class_index)
        else:
            first, stop = events.of_clips(part.clip)
        overlap = _Overlap.of(detections, events, first[tree.row], (stop - first)[tree.row])
        relevant = overlap.relevant(criteria.dtc)
        yield _changes(detections, np.flatnonzero(~relevant), 1)
        yield _true_positives(detections, overlap, relevant, events, criteria.gtc)
        if criteria.cttc is not None:
            yield _cross_triggers(detections, overlap, relevant, events, criteria.cttc)


class _Detections:
    """Possible detections with their times, clips and classes, each (n,)."""

    def __init__(self, rows: ScoreRows, tree: Components) -> None:
        self.clip = rows.clip[tree.row]
        self.class_index = rows.class_index[tree.row]
        self.level = tree.level
        self.parent = tree.parent
        # Below the floor nothing counts, so that the end of such a detection is of no interest.
        self.ends = tree.parent > rows.floor[tree.row]
        self.onset = rows.times[tree.row, tree.start]
        self.offset = rows.times[tree.row, tree.stop]
        self.length = self.offset - self.onset

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True)
class _Overlap:
    """Every pair of a possible detection and an event of its clip, by detection.

    Attributes:
        count: number of detections.
        detection, event: (pairs,) indices.
        seconds: (pairs,) how long they overlap.
        same: (pairs,) whether they are of one class.
        length: (detections,) seconds.
    """

    count: int
    detection: np.ndarray
    event: np.ndarray
    seconds: np.ndarray
    same: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, detections: _Detections, events: Events, first: np.ndarray, number: np.ndarray) -> _Overlap:
        detection = np.repeat(np.arange(len(detections)), number)
        event = np.arange(len(detection)) + np.repeat(first - (np.cumsum(number) - number), number)
        seconds = np.minimum(detections.offset[detection], events.offset[event])
        seconds -= np.maximum(detections.onset[detection], events.onset[event])
        same = events.class_index[event] == detections.class_index[detection]
        return cls(len(detections), detection, event, np.maximum(seconds, 0.0), same, detections.length)

    def relevant(self, dtc: float) -> np.ndarray:
        """(detections,) whether enough of a detection lies in events of its class."""
        total = np.bincount(self.detection[self.same], weights=self.seconds[self.same], minlength=self.count)
        enough: np.ndarray = _rounded(total) >= _rounded(dtc * self.length)
        return enough


def _rounded(seconds: np.ndarray) -> np.ndarray:
    return np.round(seconds, TIME_DECIMALS)


def _changes(
    detections: _Detections, chosen: np.ndarray, sign: int, other: np.ndarray | None = None
) -> Points:
    """+1 where each chosen detection appears, -1 where it is swallowed by a larger one."""
    ends = detections.ends[chosen]
    gone = chosen[ends]
    return Points(
        class_index=np.concatenate([detections.class_index[chosen], detections.class_index[gone]]),
        score=np.concatenate([detections.level[chosen], detections.parent[gone]]),
        clip=np.concatenate([detections.clip[chosen], detections.clip[gone]]),
        count=np.repeat(np.array([sign, -sign], np.int8), [len(chosen), len(gone)]),
        other=None if other is None else np.concatenate([other, other[ends]]),
    )


def _cross_triggers(
    detections: _Detections, overlap: _Overlap, relevant: np.ndarray, events: Events, cttc: float
) -> Points:
    """Irrelevant detections that lie in events of another class, once per such class."""
    pairs = np.flatnonzero(~overlap.same & ~relevant[overlap.detection] & (overlap.seconds > 0))
    detection, other = overlap.detection[pairs], events.class_index[overlap.event[pairs]]
    # The events of a clip are sorted by class, so that those of one class lie side by side.
    first = np.flatnonzero(
        np.concatenate([[True], (detection[1:] != detection[:-1]) | (other[1:] != other[:-1])])[: len(pairs)]
    )
    if len(first) == 0:
        return _changes(detections, first, 1, np.zeros(0, np.int16))
    total = np.add.reduceat(overlap.seconds[pairs], first)
    enough = _rounded(total) >= _rounded(cttc * detections.length[detection[first]])
    chosen = first[enough]
    return _changes(detections, detection[chosen], 1, other[chosen].astype(np.int16))


def _true_positives(
    detections: _Detections, overlap: _Overlap, relevant: np.ndarray, events: Events, gtc: float
) -> Points:
    """Where events become true positives, or cease to be, as the threshold falls."""
    pairs = np.flatnonzero(overlap.same & relevant[overlap.detection] & (overlap.seconds > 0))
    detection, event, seconds = overlap.detection[pairs], overlap.event[pairs], overlap.seconds[pairs]
    ends = detections.ends[detection]
    score = np.concatenate([detections.level[detection], detections.parent[detection[ends]]])
    change = np.concatenate([seconds, -seconds[ends]])
    event = np.concatenate([event, event[ends]])
    order = np.lexsort((-score, event))
    score, change, event = score[order], change[order], event[order]
    # Where the threshold has passed all changes of one event at one score; and each event's first such.
    last = np.flatnonzero(
        np.concatenate([(event[1:] != event[:-1]) | (score[1:] != score[:-1]), [True]])[: len(event)]
    )
    score, event, covered = score[last], event[last], np.cumsum(change)[last]
    fresh = np.concatenate([[True], event[1:] != event[:-1]])[: len(event)]
    # An event's changes end with some still to come (below the floor), so the sum so far is taken off.
    before = np.concatenate([[0.0], covered[:-1]])[: len(event)][fresh]
    covered = covered - np.repeat(before, np.diff(np.append(np.flatnonzero(fresh), len(event))))
    enough = _rounded(covered) >= _rounded(gtc * (events.offset - events.onset)[event])
    was = np.concatenate([[False], enough[:-1]])[: len(event)] & ~fresh
    hits = enough.astype(np.int8) - was.astype(np.int8)
    changed = np.flatnonzero(hits)
    event = event[changed]
    return Points(
        class_index=events.class_index[event],
        score=score[changed],
        clip=events.clip[event],
        count=np.zeros(len(changed), np.int8),
        hits=hits[changed],
    )
