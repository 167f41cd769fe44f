"""Writing files so that a reader never sees half of one, under names that every file system takes."""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

from effbench.errors import EffbenchError
from effbench.identity import digest

_TEMPORARY = ".effbench-"
_OWNER = re.compile(re.escape(_TEMPORARY) + r"([0-9a-f]{8})-(\d+)-")
_ABANDONED_SECONDS = 86_400.0
#: Bytes of a name that file systems take, less what may still be put between stem and suffix.
_LONGEST_NAME = 255 - 15


def readable(name: str | os.PathLike[str]) -> str:
    """A file's name in one line of text: line breaks and bytes that are no text as backslash escapes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def file_name(name: str, suffix: str) -> str:
    """``name + suffix``, the last part cut to what file systems take and told apart by its digest."""
    folder, slash, last = name.rpartition("/")
    if len((last + suffix).encode()) > _LONGEST_NAME:
        tag = f"~{digest(last)}"
        room = _LONGEST_NAME - len((tag + suffix).encode())
        last = last.encode()[:room].decode(errors="ignore") + tag
    return f"{folder}{slash}{last}{suffix}"


def is_temporary(path: Path) -> bool:
    """Whether a file is one that ``replacing`` was writing when its process was killed."""
    return path.name.startswith(_TEMPORARY)


def remove_abandoned(folder: Path) -> None:
    """Delete, at any depth, the temporary files of processes that are gone.

    Those of another machine, whose processes can't be seen, are deleted when a day has passed since they were
    written to.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(_TEMPORARY):
                _remove_if_abandoned(Path(parent, name))


@lru_cache(maxsize=1024)
def _tidy_once(folder: Path) -> None:
    """Delete what killed processes have left in a folder, but not below it."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    with suppress(OSError):
        owner = _OWNER.match(path.name)
        if owner and owner[1] == _machine():
            gone = not _is_running(int(owner[2]))
        else:
            gone = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
        if gone:
            path.unlink()


@cache
def _machine() -> str:
    """What tells apart machines, their starts, and containers that number processes on their own."""
    known: list[object] = [platform.node()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        known.append(Path("/proc/self/ns/pid").stat().st_ino)
    return digest(known)[:8]


def _is_running(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


def require_folder(folder: Path, error: type[EffbenchError] = EffbenchError) -> None:
    """Raise before work starts, and make nothing, where a folder can't be written, or made if it is missing.

    Raises:
        EffbenchError: of the given type; a file is in its place, or writing is not allowed.
    """
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise error(f"'{readable(folder)}' can't be written: '{readable(place)}' is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise error(f"'{readable(folder)}' can't be written: no permission to write in '{readable(place)}'")


@contextmanager
def replacing(
    path: Path, error: type[EffbenchError] = EffbenchError, *, make_folder: bool = False
) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well, and vanishes when not.

    The temporary name keeps the suffix, so that writers that choose a format by it work, and not the stem,
    with which it could be longer than file systems allow. The first one in a folder deletes what killed
    processes have left there.

    Args:
        path: the file to be written.
        error: type of the error.
        make_folder: make the folder of the file where it is missing.

    Raises:
        EffbenchError: of the given type; the folder is missing or full, or can't be written.
    """
    temporary = path.with_name(f"{_TEMPORARY}{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    with reporting_write_errors(path, error):
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        _tidy_once(path.parent.absolute())
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
        raise error(f"'{readable(path)}' can't be written: {_in_words(reason)}") from reason


def _in_words(error: OSError) -> str:
    """The system's words; HDF5 puts them among many of its own."""
    within = re.search(r"error message = '([^']+)'", str(error))
    return within[1] if within else error.strerror or str(error)
