"""Tables of events, ``filename onset offset event_label``, or of clip labels, beside audio files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from effbench.data.audio_folder import audio_files
from effbench.data.clip_names import name_clips
from effbench.data.clips import DataSet
from effbench.data.column_names import CLIP_LABELS, DESED
from effbench.data.durations import find_durations
from effbench.data.ground_truth import read_desed
from effbench.data.layouts.labelled import Labelled, read_quietly
from effbench.data.tables import NOTHING, header, is_table, read_table, table_name
from effbench.errors import DataError

_SPLIT = "split"


def splits(folder: Path) -> dict[str, Path]:
    """Tables with events or with clip labels, by their names or by what their columns ``split`` say."""
    tables = [folder] if folder.is_file() else [path for path in sorted(folder.iterdir()) if is_table(path)]
    found: dict[str, Path] = {}
    for table in tables:
        if table.is_file() and has_labels(table):
            for name in split_names(table):
                if found.setdefault(name, table) != table:
                    both = f"{found[name].name} and {table.name}"
                    raise DataError(f"{folder}: {both} have a split '{name}' each: rename one of them")
    return found


def has_labels(table: Path) -> bool:
    """Whether its columns are those of events or of clip labels."""
    names = set(header(table)[1])
    return set(DESED) <= names or set(CLIP_LABELS) <= names


def split_names(table: Path) -> tuple[str, ...]:
    """What its column ``split`` says, or else its own name."""
    if _SPLIT not in header(table)[1]:
        return (table_name(table),)
    return tuple(dict.fromkeys(_split_of_clips(table).values()))


def open_split(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One table, or its rows of a split, and its audio; a row without times is a clip without events.

    The classes are the labels of all tables beside this one, sorted, so that every split has the same.
    """
    files = audio_files(audio or table.parent, split)
    beside = {table, *splits(table.parent).values()}
    parts = read_quietly(lambda: map(read_labels, beside))
    return read_labels(table, split).dataset(files, parts, table.parent, "desed", split)


def read_labels(table: Path, split: str | None = None) -> Labelled:
    """All that a table says, or what it says of a split, with the durations of ``<split>_durations.tsv``."""
    durations = {} if split is None else find_durations(table.parent, split)
    if set(DESED) <= set(header(table)[1]):
        read = Labelled.of(read_desed(table), durations)
    else:
        weak = _clip_labels(table)
        read = Labelled(weak.keys() | durations.keys(), weak=weak, durations=durations)
    if split is None or _SPLIT not in header(table)[1]:
        return read
    return read.only({clip for clip, name in _split_of_clips(table).items() if name == split})


def _split_of_clips(table: Path) -> dict[str, str]:
    rows = read_table(table, ("filename", _SPLIT))
    clips = name_clips(rows["filename"])
    found: dict[str, str] = {}
    for line, name, split in rows.itertuples(name=None):
        if split in NOTHING:
            raise DataError(f"{table}, line {line}: its column '{_SPLIT}' is empty: name one, or remove all")
        if found.setdefault(clips[name], split) != split:
            raise DataError(f"{table}, line {line}: '{name}' is in '{found[clips[name]]}', too")
    return found


def _clip_labels(table: Path) -> dict[str, tuple[str, ...]]:
    rows = read_table(table, CLIP_LABELS)
    clips = name_clips(rows["filename"])
    labels: dict[str, tuple[str, ...]] = {}
    for line, name, named in rows.itertuples(name=None):
        found = tuple(_parted(named))
        if not name:
            raise DataError(f"{table}, line {line}: labels without a file name")
        if labels.setdefault(clips[name], found) != found:
            raise DataError(f"{table}, line {line}: other labels of '{name}' than before")
    return labels


def _parted(named: str) -> Iterable[str]:
    return (label.strip() for label in named.split(",") if label.strip() not in NOTHING)
