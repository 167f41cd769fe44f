"""What every data set looks like: a sequence of clips with lazy audio, events and weak labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from effbench.data.audio import AudioSource, Samples, audio_info, read_audio
from effbench.data.labels import Event, merge_events
from effbench.data.vocabulary import ClassList
from effbench.errors import DataError


class Audio(Protocol):
    """Where a clip's audio is; picklable, so that worker processes can have it."""

    @property
    def name(self) -> str:
        """The clip's file, for messages."""

    def source(self) -> AudioSource:
        """What ``read_audio`` reads."""


@dataclass(frozen=True, slots=True)
class FileAudio:
    """Audio in a file of its own."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def source(self) -> Path:
        return self.path


@dataclass(frozen=True)
class Problem:
    """Something wrong with a data set; ``fatal`` ones make it unusable, others are worth knowing."""

    kind: str
    clip: str
    detail: str
    fatal: bool = False


@dataclass(frozen=True)
class Clip:
    """One clip.

    Times are seconds from the start of the audio, as annotated: events may overlap or touch, and a clip may
    be longer than 10 s. Nothing is cropped here. Whoever crops must move the events too (``crop_events``).
    """

    id: str
    audio: Audio
    duration: float | None = None
    """From the data set's tables; ``None`` where they do not say (``seconds`` asks the audio)."""
    events: tuple[Event, ...] = ()
    weak: tuple[str, ...] = ()
    """Labels of the clip as a whole."""
    _pseudo: Callable[[str], NDArray[np.float32]] | None = None

    @property
    def seconds(self) -> float:
        """Duration from the tables or, where they do not say, of the audio (an MP3 is decoded for it)."""
        if self.duration is not None:
            return self.duration
        info = audio_info(self.audio.source(), name=self.audio.name)
        if info.estimated:
            info = audio_info(self.audio.source(), name=self.audio.name, count=True)
        return info.duration

    def waveform(self, seconds: float | None = None) -> Samples:
        """(samples,) float32 at 16 kHz, from the start; at most ``seconds``.

        Raises:
            AudioError: it can't be decoded.
        """
        return read_audio(self.audio.source(), seconds=seconds, name=self.audio.name)

    def pseudo(self) -> NDArray[np.float32] | None:
        """Pseudo labels, (classes, frames) probabilities; ``None`` for a data set without."""
        return None if self._pseudo is None else self._pseudo(self.id)


def _plain(event: Event) -> tuple[float, float, str]:
    return event.onset, event.offset, event.label


class EventTable:
    """The events of all clips in a few arrays: a million of them take 25 MB."""

    def __init__(
        self,
        clips: Sequence[str] | NDArray[Any],
        onsets: NDArray[np.float64],
        offsets: NDArray[np.float64],
        labels: Sequence[str] | NDArray[Any],
    ) -> None:
        import pandas as pd

        codes, names = pd.factorize(np.asarray(clips, object))
        label_codes, label_names = pd.factorize(np.asarray(labels, object))
        order = np.lexsort((label_codes, offsets, onsets, codes))
        self.labels: list[str] = list(label_names)
        self._rows = {name: code for code, name in enumerate(names)}
        self._bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
        self._onsets, self._offsets = onsets[order], offsets[order]
        self._codes = label_codes[order].astype(np.int32)

    def __len__(self) -> int:
        return len(self._onsets)

    def __contains__(self, clip: object) -> bool:
        return clip in self._rows

    def clips(self) -> Iterator[str]:
        """Ids of the clips that have events."""
        return iter(self._rows)

    def of(self, clip: str) -> tuple[Event, ...]:
        """Events of one clip in order of onset."""
        row = self._rows.get(clip)
        if row is None:
            return ()
        part = slice(self._bounds[row], self._bounds[row + 1])
        columns = zip(
            self._onsets[part].tolist(),
            self._offsets[part].tolist(),
            self._codes[part].tolist(),
            strict=True,
        )
        return tuple(Event(onset, offset, self.labels[code]) for onset, offset, code in columns)


def no_events() -> EventTable:
    """A table without events."""
    return EventTable([], np.empty(0), np.empty(0), [])


@dataclass(frozen=True)
class DataSet(Sequence[Clip]):
    """Clips in order of their ids, one split of a data set.

    ``missing`` are ids that have labels and no audio, and are no clips; ``problems`` were met in the tables.
    """

    path: Path
    layout: str
    split: str
    classes: ClassList
    audio: Mapping[str, Audio]
    events: EventTable = field(default_factory=no_events)
    weak: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known_durations: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    pseudo: Callable[[str], NDArray[np.float32]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(sorted(self.audio)))

    ids: tuple[str, ...] = field(init=False, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...
    def __getitem__(self, index: int | slice) -> Clip | Sequence[Clip]:
        if isinstance(index, slice):
            return [self.clip(name) for name in self.ids[index]]
        return self.clip(self.ids[index])

    def clip(self, name: str) -> Clip:
        """The clip with an id.

        Raises:
            DataError: there is none.
        """
        if name not in self.audio:
            raise DataError(f"{self.path}: no clip '{name}' in the split '{self.split}'")
        return Clip(
            name,
            self.audio[name],
            self.known_durations.get(name),
            self.events.of(name),
            self.weak.get(name, ()),
            self.pseudo,
        )

    def ground_truth(self) -> dict[str, list[tuple[float, float, str]]]:
        """Merged events of every clip, as the scores take them."""
        return {name: [*map(_plain, merge_events(self.events.of(name)))] for name in self.ids}

    def durations(self) -> dict[str, float]:
        """Seconds of every clip; asks the audio of those that the tables do not have."""
        return {clip.id: clip.seconds for clip in self}

    def with_pseudo_labels(self, pseudo: Callable[[str], NDArray[np.float32]]) -> DataSet:
        """The same clips, which now have pseudo labels: ``pseudo`` maps an id to probabilities."""
        return replace(self, pseudo=pseudo)


def joined(parts: Sequence[DataSet]) -> DataSet:
    """Several splits as one; a clip that is in two of them is that of the first.

    Raises:
        DataError: their classes differ.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.classes.names != first.classes.names:
            raise DataError(f"{part.path}: the splits '{first.split}' and '{part.split}' differ in classes")
    owner = {name: part for part in reversed(parts) for name in part.audio}
    rows = [(name, *event) for name, part in owner.items() for event in part.events.of(name)]
    names, onsets, offsets, labels = zip(*rows, strict=True) if rows else ((), (), (), ())
    return replace(
        first,
        split="+".join(part.split for part in parts),
        audio={name: part.audio[name] for name, part in owner.items()},
        events=EventTable(names, np.array(onsets, float), np.array(offsets, float), labels),
        weak={name: part.weak[name] for name, part in owner.items() if name in part.weak},
        known_durations={
            name: part.known_durations[name] for name, part in owner.items() if name in part.known_durations
        },
        missing=tuple(sorted({name for part in parts for name in part.missing} - set(owner))),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
