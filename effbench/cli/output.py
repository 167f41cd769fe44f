"""What every command prints with: data on stdout, messages on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from effbench.shown import Row, Shown, Table, rendered


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    json = "json"
    csv = "csv"


def note(message: str) -> None:
    """One line of information for the reader, on stderr."""
    print(message, file=sys.stderr)


def size(count: int) -> str:
    """A number of bytes for a reader: ``4.3 MB``."""
    from rich.filesize import decimal

    return decimal(count)


def write_json(data: object) -> None:
    """One JSON document on stdout; numbers that are not finite are refused."""
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def write_csv(rows: Sequence[Row]) -> None:
    """Rows with one header line on stdout; the columns are the keys of all rows, in order of appearance."""
    writer = csv.DictWriter(sys.stdout, Table(rows).columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_sections(sections: Iterable[Table | str]) -> None:
    """Tables and lines of text on stdout; wide tables are never cut, but run on in a narrow terminal."""
    from rich.console import Console

    Console(width=10_000).print(rendered(sections))


def write(rows: Sequence[Row], form: Format, title: str | None = None) -> None:
    """Rows in the form that was asked for; numbers stand right in a table, and ``None`` is left empty."""
    if form is Format.json:
        write_json(list(rows))
    elif form is Format.csv:
        write_csv(rows)
    else:
        write_sections([Table(rows, title)])


def write_result(result: Shown, form: Format) -> None:
    """A result in the form that was asked for: as it shows itself, its JSON, or its rows as CSV."""
    if form is Format.json:
        write_json(result.to_dict())
    elif form is Format.csv:
        write_csv(result.rows())
    else:
        write_sections(result.sections())
