"""What a score is computed from, checked once: scores, events, durations and frame times of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from effbench.data.labels import Event, merge_events
from effbench.errors import UsageError
from effbench.grid import FRAME_SECONDS

Scores: TypeAlias = Mapping[str, ArrayLike]
GroundTruth: TypeAlias = Mapping[str, Sequence[tuple[float, float, str]]]
Durations: TypeAlias = Mapping[str, float]
Timestamps: TypeAlias = ArrayLike | Mapping[str, ArrayLike] | None

#: Times are compared after rounding to this many decimals of a second, as the reference does.
TIME_DECIMALS = 6

#: Class indices are kept as 16-bit integers.
MAX_CLASSES = 1 << 15


@dataclass(frozen=True)
class Events:
    """Events of many clips, sorted by clip (its index), class and onset; each column is (events,)."""

    clip: np.ndarray
    class_index: np.ndarray
    onset: np.ndarray
    offset: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)

    def of_clips(self, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the first event of each clip (n,), and of the one past its last."""
        return np.searchsorted(self.clip, clip), np.searchsorted(self.clip, clip, side="right")

    def of_pairs(self, clip: np.ndarray, class_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same for the events of one class each."""
        keys, wanted = self.clip * MAX_CLASSES + self.class_index, clip * MAX_CLASSES + class_index
        return np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")


@dataclass(frozen=True)
class ScoringInputs:
    """What was predicted and what was there, for one set of clips.

    ``effbench.psds1`` documents the attributes. Events of one class that overlap or touch in a clip count as
    one, and those without length not at all; durations of clips without scores are ignored.

    Raises:
        UsageError: when it is made, naming the clip, class or event that does not fit.
    """

    scores: Scores
    ground_truth: GroundTruth
    durations: Durations
    classes: Sequence[str]
    frame_seconds: float = FRAME_SECONDS
    timestamps: Timestamps = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise UsageError("classes must be given, and each only once")
        if len(self.classes) > MAX_CLASSES:
            raise UsageError(f"{len(self.classes)} classes; at most {MAX_CLASSES} can be scored")
        if not self.frame_seconds > 10.0**-TIME_DECIMALS:
            raise UsageError(
                f"frame_seconds is {self.frame_seconds}; expected the length of a frame in seconds"
            )
        if not self.clips:
            raise UsageError("no scores: the mapping has no clips")
        for clip in self.clips:
            if clip not in self.ground_truth:
                raise UsageError(f"clip '{clip}' has scores but no ground truth (an empty list is fine)")
            if clip not in self.durations:
                raise UsageError(f"clip '{clip}' has scores but no duration")
            if not 0 < self.durations[clip] < np.inf:
                raise UsageError(
                    f"duration of clip '{clip}' is {self.durations[clip]}; expected seconds above 0"
                )
        if extra := sorted(self.ground_truth.keys() - self.clips):
            raise UsageError(f"clip '{extra[0]}' has ground truth but no scores")
        if len(self.events) == 0:
            raise UsageError("no ground-truth events: nothing to score against")

    @cached_property
    def clips(self) -> tuple[str, ...]:
        """Clips by name: the order of everything else."""
        return tuple(sorted(self.scores.keys()))

    @cached_property
    def seconds(self) -> np.ndarray:
        """Durations (clips,)."""
        return np.array([self.durations[clip] for clip in self.clips], dtype=np.float64)

    @cached_property
    def events(self) -> Events:
        """The ground truth as arrays; events of one class in one clip are apart."""
        return collect_events(self.ground_truth, self.clips, self.classes)

    @cached_property
    def event_counts(self) -> np.ndarray:
        """Number of events (classes,)."""
        return np.bincount(self.events.class_index, minlength=len(self.classes))

    def load(self, index: int) -> np.ndarray:
        """Scores (frames, classes) of one clip as they are; asks the mapping once."""
        clip = self.clips[index]
        return checked_scores(clip, self.scores[clip], self.classes)

    def times(self, index: int, frames: int) -> np.ndarray:
        """Boundaries (frames + 1,) of a clip's frames in seconds."""
        return clip_times(self.clips[index], frames, self.timestamps, self.frame_seconds)


def checked_scores(clip: str, scores: ArrayLike, classes: Sequence[str]) -> np.ndarray:
    """The scores of a clip; a ``UsageError`` unless they are numbers (frames, classes) and not empty."""
    array = np.asarray(scores)
    if array.ndim != 2 or array.shape[1] != len(classes) or len(array) == 0:
        raise UsageError(
            f"scores of clip '{clip}' have shape {array.shape}; "
            f"expected (frames, {len(classes)}), one column per class"
        )
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)  # columns of several types make an array of objects
        except (TypeError, ValueError):
            raise UsageError(f"scores of clip '{clip}' are not numbers") from None
    missing = np.isnan(array)
    if missing.any():
        frame, column = np.argwhere(missing)[0].tolist()
        raise UsageError(
            f"scores of clip '{clip}' hold NaN for class '{classes[column]}' in frame {frame + 1:,} of "
            f"{len(array):,} ({missing.sum():,} in all): every score has to be a number"
        )
    return array


def clip_times(clip: str, frames: int, given: Timestamps, frame_seconds: float) -> np.ndarray:
    """Boundaries (frames + 1,) of a clip's frames in seconds; a ``UsageError`` unless they are that."""
    if given is None:
        return frame_times(frames, frame_seconds)
    times = np.asarray(given[clip] if isinstance(given, Mapping) else given, dtype=np.float64)
    if times.shape != (frames + 1,):
        raise UsageError(
            f"clip '{clip}' has {frames} frames and {times.size} timestamps; expected {frames + 1}"
        )
    if not (np.diff(times) > 10.0**-TIME_DECIMALS).all():
        raise UsageError(f"timestamps of clip '{clip}' do not rise from frame to frame")
    return times


@lru_cache
def frame_times(frames: int, frame_seconds: float) -> np.ndarray:
    """Boundaries (frames + 1,) of equally long frames."""
    times: np.ndarray = np.arange(frames + 1) * frame_seconds
    times.flags.writeable = False
    return times


def rounded(seconds: np.ndarray) -> np.ndarray:
    """Times as they are compared."""
    return np.round(seconds, TIME_DECIMALS)


def indices(first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every index from ``first`` (n,) to before ``stop`` (n,), beside the number, below n, of its range."""
    lengths = stop - first
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)


def exact(scores: np.ndarray) -> np.ndarray:
    """The same values, C-contiguous, in a type that is fast to compare: float32 or float64."""
    small = scores.dtype in (np.float16, np.float32)
    return np.ascontiguousarray(scores, dtype=np.float32 if small else np.float64)


def collect_events(
    ground_truth: GroundTruth, clips: Sequence[str], classes: Sequence[str], *, merge: bool = True
) -> Events:
    """Events of all clips as arrays; unless told not to, merges those of one class that overlap or touch.

    Merged events leave out those without length.

    Raises:
        UsageError: an event of another class than these, or one that ends before it begins.
    """
    index = {name: number for number, name in enumerate(classes)}
    rows: list[tuple[int, int, float, float]] = []
    for number, clip in enumerate(clips):
        events = [_checked(event, clip, index) for event in ground_truth[clip]]
        kept = merge_events(event for event in events if event.onset < event.offset) if merge else events
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
    if not (np.isfinite(onset) and np.isfinite(offset) and onset <= offset):
        raise UsageError(f"clip '{clip}' has an event of class '{name}' from {onset} to {offset} s")
    return Event(onset, offset, name)
