"""Audio from anywhere as 16 kHz mono float32: whole, or block by block in constant memory.

Decoding is libsndfile's (WAV, FLAC, OGG, MP3, AIFF, …), or PyAV's where that is installed (M4A, MP4, WebM,
WMA, …); resampling is soxr's at high quality, channels are averaged. An ``AudioError`` of one line names a
file that can't be used: missing, empty, not audio, without samples, of a sample rate outside 1 kHz to 1 MHz,
or with samples that are not finite or beyond ±1e12. A truncated or damaged file is decoded up to the damage,
and ``on_damage`` called (by default it warns).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from effbench.data.media_files import MediaFile
from effbench.data.sound_files import AudioSource as AudioSource
from effbench.data.sound_files import Samples as Samples
from effbench.data.sound_files import can_seek, mono_blocks, open_sound
from effbench.errors import AudioError, EffbenchWarning
from effbench.grid import CLIP_SECONDS, SAMPLE_RATE

if TYPE_CHECKING:
    from effbench.data.sound_files import Sound

_RATES = (1_000, 1_000_000)


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about itself, before it is decoded."""

    duration: float
    """Seconds."""
    rate: int
    """Samples per second in the file."""
    channels: int
    format: str
    """Container and coding, e.g. ``WAV/PCM_16`` or ``MOV/AAC``."""
    estimated: bool
    """Whether the duration is the header's estimate (MP3, media); ``audio_info(…, count=True)`` counts."""


def _warn(message: str) -> None:
    warnings.warn(message, EffbenchWarning, stacklevel=2)


def read_audio(
    source: AudioSource,
    *,
    offset: float = 0.0,
    seconds: float | None = None,
    name: str | None = None,
    on_damage: Callable[[str], None] = _warn,
) -> Samples:
    """Samples, (samples,) float32 at 16 kHz: all of them, or the ``seconds`` from ``offset`` on.

    Exactly the samples that the whole file has there. PCM files and FLAC of 16 kHz are read from the offset
    on; everything else is decoded from its start, because resamplers and lossy decoders look back.

    The whole length is ``max(1, round(samples in the file · 16000 / its rate))``, give or take soxr's last
    sample. Always at least one sample, unless the audio ends before the offset. ``name`` stands for the file
    in messages.

    Raises:
        AudioError: the source can't be used; the message is one line and names it.
    """
    skip = round(offset * SAMPLE_RATE)
    wanted = None if seconds is None else max(1, round(seconds * SAMPLE_RATE))
    pieces: list[Samples] = []
    count = 0
    for piece in _resampled(source, name, on_damage, skip, wanted):
        pieces.append(piece)
        count += len(piece)
        if wanted is not None and count >= wanted:
            break
    if len(pieces) == 1:
        return pieces[0][:wanted]
    return np.concatenate([np.empty(0, np.float32), *pieces])[:wanted]


def stream_audio(
    source: AudioSource,
    *,
    block_seconds: float = CLIP_SECONDS,
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
        known = _states_length(sound)
        frames = sound.frames
        if count or not known:
            frames = sum(len(block) for block in mono_blocks(sound, label, lambda _: None))
        return AudioInfo(
            duration=frames / sound.samplerate,
            rate=sound.samplerate,
            channels=sound.channels,
            format=f"{sound.format}/{sound.subtype}",
            estimated=known and not count and (isinstance(sound, MediaFile) or "MPEG" in sound.subtype),
        )


def stated_seconds(source: AudioSource) -> float | None:
    """Length as the header says it, ``None`` where it does not; nothing is decoded. Raises ``AudioError``."""
    with open_sound(source) as (sound, _):
        return sound.frames / sound.samplerate if _states_length(sound) else None


def _states_length(sound: Sound) -> bool:
    return 0 < sound.frames < 1 << 40


def _resampled(
    source: AudioSource,
    name: str | None,
    on_damage: Callable[[str], None],
    skip: int = 0,
    wanted: int | None = None,
) -> Iterator[Samples]:
    """Pieces of any length at 16 kHz after the first ``skip`` samples; at least one sample in all.

    ``wanted`` samples or more come where there are so many.
    """
    with open_sound(source, name) as (sound, label):
        rate = sound.samplerate
        _check_rate(rate, label)
        if rate == SAMPLE_RATE and can_seek(sound):
            yield from mono_blocks(sound, label, on_damage, first=skip, count=wanted)
            return
        pieces = mono_blocks(sound, label, on_damage)
        if rate != SAMPLE_RATE:
            pieces = at_16_khz(pieces, rate)
        for piece in pieces:
            if len(piece) > skip:
                yield piece[skip:]
            skip = max(0, skip - len(piece))


def at_16_khz(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    """Blocks of one stream, (samples,) each, resampled as they come; at least one sample of any audio."""
    import soxr

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
