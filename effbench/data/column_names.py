"""Names that tables of events have for their columns, and how to mend those that are nearly right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from effbench.data.tables import header, is_table

DESED = ("filename", "onset", "offset", "event_label")
AUDIOSET = ("segment_id", "start_time_seconds", "end_time_seconds", "label")

#: What others call DESED's columns, in letters alone.
_OTHERS = {
    "filename": "file audio audiofile audiofilename wav path filepath clip recording",
    "onset": "start begin from tmin",
    "offset": "end stop to tmax",
    "event_label": "label class classname event category tag name species annotation",
}
_UNITS = re.compile(r"(?:time)?(?:seconds|secs?|s)?$")


def mend_columns(path: Path) -> str | None:
    """What to rename in a table that is nearly one of events, or the first such one of a folder, if any."""
    for table in [path] if path.is_file() else sorted(path.iterdir()):
        if is_table(table) and table.is_file():
            there = header(table)[1]
            names = _nearest(there)
            if len(names) > 2:
                renamed = [f"{old} to {new}" for new, old in names.items() if old != new]
                lacking = [new for new in DESED if new not in names]
                cure = [f"rename {', '.join(renamed)}"] if renamed else []
                cure += [f"add {', '.join(lacking)}"] if lacking else []
                return (
                    f"{table} is nearly a table of events, which has the columns {', '.join(DESED)}\n"
                    f"It has {', '.join(there)}: {'; '.join(cure)}"
                )
    return None


def _nearest(there: Sequence[str]) -> dict[str, str]:
    """Expected names, as far as there is a column that is meant by them, and that column."""
    found = {name: name for name in DESED if name in there}
    letters = {re.sub("[^a-z]", "", name): name for name in there if name not in found}
    letters |= {_UNITS.sub("", short, count=1): name for short, name in letters.items()}
    for name, others in _OTHERS.items():
        if name not in found:
            near = get_close_matches(name.replace("_", ""), letters, n=1, cutoff=0.75)
            known = [*near, *(other for other in others.split() if other in letters)]
            if known:
                found[name] = letters[known[0]]
    return found
