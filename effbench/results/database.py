"""The file of a results store: where it is, how SQLite opens it, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from effbench.errors import StoreError
from effbench.files import reporting_write_errors

_DEFAULT = Path("results/effbench.sqlite")

#: Seconds to wait for another process that is writing.
BUSY_SECONDS = 60.0

READ_ONLY = "can't be written: the file or its folder is read-only"

_REASONS = {
    "SQLITE_NOTADB": "is not a results store: it is not an SQLite database",
    "SQLITE_BUSY": f"is locked: another process has been writing for more than {BUSY_SECONDS:.0f} s",
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_CANTOPEN": "can't be opened: check that it is a file in a folder that you may write to",
    "SQLITE_FULL": "can't be written: the disk is full",
    "SQLITE_IOERR": "can't be read or written: the disk is full or fails",
    "SQLITE_CORRUPT": "is damaged: restore it from a copy, or start a new store",
}


def default_store() -> Path:
    """Where results go by default: ``$EFFBENCH_STORE``, or a file under the current folder."""
    return Path(os.environ.get("EFFBENCH_STORE") or _DEFAULT)


def prepare(path: Path, create: bool) -> None:
    """Make the default store's folder; refuse what can't become a store."""
    if path.is_dir():
        raise StoreError(
            f"'{path}' is a folder: give the file of a results store, e.g. {path / _DEFAULT.name}"
        )
    if path.is_file():
        return
    if not create:
        raise StoreError(f"there is no results store '{path}'; 'effbench study run paper' fills one")
    if path == _DEFAULT:
        with reporting_write_errors(path, StoreError):
            path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.parent.is_dir():
        raise StoreError(
            f"the folder of the results store '{path}' does not exist: create '{path.parent}' first"
        )


def write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side.

    SQLite does not wait for a lock when it changes the journal mode, so the waiting is done here.
    """
    connection.execute("PRAGMA synchronous = FULL")
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def in_words(error: sqlite3.Error) -> str:
    """What an error of SQLite means for the file, after its name."""
    # Extended codes, e.g. SQLITE_BUSY_SNAPSHOT, start with the name of the plain one.
    code = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    return _REASONS.get(code, str(error))
