"""Databases that can be read but not written: a copy in memory takes their place."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from effbench.errors import StoreError


def is_writable(path: Path) -> bool:
    """Whether SQLite can write here: to the file, if there is one, and to those that it keeps beside it."""
    effective = os.access in os.supports_effective_ids
    places = [place for place in (path, path.parent) if place.exists()]
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in places)


def in_memory(path: Path) -> sqlite3.Connection:
    """A copy of a database in memory, in autocommit mode, with what its write-ahead log holds.

    Raises:
        StoreError: the file can't be read.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        try:
            _copy(f"{path.absolute().as_uri()}?mode=ro", memory)
        except sqlite3.OperationalError:
            # SQLite reads a database with such a log only where it can write an index of the log beside it.
            with TemporaryDirectory(prefix="effbench-") as folder:
                for file in (path, path.with_name(f"{path.name}-wal")):
                    if file.exists():
                        shutil.copyfile(file, Path(folder, file.name))
                _copy(Path(folder, path.name).as_uri(), memory)
    except BaseException as error:
        memory.close()
        if isinstance(error, OSError):
            raise StoreError(f"can't be read: {error.strerror or error}") from error
        raise
    return memory


def _copy(uri: str, memory: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(uri, uri=True)) as source:
        source.backup(memory)
