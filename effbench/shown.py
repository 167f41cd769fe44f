"""How results show themselves: a table in a terminal and in a notebook, rows, a data frame."""

from __future__ import annotations

import math
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, Group, RenderableType

Row = Mapping[str, object]


def number_of(count: int, noun: str) -> str:
    """``1 clip``, ``2,000 clips``, ``3 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


#: Integers in these columns are names, not counts.
_NAMES = frozenset({"seed", "figure"})

#: Single words stay whole, and texts of several are not wrapped to less than this.
_NARROWEST = 16


@dataclass(frozen=True)
class Table:
    """Rows for people, under a title; columns are the keys of all rows, in order of appearance.

    Attributes:
        shared: columns that are said once under the table where all rows agree in them.
        minor: columns that are left out first where there is no room; then the last ones are. A line says so.
    """

    rows: Sequence[Row]
    title: str | None = None
    shared: Collection[str] = ()
    minor: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """Heads of all columns."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def shown(self) -> tuple[list[str], str | None]:
        """Heads of the columns that are shown, and a line on those in which all rows agree."""
        agreed = {
            name: self.rows[0].get(name)
            for name in self.columns
            if name in self.shared and all(row.get(name) == self.rows[0].get(name) for row in self.rows)
        }
        said = [f"{name} {cell(value, name)}" for name, value in agreed.items() if value is not None]
        which = "all rows: " if len(self.rows) > 1 else ""
        return [name for name in self.columns if name not in agreed], which + ", ".join(
            said
        ) if said else None

    def is_numeric(self, column: str) -> bool:
        """Whether a column holds numbers alone, which stand right."""
        return all(isinstance(row.get(column), (int, float, type(None))) for row in self.rows)

    def texts(self, column: str) -> list[str]:
        """The cells of a column."""
        return [cell(row.get(column), column) for row in self.rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        columns, said = self.shown()
        widths, gap = self._fitted(columns, options.max_width)
        padding = (0, 1) if gap == 3 else (0, 1, 0, 0)
        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding)
        for column, width in widths.items():
            side: Literal["left", "right"] = "right" if self.is_numeric(column) else "left"
            table.add_column(Text(column), justify=side, width=width, overflow="fold")
        for texts in zip(*(self.texts(column) for column in widths), strict=True):
            table.add_row(*map(Text, texts))
        yield table
        if said:
            yield Text(said)
        if missing := [column for column in columns if column not in widths]:
            room = f"left out in {options.max_width} columns: {', '.join(missing)}"
            yield Text(f"{room}; a wider terminal shows them, CSV and JSON have them")

    def _fitted(self, columns: Sequence[str], room: int) -> tuple[dict[str, int], int]:
        """Widths of the columns that a line has room for, and the gap between two of them."""
        cells = {column: [column, *self.texts(column)] for column in columns}
        natural = {column: max(map(len, texts)) for column, texts in cells.items()}
        if sum(natural.values()) + 3 * len(natural) - 1 <= room:
            return natural, 3
        widths = {}
        for column, (head, *texts) in cells.items():
            words = [len(word) for text in (head, *texts) for word in text.split()]
            least = _NARROWEST if any(" " in text for text in texts) else max(words, default=1)
            widths[column] = min(natural[column], max([least, *map(len, head.split())]))
        minor = [column for column in self.minor if column in widths]
        for column in [*minor, *(column for column in reversed(columns[1:]) if column not in minor)]:
            if sum(widths.values()) + 2 * len(widths) <= room:
                break
            del widths[column]
        spare = room - sum(widths.values()) - 2 * len(widths)
        for column in widths:
            more = max(0, min(natural[column] - widths[column], spare))
            widths[column] += more
            spare -= more
        return widths, 2

    def to_html(self) -> str:
        """The table as HTML, numbers to the right."""
        columns, said = self.shown()
        sides = {column: "right" if self.is_numeric(column) else "left" for column in columns}

        def line(tag: str, texts: Iterable[str]) -> str:
            cells = zip(sides.values(), texts, strict=True)
            return "".join(f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>' for side, text in cells)

        lines = zip(*map(self.texts, columns), strict=True)
        body = "".join(f"<tr>{line('td', texts)}</tr>" for texts in lines)
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head = f"<thead><tr>{line('th', sides)}</tr></thead>"
        below = f"<p>{escape(said)}</p>" if said else ""
        return f"<table>{caption}{head}<tbody>{body}</tbody></table>{below}"

    def to_markdown(self) -> str:
        """The table as Markdown, under its title."""
        columns, said = self.shown()

        def line(texts: Iterable[str]) -> str:
            return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

        rule = ["---:" if self.is_numeric(column) else "---" for column in columns]
        lines = map(line, zip(*map(self.texts, columns), strict=True))
        table = "\n".join([line(columns), line(rule), *lines])
        return "\n\n".join(filter(None, (self.title, table, said)))


_LONGEST = 120  # characters of a ``repr``


class Shown(ABC):
    """A result that renders itself: ``print`` of rich, a notebook's cell, ``to_dict`` and ``to_frame``.

    A subclass that is a data class leaves the ``repr`` to this one: ``<Profile of fmn04: …>``.
    """

    @abstractmethod
    def __str__(self) -> str:
        """What the result is of, and its main figures, in one line."""

    def __repr__(self) -> str:
        text = f"<{type(self).__name__} of {self}>"
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…>"

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


def show(sections: Iterable[Table | str], stream: TextIO) -> None:
    """Print tables and lines: on stdout in the width of the terminal or ``COLUMNS``, elsewhere in full."""
    from rich.console import Console

    columns = shutil.get_terminal_size((0, 0)).columns if stream is sys.stdout else 0
    Console(file=stream, width=columns or 10_000).print(rendered(sections))


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


def cell(value: object, column: str = "") -> str:
    """A value as a table shows it: thousands apart, four digits of a fraction, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if column in _NAMES else f"{value:,}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(cell, value))
    return significant(value) if isinstance(value, float) else str(value)


def takes_unicode(stream: TextIO) -> bool:
    """Whether any character can be written to a stream as it is."""
    return (stream.encoding or "utf-8").lower().replace("-", "").startswith("utf")


def significant(value: float, digits: int = 4) -> str:
    """A number to so many digits, and all of those before the point: ``1,250``, ``48.9``, ``0.0123``."""
    if not math.isfinite(value) or not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits}g}")))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def short(count: float) -> str:
    """A count with three digits and the prefix that fits: ``148``, ``12.9 k``, ``4.05 M``, ``1.21 G``."""
    for prefix in ("", " k", " M", " G"):
        if float(f"{count:.3g}") < 1000:
            return f"{count:.3g}{prefix}"
        count /= 1000
    return f"{count:,.3g} T"
