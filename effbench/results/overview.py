"""Stored rows for people and spreadsheets: with all that tells them apart, one a value or one a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from effbench.results.measurement import UNITS
from effbench.shown import Row, cell

if TYPE_CHECKING:
    import pandas as pd

#: Conditions that explain a value and do not change it.
REMARKS = ("explanation", "note")

_VALUE = ("value", "low", "high")
_ORIGIN = ("provenance", "device")


def conditions_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Names of what the rows of ``tidy`` or ``wide`` depend on: origin, and conditions."""
    apart = {"spec", "quantity", "unit", *_VALUE}
    apart |= {f"{quantity}{end}" for quantity in UNITS for end in ("", "_low", "_high")}
    return tuple(dict.fromkeys(name for row in rows for name in row if name not in apart))


def tidy(frame: pd.DataFrame) -> list[Row]:
    """One row for each row of a store: value, interval, unit, origin, and every condition that occurs."""
    records = [_record(row) for row in frame.to_dict("records")]
    names = dict.fromkeys(name for record in records for name in record)
    return [{name: record.get(name) for name in names} for record in records]


def for_reading(rows: Sequence[Row]) -> tuple[list[Row], str | None]:
    """Rows of ``tidy`` with what they depend on in one column, and a line on what is the same in all.

    Rows that lack a condition agree with those that have it where that depends on the quantity alone.
    """
    same: dict[str, object] = {}
    for name in conditions_of(rows):
        having = [row for row in rows if row[name] is not None]
        lacking = {row["quantity"] for row in rows if row[name] is None}
        partly = lacking.intersection(row["quantity"] for row in having)
        if having and not partly and all(row[name] == having[0][name] for row in having):
            same[name] = having[0][name]
    shown = [name for name in conditions_of(rows) if name not in same]
    kept = ("spec", "quantity", *_VALUE, "unit")
    read: list[Row] = [{name: row[name] for name in kept} | {"under": _said(row, shown)} for row in rows]
    everywhere = f"where it applies: {_said(same, list(same))}" if same else None
    return read, everywhere


def _said(values: Row, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {cell(values[name], name)}" for name in names if values[name] is not None)


def wide(frame: pd.DataFrame) -> list[Row]:
    """One row for each model and setting: what it was measured under, and a column for each quantity.

    What depends on less (parameters) stands in every row that it does not contradict; what was measured under
    several settings that fit a row (scores of two seeds, beside a time) has rows of its own. Intervals are in
    columns ``…_low`` and ``…_high``, and values in the units of the store.
    """
    by_model: dict[object, list[Row]] = {}
    for row in tidy(frame):
        by_model.setdefault(row["spec"], []).append(row)
    rows = [row for rows in by_model.values() for row in _merged(rows)]
    settings = dict.fromkeys(name for row in rows for name in conditions_of([row]))
    quantities = dict.fromkeys(name for row in rows for name in row if name not in settings)
    return [{name: row.get(name) for name in ("spec", *settings, *list(quantities)[1:])} for row in rows]


def _record(row: Mapping[Any, object]) -> dict[str, object]:
    cells = {name: row[name] for name in ("spec", "quantity", *_VALUE, "unit", *_ORIGIN)}
    for name in _VALUE:
        value = cells[name]
        assert isinstance(value, float)
        cells[name] = None if value != value else int(value) if value.is_integer() else value
    conditions = row["conditions"]
    assert isinstance(conditions, Mapping)
    return {**cells, **{name: value for name, value in conditions.items() if name not in cells}}


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Rows of one model, merged as far as what they depend on allows."""
    settings = [
        {name: row[name] for name in conditions_of([row]) if row[name] is not None and name not in REMARKS}
        for row in rows
    ]
    found: list[tuple[dict[str, object], dict[str, object]]] = []
    distinct = [one for number, one in enumerate(settings) if one not in settings[:number]]
    for setting in sorted(distinct, key=len, reverse=True):
        fitting: dict[object, list[int]] = {}
        for number, other in enumerate(settings):
            if _agree(setting, other):
                fitting.setdefault(rows[number]["quantity"], []).append(number)
        merged, cells = dict(setting), {}
        for quantity, numbers in fitting.items():
            exact = [number for number in numbers if settings[number] == setting] or numbers
            if len(exact) == 1 and _agree(merged, settings[exact[0]]):
                merged |= settings[exact[0]]
                row = rows[exact[0]]
                cells[str(quantity)] = row["value"]
                ends = {f"{quantity}_{end}": row[end] for end in ("low", "high") if row[end] is not None}
                cells |= ends
        if not any(_agree(merged, other) and cells.items() <= held.items() for other, held in found):
            found.append((merged, cells))
    return [{"spec": rows[0]["spec"], **merged, **cells} for merged, cells in found]


def _agree(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())
