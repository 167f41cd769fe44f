"""F1 of decoded events at the threshold that suits each class best, of all that there are.

The events at all thresholds are the nodes of one tree (``components``): nothing is decoded threshold by
threshold. All local maxima and minima of the scores are kept until the end.

Source: Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from effbench.errors import UsageError
from effbench.evaluate.best_threshold import best_by_reference, best_f1
from effbench.evaluate.class_means import ClassMean
from effbench.evaluate.events import EventCollars
from effbench.evaluate.intersection import Intersections
from effbench.evaluate.psds.components import Components, components
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.operating_points import PointCollector
from effbench.evaluate.psds.points import Points, join, onset_changes, split_by_class
from effbench.evaluate.scoring import Metric, Scoring
from effbench.evaluate.scoring_inputs import Events, ScoringInputs, collect_events, exact, indices, rounded


@dataclass(frozen=True)
class BestIntersectionF1:
    """By the intersection criteria."""

    criteria: Intersections

    def metric(self, scoring: Scoring) -> Metric[ClassMean]:
        """The score of these inputs, in the making."""
        name = self.criteria.name
        _require_plain_events(name, scoring)
        inputs, criteria = scoring.inputs, Criteria(self.criteria.dtc, self.criteria.gtc)
        if scoring.engine == "reference":
            options = {"dtc_threshold": criteria.dtc, "gtc_threshold": criteria.gtc}
            return Metric(
                scoring.reference, partial(best_by_reference, name, scoring, "intersection_based", options)
            )
        every = PointCollector(inputs, criteria, allowed=len(inputs.clips))
        return Metric(every, lambda: best_f1(name, inputs, every.finish(), inputs.events, scoring.bootstrap))


@dataclass(frozen=True)
class BestEventF1:
    """By collars around onsets and offsets."""

    collars: EventCollars

    def metric(self, scoring: Scoring) -> Metric[ClassMean]:
        """The score of these inputs, in the making."""
        name, collars = self.collars.name, self.collars
        _require_plain_events(name, scoring)
        if scoring.engine == "reference":
            options = {
                "onset_collar": collars.onset,
                "offset_collar": np.inf if collars.offset is None else collars.offset,
                "offset_collar_rate": collars.offset_ratio,
            }
            return Metric(
                scoring.reference, partial(best_by_reference, name, scoring, "collar_based", options)
            )
        matches = _Matches(scoring.inputs, collars)
        return Metric(
            matches,
            lambda: best_f1(name, scoring.inputs, matches.points(), matches.truth, scoring.bootstrap),
        )


@dataclass
class _Matches:
    """Changes of the numbers of matched and of other detections as the threshold falls."""

    inputs: ScoringInputs
    collars: EventCollars
    truth: Events = field(init=False)
    found: list[Points] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        inputs = self.inputs
        self.truth = collect_events(inputs.ground_truth, inputs.clips, inputs.classes, merge=False)

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        scores = exact(scores)
        lowest = np.full(scores.shape[1], -np.inf, scores.dtype)
        self.found.append(onset_changes(scores, lowest, number))
        first, stop = self.truth.of_clips(np.array(number))
        for index in np.unique(self.truth.class_index[first:stop]).tolist():
            tree = components(np.ascontiguousarray(scores[None, :, index]), lowest[:1])
            score, change = self._changes(tree, rounded(times), *self._events(number, index))
            self.found.append(
                Points(
                    class_index=np.full(len(score), index, np.int16),
                    score=score,
                    clip=np.array(number, np.int32),
                    count=-change,
                    hits=change,
                )
            )

    def points(self) -> list[Points]:
        """Of every class, once all clips have been added."""
        return split_by_class(join(self.found), len(self.inputs.classes))

    def _events(self, number: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Onsets and offsets of one class in one clip."""
        first, stop = self.truth.of_pairs(np.array(number), np.array(index))
        return self.truth.onset[first:stop], self.truth.offset[first:stop]

    def _changes(
        self, tree: Components, times: np.ndarray, onset: np.ndarray, offset: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n,) at which the largest matching changes, falling, and by how many events."""
        close = self.collars.close(onset[:, None], offset[:, None], times[tree.start], times[tree.stop])
        event, node = np.nonzero(close)
        levels = np.unique(np.concatenate([tree.level[node], tree.parent[node]]))
        levels = levels[levels > -np.inf]
        # A node is detected just below every one of these scores from its level down to above its parent's.
        first = np.searchsorted(levels, tree.parent[node], side="right")
        pair, at = indices(first, np.searchsorted(levels, tree.level[node], side="right"))
        near, node = np.unique(node, return_inverse=True)
        graph = coo_array(
            (
                np.ones(len(pair), np.int8),
                (at * len(onset) + event[pair], at * len(near) + node[pair]),
            ),
            shape=(len(levels) * len(onset), len(levels) * len(near)),
        )
        matched = maximum_bipartite_matching(graph.tocsr(), perm_type="column") >= 0
        hits = matched.reshape(len(levels), len(onset)).sum(axis=1)[::-1]
        return levels[::-1], np.diff(hits, prepend=0)


def _require_plain_events(name: str, scoring: Scoring) -> None:
    """A ``UsageError`` where the protocol decodes events in another way than between borders of frames."""
    if any(each.frame_centres or each.min_seconds for each in scoring.decoding.values()):
        raise UsageError(
            f"{name} judges events between the borders of frames, and of any length: not those of a protocol "
            "with frame_centres or min_seconds"
        )
