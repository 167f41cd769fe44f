"""Events, and the grid of 40-ms frames that detectors are trained and scored on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from effbench.grid import CLIP_FRAMES, FRAME_SECONDS

if TYPE_CHECKING:
    import pandas as pd

FrameRule: TypeAlias = Literal["cover", "centre"]
"""Frames of an event: those it touches (``cover``), or those whose centre it covers (``centre``, HEAR)."""

# A time this close to the grid, in frames, lies on it: 0.28 / 0.04 is 7.000000000000001 in floating point.
_ON_GRID = 1e-6
# HEAR takes an event to last this much longer, in seconds, so that one that ends at a centre counts there.
_HEAR_TAIL = 1e-7


class Event(NamedTuple):
    """A sound of one class from ``onset`` to ``offset``, in seconds from the start of its clip."""

    onset: float
    offset: float
    label: str


class EventTable:
    """The events of all clips in a few arrays: a million of them take 25 MB."""

    def __init__(
        self,
        clips: Sequence[str] | NDArray[np.generic] = (),
        onsets: Sequence[float] | NDArray[np.float64] = (),
        offsets: Sequence[float] | NDArray[np.float64] = (),
        labels: Sequence[str] | NDArray[np.generic] = (),
    ) -> None:
        import pandas as pd

        codes, names = pd.factorize(np.asarray(clips, object))
        label_codes, label_names = pd.factorize(np.asarray(labels, object))
        starts, ends = np.asarray(onsets, np.float64), np.asarray(offsets, np.float64)
        order = np.lexsort((label_codes, ends, starts, codes))
        self.labels: list[str] = list(label_names)
        self._row_of = {name: code for code, name in enumerate(names)}
        self._bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
        self._onsets, self._offsets = starts[order], ends[order]
        self._codes = label_codes[order].astype(np.int32)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, float, float, str]]) -> Self:
        """Events from their clip, onset, offset and label."""
        return cls(*zip(*rows, strict=True))

    def __len__(self) -> int:
        return len(self._onsets)

    def of(self, clip: str) -> tuple[Event, ...]:
        """Events of one clip in order of onset."""
        part = self._part(clip)
        columns = zip(
            self._onsets[part].tolist(),
            self._offsets[part].tolist(),
            self._codes[part].tolist(),
            strict=True,
        )
        return tuple(Event(onset, offset, self.labels[code]) for onset, offset, code in columns)

    def ground_truth(self, clips: Iterable[str]) -> dict[str, list[tuple[float, float, str]]]:
        """Events of some clips, as the scores take them: onset, offset, label."""
        return {clip: [(*event,) for event in self.of(clip)] for clip in clips}

    def count(self, clips: Iterable[str]) -> int:
        """How many events some clips have."""
        return sum(part.stop - part.start for part in map(self._part, clips))

    def to_frame(self, clips: Sequence[str]) -> pd.DataFrame:
        """Events of some clips as ``clip``, ``onset``, ``offset``, ``label``, in order of clip and onset."""
        import pandas as pd

        parts = [self._part(clip) for clip in clips]
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(part.start, part.stop) for part in parts)])
        names = np.repeat(np.array(clips, object), [part.stop - part.start for part in parts])
        labels = np.array(self.labels, object)[self._codes[rows]]
        return pd.DataFrame(
            {"clip": names, "onset": self._onsets[rows], "offset": self._offsets[rows], "label": labels}
        )

    def _part(self, clip: str) -> slice:
        """Where a clip's events are in the arrays."""
        row = self._row_of.get(clip)
        return slice(0, 0) if row is None else slice(int(self._bounds[row]), int(self._bounds[row + 1]))


def merge_events(events: Iterable[Event]) -> list[Event]:
    """Overlapping and touching events of one class joined into one, in order of onset, offset and label."""
    by_label: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events):
        merged = by_label[event.label]
        if merged and event.onset <= merged[-1].offset:
            merged[-1] = merged[-1]._replace(offset=max(merged[-1].offset, event.offset))
        else:
            merged.append(event)
    return sorted(event for merged in by_label.values() for event in merged)


def event_frames(active: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Runs of active frames: class, first frame and one past the last, by class and time.

    Shape:
        (frames, classes) -> three times (runs,)
    """
    edges = np.diff(active.T.astype(np.int8), axis=1, prepend=0, append=0)
    class_index, start = np.nonzero(edges == 1)
    return class_index, start, np.nonzero(edges == -1)[1]


def frame_bounds(
    event: Event, *, frames: int = CLIP_FRAMES, float32_times: bool = False, rule: FrameRule = "cover"
) -> tuple[int, int]:
    """First frame of an event and the one after its last, clipped to the clip's frames.

    By the rule ``cover`` they are the floor of the onset and the ceiling of the offset. By ``centre`` frame k
    belongs to the event if ``onset <= 40 ms · (k + 0.5) < offset + 0.1 µs``; an event between two
    centres has no frame.

    ``float32_times`` rounds both times to float32 before, as the published training data has them. That moves
    about half of the times that lie on the grid by one frame (0.12 s begins in frame 2, not 3).
    """
    times = np.array(event[:2], np.float32).astype(float) if float32_times else np.array(event[:2], float)
    slack = 0.0 if float32_times else _ON_GRID
    if rule == "centre":
        times[1] += _HEAR_TAIL
        first, end = np.clip(np.ceil(times / FRAME_SECONDS - 0.5 - [slack, 0.0]), 0, frames).tolist()
        return int(first), int(end)
    onset, offset = np.clip(times / FRAME_SECONDS, 0, frames).tolist()
    return math.floor(onset + slack), math.ceil(offset - slack)


def encode_events(
    events: Iterable[Event],
    classes: Sequence[str],
    *,
    frames: int = CLIP_FRAMES,
    float32_times: bool = False,
    rule: FrameRule = "cover",
    first_frame: int = 0,
) -> NDArray[np.float32]:
    """Frame labels, 1 where a class is active; events of other classes are left out.

    ``float32_times`` and ``rule`` are those of ``frame_bounds``. With ``first_frame`` they are the labels of
    a piece of the clip, of ``frames`` frames from that one on: exactly that part of the whole clip's labels.

    Shape:
        (classes, frames), as a detector's output
    """
    index = _positions(tuple(classes))
    labels = np.zeros((len(classes), frames), np.float32)
    for event in events:
        if event.label in index:
            last = first_frame + frames
            first, end = frame_bounds(event, frames=last, float32_times=float32_times, rule=rule)
            labels[index[event.label], max(0, first - first_frame) : max(0, end - first_frame)] = 1
    return labels


@lru_cache(maxsize=8)
def _positions(classes: tuple[str, ...]) -> dict[str, int]:
    return {name: position for position, name in enumerate(classes)}
