"""Tables of events, DESED's and AudioSet-strong's: for data sets, and as ground truth without any audio."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from effbench.data.clip_names import name_clips
from effbench.data.clips import Problem
from effbench.data.column_help import mend_columns
from effbench.data.column_names import AUDIOSET, DESED
from effbench.data.event_documents import EventRow, event_frame, is_document, read_documents
from effbench.data.labels import EventTable
from effbench.data.tables import NOTHING, header, read_table, table_rows
from effbench.data.vocabulary import mid_names
from effbench.errors import DataError, EffbenchWarning, UsageError
from effbench.shown import number_of

if TYPE_CHECKING:
    import pandas as pd

#: What is done about events that can't be, or that are odd.
OnProblem = Literal["error", "drop"]
#: Confidence above which a soft label is an event.
SURE = 0.5
_COLUMNS = ("name", "onset", "offset", "label")
_PRESENT, _CONFIDENCE = "present", "confidence"


@dataclass(frozen=True)
class StrongTable:
    """Clips of a table of events, by id the table's name of them, their events, and rows left out."""

    clips: Mapping[str, str] = field(default_factory=dict)
    events: EventTable = field(default_factory=EventTable)
    problems: Sequence[Problem] = ()


def read_desed(
    path: Path, *, confidence: float = SURE, instants: bool = False, heads: Sequence[str] = ()
) -> StrongTable:
    """A table ``filename onset offset event_label``; a row of a file name alone is a clip without events.

    Of soft labels, with a column ``confidence``, those above that of the argument are events; a note says so.
    Events without length are kept as ``instants``, or else are problems. ``heads`` are those of a table that
    has none.
    """
    rows = _read(path, DESED, heads)
    return _checked(path, rows, name_clips(rows["name"]), {}, confidence, instants=instants)


def read_audioset(
    path: Path, *, confidence: float = SURE, instants: bool = False, heads: Sequence[str] = ()
) -> StrongTable:
    """A table ``segment_id start_time_seconds end_time_seconds label``; clips are ``Y`` and the YouTube id.

    Labels are ids of the ontology. Their names are those of the class lists, or of a table beside this one
    (``mid_to_display_name.tsv`` or ``class_labels_indices_strong.csv``); an id without a name stays as it is.
    Where a column ``present`` says ``NOT_PRESENT``, there is no event.
    """
    rows = _read(path, AUDIOSET, heads)
    clips = {segment: audioset_clip(segment) for segment in rows["name"].unique()}
    first = {clip: segment for segment, clip in reversed(clips.items())}
    if other := next((segment for segment, clip in clips.items() if first[clip] != segment), None):
        raise DataError(f"{path}: '{first[clips[other]]}' and '{other}' are parts of one recording")
    return _checked(path, rows, clips, _names(path.parent), confidence, instants=instants)


def read_event_files(path: Path, *, confidence: float = SURE, instants: bool = False) -> StrongTable:
    """What ``read_documents`` reads, as the tables above."""
    rows = read_documents(path)
    return _checked(path, rows, name_clips(rows["name"]), {}, confidence, instants=instants)


def check_rows(path: Path, rows: Iterable[EventRow]) -> StrongTable:
    """The events of the rows that a file has, and what is wrong with others."""
    frame = event_frame(rows)
    return _checked(path, frame, name_clips(frame["name"]), {}, SURE, instants=False)


def audioset_clip(segment: str) -> str:
    """``Y<id>`` of ``<id>``, ``<id>_<ms>`` or ``Y<id>_30.000_40.000``."""
    with_times = re.fullmatch(r"Y(.+)_\d+\.\d+_\d+\.\d+", segment)
    name = with_times[1] if with_times else re.sub(r"_\d+$", "", segment)
    return name if name == segment and re.fullmatch(r"Y[\w-]{11}", name) else f"Y{name}"


def read_ground_truth(
    path: Path,
    *,
    confidence: float = SURE,
    on_problem: OnProblem | None = None,
    columns: Sequence[str] = (),
) -> dict[str, list[tuple[float, float, str]]]:
    """Events of every clip of either kind of table, or of what ``read_documents`` reads.

    Args:
        path: the file, or a folder of one a clip.
        confidence: above which soft labels, with a column of that name, are events.
        on_problem: ``drop`` leaves out rows that are no events, and says so; ``error`` refuses events without
            length, too.
        columns: heads of a table that has none.

    Raises:
        DataError: the table can't be read, has other columns, or a row with impossible times or no label.
    """
    table = _read_any(path, confidence, columns, instants=on_problem is None)
    if table.problems:
        message = bad_rows(table.problems, path)
        if on_problem != "drop":
            raise DataError(message)
        warnings.warn(f"{message}; left out", EffbenchWarning, stacklevel=2)
    return table.events.ground_truth(sorted(table.clips))


def _read_any(path: Path, confidence: float, columns: Sequence[str], *, instants: bool) -> StrongTable:
    if is_document(path) and not columns:
        return read_event_files(path, confidence=confidence, instants=instants)
    there = set(columns or header(path)[1])
    if set(DESED) <= there:
        return read_desed(path, confidence=confidence, instants=instants, heads=columns)
    if set(AUDIOSET) <= there:
        return read_audioset(path, confidence=confidence, instants=instants, heads=columns)
    expected = f"{' '.join(DESED)}, or {' '.join(AUDIOSET)}"
    plain = all(name.isprintable() for name in there)
    found = f"Columns are {', '.join(sorted(there))}; expected {expected}." if plain else "It is not text."
    mended = mend_columns(path) if plain and not columns else None
    raise DataError(mended or f"{path} is not a table of events\n{found}")


def bad_rows(problems: Sequence[Problem], path: Path) -> str:
    """How many rows of a table are no events, and what is wrong with the first."""
    count = number_of(len(problems), "bad row")
    return f"{problems[0].detail}: {problems[0].kind} ({count} in {path})"


def check_on_problem(on_problem: str | None) -> None:
    """A ``UsageError`` unless there is such a way to deal with problems."""
    if on_problem is not None and on_problem not in get_args(OnProblem):
        raise UsageError(f"problems of events are an error or dropped (error, drop), not '{on_problem}'")


def _read(path: Path, columns: Sequence[str], heads: Sequence[str]) -> pd.DataFrame:
    table = read_table(path, columns, (_PRESENT, _CONFIDENCE), heads)
    return table.rename(columns=dict(zip(columns, _COLUMNS, strict=True)))


def _checked(
    path: Path,
    table: pd.DataFrame,
    clip_of: Mapping[str, str],
    names: Mapping[str, str],
    confidence: float,
    *,
    instants: bool,
) -> StrongTable:
    import pandas as pd

    nameless = table["name"].isin(NOTHING)
    problems = [_problem(path, line, "row without a file name", "") for line in table.index[nameless]]
    table = table[~nameless]
    table.insert(0, "clip", table["name"].map(clip_of))
    clips = dict(zip(table["clip"], table["name"], strict=True))
    empty = table[["onset", "offset", "label"]].isin(NOTHING).all(axis=1)
    rows = table[~empty]
    if _PRESENT in rows:
        rows, odd = _present(rows)
        problems += [
            _problem(path, line, "neither PRESENT nor NOT_PRESENT", clip) for line, clip in odd.items()
        ]
    if _CONFIDENCE in rows:
        rows, odd = _sure(path, rows, confidence)
        problems += [
            _problem(path, line, "confidence is not a number from 0 to 1", clip) for line, clip in odd.items()
        ]
    times = rows[["onset", "offset"]].apply(pd.to_numeric, errors="coerce").astype(float)
    finite = np.isfinite(times).all(axis=1)
    ordered = times["onset"] < times["offset"]
    if instants:
        ordered |= times["onset"] == times["offset"]
    usable = finite & ordered & (times["onset"] >= 0)
    for line, clip, onset, offset in rows.loc[~usable, ["clip", "onset", "offset"]].itertuples(name=None):
        kind = "event starts before the clip" if ordered[line] else "onset is not before offset"
        kind = kind if finite[line] else "time is not a number"
        if "," in onset + offset:
            kind += " (decimals are written with a point)"
        where = f": {onset or 'nothing'} to {offset or 'nothing'}"
        problems.append(_problem(path, line, kind, clip, where))
    unlabelled = rows["label"].isin(NOTHING)
    for line, clip in rows["clip"][usable & unlabelled].items():
        problems.append(_problem(path, line, "event without a label", clip))
    kept = usable & ~unlabelled
    onsets, offsets = times[kept].to_numpy().T
    labels = rows["label"][kept].map(lambda label: names.get(label, label)).to_numpy()
    return StrongTable(clips, EventTable(rows["clip"][kept].to_numpy(), onsets, offsets, labels), problems)


def _problem(path: Path, line: Hashable, kind: str, clip: str, where: str = "") -> Problem:
    place = line if isinstance(line, str) else f"{path.name}, line {line}"
    return Problem(kind, clip, f"{place}{where}", fatal=True)


def _present(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Rows of what is present, and the clips, by line, of rows that do not say."""
    said = rows[_PRESENT].str.upper()
    return rows[said == "PRESENT"], rows["clip"][~said.isin(("PRESENT", "NOT_PRESENT"))]


def _sure(path: Path, rows: pd.DataFrame, least: float) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Rows above a confidence, and the clips, by line, of rows that have none."""
    import pandas as pd

    values = pd.to_numeric(rows[_CONFIDENCE], errors="coerce").astype(float)
    sure = values.between(least, 1, inclusive="right")
    message = (
        f"{path.name} has a confidence: {sure.sum():,} of {len(rows):,} labels above {least:g} are events"
    )
    warnings.warn(message, EffbenchWarning, stacklevel=2)
    return rows[sure], rows["clip"][~values.between(0, 1)]


def _names(folder: Path) -> Mapping[str, str]:
    """Display names by id, also of the classes that only a table beside the labels names."""
    names = mid_names()
    for table in (folder / "mid_to_display_name.tsv", folder / "class_labels_indices_strong.csv"):
        if table.is_file():
            pairs = (row for _, row in table_rows(table, header(table)[0]) if len(row) == 2)
            names = {**{mid: name for mid, name in pairs if mid[:1] == "/"}, **names}
    return names
