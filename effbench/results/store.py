"""The results store: one SQLite file, one row per measurement, every row with its provenance."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, Unpack

from effbench.errors import StoreError
from effbench.results import database, exchange, migrations, row_files, unwritable
from effbench.results.measurement import Measurement, now
from effbench.results.selection import REMOVABLE, Selection, in_sql

if TYPE_CHECKING:
    import pandas as pd

_FIELDS = ", ".join(f'"{name}"' for name in exchange.COLUMNS)
_VALUES = ", ".join(f":{name}" for name in exchange.COLUMNS)
# A published value is the same whenever it is written down; whatever is measured again is another row.
_SAME = " AND ".join(f'"{name}" IS :{name}' for name in exchange.COLUMNS if name != "created")
_INSERT = (
    f"INSERT INTO measurements (uid, {_FIELDS}) SELECT :uid, {_VALUES} WHERE :provenance <> 'published' OR "
    f"NOT EXISTS (SELECT 1 FROM measurements WHERE {_SAME}) ON CONFLICT (uid) DO NOTHING"
)
_SHIPPED = ", shipped"  # so ends the source of what came with effbench

_NEWEST = (
    f"SELECT {_FIELDS} FROM (SELECT *, row_number() OVER ("
    "PARTITION BY spec, quantity, provenance, device, conditions "
    f"ORDER BY coalesce(source LIKE '%{_SHIPPED}', 0), created DESC, id DESC"
    ") AS age FROM measurements) WHERE age = 1"
)
_ALL = f"SELECT {_FIELDS} FROM measurements WHERE true"


class Store:
    """An open results store; a context manager.

    Safe with several processes, each with its own ``Store``: readers never wait, writers take turns.
    A process that dies leaves either all rows of an ``add`` or none. A store that can't be written is read as
    it was when it was opened.

    Args:
        path: the database file; by default ``$EFFBENCH_STORE``, or ``results/effbench.sqlite`` under the
            current folder.
        create: make the file if there is none; it must be one that can be written. The folder of a path
            other than ``results/effbench.sqlite`` must exist.
        scratch: let additions to a store that can't be written live until it is closed, instead of refusing
            them.
        untouched: read the store as it is now and leave its file alone, even one of an older layout.

    Raises:
        StoreError: no such store or folder, no results store, or one of a newer effbench.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        create: bool = False,
        scratch: bool = False,
        untouched: bool = False,
    ) -> None:
        self.path = database.default_store() if path is None else Path(path)
        database.prepare(self.path, create)
        with self._readable_errors():
            writable = not untouched and unwritable.is_writable(self.path)
            if create and not writable:
                raise StoreError(database.READ_ONLY)
            self._connection, in_file = self._connect(create=create, in_file=writable)
            self._accepts = in_file or scratch

    def _connect(self, *, create: bool, in_file: bool) -> tuple[sqlite3.Connection, bool]:
        """The file, ready to use, or (false) a copy in memory where it can't be written."""
        connection = (
            sqlite3.connect(self.path, timeout=database.BUSY_SECONDS, isolation_level=None)
            if in_file
            else unwritable.in_memory(self.path)
        )
        try:
            connection.row_factory = sqlite3.Row
            migrations.migrate(connection)
            if in_file:
                database.write_ahead(connection)
        except BaseException as error:
            connection.close()
            full = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_IOERR", "SQLITE_FULL"))
            if in_file and full and not create:
                return self._connect(create=create, in_file=False)
            raise
        return connection, in_file

    def add(self, measurements: Iterable[Measurement], *, origin: str | None = None) -> int:
        """Keep measurements, all or (on an error) none; returns the number of rows that were new.

        Args:
            measurements: the rows.
            origin: the file that they are imported from; such rows are never taken for measured here.

        Raises:
            StoreError: a value that can't be stored, or a store that can't be written.
        """
        return self.add_lots([(origin, measurements)])

    def add_lots(self, lots: Iterable[tuple[str | None, Iterable[Measurement]]]) -> int:
        """As ``add``, but several origins, each with its measurements: all of them or none."""
        encoded = [(origin, [exchange.encode(row) for row in measurements]) for origin, measurements in lots]
        self._require_writable()
        with self._readable_errors(), self._transaction():
            return sum(self._insert(row, origin) for origin, rows in encoded for row in rows)

    def _insert(self, row: exchange.Row, origin: str | None) -> int:
        uid = exchange.content_hash(row)
        new = self._connection.execute(_INSERT, {**row, "uid": uid}).rowcount
        if new and origin is not None:
            self._connection.execute("INSERT OR REPLACE INTO imports VALUES (?, ?, ?)", (uid, origin, now()))
        return new

    def read(self, **selection: Unpack[Selection]) -> pd.DataFrame:
        """Rows in the order of their arrival, as ``effbench.results.exchange.to_frame`` describes them.

        Example: ``store.read(specs=["fmn10"], quantities=["parameters", "macs_exact"])``
        """
        return exchange.to_frame(self._selected(_ALL, selection))

    def latest(self, **selection: Unpack[Selection]) -> pd.DataFrame:
        """As ``read``, but of rows that differ in value and date only, the newest one.

        What was measured by the user comes before what ships with effbench, whenever it was.
        Of a model of one's own whose code was changed, only rows of the newest code: others are of another.
        """
        newest = self._newest_code()
        rows = self._selected(_NEWEST, selection)
        return exchange.to_frame(
            row for row in rows if exchange.code_of(row) in (None, newest.get(str(row["spec"])))
        )

    def export(self, path: Path | str, **selection: Unpack[Selection]) -> int:
        """Write rows to a ``.csv``, ``.csv.gz`` or ``.parquet`` file, whole or not at all; their number.

        Raises:
            StoreError: another suffix, or a file that can't be written.
        """
        selected = self._selected(_ALL, selection)
        row_files.write_rows(Path(path), selected)
        return len(selected)

    def rows(self, **selection: Unpack[Selection]) -> list[exchange.Row]:
        """Encoded rows in the order of their arrival, as files have them."""
        return self._selected(_ALL, selection)

    def remove(self, path: Path | str, **selection: Unpack[Selection]) -> int:
        """Take imported and declared rows out, into a new file from which they can be imported again.

        Rows that were measured here stay. The file is as those of ``export``; returns the number of rows.

        Raises:
            StoreError: the file is there already or can't be written, or the store can't.
        """
        if Path(path).exists():
            raise StoreError(f"'{path}' is there already, and may hold other rows: name another file")
        self._require_writable()
        found = self._selected(f"SELECT uid, {_FIELDS} FROM measurements WHERE {REMOVABLE}", selection)
        if found:
            row_files.write_rows(Path(path), found)
        with self._readable_errors(), self._transaction():
            for table in ("measurements", "imports"):
                self._connection.executemany(f"DELETE FROM {table} WHERE uid = :uid", found)
        return len(found)

    def distinct(self, column: Literal["spec", "quantity", "device"]) -> list[str]:
        """What occurs in a column, sorted."""
        found = self._rows(f"SELECT DISTINCT {column} AS text FROM measurements WHERE {column} IS NOT NULL")
        return sorted(str(row["text"]) for row in found)

    def origins(self) -> list[exchange.Row]:
        """Files and stores that rows came from: ``origin``, number of ``rows``, and when (``imported``)."""
        return self._rows(
            "SELECT origin, count(*) AS rows, max(imported) AS imported FROM imports GROUP BY origin"
        )

    def close(self) -> None:
        """Close the file; the store can't be used any more."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<Store {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _selected(self, query: str, selection: Selection) -> list[exchange.Row]:
        condition, values = in_sql(**selection)
        return self._rows(f"{query} AND {condition} ORDER BY id", values)

    def _rows(self, query: str, values: Sequence[str] = ()) -> list[exchange.Row]:
        with self._readable_errors():
            return [dict(row) for row in self._connection.execute(query, values)]

    def _newest_code(self) -> dict[str, str]:
        """The code of each model of one's own that was stored last."""
        query = f"{_ALL} AND conditions LIKE '%\"code\":%' ORDER BY created, id"
        rows = self._rows(query)
        return {str(row["spec"]): code for row in rows if (code := exchange.code_of(row)) is not None}

    def _require_writable(self) -> None:
        if not self._accepts:
            raise StoreError(f"'{self.path}' {database.READ_ONLY}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # SQLite may have ended it, as where the disk is full
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        """Turn errors of SQLite into one line that names the store."""
        try:
            yield
        except StoreError as error:
            raise StoreError(f"'{self.path}' {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"'{self.path}' {database.in_words(error)}") from error
