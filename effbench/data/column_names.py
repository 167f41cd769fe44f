"""Names that tables of events and of clip labels have for their columns, and what others call them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

DESED = ("filename", "onset", "offset", "event_label")
CLIP_LABELS = ("filename", "event_labels")
AUDIOSET = ("segment_id", "start_time_seconds", "end_time_seconds", "label")

#: What others call DESED's columns, without signs between words.
OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "filename": (
        *("file", "audio", "audiofile", "audiofilename", "fname"),
        *("wav", "path", "filepath", "clip", "recording"),
    ),
    "onset": ("start", "begin", "from", "tmin", "eventonset"),
    "offset": ("end", "stop", "to", "tmax", "eventoffset"),
    "event_label": (
        *("label", "class", "classname", "event", "category"),
        *("tag", "name", "species", "annotation"),
    ),
    "event_labels": ("labels", "tags"),
}
_SIGNS = re.compile(r"[\s_.()\[\]-]")
_UNITS = re.compile(r"(?:time)?(?:seconds|secs?|s)?$")


def spellings(name: str) -> tuple[str, str]:
    """A column's name without signs between words, and that without what says that it is in seconds."""
    joined = _SIGNS.sub("", name)
    return joined, _UNITS.sub("", joined, count=1)


def usual_names(names: Sequence[str]) -> dict[str, str]:
    """Usual name of every column that has another, in a table of events or of clip labels.

    Empty where the columns of neither are all there, or where several could be one of them.
    """
    for wanted in (DESED, CLIP_LABELS):
        meant = {usual: _meant(usual, names) for usual in wanted}
        if all(len(columns) == 1 for columns in meant.values()):
            return {columns[0]: usual for usual, columns in meant.items() if columns[0] != usual}
    return {}


def _meant(usual: str, names: Sequence[str]) -> list[str]:
    if usual in names:
        return [usual]
    known = {usual.replace("_", ""), *OTHER_NAMES[usual]}
    times = usual in ("onset", "offset")
    return [name for name in names if not known.isdisjoint(spellings(name)[: 1 + times])]
