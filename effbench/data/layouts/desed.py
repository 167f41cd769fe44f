"""DESED-style tables, ``filename onset offset event_label``, beside a folder of audio files."""

from __future__ import annotations

from pathlib import Path

from effbench.data.clips import Audio, DataSet
from effbench.data.tables import (
    audio_files,
    event_table,
    find_durations,
    header,
    read_table,
    stem,
    tables_with,
)
from effbench.data.vocabulary import ClassList

_STRONG = ("filename", "onset", "offset", "event_label")
_WEAK = ("filename", "event_labels")


def splits(folder: Path) -> dict[str, Path]:
    """Tables with events or with clip labels, by their names."""
    if folder.is_file():
        names = set(header(folder)[1])
        return {folder.stem: folder} if set(_STRONG) <= names or set(_WEAK) <= names else {}
    return {table.stem: table for table in (*tables_with(folder, *_STRONG), *tables_with(folder, *_WEAK))}


def open_split(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One table and its audio; a row without times is a clip without events.

    The classes are the labels of all tables beside this one, sorted, so that every split has the same.
    """
    strong = set(_STRONG) <= set(header(table)[1])
    rows = read_table(table, _STRONG if strong else _WEAK)
    rows["filename"] = rows["filename"].map(stem)
    durations = find_durations(table.parent, split)
    root = audio or table.parent
    files = audio_files([root / "audio" / split, root / "audio", root / split, root])
    found = files.found
    wanted = dict.fromkeys([*rows["filename"], *durations])
    clips: dict[str, Audio] = {name: found[name] for name in wanted if name in found}
    missing = tuple(sorted(name for name in wanted if name not in found))
    classes = _classes(table)
    if not strong:
        weak = {
            name: tuple(label.strip() for label in labels.split(",") if label.strip())
            for name, labels in zip(rows["filename"], rows["event_labels"], strict=True)
        }
        return DataSet(
            table.parent, "desed", split, classes, clips,
            weak=weak, known_durations=durations, missing=missing, problems=tuple(files.problems(clips)),
        )  # fmt: skip
    rows = rows[(rows[["onset", "offset", "event_label"]] != "").any(axis=1)]
    rows = rows[~rows["event_label"].isin(["nan", "NaN"])]
    events, problems = event_table(
        table, rows["filename"], rows["onset"], rows["offset"], rows["event_label"]
    )
    return DataSet(
        table.parent, "desed", split, classes, clips, events,
        known_durations=durations, missing=missing, problems=(*problems, *files.problems(clips)),
    )  # fmt: skip


def _classes(table: Path) -> ClassList:
    names: set[str] = set()
    for path in {table, *splits(table.parent).values()}:
        if set(_STRONG) <= set(header(path)[1]):
            names |= set(read_table(path, ("event_label",))["event_label"])
        else:
            names |= {
                label.strip() for row in read_table(path, _WEAK)["event_labels"] for label in row.split(",")
            }
    names -= {"", "nan", "NaN"}
    return ClassList(tuple(sorted(names)), scored=frozenset(names))
