"""Evaluation protocols and metrics by name, and one function that follows them from scores to values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from effbench.data.labels import Event, merge_events
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError, nearest
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.events import EventCollars, SegmentParameters
from effbench.evaluate.median import checked_window, median_filter
from effbench.evaluate.pauroc import PaurocParameters
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.score import PsdsParameters
from effbench.evaluate.scoring import Engine, Metric, MetricResult, Scoring, Thresholding, check_engine
from effbench.evaluate.scoring_inputs import (
    Durations,
    GroundTruth,
    Scores,
    ScoringInputs,
    Timestamps,
    checked_shape,
)
from effbench.grid import FRAME_SECONDS

METRICS: Mapping[str, Callable[[Scoring], Metric[MetricResult]]] = {
    "psds1": PsdsParameters("psds1", Criteria(0.7, 0.7)).metric,
    "psds2": PsdsParameters("psds2", Criteria(0.1, 0.1, 0.3), alpha_ct=0.5).metric,
    "pauroc": PaurocParameters(segment_seconds=1.0, max_fpr=0.1).metric,
    "event_f1": EventCollars("event_f1", onset=0.2, offset=0.2).metric,
    "onset_f1": EventCollars("onset_f1", onset=0.2, offset=None).metric,
    "onset_f1_50ms": EventCollars("onset_f1_50ms", onset=0.05, offset=None).metric,
    "segment": SegmentParameters(1.0).metric,
}


@dataclass(frozen=True)
class Protocol:
    """What is done to scores, and what is computed from them by default.

    Attributes:
        metrics: keys of ``METRICS``.
        median_window: frames of the median filter over time.
        scored_only: classes without events, and then clips without events, are left out.
        decoding: of logits, for the metrics of decoded events.
        overlap: whether audio of more than 10 s runs in overlapping windows, or is cut every 10 s; for those
            who make the scores.
        expected_classes: number of scored classes without which values can't be compared with the paper's.
    """

    metrics: tuple[str, ...]
    median_window: int
    scored_only: bool
    decoding: Thresholding = field(default_factory=Thresholding)
    overlap: bool = True
    expected_classes: int | None = None


PROTOCOLS: Mapping[str, Protocol] = {
    "paper": Protocol(("psds1", "pauroc"), 9, scored_only=True, expected_classes=407),
    # As the functions of HEAR: an even window, logits compared with 0.5, events between frame centres.
    # The pieces of 10 s are those of the published training.
    "dcase2016": Protocol(
        ("onset_f1", "onset_f1_50ms", "segment"),
        median_window=6,
        scored_only=False,
        decoding=Thresholding(0.5, frame_centres=True, min_seconds=0.125),
        overlap=False,
    ),
}


_LONGEST_WINDOW = 1001  # frames: 40 s


@dataclass(frozen=True)
class EvaluationOptions:
    """What is computed from scores (see ``evaluate_scores``), checked before there are any.

    Raises:
        UsageError: when it is made; an unknown protocol, metric or engine, an impossible window or threshold.
        EffbenchError: the reference is asked for and not installed.
    """

    protocol: str = "paper"
    metrics: Sequence[str] | None = None
    engine: Engine = "effbench"
    median_window: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        _check_name("protocol", self.protocol, PROTOCOLS)
        for name in self.metrics or ():
            _check_name("metric", name, METRICS)
        check_engine(self.engine)
        if checked_window(self.window) > _LONGEST_WINDOW:
            raise UsageError(f"the median filter has {_LONGEST_WINDOW:,} frames at most, not {self.window:,}")
        if self.threshold is not None and math.isnan(self.threshold):
            raise UsageError("a threshold is a number on the scale of the scores, not nan")

    @property
    def plan(self) -> Protocol:
        """The protocol that is followed."""
        return PROTOCOLS[self.protocol]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Keys of ``METRICS``."""
        return self.plan.metrics if self.metrics is None else tuple(self.metrics)

    @property
    def window(self) -> int:
        """Frames of the median filter."""
        return self.plan.median_window if self.median_window is None else self.median_window

    def decoding(self, probabilities: bool) -> Thresholding:
        """How scores become events."""
        decoding, threshold = self.plan.decoding, self.threshold
        if threshold is None:
            logit = decoding.threshold
            threshold = 1 / (1 + math.exp(-logit)) if probabilities else logit
        return replace(decoding, threshold=threshold)


def _check_name(kind: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        choices = ", ".join(known)
        raise UsageError(f"unknown {kind} '{name}'{nearest(name, known)}\n{kind.capitalize()}s: {choices}.")


def evaluate_scores(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    protocol: str = "paper",
    metrics: Sequence[str] | None = None,
    engine: Engine = "effbench",
    probabilities: bool = False,
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    median_window: int | None = None,
    threshold: float | None = None,
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Post-process and score anybody's frame scores by a protocol; each clip is loaded once.

    Args:
        scores: clip -> (frames, classes), as in ``effbench.psds1``.
        ground_truth: clip -> (onset, offset, class); with the protocol ``paper``, events of other classes
            than these are left out, and clips without an entry have no events.
        durations: clip -> seconds.
        classes: names of the scores' columns.
        protocol: key of ``PROTOCOLS``.
        metrics: keys of ``METRICS``; the protocol's own by default.
        engine: ``reference`` has sed_scores_eval and, for decoded events, sed_eval compute the scores,
            without intervals, and with 0 for the segments without frames of probabilities, too.
        probabilities: whether scores are probabilities rather than logits. It matters to thresholds and to
            the segments without frames in pAUROC, which have a logit of 0 in published values.
        frame_seconds: length of a frame.
        timestamps: boundaries of the frames instead (``effbench.psds1``).
        median_window: frames, instead of the protocol's.
        threshold: on the scale of the scores, instead of the protocol's.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: an unknown protocol or metric, or inputs that don't fit together.
    """
    options = EvaluationOptions(protocol, metrics, engine, median_window, threshold)
    bootstrap, decoding = ClipBootstrap(resamples, seed), options.decoding(probabilities)
    view = _FilteredScores(scores, sorted(scores), tuple(classes), np.arange(len(classes)), options.window)
    named = {event[2] for events in ground_truth.values() for event in events}
    if options.plan.scored_only:
        view, ground_truth = view.scored(ground_truth)
    inputs = ScoringInputs(view, ground_truth, durations, view.classes, frame_seconds, timestamps)
    scoring = Scoring(inputs, engine, bootstrap, 0.5 if probabilities else 0.0, decoding)
    computed = scoring.compute(*(METRICS[name] for name in options.metric_names))
    conditions: dict[str, object] = {
        "protocol": protocol,
        "engine": engine,
        "median_window": options.window,
        "clips": len(inputs.clips),
        "classes": len(inputs.classes),
    }
    if scoring.decoded.by_clip:
        conditions["threshold"] = decoding.threshold
    return Evaluation(
        protocol=protocol,
        engine=engine,
        clips=len(inputs.clips),
        classes=len(inputs.classes),
        events=len(inputs.events),
        values={name: value for result in computed for name, value in result.values().items()},
        results=dict(zip(options.metric_names, computed, strict=True)),
        conditions=conditions,
        notes=tuple(_notes(options.plan, inputs, len(scores), sorted(named.difference(classes)))),
    )


def _notes(plan: Protocol, inputs: ScoringInputs, given: int, unknown: Sequence[str]) -> Iterator[str]:
    if unknown:
        count = "1 class" if len(unknown) == 1 else f"{len(unknown)} classes"
        yield f"events of {count} without scores were left out: {some_of(unknown)}"
    if left_out := given - len(inputs.clips):
        yield f"{left_out} of {given} clips have no event of a scored class and were left out"
    if plan.expected_classes not in (None, len(inputs.classes)):
        yield (
            f"{len(inputs.classes)} classes have events; the paper's values are means over "
            f"{plan.expected_classes} and can't be compared"
        )


class _FilteredScores(Mapping[str, ArrayLike]):
    """Some clips and columns of scores, filtered clip by clip when they are asked for."""

    def __init__(
        self, scores: Scores, clips: Sequence[str], classes: tuple[str, ...], columns: np.ndarray, window: int
    ) -> None:
        self.source, self.clips, self.window = scores, dict.fromkeys(clips), window
        self.all_classes, self.columns = classes, columns
        self.classes = tuple(classes[column] for column in columns)

    def scored(self, ground_truth: GroundTruth) -> tuple[_FilteredScores, GroundTruth]:
        """The clips and columns that have events, and these events."""
        for clip in ground_truth:
            if clip not in self.clips:
                raise UsageError(f"clip '{clip}' has ground truth but no scores")
        known = set(self.all_classes)
        kept = {
            clip: merge_events(Event(*event) for event in ground_truth.get(clip, ()) if event[2] in known)
            for clip in self.clips
        }
        kept = {clip: events for clip, events in kept.items() if events}
        if not kept:
            raise UsageError("no clip has both scores and an event of one of their classes")
        active = {event[2] for events in kept.values() for event in events}
        columns = np.flatnonzero([name in active for name in self.all_classes])
        return _FilteredScores(self.source, list(kept), self.all_classes, columns, self.window), kept

    def __getitem__(self, clip: str) -> np.ndarray:
        array = checked_shape(clip, np.asarray(self.source[clip]), len(self.all_classes))
        if len(self.columns) < array.shape[1]:
            array = array[:, self.columns]
        return array if self.window == 1 else median_filter(array, self.window)

    def __contains__(self, clip: object) -> bool:
        # Asking the scores themselves might load them.
        return clip in self.clips

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)
