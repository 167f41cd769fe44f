"""Segment-based partial area under the ROC curve (pAUROC).

Clips are cut into segments; a segment's score is its highest frame score, and it is positive if an event of
the class lies in it, however shortly. The area counts up to a false positive rate, as a fraction of the
perfect one, without McClish's correction; the curve is a staircase, as in sed_scores_eval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap, score_interval
from effbench.evaluate.inputs import (
    TIME_DECIMALS,
    Durations,
    GroundTruth,
    Scores,
    ScoringInputs,
    Timestamps,
    exact,
)
from effbench.evaluate.one_pass import Metric, run_metrics
from effbench.evaluate.reference import ReferenceScorer
from effbench.evaluate.scoring import Engine, Missing, Scoring
from effbench.evaluate.segments import Segments, highest_scores, positive_segments, segment_counts
from effbench.grid import FRAME_SECONDS
from effbench.results.intervals import Estimate


@dataclass(frozen=True)
class PaurocResult:
    """A partial AUROC, 0 to 1.

    Attributes:
        macro: mean over the classes for which it is defined.
        per_class: of each class; NaN for one without positive, or without negative, segments.
        intervals: 95 % bootstrap interval over clips of ``macro``; empty if not asked for.
        class_intervals: the same of each class.
    """

    macro: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)

    def values(self) -> dict[str, Estimate]:
        """``macro`` as the quantity ``pauroc``."""
        return {"pauroc": self.intervals.get("macro", Estimate(self.macro))}


@dataclass(frozen=True)
class PaurocParameters:
    """What makes one partial AUROC of many (see ``pauroc``); what is out of its range is a ``UsageError``."""

    segment_seconds: float = 1.0
    max_fpr: float = 0.1
    name: str = "pauroc"

    def __post_init__(self) -> None:
        if not 0 < self.max_fpr <= 1 or not self.segment_seconds > 0:
            raise UsageError("expected 0 < max_fpr <= 1 and segment_seconds > 0")

    def metric(self, scoring: Scoring) -> Metric[PaurocResult]:
        """The score of these inputs, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, partial(_by_reference, scoring.reference, self))
        collector = _SegmentCollector(scoring.inputs, self.segment_seconds, scoring.missing)
        return Metric(collector, partial(_result, collector, self.max_fpr, scoring.bootstrap))


def pauroc(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    segment_seconds: float = 1.0,
    max_fpr: float = 0.1,
    missing: Missing = 0.0,
    engine: Engine = "effbench",
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PaurocResult:
    """Segment-based partial AUROC, mean over classes.

    Arguments and errors are those of ``effbench.psds1``, and three more.

    Args:
        segment_seconds: length of a segment; a clip's last one may reach past its end.
        max_fpr: false positive rate up to which the curve counts.
        missing: score of segments that lie wholly past the last frame. 0 is what the reference assigns and
            published values contain: the lowest of probabilities, but a high one of logits, where it
            stands for a probability of 0.5. ``lowest`` ranks such segments below all others.
    """
    parameters = PaurocParameters(segment_seconds, max_fpr)
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    scoring = Scoring(inputs, engine, ClipBootstrap(resamples, seed), missing)
    if engine == "reference" and missing != 0:
        raise UsageError("the reference engine gives segments without frames the score 0 and no other")
    return run_metrics(inputs, [parameters.metric(scoring)])[0]


class _SegmentCollector:
    """Scores and labels of all segments."""

    def __init__(self, inputs: ScoringInputs, seconds: float, missing: Missing) -> None:
        self.inputs, self.segment_seconds = inputs, seconds
        self.missing = -np.inf if missing == "lowest" else float(missing)
        self.counts = segment_counts(inputs.seconds, seconds)
        self.scores: list[np.ndarray] = []

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""
        edges = np.round(np.arange(self.counts[number] + 1) * self.segment_seconds, TIME_DECIMALS)
        highest = highest_scores(exact(scores), times, edges, self.missing)
        if np.isnan(highest).any():
            raise self.inputs.nan_error(number, int(np.argwhere(np.isnan(highest))[0, 1]))
        self.scores.append(highest)

    def segments(self) -> Segments:
        """Those of all clips, once they have been added; lets go of them."""
        scores = np.concatenate(self.scores)
        self.scores.clear()
        clip = np.repeat(np.arange(len(self.counts)), self.counts)
        return Segments(scores.T, clip, positive_segments(self.inputs, self.segment_seconds, self.counts))


def _result(collector: _SegmentCollector, max_fpr: float, bootstrap: ClipBootstrap) -> PaurocResult:
    weights = bootstrap.weights_after_ones(len(collector.inputs.clips))
    areas = collector.segments().areas(max_fpr, weights)
    macro = _mean(areas)
    per_class = dict(zip(collector.inputs.classes, areas[:, 0].tolist(), strict=True))
    if not bootstrap.resamples:
        return PaurocResult(macro.item(), per_class)
    return PaurocResult(
        macro[0].item(),
        per_class,
        {"macro": score_interval(macro[0].item(), macro[1:])},
        {
            name: score_interval(value, mine[1:])
            for (name, value), mine in zip(per_class.items(), areas, strict=True)
            if not np.isnan(value)
        },
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the classes (classes, resamples) that have a value; NaN if none has."""
    defined = ~np.isnan(values)
    number = defined.sum(axis=0)
    mean: np.ndarray = np.where(defined, values, 0.0).sum(axis=0) / np.where(number, number, np.nan)
    return mean


def _by_reference(reference: ReferenceScorer, parameters: PaurocParameters) -> PaurocResult:
    areas, _ = reference.call(
        "segment_based", "auroc", segment_length=parameters.segment_seconds, max_fpr=parameters.max_fpr
    )
    known = {reference.names[label]: float(area) for label, area in areas.items() if label in reference.names}
    per_class = {name: known.get(name, float("nan")) for name in reference.inputs.classes}
    return PaurocResult(_mean(np.array(list(per_class.values()))[:, None]).item(), per_class)
