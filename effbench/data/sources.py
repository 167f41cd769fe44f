"""Opens anything that may hold audio with libsndfile, so that hostile bytes end in one readable line."""

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

    A file object is read from its start; one that can't seek (a pipe) is copied to a temporary file first.

    Raises:
        AudioError: missing, unreadable, empty, or not audio.
    """
    import soundfile

    label = name or _label(source)
    with contextlib.ExitStack() as stack:
        try:
            file = _seekable(_opened(source, stack), stack)
            if not file.seek(0, os.SEEK_END):
                raise AudioError(f"{label}: the file is empty")
            file.seek(0)
            # A descriptor, not a name: libsndfile would take the format of some files from their suffix.
            target = _descriptor(file)
            sound = stack.enter_context(
                soundfile.SoundFile(_Unfailing(file) if target is None else target, closefd=False)
            )
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


def _opened(source: str | os.PathLike[str] | bytes | BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    if isinstance(source, (str, os.PathLike)):
        return stack.enter_context(Path(source).open("rb", buffering=0))
    return io.BytesIO(source) if isinstance(source, (bytes, bytearray, memoryview)) else source


def _seekable(file: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    if file.seekable():
        return file
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    shutil.copyfileobj(file, copy)
    copy.flush()
    return copy


def _descriptor(file: BinaryIO) -> int | None:
    """The descriptor of a real file; ``None`` for one in memory or decompressed on the fly."""
    if not isinstance(file, (io.FileIO, io.BufferedReader, io.BufferedRandom)):
        return None
    try:
        descriptor = file.fileno()
    except OSError:
        return None
    # A buffered file's own position may differ from its descriptor's.
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class _Unfailing:
    """A file whose methods never raise: libsndfile's callbacks would print the traceback and go on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self.file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self.tell()

    def tell(self) -> int:
        try:
            return self.file.tell()
        except (OSError, ValueError):
            return 0

    def read(self, count: int = -1) -> bytes:
        try:
            data = self.file.read(max(0, count))
        except (OSError, ValueError, EOFError):
            return b""
        return data if isinstance(data, bytes) else b""
