"""Segment-based partial area under the ROC curve (pAUROC).

Clips are cut into segments; a segment's score is its highest frame score, and it is positive if an event of
the class lies in it, however shortly. The area counts up to a false positive rate, as a fraction of the
perfect one, without McClish's correction; the curve is a staircase, as in sed_scores_eval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import RESAMPLES, draw_weights, interval
from effbench.evaluate.inputs import (
    TIME_DECIMALS,
    Durations,
    GroundTruth,
    Scores,
    Task,
    Timestamps,
    exact,
    prepare,
)
from effbench.evaluate.one_pass import run
from effbench.evaluate.segments import Segments, highest_scores, positive_segments, segment_counts
from effbench.grid import FRAME_SECONDS
from effbench.results.intervals import Estimate

#: Score of segments without frames.
Missing = float | Literal["lowest"]


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
    engine: Literal["effbench", "reference"] = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PaurocResult:
    """Segment-based partial AUROC, mean over classes.

    Args:
        scores: as in ``effbench.psds1``, like all that is not named here.
        ground_truth: see there.
        durations: see there; they make the number of segments.
        classes: see there.
        frame_seconds: see there.
        timestamps: see there.
        segment_seconds: length of a segment; a clip's last one may reach past its end.
        max_fpr: false positive rate up to which the curve counts.
        missing: score of segments that lie wholly past the last frame. 0 is what the reference assigns and
            published values contain: the lowest of probabilities, but a high one of logits, where it
            stands for a probability of 0.5. ``lowest`` ranks such segments below all others.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals, ``missing`` 0 only).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, or NaN among the scores.
    """
    if not 0 < max_fpr <= 1 or not segment_seconds > 0:
        raise UsageError("expected 0 < max_fpr <= 1 and segment_seconds > 0")
    if engine not in ("effbench", "reference"):
        raise UsageError(f"unknown engine '{engine}'; expected effbench or reference")
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    if engine == "reference":
        return reference_result(task, segment_seconds, max_fpr, missing)
    metric = PaurocMetric(task, segment_seconds, max_fpr, missing, resamples, seed)
    result: PaurocResult = run(task, [metric])[0]
    return result


class PaurocMetric:
    """A partial AUROC that is fed clip by clip."""

    def __init__(
        self,
        task: Task,
        segment_seconds: float,
        max_fpr: float,
        missing: Missing,
        resamples: int,
        seed: int,
    ) -> None:
        self.task, self.seconds, self.max_fpr = task, segment_seconds, max_fpr
        self.missing = -np.inf if missing == "lowest" else float(missing)
        self.resamples, self.seed = resamples, seed
        self.rows: list[np.ndarray] = []

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""
        count = int(segment_counts(self.task.durations[number : number + 1], self.seconds)[0])
        edges = np.round(np.arange(count + 1) * self.seconds, TIME_DECIMALS)
        self.rows.append(highest_scores(exact(scores), times, edges, self.missing))
        if np.isnan(self.rows[-1]).any():
            raise self.task.refuse_nan(number, int(np.argwhere(np.isnan(self.rows[-1]))[0, 1]))

    def finish(self) -> PaurocResult:
        """The score, once all clips have been added."""
        task = self.task
        counts = segment_counts(task.durations, self.seconds)
        clip = np.repeat(np.arange(len(counts)), counts)
        scores = np.concatenate(self.rows)
        self.rows.clear()
        segments = Segments(scores.T, clip, positive_segments(task, self.seconds, counts))
        # In the first "resample", each clip is there once: the score itself.
        weights = np.ones((len(task.clips), 1 + self.resamples), dtype=np.int16)
        weights[:, 1:] = draw_weights(len(task.clips), self.resamples, self.seed)
        return _result(task.classes, segments.areas(self.max_fpr, weights))


def _result(classes: Sequence[str], areas: np.ndarray) -> PaurocResult:
    """From areas (classes, 1 + resamples), the score's own first."""
    macro = _mean(areas)
    per_class = dict(zip(classes, areas[:, 0].tolist(), strict=True))
    if areas.shape[1] == 1:
        return PaurocResult(macro.item(), per_class)
    return PaurocResult(
        macro[0].item(),
        per_class,
        {"macro": interval(macro[0].item(), macro[1:])},
        {
            name: interval(value, mine[1:])
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


def reference_result(task: Task, segment_seconds: float, max_fpr: float, missing: Missing) -> PaurocResult:
    """The values by sed_scores_eval."""
    from effbench.evaluate.psds.reference import reference_pauroc

    if missing != 0:
        raise UsageError("the reference engine gives segments without frames the score 0 and no other")
    per_class = reference_pauroc(task, segment_seconds, max_fpr)
    return PaurocResult(_mean(np.array(list(per_class.values()))[:, None]).item(), per_class)
