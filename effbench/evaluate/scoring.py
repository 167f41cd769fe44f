"""Metrics in the making: one pass over the clips for any number of them, and what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Literal, Protocol, TypeVar, get_args

import numpy as np

from effbench.data.labels import event_frames
from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.f_score import DetectionInputs
from effbench.evaluate.reference import ReferenceScorer, require_reference
from effbench.evaluate.scoring_inputs import ScoringInputs, rounded
from effbench.evaluate.value_kinds import ValueRange
from effbench.infer.score_files import ValueKind
from effbench.results.intervals import Estimate

Engine = Literal["effbench", "reference"]
Missing = float | Literal["lowest"]  # score of segments without frames
Result = TypeVar("Result", covariant=True)
_EventColumns = tuple[np.ndarray, np.ndarray, np.ndarray]


class Feed(Protocol):
    """Takes the clips in order, one after another."""

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""


class MetricResult(Protocol):
    """What every metric's result answers."""

    @property
    def per_class(self) -> Mapping[str, float]:
        """Value of each class; NaN where it is not defined."""

    @property
    def class_intervals(self) -> Mapping[str, Estimate]:
        """The same with 95 % intervals, of classes whose value is defined; empty if not asked for."""

    def values(self) -> dict[str, Estimate]:
        """Quantity -> value with its 95 % interval, as fractions; an interval of NaN where there is none."""


@dataclass(frozen=True)
class Metric(Generic[Result]):
    """A score in the making: what takes the clips, perhaps shared with others, and what comes of it."""

    feed: Feed
    finish: Callable[[], Result]


@dataclass(frozen=True)
class Thresholding:
    """How frame scores become events.

    Attributes:
        threshold: a class is active where its score is above; one for all, or one for each.
        frame_centres: events last from the centre of their first frame to the centre of their last, rather
            than from the beginning of the one to the end of the other.
        min_seconds: shorter events are dropped.
    """

    threshold: float | tuple[float, ...] = 0.0
    frame_centres: bool = False
    min_seconds: float = 0.0

    @property
    def _limits(self) -> float | np.ndarray:
        return np.array(self.threshold) if isinstance(self.threshold, tuple) else self.threshold

    def events(self, scores: np.ndarray, times: np.ndarray) -> _EventColumns:
        """Events of one clip: onset, offset and class index, each (events,)."""
        class_index, start, stop = event_frames(scores > self._limits)
        onset, offset = times[start], times[stop]
        if self.frame_centres:
            centres = (times[1:] + times[:-1]) / 2
            onset, offset = centres[start], centres[stop - 1]
        onset, offset = rounded(onset), rounded(offset)
        keep = rounded(offset - onset) >= self.min_seconds
        return onset[keep], offset[keep], class_index[keep].astype(np.int16)


@dataclass(frozen=True)
class Scoring:
    """How metrics are computed from their inputs.

    Attributes:
        inputs: scores, events and durations.
        engine: ``reference`` is sed_scores_eval and, of decoded events, sed_eval; they give no intervals.
        bootstrap: of the intervals.
        missing: score of segments without frames, for pAUROC; the reference has 0 and no other.
        decoding: of each kind of scores, for the metrics of decoded events.
        values: which kind they are, once all clips have been loaded.

    Raises:
        UsageError: an unknown engine.
        EffbenchError: the reference is not installed.
    """

    inputs: ScoringInputs
    engine: Engine = "effbench"
    bootstrap: ClipBootstrap = field(default_factory=ClipBootstrap)
    missing: Missing = 0.0
    decoding: Mapping[ValueKind, Thresholding] = field(default_factory=dict)
    values: ValueRange = field(default_factory=ValueRange)

    def __post_init__(self) -> None:
        check_engine(self.engine)

    def compute(self, *metrics: Callable[[Scoring], Metric[Result]]) -> list[Result]:
        """Results of all metrics; every clip is loaded once, and given once to each feed (which may
        load it again to finish)."""
        making = [metric(self) for metric in metrics]
        feeds = list({id(metric.feed): metric.feed for metric in making}.values())
        for number in range(len(self.inputs.clips)):
            scores = self.inputs.load(number)
            times = self.inputs.times(number, len(scores))
            for feed in feeds:
                feed.add(number, scores, times)
        return [metric.finish() for metric in making]

    @cached_property
    def decoded(self) -> DecodedEvents:
        """The events of the scores, for all metrics that need them."""
        return DecodedEvents(self.inputs, self.decoding, self.values)

    @cached_property
    def detections(self) -> DetectionInputs:
        """These events beside the ground truth, once all clips have been decoded."""
        return DetectionInputs(self.decoded.by_clip, self.inputs.ground_truth, self.inputs.classes)

    @cached_property
    def reference(self) -> ReferenceScorer:
        """The reference's tables, for all metrics that it computes."""
        return ReferenceScorer(self.inputs)


def check_engine(engine: str) -> None:
    """A ``UsageError`` unless there is such an engine, an ``EffbenchError`` unless it is installed."""
    if engine not in get_args(Engine):
        raise UsageError(f"unknown engine '{engine}'; expected {' or '.join(get_args(Engine))}")
    if engine == "reference":
        require_reference()


class DecodedEvents:
    """The events that scores are decoded to, by clip.

    As long as the scores may be of several kinds, those of each kind are kept.
    """

    def __init__(
        self, inputs: ScoringInputs, decoding: Mapping[ValueKind, Thresholding], values: ValueRange
    ) -> None:
        self.inputs, self.decoding, self.values = inputs, decoding, values
        self._columns: dict[Thresholding, list[_EventColumns]] = defaultdict(list)

    @property
    def chosen(self) -> Thresholding:
        """That of the kind of scores, once all clips have been loaded.

        Raises:
            UsageError: it is not clear which kind they are, and matters; or a threshold is none for them.
        """
        decoding = self.decoding[self.values.kind]
        if len(set(self.decoding.values())) > 1:
            self.values.require_clear()
        limits = decoding.threshold
        for limit in limits if isinstance(limits, tuple) else (limits,):
            self.values.check_threshold(limit)
        return decoding

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        possible = {self.decoding[kind] for kind in self.values.possible}
        for decoding in [*self._columns]:
            if decoding not in possible:
                del self._columns[decoding]
        for decoding in possible:
            self._columns[decoding].append(decoding.events(scores, times))

    @cached_property
    def by_clip(self) -> dict[str, list[tuple[float, float, str]]]:
        """Onset, offset and class of the events of each clip, once all have been added."""
        decoding, names = self.chosen, self.inputs.classes
        return {
            clip: [
                (onset, offset, names[index])
                for onset, offset, index in zip(*(column.tolist() for column in columns), strict=True)
            ]
            for clip, columns in zip(self.inputs.clips, self._columns[decoding], strict=True)
        }
