"""Scores as they are scored: some clips and classes of them, checked and filtered when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.median import MedianWindow, median_filter
from effbench.evaluate.scoring_inputs import (
    GroundTruth,
    Scores,
    Timestamps,
    checked_scores,
    clip_times,
)
from effbench.evaluate.value_kinds import ValueRange
from effbench.grid import FRAME_SECONDS


class UnequalFrames(UsageError):
    """A median filter is asked for over frames of several lengths."""


#: Says in rows that a filter or threshold differs from class to class; the protocol has them.
BY_CLASS = "by class"


class FrameLength:
    """The one length that a median filter needs all frames to have; a clip's last one may be shorter."""

    #: Part of a frame by which boundaries may be off a regular grid, as times of few decimals are.
    SLACK = 0.25

    def __init__(self) -> None:
        self.seconds: float = FRAME_SECONDS
        self._frames = 0

    def agree(self, clip: str, times: np.ndarray) -> float:
        """Seconds of a frame of the clip with these boundaries (frames + 1,).

        Raises:
            UnequalFrames: its frames differ in length from each other, or from those of the clips before.
        """
        frames = len(times) - 1
        if frames == 1:
            return self.seconds
        step = float(times[-2] - times[0]) / (frames - 1)
        off = times - times[0] - step * np.arange(frames + 1)
        regular = np.abs(off[:-1]).max() <= self.SLACK * step and off[-1] <= self.SLACK * step
        apart = abs(step - self.seconds) * min(frames, self._frames)
        if not regular or apart > self.SLACK * self.seconds:
            told = "differ in length"
            if regular:
                told = f"last {1000 * step:.4g} ms, those of clips before it {1000 * self.seconds:.4g} ms"
            raise UnequalFrames(
                f"frames of clip '{clip}' {told}, and a median filter is only for frames of one length: "
                "leave it out (a window of 1 frame)"
            )
        if frames > self._frames:
            self.seconds, self._frames = step, frames
        return step


@dataclass(frozen=True)
class FilteredScores(Mapping[str, np.ndarray]):
    """Some clips and columns of scores, each clip checked and filtered when it is asked for.

    Attributes:
        source: clip -> (frames, columns).
        columns: names of all its columns.
        windows: of the median filter, one for each column.
        seen: takes note of the scores.
        frame_seconds, timestamps: of the frames, as in ``ScoringInputs``.
        clips: in order.
        kept: indices of the columns that are kept.
        frame: takes note of the length of the frames, where they are filtered.
    """

    source: Scores
    columns: tuple[str, ...]
    windows: tuple[MedianWindow, ...]
    seen: ValueRange
    frame_seconds: float
    timestamps: Timestamps
    clips: Mapping[str, None]
    kept: np.ndarray
    frame: FrameLength = field(default_factory=FrameLength)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns that are kept."""
        return tuple(self.columns[column] for column in self.kept)

    @property
    def window_frames(self) -> int | str:
        """Frames of the median filter, as long as frames were seen to be, or that it is another by class."""
        frames = {window.in_frames(self.frame.seconds) for window in self._filters}
        return frames.pop() if len(frames) == 1 else BY_CLASS

    @property
    def _filters(self) -> list[MedianWindow]:
        """Of the columns that are kept."""
        return [self.windows[column] for column in self.kept]

    def scored(self, ground_truth: GroundTruth) -> tuple[FilteredScores, GroundTruth]:
        """The clips and columns that have events, and these events."""
        known = set(self.columns)
        events = {
            clip: [event for event in ground_truth.get(clip, ()) if event[2] in known] for clip in self.clips
        }
        events = {clip: mine for clip, mine in events.items() if mine}
        if not events:
            raise UsageError("no clip has both scores and an event of one of their classes")
        active = {event[2] for mine in events.values() for event in mine}
        kept = np.flatnonzero([name in active for name in self.columns])
        return replace(self, clips=dict.fromkeys(events), kept=kept), events

    def notes(self) -> Iterator[str]:
        """What was assumed of the clips that have been asked for."""
        if self.seen.declared is None:
            yield f"scores are taken for {self.seen}"
        frame = self.frame.seconds
        first = next((window for window in self._filters if not window.is_none), None)
        if first and first.frames and not math.isclose(frame, FRAME_SECONDS, rel_tol=0.01):
            filtered = 1000 * frame * first.frames
            yield (
                f"frames last {1000 * frame:.4g} ms, not {1000 * FRAME_SECONDS:.4g}: the median filter of "
                f"{first} is one of {filtered:.4g} ms"
            )

    def __getitem__(self, clip: str) -> np.ndarray:
        array = checked_scores(clip, self.source[clip], self.columns)
        self.seen.see(clip, array)
        if len(self.kept) < array.shape[1]:
            array = array[:, self.kept]
        filters = self._filters
        if all(window.is_none for window in filters):
            return array
        seconds = self.frame.agree(clip, clip_times(clip, len(array), self.timestamps, self.frame_seconds))
        frames = [window.in_frames(seconds) for window in filters]
        return median_filter(array, frames[0] if len(set(frames)) == 1 else frames)

    def __contains__(self, clip: object) -> bool:
        # Asking the scores themselves might load them.
        return clip in self.clips

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)
