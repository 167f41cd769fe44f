"""The metrics that an evaluation may ask for, all computed in one pass over the clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from effbench.data.labels import event_frames
from effbench.evaluate.events import event_f1, segment_scores
from effbench.evaluate.inputs import TIME_DECIMALS, GroundTruth, Task
from effbench.evaluate.one_pass import Metric, run
from effbench.evaluate.pauroc import PaurocMetric, reference_result
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.metric import PsdsMetric, Settings
from effbench.evaluate.psds.score import Engine


@dataclass(frozen=True)
class Collars:
    """Seconds by which onsets and offsets (``None``: not looked at) may be off."""

    onset: float
    offset: float | None


@dataclass(frozen=True)
class Pauroc:
    """Settings of the partial AUROC."""

    segment_seconds: float
    max_fpr: float


@dataclass(frozen=True)
class Segments:
    """Settings of the segment-based scores of events."""

    seconds: float


METRICS: Mapping[str, Settings | Pauroc | Collars | Segments] = {
    "psds1": Settings(Criteria(0.7, 0.7), alpha_ct=0.0, alpha_st=1.0, max_efpr=100.0),
    "psds2": Settings(Criteria(0.1, 0.1, 0.3), alpha_ct=0.5, alpha_st=1.0, max_efpr=100.0),
    "pauroc": Pauroc(1.0, 0.1),
    "event_f1": Collars(0.2, 0.2),
    "onset_f1": Collars(0.2, None),
    "onset_f1_50ms": Collars(0.05, None),
    "segment": Segments(1.0),
}


@dataclass(frozen=True)
class Scoring:
    """How the metrics of one evaluation are computed.

    Attributes:
        task: scores, events and durations.
        ground_truth: the events as they were given, for the scores of decoded events.
        decoder: makes events of scores.
        missing: score of segments without frames, for pAUROC.
        engine: of PSDS and pAUROC.
        resamples: bootstrap resamples; 0 for none.
        seed: of the resampling.
    """

    task: Task
    ground_truth: GroundTruth
    decoder: EventList
    missing: float
    engine: Engine
    resamples: int
    seed: int

    def results(self, names: Sequence[str]) -> dict[str, Any]:
        """Result of every metric, by name, in one pass; the reference engine makes passes of its own."""
        streams = {name: self._stream(name) for name in names}
        distinct = list({id(stream): stream for stream in streams.values() if stream is not None}.values())
        finished = dict(zip(map(id, distinct), run(self.task, distinct) if distinct else (), strict=True))
        return {name: self._result(name, finished.get(id(stream))) for name, stream in streams.items()}

    def _stream(self, name: str) -> Metric | None:
        settings = METRICS[name]
        if isinstance(settings, Collars | Segments):
            return self.decoder
        if self.engine == "reference":
            return None
        if isinstance(settings, Settings):
            return PsdsMetric(self.task, settings, self.resamples, self.seed)
        seconds, rate = settings.segment_seconds, settings.max_fpr
        return PaurocMetric(self.task, seconds, rate, self.missing, self.resamples, self.seed)

    def _result(self, name: str, finished: Any) -> Any:
        settings = METRICS[name]
        options: dict[str, Any] = {
            "classes": self.task.classes,
            "resamples": self.resamples,
            "seed": self.seed,
        }
        if isinstance(settings, Segments):
            seconds = settings.seconds
            return segment_scores(finished, self.ground_truth, segment_seconds=seconds, **options)
        if isinstance(settings, Collars):
            onset, offset = settings.onset, settings.offset
            return event_f1(finished, self.ground_truth, onset_collar=onset, offset_collar=offset, **options)
        if self.engine != "reference":
            return finished
        if isinstance(settings, Settings):
            from effbench.evaluate.psds.reference import reference_psds

            return reference_psds(self.task, settings)
        return reference_result(self.task, settings.segment_seconds, settings.max_fpr, 0.0)


class EventList:
    """Decoded events, clip by clip.

    Args:
        task: the scoring job.
        level: score above which a class is on.
        frame_centres: see ``Protocol``.
        min_seconds: see ``Protocol``.
    """

    def __init__(self, task: Task, level: float, *, frame_centres: bool, min_seconds: float) -> None:
        self.task, self.level = task, level
        self.frame_centres, self.min_seconds = frame_centres, min_seconds
        self.events: dict[str, list[tuple[float, float, str]]] = {}

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""
        cls, start, stop = event_frames(scores > self.level)
        onset, offset = times[start], times[stop]
        if self.frame_centres:
            centres = (times[1:] + times[:-1]) / 2
            onset, offset = centres[start], centres[stop - 1]
        onset, offset = np.round(onset, TIME_DECIMALS), np.round(offset, TIME_DECIMALS)
        keep = np.round(offset - onset, TIME_DECIMALS) >= self.min_seconds
        rows = zip(onset[keep].tolist(), offset[keep].tolist(), cls[keep].tolist(), strict=True)
        self.events[self.task.clips[number]] = [(a, b, self.task.classes[c]) for a, b, c in rows]

    def finish(self) -> GroundTruth:
        """Events of every clip."""
        return self.events
