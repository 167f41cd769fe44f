"""One function that follows an evaluation protocol from scores to values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from effbench.data.ground_truth import OnProblem, check_on_problem
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError, nearest
from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.filtered_scores import BY_CLASS, FilteredScores
from effbench.evaluate.given import GivenFiles
from effbench.evaluate.incomplete import OnMissing, check_on_missing, skip_missing
from effbench.evaluate.median import MedianWindow
from effbench.evaluate.metrics import DECODED, METRICS
from effbench.evaluate.odd_events import sort_out
from effbench.evaluate.protocol_files import Protocol, load_protocol, protocol_name
from effbench.evaluate.scoring import Engine, Scoring, Thresholding, check_engine
from effbench.evaluate.scoring_inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.evaluate.value_kinds import ValueRange, check_value_kind
from effbench.grid import FRAME_SECONDS
from effbench.infer.score_files import ValueKind
from effbench.shown import number_of


@dataclass(frozen=True)
class EvaluationOptions:
    """What is computed from scores (see ``evaluate_scores``), checked before there are any.

    Raises:
        UsageError: when it is made; an unknown protocol, metric or engine, an impossible window or threshold.
        EffbenchError: the reference is asked for and not installed.
    """

    protocol: str | Mapping[str, Any] = "paper"
    metrics: Sequence[str] | None = None
    engine: Engine = "effbench"
    median_window: int | str | None = None
    threshold: float | None = None
    values: ValueKind | None = None
    on_problem: OnProblem | None = None

    def __post_init__(self) -> None:
        _ = self.plan
        for name in self.metrics or ():
            if name not in METRICS:
                known = ", ".join(METRICS)
                raise UsageError(f"unknown metric '{name}'{nearest(name, METRICS)}\nMetrics: {known}.")
        check_engine(self.engine)
        check_value_kind(self.values)
        check_on_problem(self.on_problem)
        if self.median_window is not None:
            MedianWindow.of(self.median_window)
        if self.threshold is not None and math.isnan(self.threshold):
            raise UsageError("a threshold is a number on the scale of the scores, not nan")

    @cached_property
    def plan(self) -> Protocol:
        """The protocol that is followed."""
        return load_protocol(self.protocol)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Keys of ``METRICS``."""
        return self.plan.metrics.asked if self.metrics is None else tuple(self.metrics)

    @property
    def followed(self) -> dict[str, object]:
        """What the protocol says, with what was given instead."""
        content = self.plan.content(self.metric_names)
        if self.median_window is not None:
            content["median_window"] = self.median_window
        if self.threshold is not None:
            content |= {"threshold": self.threshold, "threshold_of": "scores"}
        return content

    def windows(self, classes: Sequence[str]) -> tuple[MedianWindow, ...]:
        """Length of the median filter of each class."""
        if self.median_window is None:
            return self.plan.windows(classes)
        return (MedianWindow.of(self.median_window),) * len(classes)

    def decoding(self, classes: Sequence[str], kept: Sequence[int]) -> Mapping[ValueKind, Thresholding]:
        """How scores of each kind, of those of the classes that are kept, become events."""
        if self.threshold is None:
            return self.plan.decoding(classes, kept)
        given = Thresholding(self.threshold, self.plan.frame_centres, self.plan.min_seconds)
        return {"probabilities": given, "logits": given}


def evaluate_scores(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    protocol: str | Mapping[str, Any] = "paper",
    metrics: Sequence[str] | None = None,
    engine: Engine = "effbench",
    values: ValueKind | None = None,
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    median_window: int | str | None = None,
    threshold: float | None = None,
    on_problem: OnProblem | None = None,
    on_missing: OnMissing = "error",
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
        protocol: name of one that ships (``paper``, ``desed``, …), path of a YAML file, or what it says.
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
        on_missing: clips of the ground truth without scores are an ``error``, or left out (``skip``): their
            number and the share of events that is lost with them are then among the conditions.
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: an unknown protocol or metric, inputs that don't fit together, NaN among the scores, or
            frames of different lengths where they are filtered.
    """
    options = EvaluationOptions(protocol, metrics, engine, median_window, threshold, values, on_problem)
    ground_truth, odd = sort_out(ground_truth, on_problem)
    check_on_missing(on_missing)
    ground_truth, missing = skip_missing(ground_truth, scores, on_missing)
    seen = ValueRange(values)
    view = FilteredScores(
        source=scores,
        columns=tuple(classes),
        windows=options.windows(classes),
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
    decoding = options.decoding(classes, view.kept.tolist())
    scoring = Scoring(inputs, engine, bootstrap, decoding=decoding, values=seen)
    settings = options.plan.metrics.settings
    twice = [name for name in options.metric_names if settings(name).filters_itself]
    if twice and view.window_frames != 1:
        raise UsageError(f"{twice[0]} tries filters itself: leave out the other one (a window of 1 frame)")
    computed = scoring.compute(*(settings(name).metric(name) for name in options.metric_names))
    name = protocol_name(options.plan)
    conditions: dict[str, object] = {
        "protocol": name,
        "engine": engine,
        "median_window": view.window_frames,
        "values": seen.kind,
        "clips": len(inputs.clips),
        "classes": len(inputs.classes),
        **missing.conditions,
    }
    if any(name in DECODED for name in options.metric_names):
        limit = decoding[seen.kind].threshold
        conditions["threshold"] = BY_CLASS if isinstance(limit, tuple) else limit
    return Evaluation(
        protocol=name,
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
            *([str(missing)] if missing.names else []),
        ),
        clip_names=inputs.clips,
        followed=options.followed,
    )


def evaluate_given(given: GivenFiles, *, values: ValueKind | None = None, **options: Any) -> Evaluation:
    """``evaluate_scores`` of what was read from files, and notes on it; ``options`` are its own.

    Raises:
        UsageError: as there, or scores that are known to be of another kind than declared.
    """
    scores = given.scores
    if values and scores.values and values != scores.values:
        raise UsageError(f"the scores are known to be {scores.values}, not {values}")
    evaluation = evaluate_scores(
        scores.scores,
        given.ground_truth,
        given.durations,
        classes=scores.classes,
        timestamps=scores.timestamps,
        values=values or scores.values,
        **options,
    )
    return replace(evaluation, notes=(*evaluation.notes, *scores.filled.notes(evaluation.clips)))


def _notes(plan: Protocol, inputs: ScoringInputs, given: int, unknown: Sequence[str]) -> Iterator[str]:
    if unknown:
        yield f"events of {number_of(len(unknown), 'class')} without scores were left out: {some_of(unknown)}"
    if left_out := given - len(inputs.clips):
        yield f"{left_out} of {given} clips have no event of a scored class and were left out"
    silent = [name for name, count in zip(inputs.classes, inputs.event_counts, strict=True) if not count]
    if silent:
        yield f"{number_of(len(silent), 'class')} with scores, but without events: {some_of(silent)}"
    if plan.expected_classes not in (None, len(inputs.classes)):
        yield (
            f"the events are of {number_of(len(inputs.classes), 'class')}; published values are means over "
            f"{plan.expected_classes} and can't be compared"
        )
