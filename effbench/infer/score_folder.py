"""A folder of logits that inference fills clip by clip, and that an interrupted run can continue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effbench.errors import EffbenchError
from effbench.files import replacing

#: Classes and origin of the scores in a folder.
ABOUT = "scores.json"


class ScoreFolder(Mapping[str, NDArray[np.float32]]):
    """Logits of many clips, a file each, written as they come; a killed run goes on where it stopped.

    Args:
        path: the folder.
        classes: names of the columns.
        made_by: what computed them (model, checkpoint, data); other scores are refused.
    """

    def __init__(self, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> None:
        self.path, self.classes, self.made_by = path, tuple(classes), dict(made_by)

    @classmethod
    def create(cls, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> ScoreFolder:
        """A new folder, or one that was begun for the same.

        Raises:
            EffbenchError: the folder holds the scores of something else, or can't be made.
        """
        folder = cls(path, classes, made_by)
        if (path / ABOUT).exists():
            begun = cls.open(path)
            if begun.made_by != folder.made_by or begun.classes != folder.classes:
                raise EffbenchError(f"{path} holds scores of another model or data set: give another folder")
            return begun
        with replacing(path / ABOUT, make_folder=True) as temporary:
            temporary.write_text(json.dumps({"classes": folder.classes, "made_by": folder.made_by}))
        return folder

    @classmethod
    def open(cls, path: Path) -> ScoreFolder:
        """An existing folder.

        Raises:
            EffbenchError: it is not a score folder.
        """
        try:
            about = json.loads((path / ABOUT).read_text())
            return cls(path, about["classes"], about["made_by"])
        except (OSError, ValueError, KeyError) as error:
            raise EffbenchError(f"{path} is not a folder of scores: {error}") from None

    def add(self, clip: str, logits: NDArray[np.float32]) -> None:
        """Keep the logits (frames, classes) of one clip; the file appears when it is complete."""
        with replacing(self._file(clip)) as temporary, temporary.open("wb") as file:
            np.save(file, logits)

    def __contains__(self, clip: object) -> bool:
        return isinstance(clip, str) and self._file(clip).is_file()

    def __getitem__(self, clip: str) -> NDArray[np.float32]:
        try:
            array: NDArray[np.float32] = np.load(self._file(clip))
        except FileNotFoundError:
            raise KeyError(clip) from None
        return array

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in sorted(self.path.glob("*.npy")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _file(self, clip: str) -> Path:
        return self.path / f"{clip}.npy"
