"""HEAR tasks such as DCASE 2016 Task 2: ``<split>.json``, ``labelvocabulary.csv`` and folders of audio."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from effbench.data.clip_names import stem
from effbench.data.clips import Audio, DataSet, FileAudio, Problem
from effbench.data.event_documents import hear_seconds
from effbench.data.labels import EventTable
from effbench.data.tables import read_json, read_table
from effbench.data.vocabulary import ClassList
from effbench.errors import DataError

_VOCABULARY = "labelvocabulary.csv"


def splits(folder: Path) -> dict[str, Path]:
    """JSON files that a folder of audio belongs to, the training split first."""
    if not folder.is_dir() or not (folder / _VOCABULARY).is_file():
        return {}
    rate = _audio_root(folder)
    order = {"train": 0, "valid": 1, "test": 2}
    names = [path.stem for path in sorted(folder.glob("*.json")) if (rate / path.stem).is_dir()]
    return {
        name: folder / f"{name}.json" for name in sorted(names, key=lambda name: (order.get(name, 3), name))
    }


def _audio_root(folder: Path) -> Path:
    """``16000``, or the highest rate that there is."""
    rates = [path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
    preferred = folder / "16000"
    return preferred if preferred in rates else max(rates, key=lambda path: int(path.name), default=folder)


def open_split(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One fold of a task; labels of whole clips become weak labels. Times in the file are milliseconds."""
    folder = table.parent
    classes = _read_vocabulary(folder / _VOCABULARY)
    labels = read_json(table)
    root = audio or _audio_root(folder) / split
    clips: dict[str, Audio] = {
        stem(name): FileAudio(root / name) for name in labels if (root / name).is_file()
    }
    rows: list[tuple[str, float, float, str]] = []
    weak: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for name, items in labels.items():
        if not isinstance(items, list):
            raise DataError(f"{table} is not an object of file names and lists of labels")
        weak[stem(name)] = tuple(str(item) for item in items if not isinstance(item, dict))
        for item in (item for item in items if isinstance(item, dict)):
            event = _event(item)
            if event is None:
                problems.append(
                    Problem("event without usable times", stem(name), json.dumps(item), fatal=True)
                )
            else:
                rows.append((stem(name), *event))
    return DataSet(
        folder,
        "hear",
        split,
        classes,
        clips,
        EventTable.from_rows(rows),
        weak={name: found for name, found in weak.items() if found},
        missing=tuple(sorted(stem(name) for name in labels if stem(name) not in clips)),
        problems=tuple(problems),
    )


def _event(item: Mapping[str, object]) -> tuple[float, float, str] | None:
    found = hear_seconds(item)
    if found is None:
        return None
    onset, offset, label = float(found[0]), float(found[1]), found[2]
    return (onset, offset, label) if 0 <= onset < offset < math.inf else None


def _read_vocabulary(path: Path) -> ClassList:
    rows = read_table(path, ("idx", "label"))
    order = {}
    for line, index, label in rows.itertuples(name=None):
        if not index.isdigit() or not label or index in order:
            raise DataError(f"{path}, line {line}: not an index of its own and a label: '{index}', '{label}'")
        order[index] = label
    names = tuple(order[index] for index in sorted(order, key=int))
    return ClassList(names, scored=frozenset(names))
