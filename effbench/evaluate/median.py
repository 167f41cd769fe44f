"""From frame scores to events: median filter, threshold, gaps and minimum durations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from effbench.data.labels import Event
from effbench.errors import UsageError
from effbench.grid import FRAME_SECONDS

#: Windows up to this length are filtered by minima and maxima of whole rows, longer ones by SciPy.
LONGEST_NETWORK = 25

#: Bytes of scores filtered at once: they stay in the cache, and their memory is had again without the kernel.
BLOCK_BYTES = 1 << 16


def median_filter(scores: np.ndarray, window: int | Sequence[int]) -> np.ndarray:
    """Median over time, class by class; the same values as ``scipy.ndimage.median_filter``, sooner.

    Past the ends, the scores are mirrored with the edge repeated (SciPy's ``reflect``). An even window
    reaches one frame further back than ahead and takes the upper of the two middle values, as SciPy does.

    Args:
        scores: (frames, classes) without NaN.
        window: frames, one number for all classes or one for each; 1 leaves scores as they are.

    Shape:
        (frames, classes) -> (frames, classes), of the same type
    """
    scores = np.asarray(scores)
    if scores.ndim != 2:
        raise UsageError(f"scores have shape {scores.shape}; expected (frames, classes)")
    if not isinstance(window, Sequence | np.ndarray):
        return _filter(scores, _checked_window(window))
    windows = np.array([_checked_window(frames) for frames in window])
    if windows.shape != scores.shape[1:]:
        raise UsageError(f"{len(windows)} median windows for {scores.shape[1]} classes")
    result = np.empty_like(scores)
    for frames in np.unique(windows).tolist():
        result[:, windows == frames] = _filter(scores[:, windows == frames], frames)
    return result


def _checked_window(window: float) -> int:
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
    else:
        filtered = _filter_rows(padded, window)
    return filtered.astype(scores.dtype, copy=False)


def _filter_rows(padded: np.ndarray, window: int) -> np.ndarray:
    frames, classes = len(padded) - window + 1, padded.shape[1]
    result = np.empty((frames, classes), padded.dtype)
    step = max(2 * window, BLOCK_BYTES // (classes * padded.itemsize))
    for low in range(0, frames, step):
        high = min(low + step, frames)
        rows = padded[low : high + window - 1]
        result[low:high] = _median_of_nine(rows) if window == 9 else _select(rows, window)
    return result


def _select(rows: np.ndarray, window: int) -> np.ndarray:
    """The middle of each ``window`` consecutive rows, by a sorting network that is cut to what it needs."""
    count = len(rows) - window + 1
    wires = [rows[shift : count + shift] for shift in range(window)]
    # A wire's first exchange writes to fresh memory, the others to what the exchange before left over.
    spare: list[np.ndarray] = []
    own = [False] * window
    for low, high, keep_low, keep_high in _network(window):
        first, second = wires[low], wires[high]
        lesser = np.minimum(first, second, out=spare.pop() if spare else None) if keep_low else first
        greater = second
        if keep_high:
            greater = np.maximum(first, second, out=second if own[high] else spare.pop() if spare else None)
        if keep_low and own[low]:
            spare.append(first)
        wires[low], wires[high] = lesser, greater
        own[low], own[high] = own[low] or keep_low, own[high] or keep_high
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


def _median_of_nine(rows: np.ndarray) -> np.ndarray:
    """Middle of nine rows, from threes of neighbours that are sorted once for all the windows they are in.

    It is the middle of: the highest of the threes' lowest, the middle of their middles, the lowest of their
    highest.
    """
    first, second, third = rows[:-2], rows[1:-1], rows[2:]
    less, more = np.minimum(first, second), np.maximum(first, second)
    low = np.minimum(less, third)
    rest = np.maximum(less, third, out=less)
    middle, high = np.minimum(rest, more), np.maximum(rest, more, out=more)
    highest_low = np.maximum(np.maximum(low[:-6], low[3:-3]), low[6:])
    lowest_high = np.minimum(np.minimum(high[:-6], high[3:-3]), high[6:])
    return _middle(highest_low, _middle(middle[:-6], middle[3:-3], middle[6:]), lowest_high)


def _middle(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    lower, upper = np.minimum(first, second), np.maximum(first, second)
    middle: np.ndarray = np.maximum(lower, np.minimum(upper, third, out=upper), out=lower)
    return middle


def decode_events(
    scores: np.ndarray,
    threshold: float | Sequence[float],
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: ArrayLike | None = None,
) -> list[Event]:
    """Events at a threshold: runs of frames with a score above it.

    Args:
        scores: (frames, classes).
        threshold: one for all classes, or one for each; a score equal to it is not above it.
        classes: names of the columns.
        frame_seconds: length of a frame; times are rounded to the microsecond.
        timestamps: boundaries (frames + 1,) of the frames instead.

    Returns:
        Events by onset, offset and class.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        raise UsageError(f"scores have shape {scores.shape}; expected (frames, {len(classes)})")
    times = np.round(np.arange(len(scores) + 1) * frame_seconds, 6)
    if timestamps is not None:
        times = np.asarray(timestamps, dtype=np.float64)
    cls, start, stop = event_frames(scores > np.asarray(threshold))
    return sorted(
        Event(onset, offset, classes[number])
        for number, onset, offset in zip(
            cls.tolist(), times[start].tolist(), times[stop].tolist(), strict=True
        )
    )


def event_frames(active: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of active frames (frames, classes): class, first frame and one past the last, by class."""
    edges = np.diff(active.T.astype(np.int8), axis=1, prepend=0, append=0)
    cls, start = np.nonzero(edges == 1)
    return cls, start, np.nonzero(edges == -1)[1]


def merge_gaps(events: Iterable[Event], gap: float) -> list[Event]:
    """Events of one class less than ``gap`` seconds apart, touching or overlapping, joined into one."""
    merged: list[Event] = []
    for _, group in groupby(sorted(events, key=_by_class), key=lambda event: event.label):
        for number, event in enumerate(group):
            if number and _shorter(event.onset - merged[-1].offset, gap):
                merged[-1] = merged[-1]._replace(offset=max(merged[-1].offset, event.offset))
            else:
                merged.append(event)
    return sorted(merged)


def drop_short(events: Iterable[Event], seconds: float) -> list[Event]:
    """The events that last at least so long, in their order."""
    return [event for event in events if not _shorter(event.offset - event.onset, seconds, or_equal=False)]


def _by_class(event: Event) -> tuple[str, float, float]:
    return event.label, event.onset, event.offset


def _shorter(span: float, limit: float, *, or_equal: bool = True) -> bool:
    """Whether a span of time is below a limit to the microsecond; a span of nothing always is if allowed."""
    span, limit = round(span, 6), round(limit, 6)
    return span < limit or (or_equal and span <= 0)
