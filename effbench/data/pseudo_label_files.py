"""Pseudo labels in an HDF5 file: frame logits of an ensemble, looked up by the clip's file name.

Datasets, one row a clip: ``filenames`` (bytes, with or without suffix) and ``strong_logits``
(classes, frames), half precision, 40 ms a frame. Files of ours also have ``audio``, a digest of the clip's
audio, and an attribute ``made_by``: the models and what else the logits depend on, as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from effbench.data.clip_names import name_clips
from effbench.data.packs import open_hdf5
from effbench.errors import DataError, EffbenchError
from effbench.files import replacing, reporting_write_errors
from effbench.grid import CLIP_FRAMES
from effbench.identity import DIGITS, differences

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
        written = self._file()["filenames"][:].tolist()
        names = [name.decode("utf-8", "surrogateescape") for name in written]
        clips = name_clips(names)
        return {clips[name]: row for row, name in enumerate(names)}

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

    A row is done once the digest of the audio that its logits are of stands beside them. An interrupted run
    goes on with the other rows; ``finish`` gives the file its final name. A finished file of the same job is
    left as it is.

    Args:
        path: the finished file; while rows are missing, they are kept in ``<path>.part``.
        names: file name of every clip, with its suffix.
        n_classes: classes of the logits.
        made_by: what computes the logits; a file that something else began is refused.

    Raises:
        EffbenchError: the file, or an unfinished one, is of another job; or it can't be written.
    """

    def __init__(
        self, path: Path, names: Sequence[str], n_classes: int, made_by: Mapping[str, object]
    ) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        self.finished = path.exists()
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        if not self.finished and not self.part.exists():
            with replacing(self.part) as temporary, open_hdf5(temporary, "w") as file:
                _lay_out(file, encoded, n_classes, json.dumps(made_by))
        begun, mode = (path, "r") if self.finished else (self.part, "r+")
        self._file: h5py.File = open_hdf5(begun, mode)
        if problem := self._other_job(encoded, n_classes, made_by):
            self._file.close()
            raise EffbenchError(f"{begun} {problem}: remove it, or write another file")
        self._unsaved: dict[int, str] = {}

    def _other_job(self, names: Sequence[bytes], n_classes: int, made_by: Mapping[str, object]) -> str:
        """Why an unfinished file can't be gone on with; empty where it can."""
        if "audio" not in self._file:
            return "was begun by an earlier version"
        if self._file["filenames"][:].tolist() != list(names):
            return "belongs to other clips"
        # As JSON has it: lists for tuples.
        differing = differences(json.loads(self._file.attrs["made_by"]), json.loads(json.dumps(made_by)))
        if differing or self._file["strong_logits"].shape[1] != n_classes:
            return f"belongs to other logits ({differing or 'other classes'})"
        return ""

    def keep_only(self, is_current: Callable[[int, str], bool]) -> list[int]:
        """The rows that are to do: those that are missing, or that ``is_current`` (row, digest) denies.

        Raises ``EffbenchError`` where a finished file would have any.
        """
        audio = [digest.decode() for digest in self._file["audio"][:].tolist()]
        todo = [row for row, digest in enumerate(audio) if not (digest and is_current(row, digest))]
        if todo and self.finished:
            raise EffbenchError(
                f"{self.path} is of other audio of {len(todo):,} clips: remove it, or write another file"
            )
        for row in todo:
            if audio[row]:
                self._file["audio"][row] = b""
        if todo:
            self._file.flush()
        return todo

    def add(self, row: int, logits: Logits, audio: str) -> None:
        """A row's logits, (at least 250 frames, classes), and the digest of their audio; cut after 10 s."""
        limits = np.finfo(np.float16)
        with reporting_write_errors(self.part):
            self._file["strong_logits"][row] = np.clip(logits[:CLIP_FRAMES].T, limits.min, limits.max)
        self._unsaved[row] = audio
        if len(self._unsaved) >= _FLUSH_ROWS:
            self._save()

    def _save(self) -> None:
        """Logits first: a process can be killed at any time, and a digest says that they are there."""
        with reporting_write_errors(self.part):
            self._file.flush()
            for row, audio in self._unsaved.items():
                self._file["audio"][row] = audio.encode()
            self._file.flush()
        self._unsaved.clear()

    def finish(self) -> None:
        """Give the complete file its name."""
        self._save()
        self._file.close()
        if not self.finished:
            self.part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            try:
                self._save()
            finally:
                self._file.close()


def _lay_out(file: h5py.File, names: Sequence[bytes], n_classes: int, made_by: str) -> None:
    """All that the file has but its values, which have their places from the start.

    So nothing but values is written later, and the file of a process that was killed can be opened.
    """
    import h5py

    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    file.create_dataset("filenames", data=np.array(names))
    file.create_dataset("strong_logits", (len(names), n_classes, CLIP_FRAMES), "f2", dcpl=early)
    file.create_dataset("audio", data=np.zeros(len(names), f"S{DIGITS}"))
    file.attrs["made_by"] = made_by
