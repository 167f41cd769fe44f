"""Frames of tables that do not follow one another: gaps between them, refused or filled, and overlaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from effbench.errors import DataError
from effbench.infer.score_folder import Array

#: Seconds up to which two times are one, written differently.
_TOUCHING = 1e-5
#: Frames that a gap is filled with at most; they last longer in a longer one.
_MOST_FRAMES = 100_000


class FrameGap(DataError):
    """A frame begins after the end of the one before, and nobody said that the gap may be filled."""


class FilledGaps:
    """What was filled in of which clips."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def notes(self, clips: int) -> Iterator[str]:
        """In how many of all clips, and for how long."""
        if self.seconds:
            yield (
                f"gaps between frames were filled with -inf, nothing detected, in {len(self.seconds):,} of "
                f"{clips:,} clips ({sum(self.seconds.values()):g} s in all)"
            )


def follow(
    clip: str, where: str, onsets: Array, offsets: Array, filled: FilledGaps | None
) -> tuple[np.ndarray, np.ndarray]:
    """Boundaries (frames + 1,) of frames that follow one another, and the row of each, -1 in what is filled.

    A gap is filled with frames of the clip's usual length, as many as come nearest to it.

    Args:
        clip: its name.
        where: the table, for messages.
        onsets, offsets: of the frames, in seconds.
        filled: takes note of gaps that are filled; ``None`` to refuse them.

    Raises:
        FrameGap: a gap that may not be filled.
        DataError: frames that overlap, are in another order or have no length.
    """
    short = np.flatnonzero(offsets <= onsets)
    if len(short):
        row = int(short[0])
        raise DataError(
            f"{where}: frame {row + 1:,} is from {onsets[row]:g} to {offsets[row]:g} s; "
            "each frame has to end after it begins"
        )
    apart = onsets[1:] - offsets[:-1]
    gaps = np.flatnonzero(apart > _TOUCHING)
    bad = np.flatnonzero(np.abs(apart) > _TOUCHING if filled is None else apart < -_TOUCHING)
    if len(bad):
        row = int(bad[0])
        kind, error = ("a gap", FrameGap) if apart[row] > 0 else ("an overlap or another order", DataError)
        raise error(
            f"{where}: {kind} between frame {row + 1:,}, which ends at {offsets[row]:g} s, and the next, "
            f"which begins at {onsets[row + 1]:g} s; each frame has to begin where the one before ends"
        )
    if filled is None or not len(gaps):
        return np.append(onsets, offsets[-1:]), np.arange(len(onsets))
    filled.seconds[clip] = float(apart[gaps].sum())
    frames = np.clip(np.round(apart[gaps] / np.median(offsets - onsets)), 1, _MOST_FRAMES).astype(int)
    inside = [
        np.linspace(offsets[row], onsets[row + 1], count, endpoint=False)
        for row, count in zip(gaps.tolist(), frames.tolist(), strict=True)
    ]
    places = np.repeat(gaps + 1, frames)
    times = np.insert(onsets, places, np.concatenate(inside))
    return np.append(times, offsets[-1:]), np.insert(np.arange(len(onsets)), places, -1)
