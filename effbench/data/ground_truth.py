"""Ground truth from a table alone, without the audio."""

from __future__ import annotations

from pathlib import Path

from effbench.data.labels import merge_events
from effbench.data.tables import event_table, header, read_table, stem
from effbench.data.vocabulary import strong_classes
from effbench.errors import DataError

_DESED = ("filename", "onset", "offset", "event_label")
_AUDIOSET = ("segment_id", "start_time_seconds", "end_time_seconds", "label")


def read_ground_truth(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Merged events of every clip of a table, by its name without folder and suffix.

    Tables are those of DESED (``filename onset offset event_label``; a row without times: a clip without
    events) and AudioSet-strong (``segment_id start_time_seconds end_time_seconds label``).

    Raises:
        DataError: the table can't be read, has other columns, or an event with impossible times.
    """
    columns = set(header(path)[1])
    if set(_DESED) <= columns:
        rows = read_table(path, _DESED)
        clips, labels = rows["filename"].map(stem), rows["event_label"]
        onsets, offsets = rows["onset"], rows["offset"]
    elif set(_AUDIOSET) <= columns:
        rows = read_table(path, _AUDIOSET)
        names = strong_classes().by_mid
        clips = "Y" + rows["segment_id"].str.rsplit("_", n=1).str[0]
        labels = rows["label"].map(lambda mid: names.get(mid, mid))
        onsets, offsets = rows["start_time_seconds"], rows["end_time_seconds"]
    else:
        wanted = f"{' '.join(_DESED)}, or {' '.join(_AUDIOSET)}"
        found = ", ".join(sorted(columns))
        raise DataError(f"{path} is no table of events\nColumns are {found}; expected {wanted}.")
    empty = (onsets == "") & (offsets == "")
    events, problems = event_table(path, clips[~empty], onsets[~empty], offsets[~empty], labels[~empty])
    if problems:
        raise DataError(f"{problems[0].detail}: {problems[0].kind} ({len(problems)} bad rows in {path})")
    return {
        clip: [(event.onset, event.offset, event.label) for event in merge_events(events.of(clip))]
        for clip in sorted(set(clips))
    }
