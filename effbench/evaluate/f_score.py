"""F-scores of counts, and the events that they are counted from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap, score_interval
from effbench.evaluate.scoring_inputs import Events, GroundTruth, collect_events
from effbench.results.intervals import Estimate


@dataclass(frozen=True)
class FScore:
    """F1, precision and recall, 0 to 1.

    Attributes:
        name: of the quantity, such as ``event_f1``.
        micro: F1 of all events, or active segments, together.
        macro: mean of the F1 of the classes that occur.
        precision: of all together; NaN if nothing was detected.
        recall: of all together.
        per_class: F1 of each class; NaN for one that does not occur.
        intervals: 95 % bootstrap intervals over clips of ``micro``, ``macro`` and ``error_rate``; empty if
            not asked for.
        class_intervals: the same of each class's F1.
        error_rate: substitutions, deletions and insertions per event; NaN for segments, which have their own.
    """

    name: str
    micro: float
    macro: float
    precision: float
    recall: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)
    error_rate: float = math.nan

    def values(self) -> dict[str, Estimate]:
        """``micro``, ``macro`` and ``error_rate``, if there is one, under the names of their quantities."""
        values = {
            self.name: self.intervals.get("micro", Estimate(self.micro)),
            f"{self.name}_macro": self.intervals.get("macro", Estimate(self.macro)),
        }
        if not math.isnan(self.error_rate):
            name = f"{self.name.replace('_f1', '')}_error_rate"
            values[name] = self.intervals.get("error_rate", Estimate(self.error_rate))
        return values


@dataclass(frozen=True)
class DetectionInputs:
    """Detected events and those of the ground truth (see ``event_f1``), as arrays in one order too.

    Raises:
        UsageError: when it is made; a clip without ground truth, or an event of no known class or with
            impossible times.
    """

    estimated: GroundTruth
    ground_truth: GroundTruth
    classes: Sequence[str]
    truth: Events = field(init=False, repr=False)
    detected: Events = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for clip in self.estimated:
            if clip not in self.ground_truth:
                what = "has detected events but no ground truth (an empty list is fine)"
                raise UsageError(f"clip '{clip}' {what}")
        clips = sorted(self.ground_truth)
        estimated = {clip: self.estimated.get(clip, ()) for clip in clips}
        for name, events in {"truth": self.ground_truth, "detected": estimated}.items():
            object.__setattr__(self, name, collect_events(events, clips, self.classes, merge=False))

    @property
    def clip_count(self) -> int:
        """Number of clips."""
        return len(self.ground_truth)

    def count(self, clip: np.ndarray, class_index: np.ndarray) -> np.ndarray:
        """Number (clips, classes) of events or segments, each of a clip (n,) and a class (n,)."""
        clips, classes = self.clip_count, len(self.classes)
        counted: np.ndarray = np.bincount(clip * classes + class_index, minlength=clips * classes)
        return counted.reshape(clips, classes)


@dataclass(frozen=True)
class Counts:
    """Numbers of true positives, in the ground truth and detected, each (clips, classes)."""

    hits: np.ndarray
    truth: np.ndarray
    detected: np.ndarray

    def f_score(self, name: str, classes: Sequence[str], bootstrap: ClipBootstrap) -> FScore:
        """F1 of all clips, and intervals over them."""
        weights = bootstrap.weights_after_ones(len(self.hits))
        hits, truth, detected = (part.T @ weights for part in (self.hits, self.truth, self.detected))
        per_class = np.where(truth > 0, ratio(2 * hits, truth + detected), np.nan)
        micro = ratio(2 * hits.sum(axis=0), truth.sum(axis=0) + detected.sum(axis=0))
        defined = ~np.isnan(per_class)
        macro = ratio(np.where(defined, per_class, 0.0).sum(axis=0), defined.sum(axis=0))
        intervals = {
            kind: score_interval(float(values[0]), values[1:])
            for kind, values in {"micro": micro, "macro": macro}.items()
            if bootstrap.resamples
        }
        by_class = {
            cls: score_interval(float(values[0]), values[1:])
            for cls, values in zip(classes, per_class, strict=True)
            if bootstrap.resamples and not np.isnan(values[0])
        }
        return FScore(
            name=name,
            micro=float(micro[0]),
            macro=float(macro[0]),
            precision=float(ratio(hits.sum(axis=0), detected.sum(axis=0))[0]),
            recall=float(ratio(hits.sum(axis=0), truth.sum(axis=0))[0]),
            per_class=dict(zip(classes, per_class[:, 0].tolist(), strict=True)),
            intervals=intervals,
            class_intervals=by_class,
        )


def error_interval(
    error_rate: float, errors: np.ndarray, truth: np.ndarray, bootstrap: ClipBootstrap
) -> dict[str, Estimate]:
    """Interval of an error rate from errors (clips,) and ground truth (clips,); empty if not asked for."""
    if not bootstrap.resamples:
        return {}
    weights = bootstrap.weights(len(errors))
    return {"error_rate": score_interval(error_rate, ratio(errors @ weights, truth @ weights), top=math.inf)}


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the whole is 0."""
    quotient: np.ndarray = part / np.where(whole > 0, whole, np.nan)
    return quotient
