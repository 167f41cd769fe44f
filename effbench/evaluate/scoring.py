"""One scoring of one set of inputs: how it is done, and what its metrics share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from effbench.data.labels import event_frames
from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.f_score import DetectionInputs
from effbench.evaluate.inputs import TIME_DECIMALS, ScoringInputs
from effbench.evaluate.reference import ReferenceScorer

Engine = Literal["effbench", "reference"]

#: Score of segments without frames.
Missing = float | Literal["lowest"]


@dataclass(frozen=True)
class Decoding:
    """How frame scores become events.

    Attributes:
        threshold: a class is on where its score is above.
        frame_centres: events last from the centre of their first frame to the centre of their last, rather
            than from the beginning of the one to the end of the other.
        min_seconds: shorter events are dropped.
    """

    threshold: float
    frame_centres: bool = False
    min_seconds: float = 0.0


@dataclass(frozen=True)
class Scoring:
    """How metrics are computed from their inputs.

    Attributes:
        inputs: scores, events and durations.
        engine: of PSDS and pAUROC; ``reference`` is sed_scores_eval, which gives no intervals.
        bootstrap: of the intervals.
        missing: score of segments without frames, for pAUROC; the reference has 0 and no other.
        decoding: for the metrics of decoded events.

    Raises:
        UsageError: an unknown engine.
    """

    inputs: ScoringInputs
    engine: Engine = "effbench"
    bootstrap: ClipBootstrap = field(default_factory=ClipBootstrap)
    missing: Missing = 0.0
    decoding: Decoding = field(default_factory=lambda: Decoding(0.0))

    def __post_init__(self) -> None:
        check_engine(self.engine)

    @cached_property
    def decoded(self) -> DecodedEvents:
        """The events of the scores, for all metrics that need them."""
        return DecodedEvents(self.inputs, self.decoding)

    @cached_property
    def detections(self) -> DetectionInputs:
        """These events beside the ground truth, once all clips have been decoded."""
        return DetectionInputs(self.decoded.by_clip, self.inputs.ground_truth, self.inputs.classes)

    @cached_property
    def reference(self) -> ReferenceScorer:
        """The reference's tables, for all metrics that it computes."""
        return ReferenceScorer(self.inputs)


def check_engine(engine: str) -> None:
    """Refuse an engine that there is not.

    Raises:
        UsageError: naming those that there are.
    """
    if engine not in get_args(Engine):
        raise UsageError(f"unknown engine '{engine}'; expected {' or '.join(get_args(Engine))}")


class DecodedEvents:
    """The events that scores are decoded to, by clip.

    Args:
        inputs: whose clips are added in order.
        decoding: how.
    """

    def __init__(self, inputs: ScoringInputs, decoding: Decoding) -> None:
        self.inputs, self.decoding = inputs, decoding
        self.by_clip: dict[str, list[tuple[float, float, str]]] = {}

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""
        class_index, start, stop = event_frames(scores > self.decoding.threshold)
        onset, offset = times[start], times[stop]
        if self.decoding.frame_centres:
            centres = (times[1:] + times[:-1]) / 2
            onset, offset = centres[start], centres[stop - 1]
        onset, offset = np.round(onset, TIME_DECIMALS), np.round(offset, TIME_DECIMALS)
        keep = np.round(offset - onset, TIME_DECIMALS) >= self.decoding.min_seconds
        columns = (column[keep].tolist() for column in (onset, offset, class_index))
        self.by_clip[self.inputs.clips[number]] = [
            (first, last, self.inputs.classes[index]) for first, last, index in zip(*columns, strict=True)
        ]
