"""Writes pseudo labels: the HDF5 file of frame logits that knowledge distillation reads.

Datasets, one row a clip: ``filenames`` (bytes, with the file's suffix) and ``strong_logits``
(classes, frames), half precision, 40 ms a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from effbench.data.packs import open_hdf5
from effbench.errors import EffbenchError
from effbench.grid import CLIP_FRAMES


class PseudoLabelFile:
    """A pseudo-label file that is being written, or goes on being written; a context manager.

    The rows are those of ``names``, in that order, from the start. A killed run goes on where it was last
    flushed; ``finish`` gives the file its final name.

    Args:
        path: the finished file; while rows are missing, they are kept in ``<path>.part``.
        names: file name of every clip, with its suffix.
        n_classes: classes of the logits.
        made_by: what computes the logits; a file that something else began is refused.

    Raises:
        EffbenchError: the file exists, a begun one does not belong to this job, or it can't be written.
    """

    def __init__(self, path: Path, names: Sequence[str], n_classes: int, made_by: str) -> None:
        if path.exists():
            raise EffbenchError(f"{path} is there already: remove it, or give another --out")
        self.path, self.part = path, path.with_name(path.name + ".part")
        self._file = open_hdf5(self.part, "a")
        if "strong_logits" not in self._file:
            shape, chunks = (len(names), n_classes, CLIP_FRAMES), (1, n_classes, CLIP_FRAMES)
            self._file.create_dataset("filenames", data=np.array([name.encode() for name in names]))
            self._file.create_dataset("strong_logits", shape, "f2", chunks=chunks, fillvalue=np.nan)
            self._file.attrs["made_by"], self._file.attrs["done"] = made_by, 0
        same_clips = [name.decode() for name in self._file["filenames"][:]] == list(names)
        if not same_clips or self._file.attrs["made_by"] != made_by:
            begun_by = self._file.attrs["made_by"]
            self._file.close()
            raise EffbenchError(
                f"{self.part} was begun for other clips or models ({begun_by}): "
                "remove it, or give another --out"
            )

    @property
    def done(self) -> int:
        """Number of rows that are complete."""
        return int(self._file.attrs["done"])

    def add(self, logits: NDArray[np.floating[Any]]) -> None:
        """The next row, (at least 250 frames, classes); what is beyond 10 s is cut."""
        limits = np.finfo(np.float16)
        self._file["strong_logits"][self.done] = np.clip(logits[:CLIP_FRAMES].T, limits.min, limits.max)
        self._file.attrs["done"] = self.done + 1

    def flush(self) -> None:
        """Make what was added safe against a kill."""
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
