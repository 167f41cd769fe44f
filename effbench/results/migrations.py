"""Layout of the results store's database, and how an older one becomes a newer one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from effbench.errors import StoreError
from effbench.results import exchange

#: Marks an SQLite file as a results store: the letters "effb".
APPLICATION_ID = 0x65666662

Migration = Callable[[sqlite3.Connection], object]


def _create_measurements(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE measurements (
            id          INTEGER PRIMARY KEY,
            uid         TEXT NOT NULL UNIQUE,
            spec        TEXT NOT NULL,
            quantity    TEXT NOT NULL,
            value       REAL NOT NULL,
            unit        TEXT NOT NULL,
            low         REAL,
            high        REAL,
            provenance  TEXT NOT NULL CHECK (provenance IN ('measured', 'published')),
            source      TEXT NOT NULL,
            device      TEXT,
            conditions  TEXT NOT NULL,
            samples     TEXT NOT NULL,
            environment TEXT,
            "commit"    TEXT,
            created     TEXT NOT NULL
        )
        """
    )


def _index_by_model(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX measurements_by_model ON measurements (spec, quantity)")


def _true_precisions(connection: sqlite3.Connection) -> None:
    """Rows whose float32 was TF32 say so; one that another row then equals is left out."""
    columns = ", ".join(f'"{name}"' for name in exchange.COLUMNS)
    found = connection.execute(
        f"SELECT id, {columns} FROM measurements WHERE environment LIKE '%\"gpu\":{{%'"
    )
    for identity, *values in found.fetchall():
        row = dict(zip(exchange.COLUMNS, values, strict=True))
        renamed = exchange.encode(exchange.decode(row))
        if renamed["conditions"] == row["conditions"]:
            continue
        changed = (exchange.content_hash(renamed), renamed["conditions"], identity)
        connection.execute("UPDATE OR IGNORE measurements SET uid = ?, conditions = ? WHERE id = ?", changed)
        connection.execute("DELETE FROM measurements WHERE id = ? AND uid <> ?", (identity, changed[0]))


def _note_imports(connection: sqlite3.Connection) -> None:
    """Where rows that were not added by what measured them came from; no part of the rows themselves."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS imports "
        "(uid TEXT PRIMARY KEY, origin TEXT NOT NULL, imported TEXT NOT NULL)"
    )


#: Step n brings a database from version n to version n + 1. Steps are only ever appended.
MIGRATIONS: tuple[Migration, ...] = (_create_measurements, _index_by_model, _true_precisions, _note_imports)


def version(connection: sqlite3.Connection) -> int:
    """Layout version of an open database; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring an open database, in autocommit mode, to the newest layout: all steps, or none.

    Raises:
        StoreError: the database belongs to another program, or to a newer effbench.
    """
    _check(connection, len(steps))
    if version(connection) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _check(connection, len(steps))  # another process may have been faster
        for step in steps[version(connection) :]:
            step(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection, newest: int) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (tables or application):
        raise StoreError("is an SQLite database of another program, not a results store")
    if version(connection) > newest:
        raise StoreError(
            f"was written by a newer effbench (layout {version(connection)}, this one knows {newest}): "
            "upgrade effbench, or give another store"
        )
