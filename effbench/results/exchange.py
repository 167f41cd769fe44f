"""How a measurement becomes a row of the store, of a CSV or Parquet file or of a data frame, and back."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar, cast

from effbench.errors import EffbenchError, StoreError
from effbench.files import replacing
from effbench.results.float32_rows import true_precision
from effbench.results.measurement import UNITS, Measurement
from effbench.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

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
    spec = str(ModelSpec.parse(measurement.spec))
    refused = f"{measurement.quantity} of {spec} can't be stored: "
    if not measurement.source:
        raise StoreError(refused + "it names no source")
    row = {name: getattr(measurement, name) for name in COLUMNS}
    row |= {"spec": spec, "device": measurement.device or None, "commit": measurement.commit or None}
    for name in _NUMBERS:
        if row[name] is not None and not math.isfinite(row[name]):
            raise StoreError(f"{refused}its {name} is {row[name]}")
        row[name] = None if row[name] is None else float(row[name])
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
        cells["spec"] = str(ModelSpec.parse(cells["spec"]))
        return Measurement(**cells)
    except (EffbenchError, ValueError) as error:
        raise StoreError(str(error).splitlines()[0]) from error


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


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write encoded rows to a ``.csv``, ``.csv.gz`` or ``.parquet`` file that appears when it is complete.

    Raises:
        StoreError: another suffix, or a file that can't be written.
    """
    import pandas as pd

    if not path.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise StoreError(f"'{path}' can't be written: an export ends in .csv, .csv.gz or .parquet")
    with replacing(path, StoreError) as temporary:
        if path.suffix == ".parquet":
            pd.DataFrame(list(rows), columns=list(COLUMNS)).to_parquet(temporary, index=False)
            return
        with _text(temporary, "wt", zipped=path.suffix == ".gz") as file:
            writer = csv.writer(_UnixLines(file), lineterminator="\r\n")
            writer.writerow(COLUMNS)
            writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)


def read_rows(path: Path) -> list[Measurement]:
    """Measurements of a CSV file of ``write_rows``, zipped or not; raises as ``read_lines``."""
    return read_lines(path, decode, COLUMNS)


def read_lines(
    path: Path, convert: Callable[[Mapping[str, str]], T], columns: Sequence[str], *, others: bool = False
) -> list[T]:
    """What ``convert`` makes of the cells, by column, of every line of a CSV file, or a ``.gz`` of one.

    The header must name ``columns``, in any order, and where ``others`` are allowed, may name more.

    Raises:
        StoreError: a file that can't be read, or a bad line in it (named by its number).
    """
    try:
        with _text(path, "rt", zipped=path.suffix == ".gz") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or (), columns, others)
            return [_converted(path, reader.line_num, cells, convert) for cells in reader]
    except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise StoreError(f"'{path}' is not a CSV file of measurements: {error}") from error
    except OSError as error:
        raise StoreError(f"'{path}' can't be read: {error.strerror or error}") from error


def _text(path: Path, mode: Literal["rt", "wt"], *, zipped: bool) -> TextIO:
    return cast(TextIO, (gzip.open if zipped else open)(path, mode, newline="", encoding="utf-8"))


def _record(row: Row) -> dict[str, Any]:
    structures = {name: _structure(name, text) for name in _JSON if isinstance(text := row[name], str)}
    return {**structures["conditions"], **row, **structures}


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


class _UnixLines:
    """Ends rows with a line feed; the CSV writer, which ends them with both, also quotes carriage returns."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _cell(value: str | float | None) -> str | float | None:
    """A cell as a person would write it: whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _check_header(path: Path, names: Sequence[str], columns: Sequence[str], others: bool) -> None:
    missing = [name for name in columns if name not in names]
    unknown = [] if others else [name for name in names if name not in columns]
    problems = [f"lacks {', '.join(missing)}"] if missing else []
    problems += [f"has unknown {', '.join(unknown)}"] if unknown else []
    if problems:
        raise StoreError(f"'{path}' is not a file of measurements: its header {' and '.join(problems)}")


def _converted(path: Path, line: int, cells: dict[str, str], convert: Callable[[Mapping[str, str]], T]) -> T:
    # DictReader keeps cells beyond the last column under None, and fills missing ones with None.
    values: list[object] = [*cells, *cells.values()]
    try:
        if None in values:
            columns = sum(isinstance(name, str) for name in cells)
            raise StoreError(f"expected {columns} columns")
        return convert(cells)
    except (StoreError, ValueError) as error:
        raise StoreError(f"'{path}', line {line}: {error}") from error
