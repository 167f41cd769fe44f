"""DESED-style tables, ``filename onset offset event_label``, beside a folder of audio files."""

from __future__ import annotations

from pathlib import Path

from effbench.data.audio_folder import audio_files
from effbench.data.clip_names import name_clips
from effbench.data.clips import DataSet
from effbench.data.column_names import DESED
from effbench.data.durations import find_durations
from effbench.data.ground_truth import StrongTable, read_desed
from effbench.data.tables import NOTHING, header, read_table, table_name, tables_with
from effbench.data.vocabulary import ClassList
from effbench.errors import DataError

_WEAK = ("filename", "event_labels")


def splits(folder: Path) -> dict[str, Path]:
    """Tables with events or with clip labels, by their names."""
    if folder.is_file():
        names = set(header(folder)[1])
        return {table_name(folder): folder} if set(DESED) <= names or set(_WEAK) <= names else {}
    return {
        table_name(table): table for table in (*tables_with(folder, *DESED), *tables_with(folder, *_WEAK))
    }


def open_split(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One table and its audio; a row without times is a clip without events.

    The classes are the labels of all tables beside this one, sorted, so that every split has the same.
    """
    strong = set(DESED) <= set(header(table)[1])
    labelled = read_desed(table) if strong else StrongTable()
    weak = {} if strong else _weak_labels(table)
    durations = find_durations(table.parent, split)
    names = {name: [name] for name in (*labelled.clips, *weak, *durations)}
    matched = audio_files(audio or table.parent, split).match(names)
    return DataSet(
        table.parent,
        "desed",
        split,
        _classes(table),
        matched.audio,
        labelled.events,
        weak=weak,
        known_durations=durations,
        missing=matched.missing,
        problems=(*labelled.problems, *matched.problems),
    )


def _weak_labels(table: Path) -> dict[str, tuple[str, ...]]:
    rows = read_table(table, _WEAK)
    clips = name_clips(rows["filename"])
    labels: dict[str, tuple[str, ...]] = {}
    for line, name, named in rows.itertuples(name=None):
        found = tuple(label.strip() for label in named.split(",") if label.strip() not in NOTHING)
        if not name:
            raise DataError(f"{table}, line {line}: labels without a file name")
        if labels.setdefault(clips[name], found) != found:
            raise DataError(f"{table}, line {line}: other labels of '{name}' than before")
    return labels


def _classes(table: Path) -> ClassList:
    names: set[str] = set()
    for path in {table, *splits(table.parent).values()}:
        if set(DESED) <= set(header(path)[1]):
            names |= set(read_table(path, ("event_label",))["event_label"])
        else:
            names |= {label for labels in _weak_labels(path).values() for label in labels}
    names -= set(NOTHING)
    return ClassList(tuple(sorted(names)), scored=frozenset(names))
