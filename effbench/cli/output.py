"""What every command prints with: data on stdout, messages on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from effbench.shown import Row, Shown, Table

_ENDLESS = 10_000


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    json = "json"
    csv = "csv"


def note(message: str) -> None:
    """One line of information for the reader, on stderr."""
    print(message, file=sys.stderr)


def write_json(data: object) -> None:
    """One JSON document on stdout; numbers that are not finite are refused."""
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def write_csv(rows: Sequence[Row]) -> None:
    """Rows with one header line on stdout; the columns are the keys of all rows, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_table(rows: Sequence[Row], title: str | None = None) -> None:
    """Rows as an aligned table on stdout; numbers stand right, ``None`` is left empty."""
    write_sections([Table(rows, title)])


def write_sections(sections: Iterable[Table | str]) -> None:
    """Tables and lines of text on stdout; wide tables are never cut, but run on in a narrow terminal."""
    from rich.console import Console

    console = Console(width=_ENDLESS)
    for section in sections:
        if isinstance(section, str):
            print(section)
            continue
        if section.title is not None:
            print(section.title)
        console.print(section)


def write(rows: Sequence[Row], form: Format, title: str | None = None) -> None:
    """Rows in the form that was asked for."""
    if form is Format.json:
        write_json(list(rows))
    elif form is Format.csv:
        write_csv(rows)
    else:
        write_table(rows, title)


def write_result(result: Shown, form: Format) -> None:
    """A result in the form that was asked for: as it shows itself, its JSON, or its rows as CSV."""
    if form is Format.json:
        write_json(result.to_dict())
    elif form is Format.csv:
        write_csv(result.rows())
    else:
        write_sections(result.sections())
