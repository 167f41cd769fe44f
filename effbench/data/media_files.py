"""Media that libsndfile can't decode (M4A, MP4, WebM, WMA, …), through PyAV where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer
    from numpy.typing import NDArray

#: Suffixes of files that may need it.
MEDIA_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("m4a", "m4b", "mp4", "m4v", "mov", "aac", "3gp", "3g2", "amr", "webm", "weba", "mkv", "mka"),
        *("wma", "wmv", "asf", "avi", "ac3", "mp2", "mpg", "mpeg", "wv", "ape", "tta", "flv"),
    )
)
#: What makes media files readable.
MEDIA_HELP = "pip install 'effbench[media]' lets these be decoded"
#: Containers of media. Others, such as playlists, could make the decoder open more than the file.
_CONTAINERS = (
    *("mov", "matroska", "aac", "amr", "amrnb", "amrwb", "asf", "avi", "flv", "ac3", "eac3", "mpeg"),
    *("wv", "ape", "tta", "caf", "ogg"),
)
#: Those whose headers say how long the audio is; of others the decoder only guesses.
_WITH_LENGTH = ("mov", "matroska", "asf", "avi", "caf")


def can_decode_media() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


class MediaError(Exception):
    """Media that can't be decoded, or not further."""


class MediaFile:
    """The first audio stream of a media file, as an open ``SoundFile`` that only reads forwards.

    Attributes:
        samplerate, channels: of the stream.
        frames: length in samples as the header says it, roughly; 0 where it does not.
        format, subtype: container and codec, e.g. ``MOV/AAC``.
    """

    extra_info = ""

    def __init__(self, file: BinaryIO, stack: ExitStack) -> None:
        """``file`` can seek and stays open as long as ``stack``; raises ``MediaError``."""
        import av

        whitelist = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": ""}
        try:
            self._container: InputContainer = stack.enter_context(av.open(file, "r", options=whitelist))
            if not self._container.streams.audio:
                raise MediaError("no audio in it")
            self._stream = stream = self._container.streams.audio[0]
            if stream.codec_context is None:
                raise MediaError("its codec is not known")
            self.samplerate, self.channels = int(stream.rate or 0), int(stream.channels or 0)
            self.subtype = stream.codec_context.name.upper()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(_reason(error)) from error
        if not self.samplerate or not self.channels:
            raise MediaError("no audio in it")
        container = self._container.format.name.partition(",")[0]
        self.format = container.upper()
        length = (
            float((stream.duration or 0) * (stream.time_base or 0)) or (self._container.duration or 0) / 1e6
        )
        self.frames = round(length * self.samplerate) if container in _WITH_LENGTH else 0
        self._decoded = self._blocks()
        self._rest = np.empty((0, self.channels), np.float32)
        self._problem: MediaError | None = None

    def seekable(self) -> bool:
        """Never: codecs of media look back."""
        return False

    def read(self, buffer: NDArray[np.float32]) -> int:
        """The next samples into ``buffer``, (samples, channels); how many, 0 at the end.

        Raises ``MediaError`` where the decoder fails, once all before it is read.
        """
        filled = 0
        while filled < len(buffer) and self._problem is None:
            if not len(self._rest):
                try:
                    self._rest = next(self._decoded)
                except StopIteration:
                    break
                except MediaError as error:
                    self._problem = error
            part = self._rest[: len(buffer) - filled]
            buffer[filled : filled + len(part)] = part
            self._rest = self._rest[len(part) :]
            filled += len(part)
        if self._problem is not None and not filled:
            raise self._problem
        return filled

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decoded samples, (samples, channels), in the rate and channels of the first."""
        import av

        try:
            layout = self._stream.layout.name
            converter = av.AudioResampler(format="flt", layout=layout, rate=self.samplerate)
            for frame in chain(self._container.decode(self._stream), [None]):
                for converted in converter.resample(frame):
                    yield np.asarray(converted.to_ndarray(), np.float32).reshape(-1, self.channels)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
    return text[:1].lower() + text[1:] or "decoder failed"
