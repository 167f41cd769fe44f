"""Frames kept on disk until they are needed, so that memory does not grow with the audio."""

from __future__ import annotations

import tempfile

import numpy as np

from effbench.infer.windows import Floats


class Spool:
    """An unnamed temporary file of frames; it is gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._width = 0
        self.frames = 0

    def add(self, scores: Floats) -> None:
        """The next frames, (frames, classes)."""
        self._file.write(np.ascontiguousarray(scores).data)
        self._width = scores.shape[1]
        self.frames += len(scores)

    def read(self, first: int, count: int) -> Floats:
        """At most ``count`` frames from ``first`` on."""
        count = max(0, min(count, self.frames - first))
        self._file.seek(first * self._width * 4)
        data = self._file.read(count * self._width * 4)
        self._file.seek(0, 2)
        return np.frombuffer(data, np.float32).reshape(count, self._width)

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
