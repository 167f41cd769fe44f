"""Audio from anywhere as 16 kHz mono float32: whole, or block by block in constant memory.

Decoding is libsndfile's (WAV, FLAC, OGG, MP3, AIFF, …), resampling is soxr's at high quality, channels are
averaged. What can't be used is refused with one line that names the file (``AudioError``):

* missing, empty, a folder, no audio, no samples, a sample rate outside 1 kHz to 1 MHz;
* samples that are not a number, infinite, or beyond ±1e12.

A truncated or damaged file is decoded up to the damage, and ``on_damage`` is told (by default a warning).
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from effbench.data.sources import open_sound
from effbench.errors import AudioError, EffbenchWarning

if TYPE_CHECKING:
    from soundfile import SoundFile

SAMPLE_RATE = 16_000

Samples: TypeAlias = NDArray[np.float32]
AudioSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO

_RATES = (1_000, 1_000_000)
_LOUDEST = 1e12  # NaN and infinity fail the same comparison
_READ_VALUES = 1 << 18  # values a read: 1 MiB of float32 whatever the number of channels
_TRUNCATED = re.compile(r"^data\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about itself, before it is decoded."""

    duration: float
    """Seconds."""
    rate: int
    """Samples per second in the file."""
    channels: int
    format: str
    """libsndfile's names, e.g. ``WAV/PCM_16``."""
    estimated: bool
    """Whether the duration is the header's estimate (MP3); ``audio_info(…, count=True)`` counts."""


def _warn(message: str) -> None:
    warnings.warn(message, EffbenchWarning, stacklevel=2)


def read_audio(
    source: AudioSource,
    *,
    seconds: float | None = None,
    name: str | None = None,
    on_damage: Callable[[str], None] = _warn,
) -> Samples:
    """All samples, (samples,) float32 at 16 kHz; only the first ``seconds`` where given.

    The length is ``max(1, round(samples in the file · 16000 / its rate))``, give or take soxr's last sample.
    Always at least one sample. ``name`` stands for the file in messages.

    Raises:
        AudioError: the source can't be used; the message is one line and names it.
    """
    wanted = None if seconds is None else max(1, round(seconds * SAMPLE_RATE))
    pieces: list[Samples] = []
    count = 0
    for piece in _resampled(source, name, on_damage):
        pieces.append(piece)
        count += len(piece)
        if wanted is not None and count >= wanted:
            break
    return np.concatenate(pieces)[:wanted]


def stream_audio(
    source: AudioSource,
    *,
    block_seconds: float = 10.0,
    name: str | None = None,
    on_damage: Callable[[str], None] = _warn,
) -> Iterator[Samples]:
    """The samples of ``read_audio``, bit for bit, in blocks of ``block_seconds``; the last may be shorter.

    Memory is one block and a decoder, whatever the length of the file. The file is opened at the first block.

    Raises:
        AudioError: the source can't be used, from where it can't.
    """
    size = max(1, round(block_seconds * SAMPLE_RATE))
    waiting: list[Samples] = []
    count = 0
    for piece in _resampled(source, name, on_damage):
        waiting.append(piece)
        count += len(piece)
        if count < size:
            continue
        joined = np.concatenate(waiting)
        whole = count - count % size
        for start in range(0, whole, size):
            yield joined[start : start + size].copy()
        waiting, count = [joined[whole:].copy()], count - whole
    if count:
        yield np.concatenate(waiting)


def audio_info(source: AudioSource, *, count: bool = False, name: str | None = None) -> AudioInfo:
    """Duration, rate, channels and format from the header; ``count`` decodes, so that the duration is exact.

    A WAV file's length is checked against its size; an MP3's is an estimate, and a FLAC's is what its header
    says, which differs for a truncated file.

    Raises:
        AudioError: the source is not audio.
    """
    with open_sound(source, name) as (sound, label):
        _check_rate(sound.samplerate, label)
        known = 0 < sound.frames < 1 << 40
        frames = sound.frames
        if count or not known:
            frames = sum(len(block) for block in _mono_blocks(sound, label, lambda _: None))
        return AudioInfo(
            duration=frames / sound.samplerate,
            rate=sound.samplerate,
            channels=sound.channels,
            format=f"{sound.format}/{sound.subtype}",
            estimated=known and not count and "MPEG" in sound.subtype,
        )


def _resampled(source: AudioSource, name: str | None, on_damage: Callable[[str], None]) -> Iterator[Samples]:
    """Pieces of any length at 16 kHz; at least one sample in all."""
    import soxr

    with open_sound(source, name) as (sound, label):
        rate = sound.samplerate
        _check_rate(rate, label)
        blocks = _mono_blocks(sound, label, on_damage)
        if rate == SAMPLE_RATE:
            yield from blocks
            return
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        first: Samples | None = None
        produced = 0
        for block in blocks:
            first = block[:1] if first is None else first
            piece = resampler.resample_chunk(block)
            produced += len(piece)
            yield piece
        last = resampler.resample_chunk(np.empty(0, np.float32), last=True)
        # A sample or two at a high rate are less than one at 16 kHz.
        yield last if produced + len(last) or first is None else first


def _check_rate(rate: int, label: str) -> None:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise AudioError(f"{label}: a sample rate of {rate:,} Hz is not supported (1 kHz to 1 MHz)")


def _mono_blocks(sound: SoundFile, label: str, on_damage: Callable[[str], None]) -> Iterator[Samples]:
    """Decoded blocks, channels averaged, up to the end or the damage."""
    frames, rate = sound.frames, sound.samplerate
    buffer = np.empty((max(1, _READ_VALUES // sound.channels), sound.channels), np.float32)
    done = 0
    while True:
        count, problem = _read(sound, buffer, done)
        if count:
            yield _mono(buffer[:count], label, done / rate)
            done += count
        if problem or not count:
            break
    if not done:
        raise AudioError(
            f"{label}: holds no samples" + (f" that can be decoded ({problem})" if problem else "")
        )
    missing = _missing(sound, frames, done)
    if problem or missing > 0.1 * rate:
        cause = problem or f"truncated, {missing / rate:.1f} s are missing"
        on_damage(f"{label}: damaged after {done / rate:.2f} s ({cause}); the part before it is used")


def _read(sound: SoundFile, buffer: Samples, done: int) -> tuple[int, str]:
    """Frames decoded into ``buffer`` after ``done`` others, and what stopped the decoder, if anything did."""
    import soundfile

    try:
        return len(sound.read(dtype="float32", always_2d=True, out=buffer)), ""
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".") or "decoder failed"
        try:
            return max(0, min(sound.tell() - done, len(buffer))), reason
        except soundfile.SoundFileError:
            return 0, reason


def _mono(block: Samples, label: str, start: float) -> Samples:
    with np.errstate(all="ignore"):
        # Column by column is several times as fast as a mean over so short an axis.
        mono: Samples = reduce(np.add, block.T) / np.float32(block.shape[1])
        usable = np.abs(mono).max() <= _LOUDEST
    if not usable:
        raise AudioError(
            f"{label}: samples that are not numbers, infinite or absurdly large after {start:.1f} s"
        )
    return mono


def _missing(sound: SoundFile, frames: int, done: int) -> int:
    """Frames that the header promises and the file lacks."""
    if frames < 1 << 40 and done < frames:
        return frames - done
    shortened = _TRUNCATED.search(sound.extra_info)
    if shortened is None:
        return 0
    promised, present = int(shortened[1]), int(shortened[2])
    # Written to a pipe: the length was not known, and stands at its maximum.
    unknown = promised >= 0x7FFF_0000
    return 0 if unknown or present <= 0 else round(done * (promised / present - 1))
