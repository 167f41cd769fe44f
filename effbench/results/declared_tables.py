"""Tables as people write them: one line a model, one column a quantity, its unit in the head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from effbench.errors import StoreError, UsageError, nearest
from effbench.results.declared import (
    DEVICE,
    KNOWN_CONDITIONS,
    UNCLEAR,
    check_quantity,
    check_unit,
    declared,
    depends_on,
)
from effbench.results.measurement import UNITS, Measurement
from effbench.results.row_files import Cells, RowTable

_TEXTS = ("source", "device", "created")
_MODEL = ("model", "spec")
_ENDS = ("_low", "_high")


@dataclass
class _Columns:
    """The heads of models, of values and ends of intervals (``psds1``, ``psds1_low``) and of conditions."""

    model: str
    conditions: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def add(self, head: str) -> None:
        """Find out which quantity a column holds, in which unit; ``UsageError`` where that is not clear."""
        match = re.fullmatch(r"\s*([^()]*?)\s*(?:\(\s*([^()]*?)\s*\))?\s*", head)
        name, unit = (match[1].lower(), match[2]) if match else (head, None)
        if name in self.values:
            raise UsageError(f"'{self.values[name]}' holds the same")
        quantity = _quantity(name)
        if quantity not in (*UNITS, *UNCLEAR):
            raise UsageError(f"not understood{nearest(name, (*_MODEL, *_TEXTS, *KNOWN_CONDITIONS, *UNITS))}")
        check_quantity(quantity)
        if unit is not None:
            check_unit(quantity, unit)
            self.units[name] = unit
        self.values[name] = head

    @property
    def quantities(self) -> list[str]:
        """Those that have a column of their own."""
        return [name for name in self.values if name in UNITS]


def declared_rows(table: RowTable, source: str | None = None) -> tuple[list[Measurement], list[str]]:
    """The declared values of a table, and what is wrong with the lines that can't be understood.

    Args:
        table: with a column ``model`` (or ``spec``), one or more of quantities such as ``psds1`` or
            ``parameters (M)``, their intervals (``psds1_low``), ``source``, ``device``, ``created`` and
            conditions.
        source: of lines that name none.

    Raises:
        StoreError: a column that is not understood.
    """
    columns = _columns(table)
    if source is None and "source" not in table.heads:
        raise StoreError(f"'{table.path}' does not say where its values are from: add a column 'source'")
    said: dict[object, Measurement] = {}

    def convert(cells: Cells) -> list[Measurement]:
        rows = _rows_of_line({head: cell.strip() for head, cell in cells.items()}, columns, source)
        keyed: dict[object, Measurement] = {
            (r.spec, r.quantity, r.device, tuple(sorted(r.conditions.items()))): r for r in rows
        }
        for key, row in keyed.items():
            if said.get(key, row).value != row.value:
                raise UsageError(
                    f"{row.quantity} of {row.spec} is {row.value:,.10g} here and {said[key].value:,.10g} "
                    "in a line before: leave one out, or name the condition that tells them apart"
                )
        new = [row for key, row in keyed.items() if key not in said]
        said.update(keyed)
        return new

    made, problems = table.convert(convert)
    return [row for rows in made for row in rows], problems


def _columns(table: RowTable) -> _Columns:
    models = [head for head in table.heads if head in _MODEL]
    if len(models) != 1:
        found = " and ".join(models) or "neither"
        commas = ": its cells must be separated by commas" if len(table.heads) == 1 else ""
        raise StoreError(f"'{table.path}' needs one column 'model' or 'spec', and has {found}{commas}")
    columns = _Columns(models[0], tuple(head for head in table.heads if head in KNOWN_CONDITIONS))
    problems = []
    for head in table.heads:
        if head not in (*_MODEL, *_TEXTS, *KNOWN_CONDITIONS):
            try:
                columns.add(head)
            except UsageError as error:
                problems.append(f"column '{head}': {str(error).splitlines()[0]}")
    for name, head in columns.values.items():
        if (quantity := _quantity(name)) not in columns.values:
            problems.append(f"column '{head}': there is no column '{quantity}', whose interval it would be")
        elif name in columns.units and columns.units[name] != columns.units.get(quantity):
            problems.append(f"column '{head}': its unit is not that of '{columns.values[quantity]}'")
    if not problems and not columns.values:
        problems = [f"no column is of a quantity: {', '.join(UNITS)}"]
    if problems:
        raise StoreError("\n".join([f"'{table.path}' has columns that are not understood", *problems]))
    return columns


def _quantity(name: str) -> str:
    """The quantity of a column, which may hold the ends of intervals."""
    stem = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name)
    return stem if name not in UNITS else name


def _rows_of_line(cells: Mapping[str, str], columns: _Columns, source: str | None) -> list[Measurement]:
    spec = cells[columns.model]
    if not spec:
        raise UsageError(f"{columns.model} is missing")
    given = {name: text for name in (DEVICE, *columns.conditions) if (text := cells.get(name))}
    rows = []
    for quantity in columns.quantities:
        value, low, high = (cells.get(columns.values.get(quantity + end, ""), "") for end in ("", *_ENDS))
        if not value:
            if low or high:
                raise UsageError(f"{quantity} is missing, and its interval is not")
            continue
        rows.append(
            declared(
                spec,
                quantity,
                value,
                low=low,
                high=high,
                unit=columns.units.get(quantity),
                source=cells.get("source") or source or "",
                device=given.get(DEVICE) if depends_on(quantity, DEVICE) else None,
                created=cells.get("created") or None,
                conditions={
                    name: text
                    for name, text in given.items()
                    if name != DEVICE and depends_on(quantity, name)
                },
            )
        )
    if not rows:
        raise UsageError(f"there is no value of {spec}")
    for name in given:
        if not any(depends_on(row.quantity, name) for row in rows):
            raise UsageError(f"no value of {spec} here depends on {name}: leave it out, or write a note")
    return rows
