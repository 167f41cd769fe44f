"""Figures of files: a listener that keeps their filtered scores and draws them once the events are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from effbench.data.audio import audio_info, stream_audio
from effbench.detect.detected import DetectedFile
from effbench.detect.figure import MOST_CLASSES, Part, save
from effbench.detect.formats import BadDestination
from effbench.detect.inputs import Source
from effbench.grid import FRAMES_PER_SECOND
from effbench.infer.windows import Floats

IMAGE_SUFFIXES = (".png", ".svg")
#: Longest stretch of audio in one figure, seconds.
PART_SECONDS = 60
_PART_FRAMES = PART_SECONDS * FRAMES_PER_SECOND


@contextmanager
def draw_file(source: Source, path: Path, *, parts: bool) -> Iterator[FigureListener]:
    """Draws a source at its end; long audio in parts of a minute.

    Args:
        source: the audio; it is decoded once more for the spectrogram.
        path: the image; parts are ``<name>.1m.png`` and so on, after the minute that they begin with.
        parts: whether there may be several.

    Raises:
        BadDestination: the audio is too long for one figure.
        EffbenchError: an image can't be written.
    """
    # On disk, so that memory does not grow with the audio.
    with tempfile.TemporaryFile() as frames:
        yield FigureListener(source, path, FrameFile(frames), parts=parts)


class FigureListener:
    """What ``draw_file`` opens."""

    def __init__(self, source: Source, path: Path, frames: FrameFile, *, parts: bool) -> None:
        self.source, self.path, self.parts = source, path, parts
        self._frames = frames
        self._check(audio_info(source.audio, name=source.name).duration)

    def on_scores(self, scores: Floats) -> None:
        """Figures show filtered scores, which the thresholds apply to."""

    def on_filtered(self, scores: Floats) -> None:
        self._frames.add(scores)
        # The length in a header may be wrong.
        self._check(self._frames.count / FRAMES_PER_SECOND)

    def on_end(self, file: DetectedFile) -> None:
        count = max(1, -(-self._frames.count // _PART_FRAMES))
        audio = stream_audio(
            self.source.audio, block_seconds=PART_SECONDS, name=self.source.name, on_damage=lambda _: None
        )
        classes = top_classes(file)
        for number, samples in zip(range(count), audio, strict=False):
            scores = self._frames.read(number * _PART_FRAMES, _PART_FRAMES)
            path = self.path if count == 1 else self.path.with_suffix(f".{number}m{self.path.suffix}")
            save(Part(file, number * PART_SECONDS, samples, scores, classes), path)

    def _check(self, seconds: float) -> None:
        if not self.parts and seconds > PART_SECONDS:
            raise BadDestination(
                "plot",
                f"{self.source.name} is longer than the {PART_SECONDS} s that one figure shows readably: "
                "give a folder, for a figure of every minute",
            )


class FrameFile:
    """Frames in an open binary file.

    Args:
        file: new and empty.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._width = 0
        self.count = 0

    def add(self, scores: Floats) -> None:
        """The next frames, (frames, classes)."""
        self._file.write(np.ascontiguousarray(scores).data)
        self._width = scores.shape[1]
        self.count += len(scores)

    def read(self, first: int, count: int) -> Floats:
        """At most ``count`` frames from ``first`` on."""
        count = max(0, min(count, self.count - first))
        self._file.seek(first * self._width * 4)
        data = self._file.read(count * self._width * 4)
        self._file.seek(0, 2)
        return np.frombuffer(data, np.float32).reshape(count, self._width)


def top_classes(file: DetectedFile) -> list[int]:
    """Classes to draw, the highest peak first: those with events, or all where there are none."""
    active = np.unique(file.records["label"])
    pool = active if len(active) else np.arange(len(file.labels))
    order = np.argsort(-file.peaks[pool], kind="stable")[:MOST_CLASSES]
    return [int(index) for index in pool[order]]
