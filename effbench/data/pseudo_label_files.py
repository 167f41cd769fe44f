"""Pseudo labels in an HDF5 file: frame logits of an ensemble, looked up by the clip's file name.

Datasets, one row a clip: ``filenames`` (bytes, with or without suffix) and ``strong_logits``
(classes, frames), half precision, 40 ms a frame.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from effbench.data.packs import open_hdf5
from effbench.data.tables import stem
from effbench.errors import DataError, EffbenchError
from effbench.grid import CLIP_FRAMES

if TYPE_CHECKING:
    import h5py

Logits = NDArray[np.floating]
_FLUSH_ROWS = 64


class PseudoLabels:
    """Frame probabilities by clip id; the file is opened at the first use, once per process."""

    _open: tuple[int, h5py.File] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def _file(self) -> h5py.File:
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

    def logits(self, clip: str, first_frame: int = 0, frames: int | None = None) -> Logits:
        """Logits as in the file, (classes, frames) float16: all, or ``frames`` from ``first_frame`` on."""
        row = self._rows.get(clip)
        if row is None:
            raise DataError(f"{self.path}: no pseudo labels for '{clip}'")
        end = None if frames is None else first_frame + frames
        return np.asarray(self._file()["strong_logits"][row, :, first_frame:end])

    def __call__(self, clip: str) -> NDArray[np.float32]:
        """Probabilities, (classes, frames) float32; ``DataError`` if the file has none of this clip."""
        logits = self.logits(clip).astype(np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


class PseudoLabelWriter:
    """A pseudo-label file in the making; a context manager.

    Rows are added in the order of ``names``. An interrupted run resumes where it was last flushed; ``finish``
    gives the file its final name.

    Args:
        path: the finished file; while rows are missing, they are kept in ``<path>.part``.
        names: file name of every clip, with its suffix.
        n_classes: classes of the logits.
        made_by: what computes the logits; a file that something else began is refused.

    Raises:
        EffbenchError: the file exists, an unfinished one is of another job, or it can't be written.
    """

    def __init__(self, path: Path, names: Sequence[str], n_classes: int, made_by: str) -> None:
        if path.exists():
            raise EffbenchError(f"{path} exists: remove it, or write another file")
        self.path, self.part = path, path.with_name(path.name + ".part")
        self._file: h5py.File = open_hdf5(self.part, "a")
        if "strong_logits" not in self._file:
            shape, chunks = (len(names), n_classes, CLIP_FRAMES), (1, n_classes, CLIP_FRAMES)
            self._file.create_dataset("filenames", data=np.array([name.encode() for name in names]))
            self._file.create_dataset("strong_logits", shape, "f2", chunks=chunks, fillvalue=np.nan)
            self._file.attrs["made_by"], self._file.attrs["done"] = made_by, 0
        same_clips = [name.decode() for name in self._file["filenames"][:]] == list(names)
        made_before_by = self._file.attrs["made_by"]
        if not same_clips or made_before_by != made_by:
            self._file.close()
            raise EffbenchError(
                f"{self.part} belongs to other clips or models ({made_before_by}): "
                "remove it, or write another file"
            )

    @property
    def done(self) -> int:
        """Number of rows that are complete."""
        return int(self._file.attrs["done"])

    def add(self, logits: Logits) -> None:
        """The next row, (at least 250 frames, classes); what is beyond 10 s is cut."""
        limits, done = np.finfo(np.float16), self.done
        self._file["strong_logits"][done] = np.clip(logits[:CLIP_FRAMES].T, limits.min, limits.max)
        self._file.attrs["done"] = done + 1
        if done % _FLUSH_ROWS == 0:
            self._file.flush()

    def finish(self) -> None:
        """Give the complete file its name."""
        del self._file.attrs["done"]
        self._file.close()
        self.part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
