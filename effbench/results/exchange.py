"""Rows of the results store as CSV and Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

from effbench.errors import StoreError
from effbench.files import replacing
from effbench.results.measurement import Measurement
from effbench.results.rows import COLUMNS, Row, decode

SUFFIXES = (".csv", ".parquet")

T = TypeVar("T")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write encoded rows to a ``.csv`` or ``.parquet`` file that appears only when it is complete.

    Raises:
        StoreError: another suffix, or a file that can't be written.
    """
    import pandas as pd

    if path.suffix not in SUFFIXES:
        raise StoreError(f"'{path}' can't be written: an export ends in {' or '.join(SUFFIXES)}")
    with replacing(path, StoreError) as temporary:
        if path.suffix == ".parquet":
            pd.DataFrame(list(rows), columns=list(COLUMNS)).to_parquet(temporary, index=False)
            return
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(_UnixLines(file), lineterminator="\r\n")
            writer.writerow(COLUMNS)
            writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)


def read_rows(path: Path) -> list[Measurement]:
    """Measurements of a CSV file as ``write_rows`` makes it; its columns may stand in any order.

    Raises:
        StoreError: a file that can't be read, or a bad line in it (named by its number).
    """
    return read_lines(path, decode, COLUMNS)


def read_lines(
    path: Path, convert: Callable[[Mapping[str, str]], T], columns: Sequence[str], *, others: bool = False
) -> list[T]:
    """What a CSV file with a header holds, line by line.

    Args:
        path: the file.
        convert: of the cells of a line, by column; what is wrong with them, it raises.
        columns: that the header must name, in any order.
        others: the header may name more.

    Raises:
        StoreError: a file that can't be read, or a bad line in it (named by its number).
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or (), columns, others)
            return [_converted(path, reader.line_num, cells, convert) for cells in reader]
    except OSError as error:
        raise StoreError(f"'{path}' can't be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise StoreError(f"'{path}' is not a CSV file of measurements: {error}") from error


class _UnixLines:
    """Ends rows with a line feed, while the CSV writer, told of both, also quotes a lone carriage return."""

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
    # DictReader files what stands beyond the last column under None, and fills with None what lacks.
    values: list[object] = [*cells, *cells.values()]
    try:
        if None in values:
            columns = sum(isinstance(name, str) for name in cells)
            raise StoreError(f"expected {columns} columns")
        return convert(cells)
    except (StoreError, ValueError) as error:
        raise StoreError(f"'{path}', line {line}: {error}") from error
