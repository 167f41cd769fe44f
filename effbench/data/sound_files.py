"""Decoding with libsndfile, else PyAV: mono blocks at the file's own rate, up to the end or the damage.

Every source becomes a file descriptor. libsndfile then reads it itself: no Python function is called from C,
where an error would be printed and lost, and no format is guessed from a file's suffix. So hostile bytes end
in one readable line.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from effbench.data.media_files import MEDIA_HELP, MEDIA_SUFFIXES, MediaError, MediaFile, can_decode_media
from effbench.errors import AudioError
from effbench.files import readable

if TYPE_CHECKING:
    from soundfile import SoundFile

    Sound: TypeAlias = SoundFile | MediaFile

Samples: TypeAlias = NDArray[np.float32]
AudioSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO

_LOUDEST = 1e12  # NaN and infinity fail the same comparison
_READ_VALUES = 1 << 18  # values a read: 1 MiB of float32 whatever the number of channels
_UNKNOWN = 1 << 40  # libsndfile's length of a stream that does not say it is larger
_TRUNCATED = re.compile(r"^data\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_SEEKABLE = re.compile("PCM_.*|FLOAT|DOUBLE")


@contextlib.contextmanager
def open_sound(source: AudioSource, name: str | None = None) -> Iterator[tuple[Sound, str]]:
    """An open ``SoundFile`` or ``MediaFile`` and the source's name for messages.

    A file object is read from its start if it can seek; one that can't (a pipe, a member of an archive) is
    copied to a temporary file first.

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
            sound: Sound = stack.enter_context(soundfile.SoundFile(descriptor, closefd=False))
        except soundfile.SoundFileError as error:
            try:
                sound = _media(descriptor, source, stack)
            except MediaError as unknown:
                reason = str(unknown) or _reason(error)
                raise AudioError(f"{label}: no audio that can be decoded ({reason})") from error
        except OSError as error:
            raise AudioError(f"{label}: {error.strerror or error}") from error
        yield sound, label


class _Reader(io.FileIO):
    """A file for PyAV, which asks for places before the start, and prints what is raised then."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return -1


def _media(descriptor: int, source: AudioSource, stack: contextlib.ExitStack) -> MediaFile:
    """What libsndfile does not know; ``MediaError`` with a reason where the suffix says that it is media."""
    named = isinstance(source, (str, os.PathLike)) and Path(source).suffix.lower() in MEDIA_SUFFIXES
    if not can_decode_media():
        raise MediaError(MEDIA_HELP if named else "")
    os.lseek(descriptor, 0, os.SEEK_SET)
    file = stack.enter_context(_Reader(descriptor, closefd=False))
    try:
        return MediaFile(file, stack)
    except MediaError as error:
        raise error if named else MediaError from None


def _label(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return readable(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source):,} bytes"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def _descriptor(source: AudioSource, stack: contextlib.ExitStack) -> int:
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


def can_seek(sound: Sound) -> bool:
    """Whether decoding from the middle gives the samples that decoding from the start gives there.

    True of PCM in any container and of FLAC; not of formats that predict from earlier samples (MP3, OGG).
    """
    return sound.seekable() and _SEEKABLE.fullmatch(sound.subtype) is not None


def mono_blocks(
    sound: Sound,
    label: str,
    on_damage: Callable[[str], None],
    *,
    first: int = 0,
    count: int | None = None,
) -> Iterator[Samples]:
    """Decoded blocks of a freshly opened file, channels averaged, up to the end or the damage.

    Args:
        sound: the file.
        label: its name in messages.
        on_damage: called with a message if the file is truncated or damaged.
        first: sample to begin with, where ``can_seek``; no blocks if the file ends before it.
        count: samples wanted; all by default.
    """
    frames, rate = sound.frames, sound.samplerate
    if first and not _seek(sound, first, label, on_damage):
        return
    size = max(1, _READ_VALUES // sound.channels)
    buffer = np.empty((0, sound.channels), np.float32)
    done, problem = first, ""
    while count is None or done < first + count:
        wanted = size if count is None else min(size, first + count - done)
        # A single channel is handed out as it was read, so that it is never copied.
        if len(buffer) < wanted or sound.channels == 1:
            buffer = np.empty((wanted, sound.channels), np.float32)
        got, problem = _read(sound, buffer[:wanted], done)
        if got:
            yield _mono(buffer[:got], label, done / rate)
            done += got
        if problem or not got:
            break
    else:
        return
    if not done:
        raise AudioError(
            f"{label}: holds no samples" + (f" that can be decoded ({problem})" if problem else "")
        )
    missing = _missing(sound, frames, done)
    if problem or missing > 0.1 * rate:
        cause = problem or f"truncated, {missing / rate:.1f} s are missing"
        on_damage(f"{label}: damaged after {done / rate:.2f} s ({cause}); the part before it is used")


def _seek(sound: Sound, first: int, label: str, on_damage: Callable[[str], None]) -> bool:
    import soundfile

    assert not isinstance(sound, MediaFile)
    if first >= sound.frames:
        return False
    try:
        sound.seek(first)
    except soundfile.SoundFileError as error:
        on_damage(f"{label}: damaged before {first / sound.samplerate:.2f} s ({_reason(error)})")
        return False
    return True


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or "decoder failed"


def _read(sound: Sound, buffer: Samples, done: int) -> tuple[int, str]:
    """Frames decoded into ``buffer`` after ``done`` others, and what stopped the decoder, if anything did."""
    import soundfile

    if isinstance(sound, MediaFile):
        try:
            return sound.read(buffer), ""
        except MediaError as error:
            return 0, str(error)
    try:
        return len(sound.read(dtype="float32", always_2d=True, out=buffer)), ""
    except soundfile.SoundFileError as error:
        try:
            return max(0, min(sound.tell() - done, len(buffer))), _reason(error)
        except soundfile.SoundFileError:
            return 0, _reason(error)


def _mono(block: Samples, label: str, start: float) -> Samples:
    with np.errstate(all="ignore"):
        # Column by column is several times as fast as a mean over so short an axis.
        columns, count = block.T, block.shape[1]
        mono: Samples = columns[0] if count == 1 else reduce(np.add, columns) / np.float32(count)
        # Two passes without a copy are faster than the largest of the magnitudes.
        usable = mono.max() <= _LOUDEST and mono.min() >= -_LOUDEST
    if not usable:
        raise AudioError(f"{label}: samples that are not finite, or absurdly large, after {start:.1f} s")
    return mono


def _missing(sound: Sound, frames: int, done: int) -> int:
    """Frames that the header promises and the file lacks."""
    if isinstance(sound, MediaFile):
        # Containers count what encoders put before and after the audio.
        return frames - done if frames - done > sound.samplerate else 0
    if frames < _UNKNOWN and done < frames:
        return frames - done
    shortened = _TRUNCATED.search(sound.extra_info)
    if shortened is None:
        return 0
    promised, present = int(shortened[1]), int(shortened[2])
    # Written to a pipe: the length was not known, and stands at its maximum.
    unknown = promised >= 0x7FFF_0000
    return 0 if unknown or present <= 0 else round(done * (promised / present - 1))
