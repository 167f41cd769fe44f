"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from effbench.errors import EffbenchError

_TEMPORARY = ".effbench-"


def is_temporary(path: Path) -> bool:
    """Whether a file is one that ``replacing`` was writing when its process was killed."""
    return path.name.startswith(_TEMPORARY)


@contextmanager
def replacing(
    path: Path, error: type[EffbenchError] = EffbenchError, *, make_folder: bool = False
) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well, and vanishes when not.

    The temporary name keeps the suffix, so that writers that choose a format by it work, and not the stem,
    with which it could be longer than file systems allow.

    Args:
        path: the file to be written.
        error: type of the error.
        make_folder: make the folder of the file where it is missing.

    Raises:
        EffbenchError: of the given type; the folder is missing or full, or can't be written.
    """
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(6)}{path.suffix}")
    with reporting_write_errors(path, error):
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def reporting_write_errors(path: Path, error: type[EffbenchError] = EffbenchError) -> Iterator[None]:
    """Turns a system error about a file or folder that can't be written into one readable line."""
    try:
        yield
    except OSError as reason:
        raise error(f"'{path}' can't be written: {reason.strerror or reason}") from reason
