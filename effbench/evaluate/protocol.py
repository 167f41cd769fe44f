"""Evaluation protocols and metrics by name, and one function that follows them from scores to values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from effbench.data.ground_truth import OnProblem, check_on_problem
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError, nearest
from effbench.evaluate.best_threshold import BestSegmentF1
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.clip_scores import ClipPrecision
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.events import EventCollars, SegmentParameters
from effbench.evaluate.filtered_scores import FilteredScores
from effbench.evaluate.intersection import Intersections
from effbench.evaluate.median import MedianWindow
from effbench.evaluate.odd_events import sort_out
from effbench.evaluate.pauroc import PaurocParameters
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.score import PsdsParameters
from effbench.evaluate.scoring import Engine, Metric, MetricResult, Scoring, Thresholding, check_engine
from effbench.evaluate.scoring_inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.evaluate.value_kinds import ValueRange, check_value_kind
from effbench.grid import FRAME_SECONDS
from effbench.infer.score_files import ValueKind

METRICS: Mapping[str, Callable[[Scoring], Metric[MetricResult]]] = {
    "psds1": PsdsParameters("psds1", Criteria(0.7, 0.7)).metric,
    "psds2": PsdsParameters("psds2", Criteria(0.1, 0.1, 0.3), alpha_ct=0.5).metric,
    "pauroc": PaurocParameters(segment_seconds=1.0, max_fpr=0.1).metric,
    "event_f1": EventCollars("event_f1", onset=0.2, offset=0.2).metric,
    "onset_f1": EventCollars("onset_f1", onset=0.2, offset=None).metric,
    "onset_f1_50ms": EventCollars("onset_f1_50ms", onset=0.05, offset=None).metric,
    "segment": SegmentParameters(1.0).metric,
    "segment_f1_best": BestSegmentF1(1.0).metric,
    "intersection_f1": Intersections("intersection_f1", 0.5, 0.5).metric,
    "map": ClipPrecision().metric,
}


@dataclass(frozen=True)
class Protocol:
    """What is done to scores, and what is computed from them by default.

    Attributes:
        metrics: keys of ``METRICS``.
        median_window: of the median filter over time.
        scored_only: classes without events, and then clips without events, are left out.
        decoding: of logits, for the metrics of decoded events.
        overlap: whether audio of more than 10 s runs in overlapping windows, or is cut every 10 s; for those
            who make the scores.
        expected_classes: number of scored classes without which values can't be compared with the paper's.
    """

    metrics: tuple[str, ...]
    median_window: MedianWindow
    scored_only: bool
    decoding: Thresholding = field(default_factory=Thresholding)
    overlap: bool = True
    expected_classes: int | None = None


#: The protocol of lists of events.
EVENT_PROTOCOL = "events"
PROTOCOLS: Mapping[str, Protocol] = {
    "paper": Protocol(("psds1", "pauroc"), MedianWindow(frames=9), scored_only=True, expected_classes=407),
    # As the functions of HEAR: 250 ms at every frame rate (an even window of 6 frames of 40 ms), logits
    # compared with 0.5, events between frame centres.
    # The pieces of 10 s are those of the published training.
    "dcase2016": Protocol(
        ("onset_f1", "onset_f1_50ms", "segment"),
        median_window=MedianWindow(seconds=0.25),
        scored_only=False,
        decoding=Thresholding(0.5, frame_centres=True, min_seconds=0.125),
        overlap=False,
    ),
    # As sed_eval scores lists of events: every clip and class counts, nothing is filtered.
    EVENT_PROTOCOL: Protocol(("event_f1", "segment"), MedianWindow(frames=1), scored_only=False),
}


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
    median_window: int | str | None = None
    threshold: float | None = None
    values: ValueKind | None = None
    on_problem: OnProblem | None = None

    def __post_init__(self) -> None:
        _check_name("protocol", self.protocol, PROTOCOLS)
        for name in self.metrics or ():
            _check_name("metric", name, METRICS)
        check_engine(self.engine)
        check_value_kind(self.values)
        check_on_problem(self.on_problem)
        _ = self.window
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
    def window(self) -> MedianWindow:
        """Length of the median filter."""
        return MedianWindow.of(self.plan.median_window if self.median_window is None else self.median_window)

    @property
    def decoding(self) -> Mapping[ValueKind, Thresholding]:
        """How scores of each kind become events."""
        decoding = self.plan.decoding
        logit = decoding.threshold
        usual: dict[ValueKind, float] = {"probabilities": 1 / (1 + math.exp(-logit)), "logits": logit}
        return {
            kind: replace(decoding, threshold=threshold if self.threshold is None else self.threshold)
            for kind, threshold in usual.items()
        }


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
    values: ValueKind | None = None,
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    median_window: int | str | None = None,
    threshold: float | None = None,
    on_problem: OnProblem | None = None,
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
            without intervals.
        values: what scores are, ``probabilities`` or ``logits``; by default, logits if any is more than 0.01
            below 0 or above 1, -inf apart. It matters to the protocol's threshold of events.
        frame_seconds: length of a frame.
        timestamps: boundaries of the frames instead (``effbench.psds1``).
        median_window: frames (9) or a time (``"0.36s"``, ``"360ms"``), instead of the protocol's.
        threshold: on the scale of the scores, instead of the protocol's.
        on_problem: of events without length, given twice or overlapping others of their class, F-scores count
            each, PSDS and pAUROC the union; ``error`` refuses all these, ``drop`` leaves out the former two.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: an unknown protocol or metric, inputs that don't fit together, NaN among the scores, or
            frames of different lengths where they are filtered.
    """
    options = EvaluationOptions(protocol, metrics, engine, median_window, threshold, values, on_problem)
    ground_truth, odd = sort_out(ground_truth, on_problem)
    seen = ValueRange(values)
    view = FilteredScores(
        source=scores,
        columns=tuple(classes),
        window=options.window,
        seen=seen,
        frame_seconds=frame_seconds,
        timestamps=timestamps,
        clips=dict.fromkeys(sorted(scores)),
        kept=np.arange(len(classes)),
    )
    named = {event[2] for events in ground_truth.values() for event in events}
    if options.plan.scored_only:
        view, ground_truth = view.scored(ground_truth)
    inputs = ScoringInputs(view, ground_truth, durations, view.classes, frame_seconds, timestamps)
    bootstrap = ClipBootstrap(resamples, seed)
    scoring = Scoring(inputs, engine, bootstrap, decoding=options.decoding, values=seen)
    computed = scoring.compute(*(METRICS[name] for name in options.metric_names))
    conditions: dict[str, object] = {
        "protocol": protocol,
        "engine": engine,
        "median_window": view.window_frames,
        "values": seen.kind,
        "clips": len(inputs.clips),
        "classes": len(inputs.classes),
    }
    if scoring.decoded.threshold is not None:
        conditions["threshold"] = scoring.decoded.threshold
    return Evaluation(
        protocol=protocol,
        engine=engine,
        clips=len(inputs.clips),
        classes=len(inputs.classes),
        events=len(inputs.events),
        values={name: value for result in computed for name, value in result.values().items()},
        results=dict(zip(options.metric_names, computed, strict=True)),
        conditions=conditions,
        notes=(
            *_notes(options.plan, inputs, len(scores), sorted(named.difference(classes))),
            *view.notes(),
            *odd,
        ),
        clip_names=inputs.clips,
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
