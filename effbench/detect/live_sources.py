"""Audio that is still coming: raw PCM from a pipe, or a microphone; and what to do if it comes too fast.

A source that delivers as fast as it is read is taken as it is read. One that sets its own pace is live: then
all that it has delivered is handed out at once, so that whoever falls behind can skip what is late.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from stat import S_ISREG
from typing import Any

import numpy as np

from effbench.data.audio import at_16_khz
from effbench.data.sound_files import Samples
from effbench.errors import AudioError, EffbenchError, UsageError, nearest
from effbench.grid import SAMPLE_RATE

#: Raw samples, little-endian: how NumPy reads them, and their full scale.
SAMPLE_FORMATS: Mapping[str, tuple[str, float]] = {
    "s16": ("<i2", 2.0**15),
    "s32": ("<i4", 2.0**31),
    "f32": ("<f4", 1.0),
    "f64": ("<f8", 1.0),
}
_CONTAINERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x03": "MP3", b"ID3\x04": "MP3"}
_BLOCK_BYTES = 1 << 16
_RECENT = 5.0  # seconds of audio by whose arrival a pipe is judged
_PACED = 0.9  # of the audio's length spent waiting for it: its source sets the pace
_ROOM = 30.0  # seconds that wait to be taken before reading pauses


@dataclass(frozen=True)
class RawPcm:
    """What bytes without a header are; ``UsageError`` for what can't be.

    Attributes:
        rate: samples a second, of each channel.
        channels: interleaved; they are averaged.
        sample_format: a key of ``SAMPLE_FORMATS``.
    """

    rate: int = SAMPLE_RATE
    channels: int = 1
    sample_format: str = "s16"

    def __post_init__(self) -> None:
        if self.sample_format not in SAMPLE_FORMATS:
            near = nearest(self.sample_format, SAMPLE_FORMATS)
            raise UsageError(
                f"unknown sample format '{self.sample_format}'{near}\nKnown: {', '.join(SAMPLE_FORMATS)}."
            )
        if not 1_000 <= self.rate <= 1_000_000:
            raise UsageError(f"a sample rate of {self.rate:,} Hz is not supported (1 kHz to 1 MHz)")
        if not 1 <= self.channels <= 256:
            raise UsageError(f"audio has 1 to 256 channels, not {self.channels}")

    def read(self, descriptor: int) -> Iterator[Samples]:
        """Blocks, (samples,) at 16 kHz, as they come from a file descriptor.

        Raises:
            AudioError: nothing comes, a file with a header does, or samples that can't be.
        """
        blocks = self._mono(descriptor)
        return blocks if self.rate == SAMPLE_RATE else at_16_khz(blocks, self.rate)

    def _mono(self, descriptor: int) -> Iterator[Samples]:
        kind, scale = SAMPLE_FORMATS[self.sample_format]
        unit = np.dtype(kind).itemsize * self.channels
        rest, begun = b"", False
        # Not through Python's buffer: a thread that waits there holds its lock when the program ends.
        while piece := os.read(descriptor, _BLOCK_BYTES):
            rest += piece
            if not begun and len(rest) < max(4, unit):
                continue
            if not begun and (container := _CONTAINERS.get(rest[:4])):
                raise AudioError(f"these are not raw samples: standard input is a {container} file")
            begun, whole = True, len(rest) - len(rest) % unit
            values = np.frombuffer(rest[:whole], kind).astype(np.float64) / scale
            rest = rest[whole:]
            if not (np.abs(values) <= 1e12).all():
                raise AudioError(
                    f"samples that are not finite or beyond ±1e12: are they {self.sample_format}?"
                )
            yield values.reshape(-1, self.channels).mean(axis=1).astype(np.float32)
        if not begun:
            raise AudioError("standard input has no audio")
        if rest:
            raise AudioError(
                f"standard input ends within a sample: {len(rest)} bytes are too many for"
                f" {self.sample_format}, {self.channels} channel{'s' * (self.channels > 1)}"
            )


class Microphone:
    """An input device of PortAudio, by its name or number; by default the system's.

    Attributes:
        name: of the device.
        overflows: how often it lost samples because nobody took them.

    Raises:
        EffbenchError: sounddevice or PortAudio is not installed, or there is no such device.
    """

    def __init__(self, device: str | None = None) -> None:
        try:
            import sounddevice
        except ImportError:
            raise EffbenchError(
                "a microphone needs sounddevice: pip install 'effbench[live]'"
                "\nA pipe of raw samples does not."
            ) from None
        except OSError:
            raise EffbenchError(
                "a microphone needs the library PortAudio: apt install libportaudio2, or the like"
                "\nA pipe of raw samples does not."
            ) from None
        self._sounddevice: Any = sounddevice
        self._device = int(device) if device is not None and device.isdecimal() else device
        self.overflows = 0
        try:
            about = sounddevice.query_devices(self._device, "input")
            self.name, self._rate = str(about["name"]), SAMPLE_RATE
            try:
                sounddevice.check_input_settings(
                    self._device, channels=1, dtype="float32", samplerate=SAMPLE_RATE
                )
            except sounddevice.PortAudioError:
                self._rate = round(about["default_samplerate"])
        except (ValueError, sounddevice.PortAudioError) as error:
            inputs = [each["name"] for each in sounddevice.query_devices() if each["max_input_channels"]]
            known = f"Input devices: {', '.join(inputs)}." if inputs else "This machine has no input device."
            raise EffbenchError(f"no microphone: {str(error).splitlines()[0]}\n{known}") from None

    def read(self) -> Iterator[Samples]:
        """Blocks of a tenth of a second, (samples,) at 16 kHz, for ever."""
        blocks = self._blocks()
        return blocks if self._rate == SAMPLE_RATE else at_16_khz(blocks, self._rate)

    def _blocks(self) -> Iterator[Samples]:
        try:
            with self._sounddevice.InputStream(
                self._rate, device=self._device, channels=1, dtype="float32"
            ) as on:
                while True:
                    samples, overflowed = on.read(self._rate // 10)
                    self.overflows += overflowed
                    yield samples[:, 0].copy()
        except self._sounddevice.PortAudioError as error:
            raise EffbenchError(f"the microphone '{self.name}' failed: {error}") from None


class LiveFeed:
    """Reads blocks in a thread; iterating gives what there is, and whether it comes at its own pace.

    Args:
        blocks: (samples,) at 16 kHz each; what they raise is raised where they would have come.
        paced: whether they come at their own pace; judged by how they come where that is not known.
    """

    def __init__(self, blocks: Iterator[Samples], *, paced: bool | None = None) -> None:
        self._blocks, self._known = blocks, paced
        self._waiting: deque[Samples] = deque()
        self._recent: deque[tuple[float, float]] = deque()  # seconds of audio, seconds until they were there
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="live feed", daemon=True)

    def __iter__(self) -> Iterator[tuple[Samples, bool]]:
        self._thread.start()
        while True:
            with self._changed:
                while not (self._waiting or self._ended):
                    self._changed.wait()
                if not self._waiting:
                    break
                paced = self._paced()
                taken = list(self._waiting) if paced else [self._waiting.popleft()]
                if paced:
                    self._waiting.clear()
                self._changed.notify_all()
            yield np.concatenate(taken), paced
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            before = time.perf_counter()
            for block in self._blocks:
                with self._changed:
                    self._recent.append((len(block) / SAMPLE_RATE, time.perf_counter() - before))
                    while sum(seconds for seconds, _ in self._recent) > _RECENT and len(self._recent) > 1:
                        self._recent.popleft()
                    self._waiting.append(block)
                    self._changed.notify_all()
                    while sum(map(len, self._waiting)) > _ROOM * SAMPLE_RATE:
                        self._changed.wait()
                before = time.perf_counter()
        except Exception as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _paced(self) -> bool:
        """Whether the newest blocks took about as long to come as they last."""
        if self._known is not None:
            return self._known
        audio = sum(seconds for seconds, _ in self._recent)
        return sum(wait for _, wait in self._recent) >= _PACED * audio


def standard_input(form: RawPcm, descriptor: int) -> LiveFeed:
    """Raw samples from a descriptor; those of a regular file are never late."""
    regular = S_ISREG(os.fstat(descriptor).st_mode)
    return LiveFeed(form.read(descriptor), paced=False if regular else None)
