"""Which rows of a store are wanted, and how SQL says it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TypedDict

from effbench.errors import UsageError, nearest
from effbench.results.declared import DECLARED
from effbench.results.measurement import Provenance
from effbench.spec import ModelSpec, is_spec, row_name

_IMPORTED = "uid IN (SELECT uid FROM imports)"

_DECLARED = json.dumps(DECLARED, separators=(",", ":"))[1:-1]

#: Rows that can be taken back: what was measured here never can.
REMOVABLE = f"({_IMPORTED} OR conditions LIKE '%{_DECLARED}%')"


class Selection(TypedDict, total=False):
    """Which rows: of these models and quantities, measured or published, timed on this device.

    ``imported`` are only those that came from a file or another store, or (false) only those that did not;
    ``origin`` is the file or store.
    """

    specs: str | ModelSpec | Iterable[str | ModelSpec] | None
    quantities: str | Iterable[str] | None
    provenance: Provenance | None
    device: str | None
    imported: bool | None
    origin: str | None


def matching_names(patterns: Iterable[str], names: Iterable[str], what: str = "rows") -> list[str]:
    """The names of models in rows (``what`` they are of) that specs, names and globs choose, each once.

    Raises:
        UsageError: one of them chooses nothing; names the nearest.
    """
    known = list(names)
    found: dict[str, None] = {}
    for pattern in patterns:
        wanted = row_name(pattern) if is_spec(pattern) else pattern.strip()
        matches = [name for name in known if fnmatchcase(name.lower(), wanted.lower())]
        if not matches:
            raise UsageError(f"the store holds no {what} of '{pattern}'{nearest(pattern, known)}")
        found |= dict.fromkeys(matches)
    return list(found)


def in_sql(
    *,
    specs: str | ModelSpec | Iterable[str | ModelSpec] | None = None,
    quantities: str | Iterable[str] | None = None,
    provenance: Provenance | None = None,
    device: str | None = None,
    imported: bool | None = None,
    origin: str | None = None,
) -> tuple[str, list[str]]:
    """A selection in SQL, and the values of its place holders."""
    wanted = {"quantity": quantities, "provenance": provenance, "device": device}
    if specs is not None:
        listed = [specs] if isinstance(specs, (str, ModelSpec)) else specs
        wanted["spec"] = [row_name(spec) for spec in listed]
    conditions = ["true"] if imported is None else [_IMPORTED if imported else f"NOT {_IMPORTED}"]
    values: list[str] = []
    if origin is not None:
        conditions.append("uid IN (SELECT uid FROM imports WHERE origin = ?)")
        values.append(origin)
    for column, choice in wanted.items():
        if choice is not None:
            choices = [choice] if isinstance(choice, str) else list(choice)
            conditions.append(f"{column} IN ({', '.join('?' * len(choices))})")
            values += choices
    return " AND ".join(conditions), values
