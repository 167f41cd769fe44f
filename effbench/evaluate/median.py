"""Median filter over time, class by class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from scipy import ndimage

from effbench.errors import UsageError

#: Windows up to this length are filtered by minima and maxima of whole rows, longer ones by SciPy.
LONGEST_NETWORK = 25

#: Frames of the longest window that is asked for in earnest.
LONGEST_MEDIAN = 1001

#: Bytes of scores filtered at once: they stay in the cache.
FILTERED_BYTES = 1 << 16


@dataclass(frozen=True)
class MedianWindow:
    """Length of a median filter: a number of frames, or a time, whatever the frames last.

    Raises:
        UsageError: when it is made, of no frames or too many, or of no time.
    """

    frames: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.frames is not None:
            self._checked(self.frames)
        elif self.seconds is None or not 0 < self.seconds < float("inf"):
            raise UsageError(f"a median filter lasts more than 0 s, not {self.seconds}; 1 frame is none")

    @classmethod
    def of(cls, length: int | str | MedianWindow) -> Self | MedianWindow:
        """From ``9`` or ``"9"`` (frames), ``"0.36s"`` or ``"360ms"``."""
        if isinstance(length, MedianWindow):
            return length
        match = re.fullmatch(r"\s*(-?(?:\d+\.?\d*|\.\d+))\s*(ms|s|)\s*", str(length).lower())
        if match is None or not (match[2] or match[1].removeprefix("-").isdecimal()):
            raise UsageError(f"'{length}' is not a length: write frames (9) or a time (0.36s, 360ms)")
        if not match[2]:
            return cls(frames=int(match[1]))
        return cls(seconds=float(match[1]) / (1000 if match[2] == "ms" else 1))

    @property
    def is_none(self) -> bool:
        """Whether it leaves scores as they are, however long their frames."""
        return self.frames == 1

    def in_frames(self, frame_seconds: float) -> int:
        """Frames of this length, 1 or more: a time is rounded to the nearest number of frames."""
        if self.seconds is None:
            return self.frames or 1
        return self._checked(max(1, round(self.seconds / frame_seconds)))

    def __str__(self) -> str:
        return f"{self.frames} frames" if self.seconds is None else f"{1000 * self.seconds:g} ms"

    @staticmethod
    def _checked(frames: int) -> int:
        if checked_window(frames) > LONGEST_MEDIAN:
            raise UsageError(f"a median filter has {LONGEST_MEDIAN:,} frames at most, not {frames:,}")
        return frames


def median_filter(scores: np.ndarray, window: int | Sequence[int]) -> np.ndarray:
    """Median over time, class by class; the values of ``scipy.ndimage.median_filter``, in less time.

    Past the ends, the scores are mirrored with the edge repeated (SciPy's ``reflect``). An even window
    reaches one frame further back than ahead and takes the upper of the two middle values, as SciPy does.

    Args:
        scores: (frames, classes) without NaN.
        window: frames, one number for all classes or one for each; 1 leaves scores as they are.

    Shape:
        (frames, classes) -> (frames, classes), of the same type

    Raises:
        UsageError: scores of another shape, or a window that is not a whole number of frames.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2:
        raise UsageError(f"scores have shape {scores.shape}; expected (frames, classes)")
    if not isinstance(window, Sequence | np.ndarray):
        return _filter(scores, checked_window(window))
    windows = np.array([checked_window(frames) for frames in window])
    if windows.shape != scores.shape[1:]:
        raise UsageError(f"{len(windows)} median windows for {scores.shape[1]} classes")
    result = np.empty_like(scores)
    for frames in np.unique(windows).tolist():
        result[:, windows == frames] = _filter(scores[:, windows == frames], frames)
    return result


def checked_window(window: float) -> int:
    """A median window; a ``UsageError`` unless it is a whole number of frames, 1 or more."""
    if window != int(window) or window < 1:
        raise UsageError(f"a median window is a whole number of frames, 1 or more, not {window}")
    return int(window)


def _filter(scores: np.ndarray, window: int) -> np.ndarray:
    if window == 1 or scores.size == 0:
        return scores.copy()
    wide = scores.astype(np.float32) if scores.dtype == np.float16 else scores
    before, after = window // 2, (window - 1) // 2
    padded = np.pad(wide, ((before, after), (0, 0)), mode="symmetric")
    if window > LONGEST_NETWORK:
        # Padded here: SciPy (1.17) reads past the end of scores that are much shorter than the window.
        filtered: np.ndarray = ndimage.median_filter(padded, size=(window, 1))[before : before + len(scores)]
        return filtered.astype(scores.dtype, copy=False)
    filtered = np.empty(wide.shape, wide.dtype)
    step = max(2 * window, FILTERED_BYTES // (wide.shape[1] * wide.itemsize))
    for low in range(0, len(wide), step):
        filtered[low : low + step] = _medians(padded[low : low + step + window - 1], window)
    return filtered.astype(scores.dtype, copy=False)


def _medians(rows: np.ndarray, window: int) -> np.ndarray:
    """The middle of each ``window`` consecutive rows."""
    wires = [rows[shift : len(rows) - window + 1 + shift] for shift in range(window)]
    for low, high, keep_low, keep_high in _network(window):
        first, second = wires[low], wires[high]
        if keep_low:
            wires[low] = np.minimum(first, second)
        if keep_high:
            wires[high] = np.maximum(first, second)
    return wires[window // 2]


@cache
def _network(wires: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Exchanges (low, high, whether either end is needed) that leave the middle rank on the middle wire.

    Source: merge exchange, Knuth, The Art of Computer Programming, vol. 3, algorithm 5.2.2M.
    """
    exchanges = []
    top = 1 << (wires - 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            exchanges += [(i, i + d) for i in range(wires - d) if i & p == r]
            if q == p:
                break
            q, r, d = q >> 1, p, q - p
        p >>= 1
    needed, kept = {wires // 2}, []
    for low, high in reversed(exchanges):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))
