"""Frame scores in files: anybody's tables (Parquet, TSV, CSV), and the arrays that inference leaves behind.

A table has the columns ``onset`` and ``offset`` (seconds) and one column a class; one file a clip, named
after it, or one file for all with a column ``filename``. This is what ``effbench detect --scores`` and
sed_scores_eval write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from effbench.data.tables import stem
from effbench.errors import EffbenchError, UsageError
from effbench.files import replacing
from effbench.grid import FRAME_SECONDS

TABLES = (".parquet", ".tsv", ".csv")
_BOUNDS = ("onset", "offset")
_ABOUT = "scores.json"


@dataclass(frozen=True)
class ScoreSet:
    """Frame scores of many clips, loaded one clip at a time.

    Attributes:
        scores: clip -> (frames, classes).
        classes: names of the columns.
        timestamps: clip -> (frames + 1,) boundaries in seconds; ``None`` where every frame lasts 40 ms.
        probabilities: whether the scores lie between 0 and 1, rather than being logits.
    """

    scores: Mapping[str, NDArray[Any]]
    classes: tuple[str, ...]
    timestamps: Mapping[str, NDArray[Any]] | None
    probabilities: bool


def read_scores(path: Path) -> ScoreSet:
    """Scores of a folder of tables, of one table with a column ``filename``, or of an inference folder.

    Raises:
        UsageError: no such path, or nothing in it that holds scores.
        EffbenchError: a file that can't be read, or classes that differ from file to file.
    """
    if (path / _ABOUT).is_file():
        return ScoreFolder.open(path).score_set()
    if path.is_file():
        return _one_table(path)
    files = sorted(f for f in path.glob("*") if f.suffix.lower() in TABLES) if path.is_dir() else []
    if not files:
        raise UsageError(f"no scores in '{path}': expected files {', '.join('*' + s for s in TABLES)}")
    tables = _Tables({stem(file.name.removesuffix(file.suffix)): file for file in files})
    return ScoreSet(tables, tables.classes, tables.timestamps, probabilities=tables.look_like_probabilities())


def last_times(found: ScoreSet) -> dict[str, float]:
    """Where the scores of each clip end, in seconds."""
    if found.timestamps is not None:
        return {clip: float(found.timestamps[clip][-1]) for clip in found.scores}
    return {clip: len(scores) * FRAME_SECONDS for clip, scores in found.scores.items()}


class _Tables(Mapping[str, NDArray[Any]]):
    """Arrays of the tables of a folder; the last one is held, because its times are asked for, too."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.timestamps = _Times(self)
        self._last: tuple[str, pd.DataFrame] | None = None
        first = self.frame(next(iter(files)), check=False)
        self.classes = tuple(str(name) for name in first.columns if name not in _BOUNDS)

    def frame(self, clip: str, *, check: bool = True) -> pd.DataFrame:
        if self._last is None or self._last[0] != clip:
            self._last = (clip, _read_table(self.files[clip]))
        frame = self._last[1]
        if check and tuple(c for c in frame.columns if c not in _BOUNDS) != self.classes:
            raise EffbenchError(
                f"{self.files[clip]} has other classes than {next(iter(self.files.values()))}"
            )
        return frame

    def look_like_probabilities(self) -> bool:
        values = self[next(iter(self.files))]
        return bool(((values >= 0) & (values <= 1)).all())

    def __getitem__(self, clip: str) -> NDArray[Any]:
        return self.frame(clip)[list(self.classes)].to_numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


class _Times(Mapping[str, NDArray[Any]]):
    """Boundaries of the frames of each table."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables

    def __getitem__(self, clip: str) -> NDArray[Any]:
        return _bounds(self.tables.frame(clip))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


def _bounds(frame: pd.DataFrame) -> NDArray[Any]:
    return np.append(frame["onset"].to_numpy(float), frame["offset"].to_numpy(float)[-1:])


def _read_table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",")
    except Exception as error:  # every reader has its own kinds of errors; all mean that the file is bad
        raise EffbenchError(f"{path} can't be read: {' '.join(str(error).split())[:200]}") from None
    missing = [name for name in _BOUNDS if name not in frame.columns]
    if missing or frame.empty:
        raise EffbenchError(
            f"{path} is no table of frame scores: " + (f"no {missing[0]}" if missing else "empty")
        )
    return frame


def _one_table(path: Path) -> ScoreSet:
    frame = _read_table(path)
    if "filename" not in frame.columns:
        frame.insert(0, "filename", path.stem)
    groups = {stem(str(name)): rows for name, rows in frame.groupby("filename", sort=False, observed=True)}
    classes = tuple(str(name) for name in frame.columns if name not in (*_BOUNDS, "filename"))
    scores = {clip: rows[list(classes)].to_numpy() for clip, rows in groups.items()}
    probabilities = all(((values >= 0) & (values <= 1)).all() for values in scores.values())
    return ScoreSet(scores, classes, {clip: _bounds(rows) for clip, rows in groups.items()}, probabilities)


class ScoreFolder(Mapping[str, NDArray[np.float32]]):
    """Logits of many clips, a file each, written as they come; a killed run goes on where it stopped.

    Args:
        path: the folder.
        classes: names of the columns.
        made_by: what computed them (model, checkpoint, data); other scores are refused.
    """

    def __init__(self, path: Path, classes: Sequence[str], made_by: Mapping[str, Any]) -> None:
        self.path, self.classes, self.made_by = path, tuple(classes), dict(made_by)

    @classmethod
    def create(cls, path: Path, classes: Sequence[str], made_by: Mapping[str, Any]) -> ScoreFolder:
        """A new folder, or one that was begun for the same.

        Raises:
            EffbenchError: the folder holds the scores of something else, or can't be made.
        """
        folder = cls(path, classes, made_by)
        if (path / _ABOUT).exists():
            begun = cls.open(path)
            if begun.made_by != folder.made_by or begun.classes != folder.classes:
                raise EffbenchError(f"{path} holds scores of another model or data set: give another folder")
            return begun
        with replacing(path / _ABOUT, make_folder=True) as temporary:
            temporary.write_text(json.dumps({"classes": folder.classes, "made_by": folder.made_by}))
        return folder

    @classmethod
    def open(cls, path: Path) -> ScoreFolder:
        """An existing folder.

        Raises:
            EffbenchError: it is no score folder.
        """
        try:
            about = json.loads((path / _ABOUT).read_text())
            return cls(path, about["classes"], about["made_by"])
        except (OSError, ValueError, KeyError) as error:
            raise EffbenchError(f"{path} is no folder of scores: {error}") from None

    def add(self, clip: str, logits: NDArray[np.float32]) -> None:
        """Keep the logits (frames, classes) of one clip; the file appears when it is complete."""
        with replacing(self._file(clip)) as temporary, temporary.open("wb") as file:
            np.save(file, logits)

    def score_set(self) -> ScoreSet:
        """What is scored."""
        return ScoreSet(self, self.classes, None, probabilities=False)

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
