"""Evaluation protocols as data, and one function that follows them from scores to values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from effbench.errors import UsageError, nearest
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.evaluate.median import checked_window
from effbench.evaluate.metrics import METRICS
from effbench.evaluate.one_pass import run_metrics
from effbench.evaluate.protocol_view import FilteredScores
from effbench.evaluate.scoring import Decoding, Engine, Scoring, check_engine
from effbench.grid import FRAME_SECONDS


@dataclass(frozen=True)
class Protocol:
    """What is done to scores, and what is computed from them by default.

    Attributes:
        name: as it is asked for.
        metrics: keys of ``METRICS``.
        median_window: frames of the median filter over time.
        scored_only: classes without events, and then clips without events, are left out.
        threshold: logit above which a class is on, for the metrics of decoded events.
        frame_centres: events last from the centre of their first frame to the centre of their last, rather
            than from the beginning of the one to the end of the other.
        min_seconds: shorter events are dropped.
        overlap: whether audio of more than 10 s runs in overlapping windows, or is cut every 10 s; for those
            who make the scores.
        expected_classes: number of scored classes without which values can't be compared with the paper's.
    """

    name: str
    metrics: tuple[str, ...]
    median_window: int
    scored_only: bool
    threshold: float = 0.0
    frame_centres: bool = False
    min_seconds: float = 0.0
    overlap: bool = True
    expected_classes: int | None = None


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("paper", ("psds1", "pauroc"), 9, scored_only=True, expected_classes=407),
        # As the functions of HEAR: an even window, logits compared with 0.5, events between frame centres.
        # The pieces of 10 s are those of the published training.
        Protocol(
            "dcase2016",
            ("onset_f1", "onset_f1_50ms", "segment"),
            median_window=6,
            scored_only=False,
            threshold=0.5,
            frame_centres=True,
            min_seconds=0.125,
            overlap=False,
        ),
    )
}


@dataclass(frozen=True)
class EvaluationOptions:
    """What is computed from scores, and how: see ``evaluate_scores``.

    Raises:
        UsageError: when it is made; an unknown protocol, metric or engine, or an impossible window.
    """

    protocol: str = "paper"
    metrics: Sequence[str] | None = None
    engine: Engine = "effbench"
    median_window: int | None = None
    threshold: float | None = None
    bootstrap: ClipBootstrap = field(default_factory=ClipBootstrap)

    def __post_init__(self) -> None:
        _check_name("protocol", self.protocol, PROTOCOLS)
        for name in self.metrics or ():
            _check_name("metric", name, METRICS)
        check_engine(self.engine)
        checked_window(self.window)

    @property
    def plan(self) -> Protocol:
        """The protocol."""
        return PROTOCOLS[self.protocol]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics."""
        return self.plan.metrics if self.metrics is None else tuple(self.metrics)

    @property
    def window(self) -> int:
        """Frames of the median filter."""
        return self.plan.median_window if self.median_window is None else self.median_window

    def decoding(self, probabilities: bool) -> Decoding:
        """How scores become events."""
        plan, threshold = self.plan, self.threshold
        if threshold is None:
            threshold = 1 / (1 + math.exp(-plan.threshold)) if probabilities else plan.threshold
        return Decoding(threshold, plan.frame_centres, plan.min_seconds)

    def evaluate(
        self,
        scores: Scores,
        ground_truth: GroundTruth,
        durations: Durations,
        *,
        classes: Sequence[str],
        probabilities: bool,
        frame_seconds: float = FRAME_SECONDS,
        timestamps: Timestamps = None,
    ) -> Evaluation:
        """The evaluation of frame scores: see ``evaluate_scores``."""
        view = FilteredScores(scores, sorted(scores), tuple(classes), np.arange(len(classes)), self.window)
        if self.plan.scored_only:
            view, ground_truth = view.scored(ground_truth)
        inputs = ScoringInputs(view, ground_truth, durations, view.classes, frame_seconds, timestamps)
        missing = 0.5 if probabilities else 0.0
        scoring = Scoring(inputs, self.engine, self.bootstrap, missing, self.decoding(probabilities))
        computed = run_metrics(inputs, [METRICS[name].metric(scoring) for name in self.metric_names])
        conditions: dict[str, object] = {
            "protocol": self.protocol,
            "engine": self.engine,
            "median_window": self.window,
            "clips": len(inputs.clips),
            "classes": len(inputs.classes),
        }
        if scoring.decoded.by_clip:
            conditions["threshold"] = scoring.decoding.threshold
        return Evaluation(
            protocol=self.protocol,
            engine=self.engine,
            clips=len(inputs.clips),
            classes=len(inputs.classes),
            events=len(inputs.events),
            values={name: value for result in computed for name, value in result.values().items()},
            results=dict(zip(self.metric_names, computed, strict=True)),
            conditions=conditions,
            notes=tuple(_notes(self.plan, inputs, len(scores))),
        )


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
    """Post-process and score anybody's frame scores as a protocol says; each clip is loaded once.

    Args:
        scores: clip -> (frames, classes), as in ``effbench.psds1``.
        ground_truth: clip -> (onset, offset, class); with the protocol ``paper``, events of other classes
            than these are left out, and clips without an entry have no events.
        durations: clip -> seconds.
        classes: names of the scores' columns.
        protocol: key of ``PROTOCOLS``.
        metrics: keys of ``METRICS``; ``None``: the protocol's own.
        engine: ``reference`` has sed_scores_eval compute PSDS and pAUROC, without intervals, and with 0 for
            the segments without frames of probabilities, too.
        probabilities: whether scores are probabilities rather than logits. It matters to thresholds and to
            the segments without frames in pAUROC, which published values take for a logit of 0.
        frame_seconds: length of a frame.
        timestamps: boundaries of the frames instead (``effbench.psds1``).
        median_window: frames, instead of the protocol's.
        threshold: on the scale of the scores, instead of the protocol's.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: an unknown protocol or metric, or inputs that don't fit together.
    """
    options = EvaluationOptions(
        protocol, metrics, engine, median_window, threshold, ClipBootstrap(resamples, seed)
    )
    return options.evaluate(
        scores,
        ground_truth,
        durations,
        classes=classes,
        probabilities=probabilities,
        frame_seconds=frame_seconds,
        timestamps=timestamps,
    )


def _notes(plan: Protocol, inputs: ScoringInputs, given: int) -> Iterator[str]:
    if left_out := given - len(inputs.clips):
        yield f"{left_out} of {given} clips have no event of a scored class and were left out"
    if plan.expected_classes not in (None, len(inputs.classes)):
        yield (
            f"{len(inputs.classes)} classes have events; the paper's values are means over "
            f"{plan.expected_classes} and can't be compared"
        )
