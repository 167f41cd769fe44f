"""Pseudo labels of an ensemble: an HDF5 file of frame logits, looked up by the clip's file name."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effbench.data.packs import open_hdf5
from effbench.data.tables import stem
from effbench.errors import DataError


class PseudoLabels:
    """Frame probabilities by clip id; the file is opened at the first use, once per process.

    The file has ``filenames`` (bytes, with or without suffix) and ``strong_logits``, (clips, classes, frames)
    in half precision.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def _file(self) -> Any:
        if self._open is None or self._open[0] != os.getpid():
            file = open_hdf5(self.path)
            if not {"filenames", "strong_logits"} <= set(file):
                raise DataError(f"{self.path}: no pseudo labels ('filenames' and 'strong_logits')")
            self._open = (os.getpid(), file)
        return self._open[1]

    @cached_property
    def _rows(self) -> dict[str, int]:
        names = self._file()["filenames"][:].tolist()
        return {stem(name.decode("utf-8", "replace")): row for row, name in enumerate(names)}

    def __contains__(self, clip: object) -> bool:
        return clip in self._rows

    @property
    def shape(self) -> tuple[int, int]:
        """Classes and frames of every clip's labels."""
        _, classes, frames = self._file()["strong_logits"].shape
        return int(classes), int(frames)

    def logits(self, clip: str, first_frame: int = 0, frames: int | None = None) -> NDArray[np.floating[Any]]:
        """Logits as the file has them, (classes, frames) float16: all, or ``frames`` from ``first_frame`` on.

        Raises:
            DataError: the file has none for this clip.
        """
        row = self._rows.get(clip)
        if row is None:
            raise DataError(f"{self.path}: no pseudo labels for '{clip}'")
        end = None if frames is None else first_frame + frames
        return np.asarray(self._file()["strong_logits"][row, :, first_frame:end])

    def __call__(self, clip: str) -> NDArray[np.float32]:
        """Probabilities, (classes, frames) float32.

        Raises:
            DataError: the file has none for this clip.
        """
        logits = self.logits(clip).astype(np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
