"""What every data set looks like: a sequence of clips with lazy audio, events and weak labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from effbench.data.audio import AudioSource, Samples, audio_info, read_audio
from effbench.data.labels import Event, EventTable
from effbench.data.vocabulary import ClassList
from effbench.errors import AudioError, DataError
from effbench.identity import content_digest, digest
from effbench.shown import Row, Shown, Table, number_of

if TYPE_CHECKING:
    import pandas as pd


class Audio(Protocol):
    """Where a clip's audio is; picklable, for worker processes."""

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
    be longer than 10 s. Nothing is cropped here; ``encode_events`` gives the labels of a piece.
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

    def audio_identity(self) -> str:
        """Digest of the audio as it is stored; raises ``AudioError`` where it can't be read."""
        source = self.audio.source()
        try:
            return content_digest(source if isinstance(source, bytes) else Path(str(source)))
        except OSError as error:
            raise AudioError(f"{self.audio.name}: {error.strerror or error}") from error

    def waveform(self, seconds: float | None = None) -> Samples:
        """(samples,) float32 at 16 kHz, from the start, at most ``seconds``; raises ``AudioError``."""
        return read_audio(self.audio.source(), seconds=seconds, name=self.audio.name)

    def pseudo(self) -> NDArray[np.float32] | None:
        """Pseudo labels, (classes, frames) probabilities; ``None`` for a data set without."""
        return None if self._pseudo is None else self._pseudo(self.id)


@dataclass(frozen=True, repr=False)
class DataSet(Sequence[Clip], Shown):
    """Clips in order of their ids, one split of a data set.

    ``missing`` are ids that have labels and no audio, and are not clips; ``problems`` were met in the tables.
    """

    path: Path
    layout: str
    split: str
    classes: ClassList
    audio: Mapping[str, Audio]
    events: EventTable = field(default_factory=EventTable)
    weak: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known_durations: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    pseudo: Callable[[str], NDArray[np.float32]] | None = None

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the clips, in order."""
        return tuple(sorted(self.audio))

    def __str__(self) -> str:
        events = self.events.count(self.ids)
        return (
            f"'{self.path}' ({self.layout}), split '{self.split}': "
            f"{number_of(len(self), 'clip')}, {number_of(events, 'event')}, "
            f"{number_of(len(self.classes), 'class')}"
        )

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
        """The clip of an id; ``DataError`` if there is none."""
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
        """Events of every clip, as the scores take them."""
        return self.events.ground_truth(self.ids)

    def durations(self) -> dict[str, float]:
        """Seconds of every clip; asks the audio of those that the tables do not have."""
        return {clip.id: clip.seconds for clip in self}

    def audio_identities(self) -> dict[str, str]:
        """Digest of every clip's audio, by clip; reads all of it."""
        return {clip.id: clip.audio_identity() for clip in self}

    def fingerprint(
        self, audio: Mapping[str, str] | None = None, durations: Mapping[str, float] | None = None
    ) -> str:
        """Digest of all that scores depend on: classes, clips, events, labels, durations and audio.

        Copies of a data set have one fingerprint, whatever their folders and layouts.

        Args:
            audio, durations: of ``audio_identities`` and ``durations``, where they are known already.
        """
        identities = self.audio_identities() if audio is None else audio
        seconds = self.durations() if durations is None else durations
        clips = [
            [
                name,
                identities[name],
                seconds[name],
                sorted(self.events.of(name)),
                sorted(self.weak.get(name, ())),
            ]
            for name in self.ids
        ]
        return digest([self.classes.names, sorted(self.classes.scored), clips])

    def sections(self) -> list[Table | str]:
        """How much there is of everything, as one row."""
        counts = {
            "split": self.split,
            "layout": self.layout,
            "clips": len(self),
            "missing": len(self.missing),
            "events": self.events.count(self.ids),
            "weak labels": sum(len(self.weak.get(name, ())) for name in self.ids),
            "classes": len(self.classes),
        }
        return [Table([counts], title=str(self.path))]

    def rows(self) -> list[Row]:
        """One row for each event: ``clip``, ``onset`` and ``offset`` in seconds, ``label``."""
        return [{"clip": name, **event._asdict()} for name in self.ids for event in self.events.of(name)]

    def to_dict(self) -> dict[str, object]:
        """Where it is, its classes, and every clip with its events."""
        clips = [
            {
                "clip": clip.id,
                "audio": clip.audio.name,
                "duration": clip.duration,
                "events": [event._asdict() for event in clip.events],
                "labels": list(clip.weak),
            }
            for clip in self
        ]
        place = {"path": str(self.path), "layout": self.layout, "split": self.split}
        return {**place, "classes": list(self.classes.names), "clips": clips, "missing": list(self.missing)}

    def to_frame(self, of: Literal["events", "clips"] = "events") -> pd.DataFrame:
        """A data frame with a row for each event (as ``rows``), or for each clip.

        Clips have ``clip``, ``audio`` (the file), ``duration`` (seconds, where the tables say it),
        ``events`` (their number) and ``labels`` (of the clip as a whole, a tuple).
        """
        if of == "events":
            return self.events.to_frame(self.ids)
        import pandas as pd

        return pd.DataFrame(
            {
                "clip": self.ids,
                "audio": [self.audio[name].name for name in self.ids],
                "duration": np.array([self.known_durations.get(name) for name in self.ids], float),
                "events": [self.events.count([name]) for name in self.ids],
                "labels": [self.weak.get(name, ()) for name in self.ids],
            }
        )


def joined(parts: Sequence[DataSet]) -> DataSet:
    """Several splits as one, ``DataError`` if their classes differ; the first that has a clip gives it."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.classes.names != first.classes.names:
            raise DataError(f"{part.path}: the splits '{first.split}' and '{part.split}' differ in classes")
    owner = {name: part for part in reversed(parts) for name in part.audio}
    missing = {name: part for part in parts for name in part.missing if name not in owner}
    rows = ((name, *event) for name, part in {**owner, **missing}.items() for event in part.events.of(name))
    return replace(
        first,
        split="+".join(part.split for part in parts),
        audio={name: part.audio[name] for name, part in owner.items()},
        events=EventTable.from_rows(rows),
        weak={name: part.weak[name] for name, part in owner.items() if name in part.weak},
        known_durations={
            name: part.known_durations[name] for name, part in owner.items() if name in part.known_durations
        },
        missing=tuple(sorted(missing)),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
