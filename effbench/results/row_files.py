"""Files of rows, CSV or Parquet: written whole or not at all, read line by line."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, TextIO, TypeVar, cast

from effbench.errors import EffbenchError, StoreError
from effbench.files import replacing
from effbench.results.exchange import COLUMNS, Row, decode
from effbench.results.measurement import Measurement

T = TypeVar("T")

#: Texts of a line, by the heads of their columns; "" where there is nothing.
Cells = Mapping[str, str]


@dataclass(frozen=True)
class RowTable:
    """A file's table: its heads, and the cells of each line by the line's number (the header has 1)."""

    path: Path
    heads: tuple[str, ...]
    lines: tuple[tuple[int, Cells], ...]

    def require(self, columns: Sequence[str], *, others: bool = False) -> None:
        """Raise ``StoreError`` unless it has these columns, and no more if ``others`` are refused."""
        missing = [name for name in columns if name not in self.heads]
        unknown = [] if others else [name for name in self.heads if name not in columns]
        problems = [f"lacks {', '.join(missing)}"] if missing else []
        problems += [f"has unknown {', '.join(unknown)}"] if unknown else []
        if problems:
            raise StoreError(
                f"'{self.path}' is not a file of measurements: its header {' and '.join(problems)}"
            )

    def convert(self, function: Callable[[Cells], T]) -> tuple[list[T], list[str]]:
        """What ``function`` makes of each line, and what is wrong with those that it refuses."""
        made, problems = [], []
        for number, cells in self.lines:
            try:
                if len(cells) != len(self.heads) or None in cells:
                    raise StoreError(f"expected {len(self.heads)} columns")
                made.append(function(cells))
            except (EffbenchError, ValueError) as error:
                problems.append(f"'{self.path}', line {number}: {str(error).splitlines()[0]}")
        return made, problems


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
            write_csv_rows(file, rows)


def write_csv_rows(file: TextIO, rows: Iterable[Row]) -> None:
    """Write encoded rows as CSV, in which every text comes back as it was."""
    writer = csv.writer(_UnixLines(file), lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)


def read_rows(path: Path) -> list[Measurement]:
    """Measurements of a file of ``write_rows``; raises as ``read_lines``."""
    return read_lines(path, decode, COLUMNS)


def read_lines(
    path: Path, convert: Callable[[Cells], T], columns: Sequence[str], *, others: bool = False
) -> list[T]:
    """What ``convert`` makes of every line of a file, whose columns are as ``RowTable.require`` wants them.

    Raises:
        StoreError: a file that can't be read, or bad lines in it (each named by its number).
    """
    table = read_table(path)
    table.require(columns, others=others)
    made, problems = table.convert(convert)
    if problems:
        raise StoreError("\n".join(problems))
    return made


def read_table(path: Path) -> RowTable:
    """The table of a ``.csv``, ``.csv.gz`` or ``.parquet`` file.

    Raises:
        StoreError: another suffix, a file that can't be read, or two columns of one head.
    """
    if not path.name.lower().endswith((".csv", ".csv.gz", ".parquet")):
        raise StoreError(f"'{path}' can't be read: files of rows end in .csv, .csv.gz or .parquet")
    try:
        table = _parquet_table(path) if path.suffix.lower() == ".parquet" else _csv_table(path)
    except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise StoreError(f"'{path}' is not a CSV file of measurements: {error}") from error
    except OSError as error:
        raise StoreError(f"'{path}' can't be read: {error.strerror or error}") from error
    if twice := [head for head in dict.fromkeys(table.heads) if table.heads.count(head) > 1]:
        raise StoreError(f"'{path}' has two columns '{twice[0]}': leave one of them out")
    return table


def _csv_table(path: Path) -> RowTable:
    with _long_cells(), _text(path, "rt", zipped=path.suffix.lower() == ".gz") as file:
        reader = csv.DictReader(file, strict=True)
        heads = tuple(reader.fieldnames or ())
        # DictReader keeps cells beyond the last column under None, and fills missing ones with None.
        lines = [
            (reader.line_num, {name: cell for name, cell in cells.items() if cell is not None})
            for cells in reader
        ]
    return RowTable(path, heads, tuple(lines))


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lets the CSV reader take the samples of a long run, which are one cell."""
    usual = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _parquet_table(path: Path) -> RowTable:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        lines = [{name: _as_text(cell) for name, cell in line.items()} for line in table.to_pylist()]
        return RowTable(path, tuple(table.column_names), tuple(enumerate(lines, 2)))
    except (pyarrow.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"'{path}' is not a Parquet file of measurements: {reason}") from error


def _as_text(cell: object) -> str:
    """What a CSV file would have; whole numbers are fractions in columns of numbers with gaps."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _text(path: Path, mode: Literal["rt", "wt"], *, zipped: bool) -> TextIO:
    # Spreadsheets begin UTF-8 with a mark that is no part of the first head.
    encoding = "utf-8-sig" if mode == "rt" else "utf-8"
    return cast(TextIO, (gzip.open if zipped else open)(path, mode, newline="", encoding=encoding))


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
