"""What the labels of a split say, before its audio is found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from effbench.data.audio_folder import AudioFiles
from effbench.data.clips import DataSet, Problem
from effbench.data.ground_truth import StrongTable
from effbench.data.labels import EventTable
from effbench.data.vocabulary import ClassList
from effbench.errors import EffbenchWarning


@dataclass(frozen=True)
class Labelled:
    """Clips, also those without events, and all that is known of them; ``weak`` are labels of whole clips."""

    clips: Collection[str]
    events: EventTable = field(default_factory=EventTable)
    weak: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    @classmethod
    def of(cls, table: StrongTable, durations: Mapping[str, float] | None = None) -> Labelled:
        """Of events; clips that have a duration alone are among them."""
        seconds = durations or {}
        return cls(table.clips.keys() | seconds.keys(), table.events, {}, seconds, table.problems)

    @property
    def labels(self) -> set[str]:
        """Every label that occurs."""
        return {*self.events.labels, *(label for labels in self.weak.values() for label in labels)}

    def only(self, clips: Collection[str]) -> Labelled:
        """What is said of some of the clips, and of none."""
        kept = [clip for clip in self.clips if clip in clips]
        return Labelled(
            kept,
            EventTable.from_rows((clip, *event) for clip in kept for event in self.events.of(clip)),
            {clip: self.weak[clip] for clip in kept if clip in self.weak},
            {clip: self.durations[clip] for clip in kept if clip in self.durations},
            [problem for problem in self.problems if not problem.clip or problem.clip in clips],
        )

    def dataset(
        self,
        files: AudioFiles,
        parts: Sequence[Labelled],
        path: Path,
        layout: str,
        split: str,
        classes: ClassList | None = None,
    ) -> DataSet:
        """The split, with the files that its clips are named after.

        ``parts`` are all splits: of their labels are the classes, unless these are given, and a recording
        that none of them names is a problem.
        """
        matched = files.match({clip: [clip] for clip in self.clips})
        unnamed = files.unnamed({clip for part in parts for clip in part.clips})
        return DataSet(
            path,
            layout,
            split,
            _classes(parts) if classes is None else classes,
            matched.audio,
            self.events,
            weak=self.weak,
            known_durations=self.durations,
            missing=matched.missing,
            problems=(*self.problems, *matched.problems, *unnamed),
        )


def read_quietly(read: Callable[[], Iterable[Labelled]]) -> list[Labelled]:
    """What is read of all splits; what there is to note of one is left to who opens it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EffbenchWarning)
        return list(read())


def _classes(parts: Iterable[Labelled]) -> ClassList:
    labels = {label for part in parts for label in part.labels}
    return ClassList(tuple(sorted(labels)), scored=frozenset(labels))
