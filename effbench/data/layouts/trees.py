"""Data sets as they are published: where labels and audio of each split lie, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from effbench.data.audio_folder import audio_files
from effbench.data.clips import DataSet
from effbench.data.ground_truth import read_event_files
from effbench.data.labels import EventTable, merge_events
from effbench.data.layouts import desed, tut
from effbench.data.layouts.labelled import Labelled, read_quietly
from effbench.data.tables import table_rows
from effbench.data.vocabulary import ClassList
from effbench.errors import DataError


@dataclass(frozen=True)
class Place:
    """Where splits lie, as paths from the top; ``{split}`` and other names in braces stand for any name.

    Attributes:
        labels: a table, or a folder of a file for each clip.
        audio: folder of the audio; where it is not there, the one above.
        fits: whether such labels are at a path.
        read: labels of a split.
        names: the splits that are in the labels, where their path has no ``{split}``.
    """

    labels: str
    audio: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, str], Labelled]
    names: Callable[[Path], Iterable[str]] = lambda path: ()

    def find(self, top: Path) -> Iterator[tuple[str, Path]]:
        """Splits and their labels."""
        for path in sorted(top.glob(re.sub(r"{\w+}", "*", self.labels))):
            braces = self.braces(path)
            if braces is not None and self.fits(path):
                for name in [braces["split"]] if "split" in braces else self.names(path):
                    yield name, path

    def braces(self, labels: Path) -> dict[str, str] | None:
        """What stands in the place of names in braces; ``None`` for labels of another place."""
        pattern = re.escape(self.labels).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^./][^/]*)", pattern)
        match = re.fullmatch(f"(?:.*/)?{pattern}", labels.as_posix())
        return None if match is None else match.groupdict()


@dataclass(frozen=True)
class Tree:
    """A published data set; its places are tried in this order, and labels are of the first that has them."""

    name: str
    places: tuple[Place, ...]
    tops: tuple[str, ...] = (".",)
    classes: Callable[[Path], ClassList] | None = None

    def splits(self, folder: Path) -> dict[str, Path]:
        """Labels of every split."""
        found: dict[str, Path] = {}
        for top in (folder / name for name in self.tops if not folder.is_file()):
            for _, name, path in self._find(top):
                if found.setdefault(name, path) != path:
                    raise DataError(f"{found[name]} and {path} are both of a split '{name}': remove one")
        return found

    def _find(self, top: Path) -> Iterator[tuple[Place, str, Path]]:
        """Place, name and labels of every split."""
        taken: set[Path] = set()
        for place in self.places:
            found = [(place, name, path) for name, path in place.find(top) if path not in taken]
            yield from found
            taken |= {path for *_, path in found}

    def open_split(self, labels: Path, split: str, audio: Path | None = None) -> DataSet:
        """One split; its classes are the labels of all splits, sorted, unless the data set lists them."""
        place = next(place for place in self.places if place.braces(labels) is not None)
        top = labels.parents[place.labels.count("/")]
        own = top / place.audio.format(**(place.braces(labels) or {}))
        files = audio_files(audio or (own if own.is_dir() else own.parent), split)
        parts = read_quietly(lambda: (place.read(path, name) for place, name, path in self._find(top)))
        classes = None if self.classes is None else self.classes(top)
        return place.read(labels, split).dataset(files, parts, top, self.name, split, classes)


def _has_files(folder: Path) -> bool:
    suffixes = (".txt", ".jams")
    return folder.is_dir() and any(path.suffix.lower() in suffixes for path in folder.iterdir())


def _read_files(folder: Path, split: str) -> Labelled:
    return Labelled.of(read_event_files(folder))


def _read_seconds(folder: Path, split: str) -> Labelled:
    """Labels of each second; seconds that follow each other are one event."""
    table = read_event_files(folder)
    rows = ((clip, *event) for clip in table.clips for event in merge_events(table.events.of(clip)))
    return Labelled(table.clips.keys(), EventTable.from_rows(rows), problems=table.problems)


def _fsd50k_classes(top: Path) -> ClassList:
    """The 200 classes in order: lines of index, name and id."""
    path = top / "FSD50K.ground_truth" / "vocabulary.csv"
    rows = [row for _, row in table_rows(path, ",")]
    if any(len(row) != 3 or row[0] != str(number) for number, row in enumerate(rows)):
        raise DataError(f"{path}: expected lines of index, name and id, from 0 on")
    names = tuple(row[1] for row in rows)
    return ClassList(names, tuple(row[2] for row in rows), frozenset(names))


def _desed(labels: str, audio: str, *names: str) -> Place:
    return Place(labels, audio, desed.has_labels, desed.read_labels, lambda path: names)


def _fsd50k(part: str) -> Place:
    labels, audio = f"FSD50K.ground_truth/{part}.csv", f"FSD50K.{part}_audio"
    return Place(labels, audio, desed.has_labels, desed.read_labels, desed.split_names)


DESED_TREE = Tree(
    "desed-tree",
    (
        _desed("metadata/{part}/audioset_strong.tsv", "audio/{part}/strong_label_real", "strong_label_real"),
        _desed("metadata/{part}/{split}.tsv", "audio/{part}/{split}"),
        _desed("metadata/{part}/{split}/soundscapes.tsv", "audio/{part}/{split}/soundscapes"),
    ),
    tops=(".", "dataset"),
)
FSD50K = Tree("fsd50k", (_fsd50k("dev"), _fsd50k("eval")), classes=_fsd50k_classes)
URBAN_SED = Tree("urban-sed", (Place("annotations/{split}", "audio/{split}", _has_files, _read_files),))
MAESTRO = Tree(
    "maestro-real",
    (
        Place(
            "development_annotation/soft_labels_{split}",
            "development_audio/{split}",
            _has_files,
            _read_seconds,
        ),
    ),
)
TUT = Tree(
    "tut",
    (
        Place("evaluation_setup/{split}.txt", ".", tut.is_fold, tut.read_fold),
        Place("meta.txt", ".", tut.is_meta, tut.read_scene, tut.scenes),
    ),
)
