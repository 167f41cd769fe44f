"""Evaluation protocols as data, and one function that follows them from scores to values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from effbench.errors import UsageError, nearest
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.evaluate.metrics import METRICS
from effbench.evaluate.one_pass import run_metrics
from effbench.evaluate.protocol_view import FilteredScores
from effbench.evaluate.scoring import Decoding, Engine, Scoring
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

    def decoding(self, probabilities: bool, threshold: float | None) -> Decoding:
        """How scores become events, at a threshold on their own scale if one is given."""
        if threshold is None:
            threshold = 1 / (1 + math.exp(-self.threshold)) if probabilities else self.threshold
        return Decoding(threshold, self.frame_centres, self.min_seconds)


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
    plan = plan_of(protocol, metrics)
    names = plan.metrics if metrics is None else tuple(metrics)
    window = plan.median_window if median_window is None else median_window
    view = FilteredScores(scores, sorted(scores), tuple(classes), np.arange(len(classes)), window)
    if plan.scored_only:
        view, ground_truth = view.scored(ground_truth)
    inputs = ScoringInputs(view, ground_truth, durations, view.classes, frame_seconds, timestamps)
    scoring = Scoring(
        inputs,
        engine,
        ClipBootstrap(resamples, seed),
        missing=0.5 if probabilities else 0.0,
        decoding=plan.decoding(probabilities, threshold),
    )
    computed = run_metrics(inputs, [METRICS[name].metric(scoring) for name in names])
    results = dict(zip(names, computed, strict=True))
    return Evaluation(
        protocol=plan.name,
        engine=engine,
        clips=len(inputs.clips),
        classes=len(inputs.classes),
        events=len(inputs.events),
        values={name: value for result in computed for name, value in result.values().items()},
        results=results,
        conditions={
            "protocol": plan.name,
            "engine": engine,
            "median_window": window,
            "clips": len(inputs.clips),
            "classes": len(inputs.classes),
            **({"threshold": scoring.decoding.threshold} if scoring.decoded.by_clip else {}),
        },
        notes=tuple(_notes(plan, inputs, len(scores))),
    )


def plan_of(protocol: str, metrics: Sequence[str] | None) -> Protocol:
    """Protocol of a name, once the metrics asked for are known as well.

    Raises:
        UsageError: an unknown protocol or metric; names the nearest.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(
            f"unknown protocol '{protocol}'{nearest(protocol, PROTOCOLS)}\nProtocols: {', '.join(PROTOCOLS)}."
        )
    for name in metrics or ():
        if name not in METRICS:
            raise UsageError(
                f"unknown metric '{name}'{nearest(name, METRICS)}\nMetrics: {', '.join(METRICS)}."
            )
    return PROTOCOLS[protocol]


def _notes(plan: Protocol, inputs: ScoringInputs, given: int) -> Iterator[str]:
    if left_out := given - len(inputs.clips):
        yield f"{left_out} of {given} clips have no event of a scored class and were left out"
    if plan.expected_classes not in (None, len(inputs.classes)):
        yield (
            f"{len(inputs.classes)} classes have events; the paper's values are means over "
            f"{plan.expected_classes} and can't be compared"
        )
