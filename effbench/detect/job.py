"""One file on its way from the scores of its windows to its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from effbench.data.vocabulary import strong_classes
from effbench.detect.events import Detection, EventDecoder
from effbench.detect.inputs import Source
from effbench.detect.stream import StreamingMedian
from effbench.grid import FRAMES_PER_SECOND
from effbench.infer.windows import Blend, Floats, Window, frames_of


@dataclass(frozen=True)
class Settings:
    """How scores become events.

    Attributes:
        thresholds: events are contiguous frames above one of these probabilities.
        median_window: frames of the median filter; 1 for none.
        top: keep the events of so many classes with the highest peaks in the file.
        min_duration: shortest event that is kept, seconds.
        classes: class names to keep, all by default.
        overlap: cross-faded windows; without, the published script's hard cuts.
        names: of the model's classes; the AudioSet-strong ones by default.
    """

    thresholds: tuple[float, ...] = (0.5,)
    median_window: int = 9
    top: int | None = None
    min_duration: float = 0.0
    classes: tuple[str, ...] | None = None
    overlap: bool = True
    names: tuple[str, ...] = field(default_factory=lambda: strong_classes().names)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Indices of the kept classes among the model's."""
        wanted = set(self.names if self.classes is None else self.classes)
        return tuple(index for index, name in enumerate(self.names) if name in wanted)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the kept classes, in the model's order."""
        return tuple(self.names[column] for column in self.columns)

    def record(self) -> dict[str, object]:
        """What identifies the settings in a record; lengths in frames and seconds."""
        return {
            "thresholds": list(self.thresholds),
            "median_window": self.median_window,
            "top": self.top,
            "min_duration": self.min_duration,
            "classes": None if self.classes is None else list(self.classes),
            "overlap": self.overlap,
        }


class Listener(Protocol):
    """Follows the frames of one file; leaves nothing behind if the file fails."""

    def raw(self, scores: Floats) -> None:
        """The next frames' probabilities, (frames, classes)."""

    def filtered(self, scores: Floats) -> None:
        """The next frames' probabilities after the median filter; some frames behind ``raw``."""

    def finish(self, detection: Detection) -> None:
        """The file is complete."""

    def abort(self) -> None:
        """The file, or the whole run, failed."""


class Job:
    """Blends, filters and decodes the windows of one file as they come.

    Args:
        source: the file.
        settings: how scores become events.
        listeners: follow the frames.
    """

    def __init__(self, source: Source, settings: Settings, listeners: Sequence[Listener] = ()) -> None:
        self.source, self.settings, self.listeners = source, settings, listeners
        self._blend = Blend()
        self._median = StreamingMedian(settings.median_window)
        self._decoder = EventDecoder(settings.thresholds)
        self._peaks = np.zeros(len(settings.labels), np.float32)
        self._samples = 0
        self._limit: int | None = None
        self._raw_frames = self._filtered_frames = 0

    def add(self, window: Window, scores: Floats) -> None:
        """The next window's scores, (frames, classes)."""
        if window.total_samples is not None:
            self._samples, self._limit = window.total_samples, frames_of(window.total_samples)
        block = self._blend.add(window, scores)
        raw = self._within(block, self._raw_frames)
        self._raw_frames += len(raw)
        for listener in self.listeners:
            listener.raw(raw)
        # The filter sees the frames of the padding, as the published script's does; no event does.
        self._decode(self._median.add(block))

    def finish(self) -> Detection:
        """The file's events, once its last window is there."""
        rest = self._median.finish()
        if rest is not None:
            self._decode(rest)
        detection = self._detection()
        for listener in self.listeners:
            listener.finish(detection)
        return detection

    def abort(self) -> None:
        """The file can't be finished."""
        for listener in self.listeners:
            listener.abort()

    def _decode(self, block: Floats) -> None:
        block = self._within(block, self._filtered_frames)
        self._filtered_frames += len(block)
        if len(block):
            self._decoder.add(block)
            np.maximum(self._peaks, block.max(axis=0), out=self._peaks)
            for listener in self.listeners:
                listener.filtered(block)

    def _within(self, block: Floats, done: int) -> Floats:
        """The part of the next frames that lies in the audio and not in its padding."""
        return block if self._limit is None else block[: self._limit - done]

    def _detection(self) -> Detection:
        settings = self.settings
        records = self._decoder.finish()
        frames = records["offset"] - records["onset"]
        # A duration that lies on the grid may come out a little above it.
        keep = frames >= settings.min_duration * FRAMES_PER_SECOND - 1e-6
        if settings.top is not None:
            best = np.argsort(-self._peaks, kind="stable")[: settings.top]
            keep &= np.isin(records["label"], best)
        return Detection(
            name=self.source.name,
            samples=self._samples,
            records=records if keep.all() else records[keep],
            peaks=self._peaks,
            labels=settings.labels,
            thresholds=settings.thresholds,
        )
