"""One file on its way from the scores of its windows to its events, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effbench.data.labels import event_frames
from effbench.detect.detected import RECORD, DetectedFile
from effbench.detect.event_decoding import Decoding
from effbench.evaluate.median import median_filter
from effbench.grid import FRAMES_PER_SECOND
from effbench.infer.windows import Blend, Floats, Window, frames_of


class FrameListener:
    """Follows the frames of one file; each method does nothing where it is not overridden."""

    def on_scores(self, scores: Floats) -> None:
        """The next frames' probabilities, (frames, classes)."""

    def on_filtered(self, scores: Floats) -> None:
        """The next frames' probabilities after the median filter; some frames behind ``on_scores``."""

    def on_end(self, file: DetectedFile) -> None:
        """The file is complete."""


class FileDecoder:
    """Blends, filters and decodes the windows of one file as they come; its scores are kept if asked for."""

    def __init__(
        self, name: str, decoding: Decoding, listeners: Sequence[FrameListener], *, keep_scores: bool
    ) -> None:
        self.name, self.decoding, self.listeners = name, decoding, listeners
        self._kept_scores: list[Floats] | None = [] if keep_scores else None
        self._blend = Blend()
        self._median = StreamingMedian(decoding.median_window)
        self._events = EventDecoder(decoding.thresholds)
        self._peaks = np.zeros(len(decoding.labels), np.float32)
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
        if self._kept_scores is not None:
            self._kept_scores.append(raw)
        for listener in self.listeners:
            listener.on_scores(raw)
        # The filter sees the frames of the padding, as the published script's does; no event does.
        self._decode(self._median.add(block))

    def finish(self) -> DetectedFile:
        """The file's events, once its last window is there."""
        rest = self._median.finish()
        if rest is not None:
            self._decode(rest)
        records = self._events.finish()
        file = DetectedFile(
            name=self.name,
            samples=self._samples,
            records=records[self._wanted(records)],
            peaks=self._peaks,
            labels=self.decoding.labels,
            thresholds=self.decoding.thresholds,
            frame_scores=None if self._kept_scores is None else np.concatenate(self._kept_scores),
        )
        for listener in self.listeners:
            listener.on_end(file)
        return file

    def _decode(self, block: Floats) -> None:
        block = self._within(block, self._filtered_frames)
        self._filtered_frames += len(block)
        if len(block):
            self._events.add(block)
            np.maximum(self._peaks, block.max(axis=0), out=self._peaks)
            for listener in self.listeners:
                listener.on_filtered(block)

    def _within(self, block: Floats, done: int) -> Floats:
        """The part of the next frames that lies in the audio and not in its padding."""
        return block if self._limit is None else block[: self._limit - done]

    def _wanted(self, records: NDArray[np.void]) -> NDArray[np.bool_]:
        """Which events last long enough, and are of the top classes."""
        frames = records["offset"] - records["onset"]
        # A duration that lies on the grid may come out a little above it.
        keep: NDArray[np.bool_] = frames >= self.decoding.min_duration * FRAMES_PER_SECOND - 1e-6
        if self.decoding.top is not None:
            best = np.argsort(-self._peaks, kind="stable")[: self.decoding.top]
            keep &= np.isin(records["label"], best)
        return keep


class StreamingMedian:
    """The median filter along time, exactly as for all frames at once; the audio's edges are reflected.

    Holds as many frames as the window has, beyond the block at hand; a window of 1 changes nothing.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        # An even window begins one frame earlier than it ends late.
        self._before, self._after = window // 2, window - 1 - window // 2
        self._held: Floats | None = None
        self._skip = 0  # frames at the front of the held ones that are out already

    def add(self, scores: Floats) -> Floats:
        """The next frames, (frames, classes); returns those that are filtered now."""
        if self.window == 1:
            return scores
        held = scores if self._held is None else np.concatenate([self._held, scores])
        ready = len(held) - self._after
        if ready <= self._skip:
            self._held = held
            return held[:0]
        done: Floats = median_filter(held, self.window)[self._skip : ready]
        keep = max(0, ready - self._before)
        self._held, self._skip = held[keep:].copy(), ready - keep
        return done

    def finish(self) -> Floats | None:
        """The frames that were waiting for their neighbours; ``None`` if there are none."""
        if self._held is None or len(self._held) == self._skip:
            return None
        done: Floats = median_filter(self._held, self.window)[self._skip :]
        self._held = None
        return done


class EventDecoder:
    """Events of scores that arrive block by block: consecutive frames above (not at) a threshold."""

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = tuple(thresholds)
        self._frames = 0
        self._ended: list[NDArray[np.void]] = []
        self._open: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []

    def add(self, scores: Floats) -> None:
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
            busy = np.flatnonzero((peaks > threshold) | (self._open[index][0] >= 0))
            if len(busy):
                self._scan(index, scores[:, busy], busy)
        self._frames += len(scores)

    def finish(self) -> NDArray[np.void]:
        """The events that are left, in order; those still open end with the last frame."""
        for index, (onset, peak) in enumerate(self._open):
            still = np.flatnonzero(onset >= 0)
            self._close(index, still, onset[still], self._frames, peak[still])
        self._open.clear()
        return self.take_ended()

    def take_ended(self) -> NDArray[np.void]:
        """The events that have ended and were not taken yet, in order."""
        events = np.concatenate([np.empty(0, RECORD), *self._ended])
        self._ended.clear()
        return events[np.lexsort((events["threshold"], events["label"], events["onset"]))]

    def lasting(self) -> NDArray[np.void]:
        """The events that go on with the last frame, which is their offset so far."""
        parts = [np.empty(0, RECORD)]
        for index, (onset, peak) in enumerate(self._open):
            still = np.flatnonzero(onset >= 0)
            parts.append(_records(index, still, onset[still], self._frames, peak[still]))
        return np.concatenate(parts)

    def _scan(self, index: int, scores: Floats, classes: NDArray[np.intp]) -> None:
        """Active runs of (frames, classes); one that begins with the first frame continues an open event."""
        open_onset, open_peak = self._open[index]
        row, start, stop = event_frames(scores > self.thresholds[index])
        label = classes[row]
        onset, offset = (self._frames + start).astype(np.int32), (self._frames + stop).astype(np.int32)
        peak = _highest(scores, row, start, stop)

        joins = (start == 0) & (open_onset[label] >= 0)
        onset[joins], peak[joins] = open_onset[label[joins]], np.maximum(peak[joins], open_peak[label[joins]])
        ended = np.setdiff1d(classes[open_onset[classes] >= 0], label[joins])
        self._close(index, ended, open_onset[ended], self._frames, open_peak[ended])
        open_onset[classes] = -1

        lasts = stop == len(scores)
        open_onset[label[lasts]], open_peak[label[lasts]] = onset[lasts], peak[lasts]
        self._close(index, label[~lasts], onset[~lasts], offset[~lasts], peak[~lasts])

    def _close(
        self,
        index: int,
        label: NDArray[np.intp],
        onset: NDArray[np.int32],
        offset: NDArray[np.int32] | int,
        score: Floats,
    ) -> None:
        if len(label):
            self._ended.append(_records(index, label, onset, offset, score))


def _records(
    index: int,
    label: NDArray[np.intp],
    onset: NDArray[np.int32],
    offset: NDArray[np.int32] | int,
    score: Floats,
) -> NDArray[np.void]:
    """Events of one threshold."""
    events = np.empty(len(label), RECORD)
    events["label"], events["threshold"] = label, index
    events["onset"], events["offset"], events["score"] = onset, offset, score
    return events


def _highest(
    scores: Floats, row: NDArray[np.intp], start: NDArray[np.intp], stop: NDArray[np.intp]
) -> Floats:
    """Highest score of each run, by class, in (frames, classes)."""
    frames, classes = scores.shape
    # One frame more, so that the end of a run is an index as well.
    flat = np.zeros((classes, frames + 1), np.float32)
    flat[:, :frames] = scores.T
    bounds = np.stack([start, stop], axis=1) + row[:, None] * (frames + 1)
    highest: Floats = np.maximum.reduceat(flat.ravel(), bounds.ravel())[::2]
    return highest
