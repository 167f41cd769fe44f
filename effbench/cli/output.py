"""What every command prints with: data on stdout, messages on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from effbench.shown import Row, Shown, Table, show, takes_unicode

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"


_quiet = False


def be_quiet(quiet: bool = True) -> None:
    """From now on print neither notes nor progress; errors stay."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether nothing but errors may be on stderr."""
    return _quiet


def note(message: str) -> None:
    """One line of information for the reader, on stderr."""
    if not _quiet:
        print(message, file=sys.stderr)


def note_if_only_shipped(store: Path | None) -> None:
    """Says so where values are those that ship alone, since the default store does not exist yet."""
    from effbench.results.database import default_store
    from effbench.results.shipped import lacks_store

    if lacks_store(store):
        note(f"there is no results store '{default_store()}' yet: values are those that ship with effbench")


def size(count: int) -> str:
    """A number of bytes for a reader: ``4.3 MB``."""
    from rich.filesize import decimal

    return decimal(count)


def write_json(data: object) -> None:
    """One JSON document on stdout; numbers that are not finite are refused."""
    print(json.dumps(data, indent=2, ensure_ascii=not takes_unicode(sys.stdout), allow_nan=False))


def write_csv(rows: Sequence[Row]) -> None:
    """Rows with one header line on stdout; the columns are the keys of all rows, in order of appearance."""
    writer = csv.DictWriter(sys.stdout, Table(rows).columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_sections(sections: Iterable[Table | str], form: Format = Format.table) -> None:
    """Tables and lines of text on stdout, for the terminal or as Markdown."""
    if form is Format.markdown:
        parts = (part if isinstance(part, str) else part.to_markdown() for part in sections)
        print("\n\n".join(parts))
    else:
        show(sections, sys.stdout)


def write(rows: Sequence[Row], form: Format, title: str | None = None) -> None:
    """Rows in the form that was asked for; numbers stand right in a table, and ``None`` is left empty."""
    write_table(Table(rows, title), form)


def write_table(table: Table, form: Format) -> None:
    """The table in the form that was asked for; JSON and CSV have all columns of its rows."""
    if form is Format.json:
        write_json(list(table.rows))
    elif form is Format.csv:
        write_csv(table.rows)
    else:
        write_sections([table], form)


def write_stored(frame: pd.DataFrame, form: Format, *, wide: bool = False) -> None:
    """Rows of a store in the form that was asked for, with what tells them apart; ``wide``: one a model."""
    from effbench.results import overview

    rows = overview.wide(frame) if wide else overview.tidy(frame)
    if wide or form in (Format.json, Format.csv):
        ends = [name for row in rows[:1] for name in row if name.endswith(("_low", "_high"))]
        write_table(Table(rows, shared=overview.conditions_of(rows), minor=ends), form)
    else:
        read, everywhere = overview.for_reading(rows)
        write_sections([Table(read, minor=("low", "high", "unit")), *filter(None, [everywhere])], form)


def write_result(result: Shown, form: Format) -> None:
    """A result in the form that was asked for: as it shows itself, its JSON, or its rows as CSV."""
    if form is Format.json:
        write_json(result.to_dict())
    elif form is Format.csv:
        write_csv(result.rows())
    else:
        write_sections(result.sections(), form)
