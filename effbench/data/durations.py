"""Durations of clips from tables."""

from __future__ import annotations

import re
from pathlib import Path

from effbench.data.clip_names import name_clips
from effbench.data.tables import COMMAS, Header, as_number, is_table, read_header, table_name, table_rows
from effbench.errors import DataError

#: Heads of the two columns, in letters alone.
_NAMES = (
    *("filename", "file", "audio", "audiofile", "audiofilename", "audiofilepath", "wav", "path", "filepath"),
    *("clip", "clipid", "name", "recording", "segmentid", "id", "ytid", "fname", "key"),
)
_SECONDS = (
    *("duration", "seconds", "length", "durationseconds", "durationsec", "durations"),
    *("lengthseconds", "lengthsec", "lengths", "durationinseconds", "durationinsec", "sec", "secs"),
    *("clipduration", "cliplength", "audioduration", "audiolength", "totalduration", "dur"),
)


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by clip (``name_clips`` of the table's names), from a table with or without a header.

    Columns are found by their heads. A table of two columns needs none: a name, then seconds.

    Raises:
        DataError: the file can't be read, heads that do not say which column has the seconds, a row without
            a name or a duration, or a clip with two.
    """
    first = read_header(path)
    name, seconds, start = _columns(path, first)
    found: dict[str, tuple[float, int]] = {}
    for number, row in table_rows(path, first.separator):
        if number < start:
            continue
        cells = row + [""] * (max(name, seconds) + 1 - len(row))
        if not cells[name] or cells[name].lower() == "nan":
            raise DataError(f"{path}, line {number}: a duration without a file name")
        value = _seconds(path, number, cells[seconds], len(row) > len(first.written))
        before, line = found.setdefault(cells[name], (value, number))
        if before != value:
            here = f"{path}, line {number}: '{cells[name]}' lasts {value:g} s here"
            raise DataError(f"{here}, and {before:g} s in line {line}")
    clips = name_clips(found)
    durations: dict[str, float] = {}
    for named, (value, number) in found.items():
        if durations.setdefault(clips[named], value) != value:
            raise DataError(
                f"{path}, line {number}: clip '{clips[named]}' lasts {value:g} s here, and elsewhere "
                f"{durations[clips[named]]:g} s"
            )
    return durations


def find_durations(folder: Path, split: str) -> dict[str, float]:
    """Durations of a split from ``<split>_durations.csv`` or the like; empty where there is no such file."""
    tables = {path: table_name(path) for path in sorted(folder.iterdir()) if is_table(path)}
    candidates = {path: name for path, name in tables.items() if "duration" in name}
    named = [path for path, name in candidates.items() if name.replace("_durations", "") == split]
    if not named:
        named = [path for path, name in candidates.items() if split in name]
    if not named and [name.strip("_") for name in candidates.values()] == ["durations"]:
        named = list(candidates)
    return read_durations(named[0]) if named else {}


def _columns(path: Path, first: Header) -> tuple[int, int, int]:
    """Places of the names and of the seconds, and the line that the data begin in."""
    heads = [re.sub(r"[^a-z]", "", head) for head in first.names]
    names = [place for place, head in enumerate(heads) if head in _NAMES and place not in first.index]
    seconds = [place for place, head in enumerate(heads) if head in _SECONDS]
    if names and len(seconds) == 1:
        return names[0], seconds[0], 2
    columns = [place for place in range(len(heads)) if place not in first.index]
    headless = len(columns) == 2 and _is_number(first.written[columns[1]])
    if headless or (len(columns) == 2 and seconds == columns[1:]):
        return columns[0], columns[1], 1 if headless else 2
    raise DataError(
        f"{path}: which column has the seconds? It has {', '.join(first.written)}\n"
        "Expected are the columns filename and duration, or two columns alone."
    )


def _is_number(text: str) -> bool:
    try:
        as_number(text)
    except ValueError:
        return False
    return True


def _seconds(path: Path, number: int, text: str, wide: bool) -> float:
    try:
        seconds = as_number(text)
    except ValueError:
        seconds = 0.0
    if wide or not 0 < seconds < float("inf"):
        cure = f"\n{COMMAS}" if wide or "," in text else ""
        raise DataError(f"{path}, line {number}: a duration of '{text}', not seconds above 0{cure}")
    return seconds
