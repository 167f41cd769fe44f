"""Windows that slide over audio which is still coming, and which frames each of them decides.

A frame is decided by the first window that ends ``look_ahead`` frames or more after it, by that window alone.
While there is less audio than a window, the window is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effbench.errors import UsageError
from effbench.grid import CLIP_FRAMES, CLIP_SECONDS, FRAME_SAMPLES, FRAME_SECONDS, FRAMES_PER_SECOND
from effbench.infer.windows import Floats, frames_of


@dataclass(frozen=True)
class Sliding:
    """Lengths in frames of 40 ms.

    Attributes:
        hop: from the end of one window to the end of the next.
        look_ahead: audio that a frame's window has after it, at least.
        window: length of a window.
    """

    hop: int = FRAMES_PER_SECOND
    look_ahead: int = FRAMES_PER_SECOND
    window: int = CLIP_FRAMES

    @classmethod
    def of_seconds(cls, hop: float, look_ahead: float) -> Sliding:
        """Windows of 10 s; times are rounded to frames.

        Raises:
            UsageError: no hop, a negative look-ahead, or both together longer than a window.
        """
        if not FRAME_SECONDS / 2 < hop < float("inf"):
            raise UsageError(f"windows move by a frame of 0.04 s at least, not by {hop:g} s")
        if not 0 <= look_ahead < float("inf"):
            raise UsageError(f"a look-ahead is not negative, as {look_ahead:g} s is")
        frames, ahead = round(hop * FRAMES_PER_SECOND), round(look_ahead * FRAMES_PER_SECOND)
        if frames + ahead > CLIP_FRAMES:
            raise UsageError(
                f"a hop of {hop:g} s and a look-ahead of {look_ahead:g} s do not fit into the model's"
                f" {CLIP_SECONDS:g} s"
            )
        return cls(frames, ahead)


@dataclass(frozen=True)
class SlidWindow:
    """Audio to score, and what its scores decide.

    Attributes:
        start: the frame of the stream that it begins with.
        samples: (samples,) at 16 kHz.
        first, stop: the frames of the window that it decides.
    """

    start: int
    samples: Floats
    first: int
    stop: int


class SlidingWindows:
    """Cuts one stream; holds the audio of one window.

    Attributes:
        received: samples so far.
        skipped: windows that were left out.
        lost: frames that no window held.
        decided: frames that windows so far decide.
    """

    def __init__(self, sliding: Sliding, *, min_samples: int = 1) -> None:
        self.sliding, self.min_samples = sliding, min_samples
        self.received = self.skipped = self.lost = 0
        self._audio = np.empty(0, np.float32)
        self._begin = self.decided = 0
        self._next = sliding.hop  # the frame that the next window ends with

    def push(self, samples: Floats, *, newest_only: bool = False) -> list[SlidWindow]:
        """The windows that are complete with these samples, or the newest of them alone."""
        self._audio = np.concatenate([self._audio, samples])
        self.received += len(samples)
        complete = self.received // FRAME_SAMPLES
        ends = list(range(self._next, complete + 1, self.sliding.hop))
        if ends:
            self._next = ends[-1] + self.sliding.hop
        ends = [end for end in ends if end - self.sliding.look_ahead > self.decided]
        if newest_only:
            self.skipped += len(ends[:-1])
            ends = ends[-1:]
        windows = [self._window(end, end - self.sliding.look_ahead) for end in ends]
        # Copied, so that a long block is not held for its end.
        begin = max(0, complete - self.sliding.window)
        self._audio, self._begin = self._audio[(begin - self._begin) * FRAME_SAMPLES :].copy(), begin
        return windows

    def finish(self) -> SlidWindow | None:
        """The window that ends with the stream and decides all that is left; ``None`` if nothing is."""
        total = frames_of(self.received)
        return self._window(total, total) if total > self.decided else None

    def _window(self, end: int, stop: int) -> SlidWindow:
        start = max(0, end - self.sliding.window)
        samples = self._audio[(start - self._begin) * FRAME_SAMPLES : (end - self._begin) * FRAME_SAMPLES]
        wanted = (end - start) * FRAME_SAMPLES if start else self.min_samples
        samples = np.pad(samples, (0, max(0, wanted - len(samples))))
        self.lost += max(0, start - self.decided)
        first, self.decided = max(0, self.decided - start), stop
        return SlidWindow(start, samples, first, stop - start)
