"""Which detections are true, false or cross-triggered where a clip has events: the intersection criteria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from effbench.evaluate.psds.components import components
from effbench.evaluate.psds.points import NO_CLASS, Points, first_of_equals, last_of_equals, net
from effbench.evaluate.scoring_inputs import Events, indices, rounded


@dataclass(frozen=True)
class Criteria:
    """Tolerances of the intersection criteria, as fractions.

    Attributes:
        dtc: a detection is relevant if at least this part of it lies in events of its class.
        gtc: an event is a true positive if at least this part of it lies in relevant detections.
        cttc: an irrelevant detection triggers another class if at least this part of it lies in events of
            that class; ``None``: no cross triggers.
    """

    dtc: float
    gtc: float
    cttc: float | None = None


@dataclass(frozen=True)
class ScoreRows:
    """Scores (rows, frames) of single classes in single clips, whether the clip has the class (rows,), the
    boundaries (rows, frames + 1) of the frames in seconds, and the floor (rows,) up to which scores don't
    matter."""

    scores: np.ndarray
    clip: np.ndarray
    class_index: np.ndarray
    present: np.ndarray
    times: np.ndarray
    floor: np.ndarray


def judge(rows: ScoreRows, events: Events, criteria: Criteria) -> Iterator[Points]:
    """Changes of the counts of true positives, cross triggers and, where a clip has the class, of false
    positives."""
    detections = _Detections(rows)
    if criteria.cttc is None:
        first, stop = events.of_pairs(rows.clip, rows.class_index)
    else:
        first, stop = events.of_clips(rows.clip)
    overlap = _Overlap(detections, events, first[detections.row], stop[detections.row])
    total = np.bincount(
        overlap.detection[overlap.same], overlap.seconds[overlap.same], minlength=len(detections.row)
    )
    relevant = rounded(total) >= rounded(criteria.dtc * detections.length)
    false = np.flatnonzero(~relevant & rows.present[detections.row])
    yield _changes(detections, false, np.full(len(false), NO_CLASS, np.int16))
    yield _true_positives(detections, overlap, relevant, events, criteria.gtc)
    if criteria.cttc is not None:
        yield _cross_triggers(detections, overlap, relevant, events, criteria.cttc)


class _Detections:
    """Possible detections with their times, clips and classes, each (n,)."""

    def __init__(self, rows: ScoreRows) -> None:
        tree = components(rows.scores, rows.floor)
        self.row, self.level, self.parent = tree.row, tree.level, tree.parent
        self.clip, self.class_index = rows.clip[tree.row], rows.class_index[tree.row]
        # Below the floor nothing counts, so that the end of such a detection is of no interest.
        self.ends = tree.parent > rows.floor[tree.row]
        self.onset, self.offset = rows.times[tree.row, tree.start], rows.times[tree.row, tree.stop]
        self.length = self.offset - self.onset


class _Overlap:
    """Every pair of a detection and an event of its clip: both indices, the seconds that they share, and
    whether they are of one class, each (pairs,)."""

    def __init__(self, detections: _Detections, events: Events, first: np.ndarray, stop: np.ndarray) -> None:
        self.detection, self.event = indices(first, stop)
        seconds = np.minimum(detections.offset[self.detection], events.offset[self.event])
        seconds -= np.maximum(detections.onset[self.detection], events.onset[self.event])
        self.seconds = np.maximum(seconds, 0.0)
        self.same = events.class_index[self.event] == detections.class_index[self.detection]


def _changes(detections: _Detections, chosen: np.ndarray, other: np.ndarray) -> Points:
    """+1 where each chosen detection appears, -1 where it is swallowed by a larger one."""
    ends = detections.ends[chosen]
    gone = chosen[ends]
    return Points(
        class_index=np.concatenate([detections.class_index[chosen], detections.class_index[gone]]),
        score=np.concatenate([detections.level[chosen], detections.parent[gone]]),
        clip=np.concatenate([detections.clip[chosen], detections.clip[gone]]),
        count=np.repeat(np.array([1, -1], np.int8), [len(chosen), len(gone)]),
        other=np.concatenate([other, other[ends]]),
    )


def _cross_triggers(
    detections: _Detections, overlap: _Overlap, relevant: np.ndarray, events: Events, cttc: float
) -> Points:
    """Irrelevant detections that lie in events of another class, once per such class."""
    pairs = np.flatnonzero(~overlap.same & ~relevant[overlap.detection] & (overlap.seconds > 0))
    detection, other = overlap.detection[pairs], events.class_index[overlap.event[pairs]]
    # The events of a clip are sorted by class, so that those of one class lie side by side.
    first = first_of_equals(detection, other)
    if len(first):
        total = np.add.reduceat(overlap.seconds[pairs], first)
        first = first[rounded(total) >= rounded(cttc * detections.length[detection[first]])]
    # Most detections still trigger what the smaller ones within them do: what cancels is dropped here.
    changes = _changes(detections, detection[first], other[first].astype(np.int16))
    return net(changes)


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
    # Where the threshold has passed all changes of one event at one score.
    last = last_of_equals(event, score)
    score, event, covered = score[last], event[last], np.cumsum(change)[last]
    # An event's changes end with some still to come (below the floor), so the sum so far is taken off.
    first = first_of_equals(event)
    before = np.append(0.0, covered)[first]
    covered = covered - np.repeat(before, np.diff(np.append(first, len(event))))
    enough = rounded(covered) >= rounded(gtc * (events.offset - events.onset)[event])
    was = np.append(False, enough)[: len(event)]
    was[first] = False
    hits = enough.astype(np.int8) - was.astype(np.int8)
    changed = np.flatnonzero(hits)
    event = event[changed]
    return Points(
        class_index=events.class_index[event],
        score=score[changed],
        clip=events.clip[event],
        count=np.array(0, np.int8),
        hits=hits[changed],
    )
