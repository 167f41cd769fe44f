"""Ten-second windows over a stream of audio, and one series of frames out of their scores.

Neighbouring windows share two seconds, in which the scores of the one fade into those of the other, so that
an event across a border is one event. That costs 250/200 = 1.25 times as many windows as hard cutting. The
last window ends with the audio, so that it has ten seconds as well; shorter audio keeps its own length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effbench.grid import CLIP_FRAMES, CLIP_SAMPLES, FRAME_SAMPLES, TAIL_SAMPLES

Floats = NDArray[np.float32]

HOP_FRAMES = 200


def frames_of(samples: int) -> int:
    """Number of frames of 40 ms that audio of 16 kHz has; the last one may be cut short."""
    return -(-samples // FRAME_SAMPLES)


@dataclass(frozen=True)
class Window:
    """One input of the model: the audio from frame ``start`` on, zero-padded where it ends earlier.

    The last window knows the length of the whole audio.
    """

    start: int
    samples: Floats
    total_samples: int | None = None

    @property
    def last(self) -> bool:
        """Whether no window follows."""
        return self.total_samples is not None


def cut(blocks: Iterable[Floats], *, overlap: bool = True, min_samples: int = 1) -> Iterator[Window]:
    """The windows of audio that arrives in blocks of any length; none if there is no audio at all.

    Args:
        blocks: consecutive pieces of 16 kHz mono audio.
        overlap: windows every 8 s; without, every 10 s, and even the shortest audio is padded to 10 s, as the
            published script does.
        min_samples: the least that the model's front-end can take.
    """
    hop = HOP_FRAMES if overlap else CLIP_FRAMES
    held: list[Floats] = []
    begin = length = start = 0  # the held audio begins with frame `begin`; the next window with `start`
    for block in blocks:
        held.append(block)
        length += len(block)
        # Audio beyond the window must be there, for only then it is not the last one.
        if length <= (start - begin) * FRAME_SAMPLES + CLIP_SAMPLES:
            continue
        audio = np.concatenate(held)
        while len(audio) > (start - begin) * FRAME_SAMPLES + CLIP_SAMPLES:
            audio, begin = audio[(start - begin) * FRAME_SAMPLES :], start
            yield Window(start, audio[:CLIP_SAMPLES])
            start += hop
        held, length = [audio.copy()], len(audio)
    if length:
        yield _last(np.concatenate(held), begin, start, overlap, min_samples)


def clip_windows(
    samples: Floats, *, overlap: bool, pad_to: int = 0, min_samples: int = 1
) -> Iterator[Window]:
    """``cut`` for a whole clip, (samples,), padded with zeros to ``pad_to`` samples where it is shorter.

    A clip of 10 s stays one window where it ends by up to 50 ms too late.
    """
    if CLIP_SAMPLES < len(samples) <= CLIP_SAMPLES + TAIL_SAMPLES:
        samples = samples[:CLIP_SAMPLES]
    padded = np.pad(samples, (0, max(0, pad_to - len(samples))))
    return cut([padded], overlap=overlap, min_samples=min_samples)


def _last(audio: Floats, begin: int, start: int, overlap: bool, min_samples: int) -> Window:
    """The window that ends the audio, of which the part from frame ``begin`` is given."""
    total = begin * FRAME_SAMPLES + len(audio)
    if overlap and start > 0:
        start = frames_of(total) - CLIP_FRAMES
    audio = audio[(start - begin) * FRAME_SAMPLES :]
    wanted = max(len(audio), min_samples) if overlap and start == 0 else CLIP_SAMPLES
    return Window(start, np.pad(audio, (0, wanted - len(audio))), total)


class Blend:
    """Joins the scores of consecutive windows: in the frames that two share, the old ones fade into the new.

    The weights are linear and sum to one. At most two windows' frames are held.
    """

    def __init__(self) -> None:
        self._held: Floats | None = None
        self._begin = 0

    def add(self, window: Window, scores: Floats) -> Floats:
        """The frames that are final once this window's scores, (frames, classes), are known."""
        if self._held is not None:
            shared = self._begin + len(self._held) - window.start
            old = self._held[len(self._held) - shared :]
            done = self._held[: len(self._held) - shared]
            if shared:
                ramp = ((np.arange(shared, dtype=np.float32) + 0.5) / shared)[:, None]
                # Where both agree the sum must be that value to the last bit: a sum of weighted parts is not.
                scores = np.concatenate([old + ramp * (scores[:shared] - old), scores[shared:]])
        else:
            done = scores[:0]
        if window.last:
            self._held = None
            return np.concatenate([done, scores]) if len(done) else scores
        self._held, self._begin = scores, window.start
        return done


def join_windows(scored: Iterable[tuple[Window, Floats]]) -> Floats:
    """Scores (frames, classes) of a whole clip, from all of its windows in order, each with its scores."""
    blend, parts, total = Blend(), list[Floats](), 0
    for window, scores in scored:
        parts.append(blend.add(window, scores))
        total = window.total_samples or 0
    return np.concatenate(parts)[: frames_of(total)]
