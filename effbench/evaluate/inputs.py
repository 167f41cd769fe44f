"""What a score is computed from, checked once: clips, classes, events, durations and frame times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from effbench.data.labels import Event, merge_events
from effbench.errors import UsageError

Scores: TypeAlias = Mapping[str, ArrayLike]
GroundTruth: TypeAlias = Mapping[str, Sequence[tuple[float, float, str]]]
Durations: TypeAlias = Mapping[str, float]
Timestamps: TypeAlias = ArrayLike | Mapping[str, ArrayLike] | None

#: Times are compared after rounding to this many decimals of a second, as the reference does.
TIME_DECIMALS = 6

#: Class numbers are kept as 16-bit integers.
MAX_CLASSES = 1 << 15


@dataclass(frozen=True)
class Events:
    """Ground-truth events, sorted by clip, class and onset; those of one class in one clip are apart.

    Shape: every array (events,).
    """

    clip: np.ndarray
    cls: np.ndarray
    onset: np.ndarray
    offset: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def of_clips(self, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the first event of each clip (n,), and of the one past its last."""
        return np.searchsorted(self.clip, clip), np.searchsorted(self.clip, clip, side="right")

    def of_pairs(self, clip: np.ndarray, cls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same for the events of one class each."""
        keys, wanted = self.clip * MAX_CLASSES + self.cls, clip * MAX_CLASSES + cls
        return np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")


@dataclass(frozen=True)
class Task:
    """One scoring job: what was predicted, and what was there."""

    scores: Scores
    clips: tuple[str, ...]
    classes: tuple[str, ...]
    events: Events
    durations: np.ndarray
    timestamps: Timestamps
    frame_seconds: float

    @property
    def event_counts(self) -> np.ndarray:
        """Number of events (classes,)."""
        return np.bincount(self.events.cls, minlength=len(self.classes))

    @property
    def total_duration(self) -> float:
        """Seconds of all clips together."""
        return float(sum(self.durations.tolist()))

    def load(self, index: int) -> np.ndarray:
        """Scores (frames, classes) of one clip as they are; asks the mapping once."""
        clip = self.clips[index]
        array = np.asarray(self.scores[clip])
        if array.ndim != 2 or array.shape[1] != len(self.classes) or len(array) == 0:
            raise UsageError(
                f"scores of clip '{clip}' have shape {array.shape}; "
                f"expected (frames, {len(self.classes)}), one column per class"
            )
        return array

    def times(self, index: int, frames: int) -> np.ndarray:
        """Boundaries (frames + 1,) of a clip's frames in seconds."""
        given = self.timestamps
        if given is None:
            return frame_times(frames, self.frame_seconds)
        clip = self.clips[index]
        times = np.asarray(given[clip] if isinstance(given, Mapping) else given, dtype=np.float64)
        if times.shape != (frames + 1,):
            raise UsageError(
                f"clip '{clip}' has {frames} frames and {times.size} timestamps; expected {frames + 1}"
            )
        if not (np.diff(times) > 10.0**-TIME_DECIMALS).all():
            raise UsageError(f"timestamps of clip '{clip}' do not rise from frame to frame")
        return times

    def refuse_nan(self, index: int, cls: int) -> UsageError:
        """The error for a score that is not a number."""
        return UsageError(f"scores of clip '{self.clips[index]}' hold NaN for class '{self.classes[cls]}'")


@lru_cache
def frame_times(frames: int, frame_seconds: float) -> np.ndarray:
    """Boundaries (frames + 1,) of equally long frames."""
    times: np.ndarray = np.arange(frames + 1) * frame_seconds
    times.flags.writeable = False
    return times


def exact(scores: np.ndarray) -> np.ndarray:
    """The same values in one piece of memory, in a type that is fast to compare: float32 or float64."""
    small = scores.dtype in (np.float16, np.float32)
    return np.ascontiguousarray(scores, dtype=np.float32 if small else np.float64)


def prepare(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float,
    timestamps: Timestamps = None,
) -> Task:
    """Check the parts against each other and bring them into one order (clips by name).

    Events of one class that overlap or touch in a clip are merged into one. Durations of clips that have
    no scores are ignored.

    Raises:
        UsageError: naming the clip, class or event that does not fit.
    """
    names = tuple(classes)
    if len(set(names)) != len(names) or not names:
        raise UsageError("classes must be given, and each only once")
    if len(names) > MAX_CLASSES:
        raise UsageError(f"{len(names)} classes; at most {MAX_CLASSES} can be scored")
    if not frame_seconds > 10.0**-TIME_DECIMALS:
        raise UsageError(f"frame_seconds is {frame_seconds}; expected the length of a frame in seconds")
    clips = tuple(sorted(scores.keys()))
    if not clips:
        raise UsageError("no scores: the mapping has no clips")
    _same_clips(clips, ground_truth, durations)
    seconds = np.array([durations[clip] for clip in clips], dtype=np.float64)
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        worst = clips[int(np.argmin(np.isfinite(seconds) & (seconds > 0)))]
        raise UsageError(f"duration of clip '{worst}' is {durations[worst]}; expected seconds above 0")
    events = collect_events(ground_truth, clips, names)
    if len(events) == 0:
        raise UsageError("no ground-truth events: nothing to score against")
    return Task(scores, clips, names, events, seconds, timestamps, frame_seconds)


def collect_events(
    ground_truth: GroundTruth, clips: Sequence[str], classes: Sequence[str], *, merge: bool = True
) -> Events:
    """Events of all clips as arrays; those of one class that overlap or touch in a clip become one."""
    index = {name: number for number, name in enumerate(classes)}
    rows: list[tuple[int, int, float, float]] = []
    for number, clip in enumerate(clips):
        events = [_checked(event, clip, index) for event in ground_truth[clip]]
        kept = merge_events(events) if merge else events
        rows.extend(sorted((number, index[event.label], event.onset, event.offset) for event in kept))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Events(table[:, 0].astype(np.int64), table[:, 1].astype(np.int16), table[:, 2], table[:, 3])


def _checked(event: tuple[float, float, str], clip: str, index: Mapping[str, int]) -> Event:
    onset, offset, name = float(event[0]), float(event[1]), event[2]
    if name not in index:
        raise UsageError(
            f"clip '{clip}' has an event of class '{name}', which is not among the {len(index)} classes; "
            "drop it, or add a score column for it"
        )
    if not (np.isfinite(onset) and np.isfinite(offset) and onset < offset):
        raise UsageError(f"clip '{clip}' has an event of class '{name}' from {onset} to {offset} s")
    return Event(onset, offset, name)


def _same_clips(clips: Sequence[str], ground_truth: GroundTruth, durations: Durations) -> None:
    for clip in clips:
        if clip not in ground_truth:
            raise UsageError(f"clip '{clip}' has scores but no ground truth (an empty list is fine)")
        if clip not in durations:
            raise UsageError(f"clip '{clip}' has scores but no duration")
    known = set(clips)
    for clip in ground_truth:
        if clip not in known:
            raise UsageError(f"clip '{clip}' has ground truth but no scores")
