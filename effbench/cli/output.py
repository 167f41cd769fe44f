"""What every command prints with: data on stdout, messages on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

_ENDLESS = 10_000


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    json = "json"
    csv = "csv"


def note(message: str) -> None:
    """One line of information for the reader, on stderr."""
    print(message, file=sys.stderr)


def write_json(data: Any) -> None:
    """One JSON document on stdout; numbers that are not finite are refused."""
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with one header line on stdout; the columns are the keys of all rows, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows as an aligned table on stdout; numbers stand right, ``None`` is left empty.

    Wide tables are never cut: where stdout is no terminal, or is too narrow, lines run on.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = list(dict.fromkeys(key for row in rows for key in row))
    if title is not None:
        print(title)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), (int, float, type(None))) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    needed = Console(width=_ENDLESS).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def write(rows: Sequence[Mapping[str, Any]], form: Format, title: str | None = None) -> None:
    """Rows in the form that was asked for."""
    if form is Format.json:
        write_json(list(rows))
    elif form is Format.csv:
        write_csv(rows)
    else:
        write_table(rows, title)
