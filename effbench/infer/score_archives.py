"""Frame scores of many clips in one NPZ or HDF5 file: an array a clip, and the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from effbench.data.clip_names import name_clips
from effbench.data.packs import open_hdf5
from effbench.errors import DataError
from effbench.grid import FRAME_SECONDS
from effbench.infer.score_folder import Array

if TYPE_CHECKING:
    import h5py

_HDF5 = (".h5", ".hdf", ".hdf5")
ARCHIVES = (".npz", *_HDF5)
_CLASSES, _FRAME, _TIMES, _SCORES = "classes", "frame_seconds", "timestamps", "scores/"


class ScoreArchive:
    """Scores (frames, classes) of every clip, read when they are asked for.

    The file holds ``classes``, the names of the columns; an array for each clip, under its name or under
    ``scores/<name>``; and perhaps ``frame_seconds``, a number, or ``timestamps/<name>``, the boundaries
    (frames + 1,) of a clip's frames in seconds, or ``timestamps`` for all alike. Otherwise frames last 40 ms.

    Raises:
        DataError: when it is made; the file can't be read, or lacks classes or clips.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrays = _open(path)
        if _CLASSES not in self._arrays:
            raise DataError(f"{path}: no array '{_CLASSES}' with the names of the columns")
        self.classes = self._names()
        self.frame_seconds = self._frame_seconds()
        self.keys = self._clips()

    def scores(self, clip: str) -> Array:
        """Scores (frames, classes) of a clip."""
        array = self._array(self.keys[clip])
        if array.ndim != 2 or array.shape[1] != len(self.classes) or not len(array):
            expected = f"(frames, {len(self.classes)})"
            raise DataError(f"{self.path}: '{self.keys[clip]}' has the shape {array.shape}, not {expected}")
        if array.dtype.kind not in "fiu":
            raise DataError(f"{self.path}: '{self.keys[clip]}' holds {array.dtype}, not numbers")
        return array

    def times(self, clip: str) -> Array:
        """Boundaries (frames + 1,) of a clip's frames."""
        key = f"{_TIMES}/{self.keys[clip].removeprefix(_SCORES)}"
        for stated in (key, _TIMES):
            if stated in self._arrays:
                return np.asarray(self._array(stated), np.float64)
        if any(name.startswith(f"{_TIMES}/") for name in self._arrays):
            raise DataError(f"{self.path}: timestamps of some clips, but no array '{key}'")
        return np.arange(len(self.scores(clip)) + 1) * self.frame_seconds

    def _names(self) -> tuple[str, ...]:
        names: list[object] = self._array(_CLASSES).ravel().tolist()
        try:
            texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        except UnicodeDecodeError:
            raise DataError(f"{self.path}: '{_CLASSES}' holds names that are not text in UTF-8") from None
        return tuple(text.strip() for text in texts)

    def _frame_seconds(self) -> float:
        if _FRAME not in self._arrays:
            return FRAME_SECONDS
        given = self._array(_FRAME)
        if given.size != 1 or given.dtype.kind not in "fiu" or not 0 < float(given.ravel()[0]) < np.inf:
            raise DataError(f"{self.path}: '{_FRAME}' is not a number of seconds")
        return float(given.ravel()[0])

    def _clips(self) -> dict[str, str]:
        """Name of its array, by clip."""
        others = [key for key in self._arrays if key not in (_CLASSES, _FRAME, _TIMES)]
        keys = [key for key in others if key.startswith(_SCORES)]
        keys = keys or [key for key in others if not key.startswith(f"{_TIMES}/")]
        named = name_clips(key.removeprefix(_SCORES) for key in keys)
        clips: dict[str, str] = {}
        for key in keys:
            clip = named[key.removeprefix(_SCORES)]
            if clips.setdefault(clip, key) != key:
                raise DataError(f"{self.path}: two arrays of one clip, '{clips[clip]}' and '{key}'")
        if not clips:
            raise DataError(f"{self.path}: no array of a clip beside '{_CLASSES}'")
        return clips

    def _array(self, key: str) -> NDArray[Any]:
        try:
            return np.asarray(self._arrays[key][()])
        except Exception as error:  # damaged, or of objects: each kind of file has errors of its own
            raise DataError(f"{self.path}: '{key}' can't be read ({str(error).splitlines()[0]})") from None


def _open(path: Path) -> Mapping[str, Any]:
    if path.suffix.lower() in _HDF5:
        return _datasets(open_hdf5(path))
    try:
        archive: Mapping[str, Any] = np.load(path, allow_pickle=False)
    except Exception as error:  # as above
        raise DataError(f"{path} is not a readable NPZ file ({' '.join(str(error).split())})") from None
    return archive


def _datasets(file: h5py.File) -> dict[str, Any]:
    """All data sets by their paths."""
    found: dict[str, Any] = {}

    def add(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            found[name] = item

    file.visititems(add)
    return found
