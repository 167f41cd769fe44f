"""Rows of other people and machines, from files and stores: all or none, each with its origin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from effbench.errors import StoreError, UsageError
from effbench.results.database import default_store
from effbench.results.declared_tables import declared_rows
from effbench.results.exchange import COLUMNS, decode, encode
from effbench.results.measurement import Measurement
from effbench.results.row_files import Cells, RowTable, read_table
from effbench.results.shipped import published_measurements, published_scores
from effbench.results.store import Store
from effbench.spec import is_spec

OnBadRow = Literal["error", "drop"]


@dataclass(frozen=True)
class Arrival:
    """What became of rows that were to be added to a store.

    Attributes:
        store: the store.
        added: how many are new.
        known: how many were there already.
        dropped: what was wrong with lines that were left out.
        remarks: what is worth knowing about those that were added.
    """

    store: Path
    added: int
    known: int
    dropped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = "row" if self.added == 1 else "rows"
        dropped = f", {_lines(len(self.dropped))} dropped" if self.dropped else ""
        return f"{self.added:,} {rows} added, {self.known:,} already there{dropped}: {self.store}"


def import_files(
    paths: Iterable[Path],
    store: Path | None = None,
    *,
    source: str | None = None,
    on_bad_row: OnBadRow = "error",
) -> Arrival:
    """Add the rows of files to a store: exported ones as they are, tables written by hand as declared values.

    Args:
        paths: ``.csv``, ``.csv.gz`` or ``.parquet``.
        store: where they go, all of them or, on an error, none; made where it is missing.
        source: where declared values are from whose line does not say it.
        on_bad_row: ``drop`` leaves out lines that can't be understood.

    Raises:
        StoreError: a file that can't be read, a column that is not understood, or bad lines: all are listed.
    """
    lots: list[tuple[str | None, list[Measurement]]] = []
    problems: list[str] = []
    for path in paths:
        rows, bad = _rows_of(read_table(path), source)
        lots.append((str(path), rows))
        problems += bad
    if problems and on_bad_row == "error":
        what = f"{_lines(len(problems))} not understood, and nothing imported"
        raise StoreError("\n".join([what, *problems]))
    return _add(lots, store, problems)


def merge(other: Path, store: Path | None = None) -> Arrival:
    """Add the rows of another store, which stays as it is, to a store, with all that is known of them.

    Raises:
        StoreError: no store, one of a newer effbench, or the same store.
    """
    path = default_store() if store is None else store
    if other.exists() and path.exists() and other.samefile(path):
        raise StoreError(f"'{other}' is this store itself")
    with Store(other, untouched=True) as opened:
        try:
            rows = [decode(row) for row in opened.rows()]
        except StoreError as error:
            raise StoreError(f"'{other}' holds a row that is not understood: {error}") from error
    return _add([(str(other), rows)], path)


def add_declared(row: Measurement, store: Path | None = None) -> Arrival:
    """Add one value of ``effbench.results.declared`` to a store, which is made where it is missing."""
    return _add([(None, [row])], store)


def _add(
    lots: Sequence[tuple[str | None, Sequence[Measurement]]], store: Path | None, dropped: Sequence[str] = ()
) -> Arrival:
    rows = [row for _, lot in lots for row in lot]
    with Store(store, create=True) as opened:
        remarks = (*_own_names(rows), *_other_values(opened, rows), *_shared_devices(opened, rows))
        added = opened.add_lots(lots)
    return Arrival(opened.path, added, len(rows) - added, tuple(dropped), remarks if added else ())


def _rows_of(table: RowTable, source: str | None) -> tuple[list[Measurement], list[str]]:
    if not {"quantity", "value"} <= set(table.heads):
        return declared_rows(table, source)
    if source is not None:
        raise UsageError(f"'{table.path}' says itself where its rows are from: give no other source")
    table.require(COLUMNS)
    return table.convert(_stored_row)


def _stored_row(cells: Cells) -> Measurement:
    row = decode(cells)
    encode(row)  # refuses what no store keeps
    return row


def _own_names(rows: Iterable[Measurement]) -> list[str]:
    names = dict.fromkeys(row.spec for row in rows if not is_spec(row.spec))
    return [f"no specs, and taken for names of one's own: {', '.join(names)}"] if names else []


def _other_values(store: Store, rows: Sequence[Measurement]) -> list[str]:
    """Published values of the same models that differ."""
    before: dict[tuple[str, str], set[float]] = {}
    stored = map(decode, store.rows(provenance="published"))
    for row in (*published_measurements(), *published_scores(), *stored):
        before.setdefault((row.spec, row.quantity), set()).add(row.value)
    remarks: dict[str, None] = {}
    for row in rows:
        others = before.get((row.spec, row.quantity), set()) if row.provenance == "published" else set()
        if others and row.value not in others:
            told = " and ".join(f"{value:,.10g}" for value in sorted(others))
            what = f"{row.quantity} of {row.spec} is {row.value:,.10g} here"
            remarks[f"{what}, and {told} in other publications: figures show one, and its source"] = None
    return list(remarks)


def _shared_devices(store: Store, rows: Sequence[Measurement]) -> list[str]:
    """Devices of another machine that are called like those of this one."""
    here = {row["device"] for row in store.rows(provenance="measured", imported=False)}
    shared = {row.device for row in rows if row.provenance == "measured" and row.device} & here
    return [
        f"'{name}' is timed here, too: figures take both for one device" for name in sorted(map(str, shared))
    ]


def _lines(count: int) -> str:
    return f"{count:,} line" if count == 1 else f"{count:,} lines"
