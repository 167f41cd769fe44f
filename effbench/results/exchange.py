"""How a measurement becomes a row of the store, of a file or of a data frame, and back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError, StoreError
from effbench.results.float32_rows import true_precision
from effbench.results.measurement import UNITS, Measurement
from effbench.spec import row_name

if TYPE_CHECKING:
    import pandas as pd

#: A row as it is stored: numbers, texts, and JSON of what has structure.
Row = Mapping[str, str | float | None]

_NAMES = tuple(field.name for field in fields(Measurement))
_AFTER_VALUE = _NAMES.index("value") + 1

#: Columns of the store and of every exported file, in order: what a measurement holds, and its unit.
COLUMNS = (*_NAMES[:_AFTER_VALUE], "unit", *_NAMES[_AFTER_VALUE:])

#: Conditions that every data frame has a column for, ``None`` where a row has none.
_ALWAYS = ("precision", "batch_size", "threads", "compiled", "part", "seconds", "figure")

_NUMBERS = ("value", "low", "high")
_JSON: Mapping[str, type[Any]] = {"conditions": dict, "samples": list, "environment": dict}
_OPTIONAL = ("low", "high", "device", "conditions", "samples", "environment", "commit")


def encode(measurement: Measurement) -> Row:
    """Row of a measurement: numbers stay numbers, what has structure becomes canonical JSON.

    Raises:
        StoreError: a number that is not finite, a condition that JSON can't hold, or no source.
    """
    spec = row_name(measurement.spec)
    refused = f"{measurement.quantity} of {spec} can't be stored: "
    if not measurement.source:
        raise StoreError(refused + "it names no source")
    row = {name: getattr(measurement, name) for name in COLUMNS}
    row |= {"spec": spec, "device": measurement.device or None, "commit": measurement.commit or None}
    for name in _NUMBERS:
        if row[name] is not None and not math.isfinite(row[name]):
            raise StoreError(f"{refused}its {name} is {row[name]}")
        row[name] = None if row[name] is None else float(row[name]) + 0.0  # no -0.0, which SQLite forgets
    row["samples"] = [float(sample) for sample in measurement.samples]
    try:
        for name, kind in _JSON.items():
            row[name] = None if row[name] is None else _dump(kind(row[name]))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{refused}{error}") from error
    return row


def decode(row: Mapping[str, object]) -> Measurement:
    """Measurement of a row as ``encode`` makes it, or as text read back from a CSV file ("" means absent).

    Raises:
        StoreError: a value that is missing, unreadable, or in another unit.
    """
    cells: dict[str, Any] = {name: row[name] for name in COLUMNS if row[name] not in (None, "")}
    for name in COLUMNS:
        if name not in cells and name not in _OPTIONAL:
            raise StoreError(f"{name} is missing")
    unit, quantity = cells.pop("unit"), cells["quantity"]
    if unit != UNITS.get(quantity, unit):
        raise StoreError(f"unit of {quantity} is {UNITS[quantity]}, not {unit}")
    if cells["provenance"] not in ("measured", "published"):
        raise StoreError(f"provenance is 'measured' or 'published', not '{cells['provenance']}'")
    for name in cells.keys() & _JSON:
        cells[name] = _structure(name, cells[name])
    cells["conditions"] = true_precision(cells.get("conditions", {}), cells.get("environment"))
    for name in cells.keys() & _NUMBERS:
        try:
            cells[name] = float(cells[name])
        except ValueError as error:
            raise StoreError(f"{name} is not a number: '{cells[name]}'") from error
    try:
        cells["spec"] = row_name(str(cells["spec"]))
        return Measurement(**cells)
    except (EffbenchError, ValueError) as error:
        raise StoreError(str(error).splitlines()[0]) from error


def code_of(row: Row) -> str | None:
    """The code that a row's model was built by, where that is of one's own."""
    conditions = row["conditions"]
    if not isinstance(conditions, str) or '"code":' not in conditions:
        return None
    code = _structure("conditions", conditions).get("code")
    return None if code is None else str(code)


def content_hash(row: Row) -> str:
    """Identity of an encoded row, made from its whole content: equal rows, and only they, share it."""
    return hashlib.sha256(_dump([row[name] for name in COLUMNS]).encode()).hexdigest()[:32]


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Data frame of encoded rows: ``COLUMNS`` with dicts and tuples in place of JSON, then every condition.

    Conditions whose names are those of other columns are in ``conditions`` alone. Numbers are float64, NaN
    where absent; other columns are of dtype object, ``None`` where absent.
    """
    import pandas as pd

    records = [_record(row) for row in rows]
    conditions = dict.fromkeys([*_ALWAYS, *(name for record in records for name in record["conditions"])])
    return pd.DataFrame(
        {
            name: pd.Series(
                [record.get(name) for record in records], dtype="float64" if name in _NUMBERS else "object"
            )
            for name in dict.fromkeys([*COLUMNS, *conditions])
        }
    )


def structured(row: Row) -> dict[str, Any]:
    """A row with dicts and tuples in place of JSON, ``None`` where it has nothing."""
    return {
        name: _structure(name, cell) if name in _JSON and isinstance(cell, str) else cell
        for name, cell in row.items()
    }


def _record(row: Row) -> dict[str, Any]:
    found = structured(row)
    return {**found["conditions"], **found}


def _dump(value: object) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )


def _plain(value: Any) -> object:
    """Plain value of a NumPy scalar; anything else that JSON does not know is refused."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r} can't be written as JSON")


def _structure(name: str, text: str) -> Any:
    """What a JSON cell holds: a dict, or the tuple of a list."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{name} is not JSON: {error}") from error
    kind = _JSON[name]
    if not isinstance(value, kind):
        raise StoreError(f"{name} is not a JSON {'list' if kind is list else 'object'}")
    return tuple(value) if kind is list else value
