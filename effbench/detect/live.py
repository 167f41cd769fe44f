"""Events of audio that is still coming: samples in, starts and ends of events out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from effbench.detect.event_decoding import Decoding
from effbench.detect.file_decoder import EventDecoder, StreamingMedian
from effbench.errors import UsageError
from effbench.grid import FRAME_SECONDS, FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.infer.scorer import FrameScorer
from effbench.infer.sliding import Sliding, SlidingWindows, SlidWindow
from effbench.infer.windows import Floats


@dataclass(frozen=True)
class LiveEvent:
    """The start or the end of an event: seconds since the stream began, as known by then.

    Attributes:
        state: ``start`` or ``end``.
        onset, offset: of the event; its offset is ``None`` at its start.
        label: class name.
        threshold: what the event lies above.
        score: its highest filtered score so far.
    """

    state: Literal["start", "end"]
    onset: float
    offset: float | None
    label: str
    threshold: float
    score: float

    @property
    def time(self) -> float:
        """When that happens."""
        return self.onset if self.offset is None else self.offset


class LiveStream:
    """One stream on its way to events; whoever holds it scores its windows, in order.

    Args:
        decoding: how scores become events; ``top`` is for whole files.
        sliding: the windows.
        min_samples: the least that the model's front-end can take.

    Raises:
        UsageError: ``top``.
    """

    def __init__(self, decoding: Decoding, sliding: Sliding, *, min_samples: int = 1) -> None:
        if decoding.top is not None:
            raise UsageError("the highest classes of a stream are known when it has ended: it has no top")
        self.decoding = decoding
        self.windows = SlidingWindows(sliding, min_samples=min_samples)
        self._median = StreamingMedian(decoding.median_window)
        self._events = EventDecoder(decoding.thresholds)
        self._frames = 0
        self._told: set[tuple[int, int, int]] = set()

    def decode(self, window: SlidWindow, scores: Floats) -> list[LiveEvent]:
        """What the scores of a window, (frames, classes), decide. Frames without a window have no events."""
        missing = window.start + window.first - self._frames
        gap = np.zeros((missing, scores.shape[1]), np.float32)
        block = np.concatenate([gap, scores[window.first : window.stop]])
        self._frames += len(block)
        self._events.add(self._median.add(block))
        return self._news(self._events.take_ended(), self._events.lasting())

    def last_window(self) -> SlidWindow | None:
        """The window that decides what no scored window has; ``None`` if nothing is left."""
        self.windows.decided = self._frames
        return self.windows.finish()

    def finish(self) -> list[LiveEvent]:
        """The rest, after the last window; what lasts still ends with the stream."""
        if (rest := self._median.finish()) is not None:
            self._events.add(rest)
        ended = self._events.finish()
        return self._news(ended, ended[:0])

    def _news(self, ended: NDArray[np.void], lasting: NDArray[np.void]) -> list[LiveEvent]:
        told = [*self._tell(ended, over=True), *self._tell(lasting, over=False)]
        return sorted(told, key=lambda event: event.time)

    def _tell(self, records: NDArray[np.void], *, over: bool) -> Iterator[LiveEvent]:
        shortest = self.decoding.min_duration * FRAMES_PER_SECOND - 1e-6
        for onset, offset, label, threshold, score in records.tolist():
            if offset - onset < shortest:
                continue
            about = (self.decoding.labels[label], self.decoding.thresholds[threshold], round(score, 6))
            begin, key = onset / FRAMES_PER_SECOND, (onset, label, threshold)
            if key not in self._told:
                self._told.add(key)
                yield LiveEvent("start", begin, None, *about)
            if over:
                self._told.remove(key)
                end = min(offset / FRAMES_PER_SECOND, self.windows.received / SAMPLE_RATE)
                yield LiveEvent("end", begin, end, *about)


class LiveDetector:
    """Detects in one stream, window by window.

    Example:
        live = effbench.live_detector(checkpoint="strong")
        for block in blocks:  # (samples,) float32 at 16 kHz
            for event in live.push(block):
                print(event)
        live.finish()

    Args:
        scorer: gives probabilities of the classes of ``decoding``.
        decoding: how scores become events; without ``top``.
        sliding: the windows.

    Attributes:
        stream: the stream, which counts what was received, skipped and lost.
        scored: number of windows that the model has seen.
    """

    def __init__(self, scorer: FrameScorer, decoding: Decoding, sliding: Sliding | None = None) -> None:
        self.scorer, self.sliding, self.scored = scorer, sliding or Sliding(), 0
        self.stream = LiveStream(decoding, self.sliding, min_samples=scorer.min_samples)

    @property
    def delay(self) -> float:
        """Seconds from a sound to the news of it, at most, to which the time of computing one window adds.

        That of a start is later by the shortest duration that is kept.
        """
        after = self.stream.decoding.median_window - 1 - self.stream.decoding.median_window // 2
        return (self.sliding.hop + self.sliding.look_ahead + after) * FRAME_SECONDS

    def push(self, samples: Floats, *, newest_only: bool = False) -> list[LiveEvent]:
        """The next samples, (samples,) at 16 kHz; returns what they decide.

        ``newest_only`` skips all windows but the newest, to keep up with a stream that does not wait. The
        frames of skipped windows are decided by the next one, so far as it reaches back.
        """
        windows = self.stream.windows.push(samples, newest_only=newest_only)
        return [event for window in windows for event in self._score(window)]

    def finish(self) -> list[LiveEvent]:
        """The stream has ended: all that is not decided yet."""
        last = self.stream.last_window()
        return [*(self._score(last) if last else []), *self.stream.finish()]

    def _score(self, window: SlidWindow) -> list[LiveEvent]:
        self.scored += 1
        return self.stream.decode(window, self.scorer([window.samples])[0])
