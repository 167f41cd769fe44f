"""Events of one file, kept in columns: a two-hour file may have a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from effbench.data.labels import event_frames
from effbench.grid import FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.infer.windows import Floats

#: Frames from onset to offset, class, index of the threshold, and the highest score within.
RECORD = np.dtype(
    [
        ("onset", np.int32),
        ("offset", np.int32),
        ("label", np.int16),
        ("threshold", np.int16),
        ("score", np.float32),
    ]
)

_CHUNK = 4096


@dataclass(frozen=True)
class DetectedEvent:
    """One event: seconds, class name, the threshold that it was found with and its highest score."""

    onset: float
    offset: float
    label: str
    threshold: float
    score: float


@dataclass(frozen=True)
class Detection:
    """What was heard in one audio file.

    Attributes:
        name: the file as results call it.
        samples: length of the audio at 16 kHz.
        records: events in frames (``RECORD``), in the order of onset, class and threshold.
        peaks: highest filtered score of every class.
        labels: class names.
        thresholds: what the events were found with.
    """

    name: str
    samples: int
    records: NDArray[np.void]
    peaks: NDArray[np.float32]
    labels: Sequence[str]
    thresholds: tuple[float, ...]

    @property
    def duration(self) -> float:
        """Seconds of audio, rounded down to a microsecond."""
        return floor(self.samples * 1_000_000 / SAMPLE_RATE) / 1_000_000

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[DetectedEvent]:
        return self.events()

    def events(self) -> Iterator[DetectedEvent]:
        """The events, in the order of their onsets; none ends after the audio."""
        end = self.duration
        for onset, offset, label, threshold, score in _tuples(self.records):
            yield DetectedEvent(
                onset=onset / FRAMES_PER_SECOND,
                offset=min(offset / FRAMES_PER_SECOND, end),
                label=self.labels[label],
                threshold=self.thresholds[threshold],
                score=round(score, 6),
            )


def _tuples(records: NDArray[np.void]) -> Iterator[tuple[int, int, int, int, float]]:
    """Records as Python values, some at a time: as such they take ten times the memory."""
    for first in range(0, len(records), _CHUNK):
        yield from records[first : first + _CHUNK].tolist()


class EventDecoder:
    """Events of scores that arrive block by block: frames in a row above a threshold.

    Args:
        thresholds: an event has scores above (not at) its threshold.
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = tuple(thresholds)
        self._frames = 0
        self._found: list[NDArray[np.void]] = []
        self._open: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []

    def add(self, scores: NDArray[np.float32]) -> None:
        """The next frames, (frames, classes)."""
        if not len(scores):
            return
        if not self._open:
            classes = scores.shape[1]
            self._open = [
                (np.full(classes, -1, np.int32), np.zeros(classes, np.float32)) for _ in self.thresholds
            ]
        peaks = scores.max(axis=0)
        for index, threshold in enumerate(self.thresholds):
            onset, peak = self._open[index]
            busy = np.flatnonzero((peaks > threshold) | (onset >= 0))
            if len(busy):
                self._scan(index, scores[:, busy], busy, onset, peak)
        self._frames += len(scores)

    def finish(self) -> NDArray[np.void]:
        """All events in order; those still open end with the last frame."""
        for index, (onset, peak) in enumerate(self._open):
            still = np.flatnonzero(onset >= 0)
            self._close(index, still, onset[still], np.full(len(still), self._frames, np.int32), peak[still])
        found = np.concatenate([np.empty(0, RECORD), *self._found])
        self._found.clear()
        self._open.clear()
        return found[np.lexsort((found["threshold"], found["label"], found["onset"]))]

    def _scan(
        self,
        index: int,
        scores: NDArray[np.float32],
        classes: NDArray[np.intp],
        open_onset: NDArray[np.int32],
        open_peak: NDArray[np.float32],
    ) -> None:
        """Active runs of (frames, classes); one that begins with the first frame continues an open event."""
        row, start, stop = event_frames(scores > self.thresholds[index])
        label = classes[row]
        onset, offset = (self._frames + start).astype(np.int32), (self._frames + stop).astype(np.int32)
        peak = _highest(scores, row, start, stop)

        joins = (start == 0) & (open_onset[label] >= 0)
        onset[joins], peak[joins] = open_onset[label[joins]], np.maximum(peak[joins], open_peak[label[joins]])
        ended = np.setdiff1d(classes[open_onset[classes] >= 0], label[joins])
        self._close(
            index, ended, open_onset[ended], np.full(len(ended), self._frames, np.int32), open_peak[ended]
        )
        open_onset[classes] = -1

        lasts = stop == len(scores)
        open_onset[label[lasts]], open_peak[label[lasts]] = onset[lasts], peak[lasts]
        self._close(index, label[~lasts], onset[~lasts], offset[~lasts], peak[~lasts])

    def _close(
        self,
        index: int,
        label: NDArray[np.intp],
        onset: NDArray[np.int32],
        offset: NDArray[np.int32],
        score: NDArray[np.float32],
    ) -> None:
        if len(label):
            events = np.empty(len(label), RECORD)
            events["label"], events["threshold"] = label, index
            events["onset"], events["offset"], events["score"] = onset, offset, score
            self._found.append(events)


def _highest(
    scores: Floats, row: NDArray[np.intp], start: NDArray[np.intp], stop: NDArray[np.intp]
) -> Floats:
    """Highest score of each run, by class, in (frames, classes)."""
    if not len(row):
        return np.empty(0, np.float32)
    frames, classes = scores.shape
    # One frame more, so that the end of a run is an index as well.
    flat = np.zeros((classes, frames + 1), np.float32)
    flat[:, :frames] = scores.T
    bounds = np.stack([start, stop], axis=1) + row[:, None] * (frames + 1)
    highest: Floats = np.maximum.reduceat(flat.ravel(), bounds.ravel())[::2]
    return highest
