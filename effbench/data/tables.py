"""Reads the tables that data sets come with, and finds audio files by their names."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from effbench.data.clips import Audio, FileAudio, Problem
from effbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".tsv", ".csv", ".txt")
_DOCUMENTS = (".json", ".jsonl", ".yaml", ".yml", ".md", ".h5", ".hdf", ".hdf5", ".pdf", ".py", ".zip")
_NOT_AUDIO = {*TABLE_SUFFIXES, *_DOCUMENTS}


def header(path: Path) -> tuple[str, list[str]]:
    """Separator, tab or comma, and the first line's cells in lower case."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            first = lines.readline(65_536).strip()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    separator = "\t" if "\t" in first else ","
    return separator, [cell.strip().strip('"').lower() for cell in first.split(separator)]


def tables_with(folder: Path, *columns: str) -> list[Path]:
    """Tables in ``folder`` whose header has the columns, by name."""
    found = (
        path for path in sorted(folder.iterdir()) if path.suffix.lower() in TABLE_SUFFIXES and path.is_file()
    )
    return [path for path in found if not path.name.startswith(".") and set(columns) <= set(header(path)[1])]


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The named columns as text, by line in the file; ``DataError`` if it lacks one or can't be read."""
    import pandas as pd

    separator, names = header(path)
    lacking = [column for column in columns if column not in names]
    if lacking:
        raise DataError(f"{path}: no column '{lacking[0]}'\nColumns: {', '.join(names)}")
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            header=0,
            names=names,
            usecols=list(columns),
            dtype=str,
            keep_default_na=False,
            index_col=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
        )
    except (ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is not a readable table ({str(error).splitlines()[0]})") from error
    table = pd.DataFrame({column: table[column].fillna("").str.strip() for column in columns})
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table.loc[(table != "").any(axis=1)]


def read_json(path: Path) -> dict[str, object]:
    """A JSON object; ``DataError`` if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a JSON object")
    return content


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by file name without suffix, from a table of two columns with or without a header."""
    separator = header(path)[0]
    durations: dict[str, float] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter=separator), 1):
            if not row:
                continue
            try:
                seconds = float(row[1])
            except (IndexError, ValueError) as error:
                if number == 1:
                    continue
                raise DataError(f"{path}, line {number}: no duration in '{separator.join(row)}'") from error
            if not 0 < seconds < float("inf"):
                raise DataError(f"{path}, line {number}: a duration of {row[1]} s")
            durations[stem(row[0])] = seconds
    return durations


def find_durations(folder: Path, split: str) -> dict[str, float]:
    """Durations of a split from ``<split>_durations.csv`` or the like; empty where there is no such file."""
    candidates = [
        path for path in sorted(folder.iterdir()) if path.suffix in TABLE_SUFFIXES and "duration" in path.stem
    ]
    named = [path for path in candidates if path.stem.replace("_durations", "") == split]
    if not named:
        named = [path for path in candidates if split in path.stem]
    if not named and len(candidates) == 1 and candidates[0].stem.strip("_") == "durations":
        named = candidates
    return read_durations(named[0]) if named else {}


def stem(name: str) -> str:
    """File name without folders and suffix; ``.000`` of ``30.000`` is not a suffix."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    head, _, tail = base.rpartition(".")
    return head if head and len(tail) <= 4 and tail.isalnum() and not tail.isdigit() else base


class Matched(NamedTuple):
    """Audio of the clips that have some, ids of those that have none, and what is odd about the files."""

    audio: Mapping[str, Audio]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class AudioFiles:
    """Audio by name without suffix; ``spare`` are further files of the same name."""

    found: Mapping[str, Audio]
    spare: tuple[tuple[str, Path], ...] = ()

    def match(self, names: Mapping[str, Iterable[str]]) -> Matched:
        """Audio of every clip under the first of its ``names`` that there is a file of."""
        audio = {
            clip: self.found[name]
            for clip, candidates in names.items()
            if (name := next((name for name in candidates if name in self.found), None)) is not None
        }
        kind = "several audio files of one clip"
        problems = [Problem(kind, name, f"{path} is not used") for name, path in self.spare if name in audio]
        return Matched(audio, tuple(sorted(names.keys() - audio.keys())), tuple(problems))


def audio_files(root: Path, split: str) -> AudioFiles:
    """Every file that may hold audio in ``audio/<split>``, ``audio``, ``<split>`` or all of ``root``."""
    folders = (root / "audio" / split, root / "audio", root / split, root)
    folder = next((folder for folder in folders if folder.is_dir()), None)
    found: dict[str, Audio] = {}
    spare = []
    for parent, subfolders, names in os.walk(folder, followlinks=True) if folder else ():
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() in _NOT_AUDIO:
                continue
            if stem(name) in found:
                spare.append((stem(name), path))
            found.setdefault(stem(name), FileAudio(path))
    return AudioFiles(found, tuple(spare))
