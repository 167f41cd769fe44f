"""Reads tables as people have them: one reader for events, durations, class lists and scores.

Text in UTF-8, or in UTF-16 after a byte order mark, packed by gzip or not; cells parted by tabs, semicolons
or commas, as the first line says; heads in any case, with spaces around them.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from effbench.data.clip_names import TABLE_SUFFIXES, without_suffix
from effbench.data.column_names import DESED, usual_names
from effbench.errors import DataError, EffbenchWarning

if TYPE_CHECKING:
    import pandas as pd

#: What stands for nothing in a cell.
NOTHING = ("", "nan", "NaN", "NA")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_GZIP = b"\x1f\x8b"
#: Heads of columns of line numbers, as pandas writes and reads them.
_INDEX = re.compile(r"|unnamed: [\d.]+|__index_level_\d+__")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Header:
    """First line of a table.

    Attributes:
        separator: of its cells.
        written: the heads as they are, without spaces around them.
        names: the heads in lower case; where others call the columns of events otherwise, their usual names.
    """

    separator: str
    written: tuple[str, ...]

    @cached_property
    def names(self) -> list[str]:
        """Names in lower case, those of events and of clip labels as usual."""
        names = [head.lower() for head in self.written]
        usual = usual_names(names)
        return [usual.get(name, name) for name in names]

    @property
    def described(self) -> str:
        """The heads, for messages."""
        there = ", ".join(self.written)
        return f"Columns: {there}" if there.isprintable() and there else "It is empty, or not text."

    def note_names(self, path: Path) -> None:
        """Say which columns are read as those of events."""
        if usual := usual_names([head.lower() for head in self.written]):
            read = ", ".join(f"{name} as {known}" for name, known in usual.items())
            warnings.warn(f"{path.name}: {read}; times are seconds", EffbenchWarning, stacklevel=3)

    def note_index(self) -> None:
        """Say that columns that only number the rows are left out."""
        if self.index:
            message = "a column that only numbers the rows, as pandas writes it, is left out of the table"
            warnings.warn(message, EffbenchWarning, stacklevel=3)

    @cached_property
    def index(self) -> list[int]:
        """Positions of the columns that only number the rows."""
        return [place for place, name in enumerate(self.names) if _INDEX.fullmatch(name)]


def is_table(path: Path) -> bool:
    """Whether the name is that of a table as text, packed or not; hidden files are none."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(TABLE_SUFFIXES) and not name.startswith(".")


def read_header(path: Path) -> Header:
    """First line of a table; ``DataError`` if the file can't be read."""
    try:
        with open_text(path, errors="replace") as lines:
            first = lines.readline(1 << 20).strip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    bare = _QUOTED.sub("", first)
    separator = "\t" if "\t" in bare else next((sign for sign in bare if sign in ";,"), ",")
    cells = next(csv.reader([first], delimiter=separator), [])
    return Header(separator, tuple(cell.strip() for cell in cells))


def header(path: Path) -> tuple[str, list[str]]:
    """Separator, and the first line's cells in lower case, but for columns that only number the rows."""
    found = read_header(path)
    return found.separator, [name for place, name in enumerate(found.names) if place not in found.index]


def table_name(path: Path) -> str:
    """The file's name without the suffixes of packed and of plain tables."""
    return without_suffix(path.name.removesuffix(".gz"))


def tables_with(folder: Path, *columns: str) -> list[Path]:
    """Tables in ``folder`` whose header has the columns, by name."""
    found = (path for path in sorted(folder.iterdir()) if is_table(path) and path.is_file())
    return [path for path in found if set(columns) <= set(header(path)[1])]


def table_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Number of its line and the cells, without spaces around them, of every line that has any.

    Raises:
        DataError: the text can't be decoded, or a quote is never closed; names the line.
    """
    last = 0
    try:
        with open_text(path) as lines:
            reader = csv.reader(lines, delimiter=separator, strict=True)
            for row in reader:
                if reader.line_num > last + 1:
                    raise DataError(f'{path}, line {last + 1}: a quote (") is not closed in its line')
                last = reader.line_num
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield last, cells
    except UnicodeError as error:
        line = _line_of_bad_text(path)
        message = "not text in UTF-8 (or UTF-16 with a byte order mark): save it as UTF-8"
        raise DataError(f"{path}, line {line}: {message}") from error
    except csv.Error as error:
        raise DataError(f"{path}, line {last + 1}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), heads: Sequence[str] = ()
) -> pd.DataFrame:
    """The named columns, and the optional ones that are there, as text, by line in the file.

    Args:
        path: the table.
        columns, optional: heads.
        heads: of a table whose first line has none.

    Raises:
        DataError: a column is missing or there twice, a line has too many cells, or the file can't be read.
    """
    import pandas as pd

    found = read_header(path)
    found = Header(found.separator, tuple(heads)) if heads else found
    lacking = [column for column in columns if column not in found.names]
    if lacking:
        raise DataError(f"{path}: no column '{lacking[0]}'\n{found.described}")
    wanted = [column for column in (*columns, *optional) if column in found.names]
    require_once(path, [name for name in found.names if name in wanted])
    found.note_index()
    if set(DESED) <= {*columns}:
        found.note_names(path)
    places = [found.names.index(column) for column in wanted]
    width, numbers = len(found.names), []
    cells: list[list[str]] = [[] for _ in places]
    for number, row in table_rows(path, found.separator):
        if number == 1 and not heads:
            continue
        require_width(path, number, row, width)
        row += [""] * (width - len(row))
        if any(row[place] for place in places):
            numbers.append(number)
            for column, place in zip(cells, places, strict=True):
                column.append(row[place])
    index = pd.Index(numbers, dtype="int64")
    return pd.DataFrame(dict(zip(wanted, cells, strict=True)), index=index, columns=wanted, dtype=object)


def require_once(path: Path, names: Sequence[str]) -> None:
    """Raise ``DataError`` where a column is there twice."""
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise DataError(f"{path}, line 1: the column '{doubled[0]}' is there twice: remove or rename one")


def require_width(path: Path, number: int, row: Sequence[str], width: int) -> None:
    """Raise ``DataError`` where a line has more cells than the first has heads."""
    if any(row[width:]):
        message = f"{path}, line {number}: {len(row)} cells under {width} heads"
        raise DataError(f"{message}\n{COMMAS}" if any("," in cell for cell in row) else message)


def as_number(cell: str) -> float:
    """The number in a cell; ``ValueError`` if there is none, or one as only Python writes it (``1_000``)."""
    if "_" in cell or not cell.isascii():
        raise ValueError(f"'{cell}' is not a number")
    return float(cell)


#: Explains numbers such as ``0,5``.
COMMAS = "Decimals are written with a point (0.5), and cells that hold the separator in quotes."


def read_json(path: Path) -> dict[str, object]:
    """A JSON object; ``DataError`` if there is none."""
    try:
        with open_text(path) as text:
            content = json.load(text)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a JSON object")
    return content


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where gzip packed them."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path)) if packed else path.open("rb")


def encoding_of(path: Path) -> str:
    """``utf-16`` after its byte order mark, else ``utf-8-sig``."""
    with open_bytes(path) as file:
        return "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"


def open_text(path: Path, errors: str = "strict") -> io.TextIOWrapper:
    """The file's text, lines as they end."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding_of(path), errors=errors, newline="")


def _line_of_bad_text(path: Path) -> int:
    with open_bytes(path) as file:
        content = file.read()
    try:
        content.decode(encoding_of(path))
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return 1


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: {getattr(error, 'strerror', None) or error}")
