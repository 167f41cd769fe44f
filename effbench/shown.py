"""How results show themselves: a table in a terminal and in a notebook, rows, a data frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.table import Table as RichTable

Row = Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """Rows for people, under a title; columns are the keys of all rows, in order of appearance."""

    rows: Sequence[Row]
    title: str | None = None

    @property
    def columns(self) -> list[str]:
        """Heads of the columns."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def is_numeric(self, column: str) -> bool:
        """Whether a column holds numbers alone, which stand right."""
        return all(isinstance(row.get(column), (int, float, type(None))) for row in self.rows)

    def __rich__(self) -> RichTable:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in self.columns:
            table.add_column(column, justify="right" if self.is_numeric(column) else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*(Text(cell(row.get(column))) for column in self.columns))
        return table

    def to_html(self) -> str:
        """The table as HTML, numbers to the right."""
        sides = {column: "right" if self.is_numeric(column) else "left" for column in self.columns}

        def line(tag: str, texts: Iterable[str]) -> str:
            cells = zip(sides.values(), texts, strict=True)
            return "".join(f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>' for side, text in cells)

        body = "".join(f"<tr>{line('td', (cell(row.get(name)) for name in sides))}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{line('th', sides)}</tr></thead><tbody>{body}</tbody></table>"


class Shown(ABC):
    """A result that renders itself: ``print`` of rich, a notebook's cell, ``to_dict`` and ``to_frame``.

    A subclass that is a data class leaves the ``repr`` to this one: ``<Profile of fmn04: …>``.
    """

    @abstractmethod
    def __str__(self) -> str:
        """What the result is of, and its main figures, in one line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self}>"

    @abstractmethod
    def sections(self) -> Iterable[Table | str]:
        """For people: tables and lines of text, in units for reading."""

    @abstractmethod
    def rows(self) -> Sequence[Row]:
        """For programs: flat rows in base units, the lines of a CSV file."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Everything, as plain data for JSON."""

    def to_frame(self) -> pd.DataFrame:
        """``rows`` as a data frame."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self.rows()])

    def __rich__(self) -> Group:
        return rendered(self.sections())

    def _repr_html_(self) -> str:
        return "".join(
            f"<p>{escape(section)}</p>" if isinstance(section, str) else section.to_html()
            for section in self.sections()
        )


def rendered(sections: Iterable[Table | str]) -> Group:
    """Tables under their titles, and lines of text, for a console of rich."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text | Table] = []
    for section in sections:
        if isinstance(section, str):
            parts.append(Text(section))
        else:
            parts += [section] if section.title is None else [Text(section.title), section]
    return Group(*parts)


def cell(value: object) -> str:
    """A value as a table shows it: thousands apart, four digits of a fraction, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def short(count: float) -> str:
    """A count with three digits and the prefix that fits: ``148``, ``12.9 k``, ``4.05 M``, ``1.21 G``."""
    for prefix in ("", " k", " M", " G"):
        if float(f"{count:.3g}") < 1000:
            return f"{count:.3g}{prefix}"
        count /= 1000
    return f"{count:,.3g} T"
