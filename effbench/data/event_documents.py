"""Events in files that are no tables: HEAR's JSON, JAMS, and label tracks of Audacity."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.data.tables import read_json, table_name, table_rows
from effbench.errors import DataError, EffbenchWarning

if TYPE_CHECKING:
    import pandas as pd

#: Where it is, for messages; name of the clip's file, onset and offset in seconds, label, and its confidence.
EventRow = tuple[str, str, str, str, str, str]
_TRACKS, _JAMS, _HEAR = ".txt", ".jams", ".json"


def is_document(path: Path) -> bool:
    """Whether this is a folder of label tracks or JAMS files, or one such file."""
    return path.is_dir() or path.suffix.lower() in (_JAMS, _HEAR)


def read_documents(path: Path) -> pd.DataFrame:
    """Events as text, as ``event_frame`` has them; a clip without any has empty cells.

    Args:
        path: HEAR's ``<split>.json``, a JAMS file, or a folder of JAMS files or label tracks (``.txt``), each
            named after its clip. Of both of the same clips, the label tracks are read; a note says so.

    Raises:
        DataError: none of these, or one that can't be read.
    """
    return event_frame(_rows(path))


def event_frame(rows: Iterable[EventRow]) -> pd.DataFrame:
    """Rows as ``name onset offset label``, and ``confidence`` where any has one, by where they are."""
    import pandas as pd

    columns = ["where", "name", "onset", "offset", "label", "confidence"]
    frame = pd.DataFrame(list(rows), columns=columns, dtype=object).set_index("where")
    return frame if frame["confidence"].any() else frame.drop(columns="confidence")


def hear_seconds(item: Mapping[str, object]) -> tuple[str, str, str] | None:
    """Onset and offset in seconds, and label, of one of HEAR's events; ``None`` if it lacks one."""
    try:
        onset, offset = (float(str(item[key])) / 1000 for key in ("start", "end"))
        return repr(onset), repr(offset), str(item["label"])
    except (KeyError, ValueError):
        return None


def _rows(path: Path) -> Iterator[EventRow]:
    if path.suffix.lower() == _HEAR and not path.is_dir():
        yield from _hear(path)
        return
    if not path.is_dir():
        yield from _jams(path, path.stem)
        return
    files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in (_TRACKS, _JAMS)]
    files = [file for file in files if file.is_file() and not file.name.startswith(".")]
    kinds = {kind: [file for file in files if file.suffix.lower() == kind] for kind in (_TRACKS, _JAMS)}
    names = {tuple(file.with_suffix("") for file in found) for found in kinds.values()}
    if files and len(names) == 1:
        files = kinds[_TRACKS]
        note = f"{path.name}: {len(files):,} label tracks are read, and the JAMS files beside them are not"
        warnings.warn(note, EffbenchWarning, stacklevel=2)
    if len({file.suffix.lower() for file in files}) != 1:
        found = "both" if files else "neither"
        expected = "a folder of events holds label tracks (.txt) or .jams files"
        raise DataError(f"{path}: {expected}, and this {found}")
    for file in files:
        name = file.relative_to(path).with_name(table_name(file)).as_posix()
        yield from (read_track if file.suffix.lower() == _TRACKS else _jams)(file, name)


def _hear(path: Path) -> Iterator[EventRow]:
    for name, items in read_json(path).items():
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise DataError(f"{path} is not an object of file names and lists of events")
        if not items:
            yield "", name, "", "", "", ""
        for number, item in enumerate(items, 1):
            event = hear_seconds(item) or ("?", "?", "?")
            yield f"{path}, event {number} of '{name}'", name, *event, ""


def read_track(path: Path, name: str) -> Iterator[EventRow]:
    """Lines of onset, offset, label and perhaps a confidence; after a backslash they are of frequencies."""
    lines = [(number, row) for number, row in table_rows(path, "\t") if row[0] != "\\"]
    if not lines:
        yield "", name, "", "", "", ""
    for number, row in lines:
        if len(row) not in (2, 3, 4):
            expected = "a label track has onset, offset and label, parted by tabs"
            raise DataError(f"{path}, line {number}: {len(row)} cells; {expected}")
        onset, offset, label, confidence = (*row, "", "")[:4]
        yield f"{path}, line {number}", name, onset, offset, label, confidence


def _jams(path: Path, name: str) -> Iterator[EventRow]:
    """The events of scaper's annotation, in the foreground, or of the only one."""
    found = read_json(path).get("annotations")
    annotations = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    scaper = [item for item in annotations if re.match("scaper|sound_event", str(item.get("namespace")))]
    if len(scaper or annotations) != 1:
        names = ", ".join(str(item.get("namespace")) for item in annotations) or "none"
        raise DataError(f"{path}: which annotation has the events? There are {names}; one is expected")
    empty = True
    for count, item in enumerate(_observations((scaper or annotations)[0].get("data")), 1):
        value = item.get("value")
        if isinstance(value, dict):
            if value.get("role") == "background":
                continue
            value = value.get("label")
        where = f"{path}, observation {count}"
        try:
            onset, length = float(str(item["time"])), float(str(item["duration"]))
        except (KeyError, ValueError) as error:
            raise DataError(f"{where}: no time and duration in seconds") from error
        empty = False
        offset, label = repr(round(onset + length, 9)), "" if value is None else str(value)
        yield where, name, repr(onset), offset, label, ""
    if empty:
        yield "", name, "", "", "", ""


def _observations(data: object) -> Sequence[Mapping[str, object]]:
    """Observations one by one, also of older files, which hold a list for each of their parts."""
    if isinstance(data, dict):
        parts = {key: value for key, value in data.items() if isinstance(value, list)}
        return [dict(zip(parts, values, strict=False)) for values in zip(*parts.values(), strict=False)]
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
