"""How a measurement becomes a row of the store, of a CSV file or of a data frame, and back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from effbench.errors import EffbenchError, StoreError
from effbench.results.measurement import UNITS, Measurement
from effbench.spec import ModelSpec

#: Columns of the store and of every exported file, in order.
COLUMNS = (
    "spec",
    "quantity",
    "value",
    "unit",
    "low",
    "high",
    "provenance",
    "source",
    "device",
    "conditions",
    "samples",
    "environment",
    "commit",
    "created",
)

#: Conditions that a data frame also shows as columns of their own, ``None`` where a row has none.
CONDITIONS = ("precision", "batch_size", "threads", "compiled", "part", "seconds", "figure")

_NUMBERS = ("value", "low", "high")
_JSON = ("conditions", "samples", "environment")
_REQUIRED = ("spec", "quantity", "value", "unit", "provenance", "source", "created")


def encode(measurement: Measurement) -> dict[str, Any]:
    """Row of a measurement: numbers stay numbers, what has structure becomes canonical JSON.

    Raises:
        StoreError: a number that is not finite, a condition that JSON can't hold, or no source.
    """
    row: dict[str, Any] = {
        "spec": str(ModelSpec.parse(measurement.spec)),
        "quantity": measurement.quantity,
        "value": float(measurement.value),
        "unit": measurement.unit,
        "low": None if measurement.low is None else float(measurement.low),
        "high": None if measurement.high is None else float(measurement.high),
        "provenance": measurement.provenance,
        "source": measurement.source,
        "device": measurement.device or None,
        "commit": measurement.commit or None,
        "created": measurement.created,
    }
    what = f"{row['quantity']} of {row['spec']}"
    if not measurement.source:
        raise StoreError(f"{what} can't be stored: it names no source")
    for name in _NUMBERS:
        if row[name] is not None and not math.isfinite(row[name]):
            raise StoreError(f"{what} can't be stored: its {name} is {row[name]}")
    try:
        row["conditions"] = _dump(dict(measurement.conditions))
        row["samples"] = _dump([float(sample) for sample in measurement.samples])
        row["environment"] = None if measurement.environment is None else _dump(dict(measurement.environment))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} can't be stored: {error}") from error
    return {name: row[name] for name in COLUMNS}


def decode(row: Mapping[str, Any]) -> Measurement:
    """Measurement of a row as ``encode`` makes it, or as text read back from a CSV file ("" means absent).

    Raises:
        StoreError: a value that is missing, unreadable, or in another unit.
    """
    cells: dict[str, Any] = {name: None if row[name] == "" else row[name] for name in COLUMNS}
    for name in _REQUIRED:
        if cells[name] is None:
            raise StoreError(f"{name} is missing")
    for name in _NUMBERS:
        cells[name] = _number(name, cells[name])
    for name in _JSON:
        cells[name] = _load(name, cells[name])
    unit = cells.pop("unit")
    if unit != UNITS.get(cells["quantity"], unit):
        raise StoreError(f"unit of {cells['quantity']} is {UNITS[cells['quantity']]}, not {unit}")
    if cells["provenance"] not in ("measured", "published"):
        raise StoreError(f"provenance is 'measured' or 'published', not '{cells['provenance']}'")
    try:
        cells["spec"] = str(ModelSpec.parse(cells["spec"]))
        return Measurement(
            **{**cells, "conditions": cells["conditions"] or {}, "samples": cells["samples"] or ()}
        )
    except (EffbenchError, ValueError, TypeError) as error:
        raise StoreError(str(error).splitlines()[0]) from error


def uid(row: Mapping[str, Any]) -> str:
    """Identity of an encoded row, made from its whole content: equal rows, and only they, share it."""
    return hashlib.sha256(_dump([row[name] for name in COLUMNS]).encode()).hexdigest()[:32]


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Data frame of encoded rows: ``COLUMNS`` with dicts and tuples in place of JSON, then ``CONDITIONS``.

    Numbers are float64 with NaN where absent; every other column is of dtype object, ``None`` where absent.
    """
    records = [_record(row) for row in rows]
    columns: dict[str, pd.Series[Any]] = {}
    for name in (*COLUMNS, *CONDITIONS):
        dtype = "float64" if name in _NUMBERS else "object"
        columns[name] = pd.Series([record[name] for record in records], dtype=dtype)
    return pd.DataFrame(columns)


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    conditions = json.loads(row["conditions"])
    return {
        **{name: row[name] for name in COLUMNS},
        "conditions": conditions,
        "samples": tuple(json.loads(row["samples"])),
        "environment": None if row["environment"] is None else json.loads(row["environment"]),
        **{name: conditions.get(name) for name in CONDITIONS},
    }


def _dump(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )


def _plain(value: Any) -> Any:
    """Plain value of a NumPy scalar; anything else that JSON does not know is refused."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r} can't be written as JSON")


def _number(name: str, cell: Any) -> float | None:
    if cell is None:
        return None
    try:
        return float(cell)
    except ValueError as error:
        raise StoreError(f"{name} is not a number: '{cell}'") from error


def _load(name: str, cell: Any) -> Any:
    if cell is None:
        return None
    try:
        value = json.loads(cell)
    except ValueError as error:
        raise StoreError(f"{name} is not JSON: {error}") from error
    wanted = list if name == "samples" else dict
    if not isinstance(value, wanted):
        raise StoreError(f"{name} is not a JSON {'list' if wanted is list else 'object'}")
    return tuple(value) if wanted is list else value
