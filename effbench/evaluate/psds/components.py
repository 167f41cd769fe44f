"""All events that a score curve holds at any threshold, as the nodes of its component tree.

Lower a threshold over a curve and events appear at its maxima, grow, and join at its minima. Between two
joins an event grows frame by frame, so that a curve of n frames has at most n different events. Each is
detected by every threshold from its own level down to, but without, the level of the event that swallows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """Events of several curves, each column (n,); an event is detected by every threshold in (parent, level].

    Attributes:
        row: which curve.
        start, stop: first frame, and the one past the last.
        level: lowest score within the event.
        parent: highest score next to the event; -inf if it spans the whole curve.
    """

    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    level: np.ndarray
    parent: np.ndarray


def components(curves: np.ndarray, floor: np.ndarray) -> Components:
    """Events of curves (rows, frames) with a level above a floor (rows,) of the same type; -inf: all of them.

    A score of -inf is never detected.
    """
    rows, frames = np.nonzero(curves > floor[:, None])
    forward = _Search(curves)
    values = curves[rows, frames]
    before = forward.nearest_below(rows, frames, values)
    # The first of several frames of one event with equal scores stands for it.
    first = forward.nearest_below(rows, frames, values, or_equal=True) == before
    rows, frames, values, before = rows[first], frames[first], values[first], before[first]
    length = curves.shape[1]
    mirrored = length - 1 - frames
    after = length - 1 - _Search(curves[:, ::-1]).nearest_below(rows, mirrored, values)
    lowest = np.array(-np.inf, dtype=curves.dtype)
    left = np.where(before >= 0, curves[rows, before], lowest)
    right = np.where(after < length, curves[rows, np.minimum(after, length - 1)], lowest)
    return Components(rows, before + 1, after, values, np.maximum(left, right))


class _Search:
    """Minima of windows of 1, 2, 4, … frames, to step back over a curve in ever smaller leaps."""

    def __init__(self, curves: np.ndarray) -> None:
        rows, frames = curves.shape
        padded = np.empty((rows, frames + 1), dtype=curves.dtype)
        padded[:, 0] = -np.inf
        padded[:, 1:] = curves
        self.width = frames + 1
        self.minima = [padded]
        while (leap := 1 << (len(self.minima) - 1)) * 2 <= frames:
            last = self.minima[-1]
            longer = np.full_like(last, -np.inf)
            np.minimum(last[:, leap:], last[:, :-leap], out=longer[:, leap:])
            self.minima.append(longer)

    def nearest_below(
        self, rows: np.ndarray, frames: np.ndarray, values: np.ndarray, *, or_equal: bool = False
    ) -> np.ndarray:
        """The last earlier frame with a lower (or equal) score; -1 if there is none."""
        stay_above = np.greater if or_equal else np.greater_equal
        # In the padded curve, frame t lies at t + 1: so ``frames`` points at the frame before.
        flat = rows * self.width + frames
        for power in range(len(self.minima) - 1, -1, -1):
            flat -= stay_above(self.minima[power].reshape(-1)[flat], values).astype(flat.dtype) << power
        position: np.ndarray = flat - rows * self.width - 1
        return position
