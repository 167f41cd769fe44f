"""Opens anything that may hold audio with libsndfile, so that hostile bytes end in one readable line.

Every source becomes a file descriptor. libsndfile then reads it itself: no Python function is called from C,
where an error would be printed and lost, and no format is guessed from a file's suffix.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from effbench.errors import AudioError

if TYPE_CHECKING:
    from soundfile import SoundFile


@contextlib.contextmanager
def open_sound(
    source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None = None
) -> Iterator[tuple[SoundFile, str]]:
    """An open ``SoundFile`` and the source's name for messages.

    A file object is read from its start where it can seek; one without a descriptor of its own that can seek
    (a pipe, a member of an archive) is copied to a temporary file first.

    Raises:
        AudioError: missing, unreadable, empty, or not audio.
    """
    import soundfile

    label = name or _label(source)
    with contextlib.ExitStack() as stack:
        try:
            descriptor = _descriptor(source, stack)
            if not os.lseek(descriptor, 0, os.SEEK_END):
                raise AudioError(f"{label}: the file is empty")
            os.lseek(descriptor, 0, os.SEEK_SET)
            sound = stack.enter_context(soundfile.SoundFile(descriptor, closefd=False))
        except soundfile.SoundFileError as error:
            reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
            raise AudioError(f"{label}: no audio that can be decoded ({reason})") from error
        except OSError as error:
            raise AudioError(f"{label}: {error.strerror or error}") from error
        yield sound, label


def _label(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source):,} bytes"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def _descriptor(source: str | os.PathLike[str] | bytes | BinaryIO, stack: contextlib.ExitStack) -> int:
    """A descriptor that can seek, open as long as ``stack``."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        copy = stack.enter_context(_in_memory())
        copy.write(source)
        return copy.fileno()
    if isinstance(source, (str, os.PathLike)):
        source = stack.enter_context(Path(source).open("rb", buffering=0))  # noqa: SIM115
    if isinstance(source, (io.FileIO, io.BufferedReader, io.BufferedRandom)) and source.seekable():
        with contextlib.suppress(io.UnsupportedOperation):
            return source.fileno()
    copy = stack.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
    if source.seekable():
        source.seek(0)
    shutil.copyfileobj(source, copy)
    return copy.fileno()


def _in_memory() -> BinaryIO:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("audio"), "w+b", buffering=0)  # noqa: PTH123
    return tempfile.TemporaryFile(buffering=0)
