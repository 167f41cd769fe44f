"""Tables of events, DESED's and AudioSet-strong's: for data sets, and as ground truth without any audio."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from effbench.data.clips import Problem
from effbench.data.column_names import AUDIOSET, DESED, NO_LABEL, mend_columns
from effbench.data.labels import EventTable
from effbench.data.tables import header, read_table, stem
from effbench.data.vocabulary import mid_names
from effbench.errors import DataError


@dataclass(frozen=True)
class StrongTable:
    """Clips of a table of events, by id the table's name of them, their events, and rows left out."""

    clips: Mapping[str, str] = field(default_factory=dict)
    events: EventTable = field(default_factory=EventTable)
    problems: Sequence[Problem] = ()


def read_desed(path: Path) -> StrongTable:
    """A table ``filename onset offset event_label``; a row of a file name alone is a clip without events."""
    return _read(path, DESED, stem, lambda label: label)


def read_audioset(path: Path) -> StrongTable:
    """A table ``segment_id start_time_seconds end_time_seconds label``; clips are ``Y`` and the YouTube id.

    Labels are ids of the ontology. Their names are those of the class lists, or of a table beside this one
    (``mid_to_display_name.tsv`` or ``class_labels_indices_strong.csv``); an id without a name stays as it is.
    """
    names = _names(path.parent)
    return _read(
        path, AUDIOSET, lambda segment: "Y" + segment.rpartition("_")[0], lambda mid: names.get(mid, mid)
    )


def read_ground_truth(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Merged events of every clip of either kind of table.

    Raises:
        DataError: the table can't be read, has other columns, or a row with impossible times or no label.
    """
    columns = set(header(path)[1])
    if set(DESED) <= columns:
        table = read_desed(path)
    elif set(AUDIOSET) <= columns:
        table = read_audioset(path)
    else:
        expected = f"{' '.join(DESED)}, or {' '.join(AUDIOSET)}"
        found = f"Columns are {', '.join(sorted(columns))}; expected {expected}."
        raise DataError(mend_columns(path) or f"{path} is not a table of events\n{found}")
    if table.problems:
        first = table.problems[0]
        raise DataError(f"{first.detail}: {first.kind} ({len(table.problems)} bad rows in {path})")
    return table.events.ground_truth(sorted(table.clips))


def _read(
    path: Path, columns: Sequence[str], clip_of: Callable[[str], str], name_of: Callable[[str], str]
) -> StrongTable:
    import pandas as pd

    table = read_table(path, columns)
    table.columns = pd.Index(["name", "onset", "offset", "label"])
    table.insert(0, "clip", table["name"].map(clip_of))
    clips = dict(zip(table["clip"], table["name"], strict=True))
    empty = (table[["onset", "offset", "label"]] == "").all(axis=1)
    rows = table[~empty & ~table["label"].isin(NO_LABEL)]
    times = rows[["onset", "offset"]].apply(pd.to_numeric, errors="coerce").astype(float)
    finite = np.isfinite(times).all(axis=1)
    ordered = times["onset"] < times["offset"]
    usable = finite & ordered & (times["onset"] >= 0)
    problems = []
    for line, clip, _, onset, offset, _ in rows[~usable].itertuples(name=None):
        kind = "event starts before the clip" if ordered[line] else "onset is not before offset"
        kind = kind if finite[line] else "time is not a number"
        where = f"{path.name}, line {line}: {onset or 'nothing'} to {offset or 'nothing'}"
        problems.append(Problem(kind, clip, where, fatal=True))
    for line, clip in rows["clip"][usable & (rows["label"] == "")].items():
        problems.append(Problem("event without a label", clip, f"{path.name}, line {line}", fatal=True))
    kept = usable & (rows["label"] != "")
    onsets, offsets = times[kept].to_numpy().T
    labels = rows["label"][kept].map(name_of).to_numpy()
    return StrongTable(clips, EventTable(rows["clip"][kept].to_numpy(), onsets, offsets, labels), problems)


def _names(folder: Path) -> Mapping[str, str]:
    """Display names by id, also of the classes that only a table beside the labels names."""
    names = mid_names()
    for table in (folder / "mid_to_display_name.tsv", folder / "class_labels_indices_strong.csv"):
        if table.is_file():
            separator = header(table)[0]
            with table.open(encoding="utf-8-sig", newline="") as lines:
                rows = (row for row in csv.reader(lines, delimiter=separator) if len(row) == 2)
                names = {**{mid: name for mid, name in rows if mid[:1] == "/"}, **names}
    return names
