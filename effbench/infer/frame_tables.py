"""Tables of frame scores: ``onset`` and ``offset`` in seconds, perhaps ``filename``, and a column a class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.data.clip_names import TABLE_SUFFIXES
from effbench.data.tables import (
    COMMAS,
    Header,
    as_number,
    encoding_of,
    open_bytes,
    read_header,
    require_once,
    require_width,
    table_rows,
)
from effbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

BOUNDS = ("onset", "offset")
_FILE = "filename"
_LABELS = ("event_label", "event_labels", "label")


class EventsForScores(DataError):
    """A list of events where frame scores belong."""


def is_frame_table(path: Path) -> bool:
    """Whether the name is that of a table of frame scores; ``.txt`` files are notes, hidden ones foreign."""
    name = path.name.lower()
    suffixes = (".parquet", *(f"{text}{gz}" for text in TABLE_SUFFIXES[:2] for gz in ("", ".gz")))
    return name.endswith(suffixes) and not name.startswith(".")


def read_frame_table(path: Path) -> pd.DataFrame:
    """Onsets, offsets and scores as numbers, classes as they are written, and ``filename`` if it is there.

    Columns that only number the rows are left out.

    Raises:
        EventsForScores: it is a list of events.
        DataError: it can't be read, lacks a column, has one twice, or a cell is no number; names the line.
    """
    if path.suffix.lower() == ".parquet":
        frame, heads = _read_parquet(path)
    else:
        heads = read_header(path)
        _check_heads(path, heads)
        frame = _read_text(path, heads)
    if frame.empty:
        raise DataError(f"{path} is not a table of frame scores: it has no rows")
    return frame


def _check_heads(path: Path, heads: Header) -> None:
    names = [name for place, name in enumerate(heads.names) if place not in heads.index]
    if not names:
        raise DataError(f"{path} is not a table of frame scores: it is empty")
    if labels := [name for name in names if name in _LABELS]:
        raise EventsForScores(
            f"{path} is a list of events (it has a column '{labels[0]}'), not of frame scores"
        )
    for name in BOUNDS:
        if name not in names:
            raise DataError(f"{path} is not a table of frame scores: no column '{name}'\n{heads.described}")
    require_once(path, _columns(heads))
    if not set(names).difference((*BOUNDS, _FILE)):
        raise DataError(f"{path} is not a table of frame scores: it has no column of a class")


def _columns(heads: Header) -> list[str]:
    """Names of all columns but those that number the rows: classes as they are written."""
    return [
        name if name in (*BOUNDS, _FILE) else written
        for place, (name, written) in enumerate(zip(heads.names, heads.written, strict=True))
        if place not in heads.index
    ]


def _read_text(path: Path, heads: Header) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv

    columns, places = _columns(heads), [n for n in range(len(heads.written)) if n not in heads.index]
    keys = [f"{number}" for number in range(len(heads.written))]
    types = {keys[place]: pa.float64() for place in places}
    types |= {keys[place]: pa.string() for place in heads.index}
    if _FILE in columns:
        types[keys[heads.names.index(_FILE)]] = pa.dictionary(pa.int32(), pa.string())
    try:
        with open_bytes(path) as file:
            table = csv.read_csv(
                file,
                csv.ReadOptions(column_names=keys, skip_rows=1, encoding=encoding_of(path)),
                csv.ParseOptions(delimiter=heads.separator),
                csv.ConvertOptions(column_types=types, null_values=[]),
            )
    except Exception:  # of many kinds; what is wrong, if anything, is found line by line
        return _read_lines(path, heads, places)
    heads.note_index()
    for place in heads.index:
        _require_index(path, table.column(keys[place]).slice(0, 1000).to_pylist())
    frame: pd.DataFrame = table.select([keys[place] for place in places]).rename_columns(columns).to_pandas()
    finite = frame[list(BOUNDS)].abs().lt(math.inf).all(axis=None)
    names = frame[_FILE].cat.categories if _FILE in frame else ()
    if not finite or not all(names) or any(name != name.strip() for name in names):
        return _read_lines(path, heads, places)
    return frame


def _read_lines(path: Path, heads: Header, places: Sequence[int]) -> pd.DataFrame:
    """Slower, and names the line of what can't be read."""
    import pandas as pd

    return pd.DataFrame(list(_lines(path, heads, places)), columns=_columns(heads))


def _read_parquet(path: Path) -> tuple[pd.DataFrame, Header]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # of many kinds; all mean that the file is bad
        raise DataError(f"{path} can't be read: {' '.join(str(error).split())[:200]}") from None
    if frame.index.name in (*BOUNDS, _FILE) or frame.index.nlevels > 1:
        frame = frame.reset_index()
    heads = Header("\t", tuple(str(name).strip() for name in frame.columns))
    _check_heads(path, heads)
    frame = frame[[name for place, name in enumerate(frame.columns) if place not in heads.index]]
    frame.columns = pd.Index(_columns(heads))
    for name in frame.columns:
        if name != _FILE and not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(f"{path}: the column '{name}' holds text where numbers belong")
    if not frame[list(BOUNDS)].abs().lt(math.inf).all(axis=None):
        raise DataError(f"{path}: an onset or offset is not a number of seconds")
    if _FILE in frame and frame[_FILE].isna().any():
        raise DataError(f"{path}: a row without a file name")
    return frame, heads


def _require_index(path: Path, cells: Sequence[str]) -> None:
    """Raise ``DataError`` unless a column without a name only numbers the rows, or is empty."""
    for cell in cells:
        if cell and not cell.strip().isdigit():
            raise DataError(
                f"{path}, line 1: the column of '{cell}' has no name; "
                "call it 'filename' if it names the clips"
            )


def _lines(path: Path, heads: Header, places: Sequence[int]) -> Iterator[list[str | float]]:
    """Cells of these columns, line by line; raises ``DataError`` for one that no table of scores has."""
    width = len(heads.written)
    for number, row in table_rows(path, heads.separator):
        if number == 1:
            continue
        require_width(path, number, row, width)
        if len(row) < width:
            raise DataError(f"{path}, line {number}: {len(row)} cells under {width} heads")
        cells: list[str | float] = []
        for place in places:
            name, cell = heads.names[place], row[place]
            if name == _FILE and not cell:
                raise DataError(f"{path}, line {number}: a row without a file name")
            if name != _FILE and not _fits(cell, time=name in BOUNDS):
                what = f"'{cell}' is not a number" if cell else "there is nothing"
                cure = f"\n{COMMAS}" if "," in cell else ""
                raise DataError(f"{path}, line {number}: {what} under '{heads.written[place]}'{cure}")
            cells.append(cell if name == _FILE else as_number(cell))
        yield cells


def _fits(cell: str, *, time: bool) -> bool:
    try:
        value = as_number(cell)
    except ValueError:
        return False
    return math.isfinite(value) or not time
