"""Tables of events, DESED's and AudioSet-strong's: for data sets, and as ground truth without any audio."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from effbench.data.clips import Problem
from effbench.data.event_table import EventTable
from effbench.data.labels import merge_events
from effbench.data.tables import event_table, header, read_table, stem
from effbench.data.vocabulary import mid_names
from effbench.errors import DataError

DESED = ("filename", "onset", "offset", "event_label")
AUDIOSET = ("segment_id", "start_time_seconds", "end_time_seconds", "label")

#: What pandas writes where there is nothing.
_NO_LABEL = ("nan", "NaN")


@dataclass(frozen=True)
class StrongTable:
    """What a table of events says.

    Attributes:
        clips: id of every clip, also of one without events, and how the table names it.
        events: by clip.
        problems: rows that are no events, because of their times or for want of a label.
    """

    clips: Mapping[str, str]
    events: EventTable
    problems: Sequence[Problem]


def read_desed(path: Path) -> StrongTable:
    """A table ``filename onset offset event_label``; a row of a file name alone is a clip without events.

    Raises:
        DataError: the table can't be read, or lacks a column.
    """
    return _read(path, DESED, stem, lambda label: label)


def read_audioset(path: Path) -> StrongTable:
    """A table ``segment_id start_time_seconds end_time_seconds label``; clips are ``Y`` and the YouTube id.

    Labels are ids of the ontology. Their names are those of the class lists, or of a table beside this one
    (``mid_to_display_name.tsv`` or ``class_labels_indices_strong.csv``); an id without a name stays as it is.

    Raises:
        DataError: as ``read_desed``.
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
        wanted = f"{' '.join(DESED)}, or {' '.join(AUDIOSET)}"
        raise DataError(
            f"{path} is not a table of events\nColumns are {', '.join(sorted(columns))}; expected {wanted}."
        )
    if table.problems:
        first = table.problems[0]
        raise DataError(f"{first.detail}: {first.kind} ({len(table.problems)} bad rows in {path})")
    return {
        clip: [(event.onset, event.offset, event.label) for event in merge_events(table.events.of(clip))]
        for clip in sorted(table.clips)
    }


def _read(
    path: Path, columns: Sequence[str], clip_of: Callable[[str], str], name_of: Callable[[str], str]
) -> StrongTable:
    rows = read_table(path, columns)
    names, onsets, offsets, labels = (rows[column] for column in columns)
    clips = names.map(clip_of)
    events = ((onsets != "") | (offsets != "") | (labels != "")) & ~labels.isin(_NO_LABEL)
    found, problems = event_table(
        path, clips[events], onsets[events], offsets[events], labels[events].map(name_of)
    )
    return StrongTable(dict(zip(clips, names, strict=True)), found, problems)


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
