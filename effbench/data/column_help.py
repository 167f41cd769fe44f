"""How to mend tables whose columns are nearly those of a table of events."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from effbench.data.column_names import DESED, OTHER_NAMES, spellings
from effbench.data.tables import header, is_table


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
    letters = {short: name for name in there if name not in found for short in spellings(name)}
    for name in DESED:
        if name not in found:
            near = get_close_matches(name.replace("_", ""), letters, n=1, cutoff=0.75)
            known = [*near, *(other for other in OTHER_NAMES[name] if other in letters)]
            if known:
                found[name] = letters[known[0]]
    return found
