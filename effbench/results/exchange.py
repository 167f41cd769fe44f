"""Rows of the results store as CSV and Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from effbench.errors import StoreError
from effbench.files import replacing
from effbench.results.measurement import Measurement
from effbench.results.rows import COLUMNS, decode

SUFFIXES = (".csv", ".parquet")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write encoded rows to a ``.csv`` or ``.parquet`` file that appears only when it is complete.

    Raises:
        StoreError: another suffix, or a file that can't be written.
    """
    if path.suffix not in SUFFIXES:
        raise StoreError(f"'{path}' can't be written: an export ends in {' or '.join(SUFFIXES)}")
    with replacing(path, StoreError) as temporary:
        if path.suffix == ".csv":
            _write_csv(temporary, rows)
        else:
            pd.DataFrame(list(rows), columns=list(COLUMNS)).to_parquet(temporary, index=False)


def read_rows(path: Path) -> list[Measurement]:
    """Measurements of a CSV file as ``write_rows`` makes it; its columns may stand in any order.

    Raises:
        StoreError: a file that can't be read, or a bad line in it (named by its number).
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or ())
            return [_measurement(path, reader.line_num, line) for line in reader]
    except OSError as error:
        raise StoreError(f"'{path}' can't be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise StoreError(f"'{path}' is no CSV file of measurements: {error}") from error


class _UnixLines:
    """Ends rows with a line feed, while the CSV writer, told of both, also quotes a lone carriage return."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(_UnixLines(file), lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)


def _cell(value: Any) -> str:
    """Text that reads back as the very same value."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def _check_header(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown:
        problems = [f"lacks {', '.join(missing)}"] * bool(missing) + [
            f"has unknown {', '.join(unknown)}"
        ] * bool(unknown)
        raise StoreError(f"'{path}' is no file of measurements: its header {' and '.join(problems)}")


def _measurement(path: Path, line: int, cells: Mapping[str, Any]) -> Measurement:
    try:
        if None in cells or None in cells.values():
            raise StoreError(f"expected {len(COLUMNS)} columns")
        return decode(cells)
    except StoreError as error:
        raise StoreError(f"'{path}', line {line}: {error}") from error
