"""Frame scores in files: tables of ours or of others, and the folder of arrays that inference fills.

A table has the columns ``onset`` and ``offset`` (seconds) and one column a class; one file a clip, named
after it, or one file for all with a column ``filename``. This is what detection and sed_scores_eval write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from effbench.data.clip_names import name_clips, stem
from effbench.data.tables import table_name
from effbench.errors import DataError, EffbenchError, UsageError
from effbench.files import is_temporary, replacing, reporting_write_errors
from effbench.grid import FRAME_SECONDS
from effbench.identity import differences
from effbench.infer.frame_tables import BOUNDS, is_frame_table, read_frame_table

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.floating]
ValueKind = Literal["probabilities", "logits"]
#: Logits as ``pack`` makes them.
Packed = Mapping[str, Array | NDArray[np.uint16]]
#: Where the logits of models are kept by default, a folder for each model and data set.
SCORES = Path("results/scores")
#: Classes and origin of the scores in a folder of inference.
ABOUT = "scores.json"
#: Suffix of the file of one clip in a folder of inference.
_LOGITS = ".npz"
_STEPS = 2**16 - 1
#: Seconds up to which two times are one, written differently.
_TOUCHING = 1e-5


@dataclass(frozen=True)
class ScoreSet:
    """Frame scores of many clips, loaded one clip at a time.

    Attributes:
        scores: clip -> (frames, classes).
        classes: names of the columns.
        timestamps: clip -> (frames + 1,) boundaries in seconds; ``None`` where every frame lasts 40 ms.
        values: what the scores are; ``None`` where nothing says so.
    """

    scores: Mapping[str, Array]
    classes: tuple[str, ...]
    timestamps: Mapping[str, Array] | None
    values: ValueKind | None = None


def read_scores(path: Path) -> ScoreSet:
    """Scores of a folder of tables, of one table with a column ``filename``, or of an inference folder.

    Raises:
        UsageError: no such path, or nothing in it that holds scores.
        EffbenchError: a file that can't be read, or classes that differ from file to file.
    """
    if (path / ABOUT).is_file():
        folder = ScoreFolder.open(path)
        return ScoreSet(folder, folder.classes, None, values="logits")
    if path.is_file():
        return _one_table(path)
    files = [file for file in sorted(path.rglob("*")) if is_frame_table(file) and not _is_hidden(file, path)]
    if not files:
        raise UsageError(f"no scores in '{path}': expected tables .parquet, .tsv or .csv (also .gz)")
    return _tables(_by_clip(path, files))


def kept_scores(spec: str | None = None) -> list[ScoreFolder]:
    """The folders of logits under ``SCORES``, of all models or of one."""
    folders = [ScoreFolder.open(about.parent) for about in sorted(SCORES.glob(f"*/{ABOUT}"))]
    return [folder for folder in folders if spec in (None, folder.made_by.get("model"))]


def last_times(given: ScoreSet) -> dict[str, float]:
    """Where the scores of each clip end, in seconds."""
    if given.timestamps is not None:
        return {clip: float(given.timestamps[clip][-1]) for clip in given.scores}
    return {clip: len(scores) * FRAME_SECONDS for clip, scores in given.scores.items()}


def pack(logits: Array) -> Packed:
    """Logits (frames, classes) in 16 bits each: steps between the lowest and the highest of every class.

    They are off by at most 1/131,070 of that range, where half-precision numbers would be by up to 30 times
    as much and, of a class that hardly varies, by the whole range. Logits that are not finite stay as they
    are.
    """
    low, high = logits.min(axis=0, initial=np.inf), logits.max(axis=0, initial=-np.inf)
    if not len(logits) or not np.isfinite([low, high]).all():
        return {"logits": logits.astype(np.float32)}
    low = low.astype(np.float32)
    step = ((high - low) / _STEPS).astype(np.float32)
    codes = np.rint((logits - low) / np.where(step > 0, step, 1)).clip(0, _STEPS).astype(np.uint16)
    return {"codes": codes, "low": low, "step": step}


def unpack(kept: Packed) -> NDArray[np.float32]:
    """The logits of ``pack``, or single ones as they are."""
    if "logits" in kept:
        return np.asarray(kept["logits"], np.float32)
    return np.asarray(kept["low"] + kept["codes"] * np.asarray(kept["step"], np.float32), np.float32)


class OtherScores(EffbenchError):
    """A folder of scores that something else computed."""


class ScoreFolder(Mapping[str, Array]):
    """Logits (frames, classes) of many clips, a file each, written as they come; an interrupted run resumes.

    The file of a clip also holds the digest of the audio that its logits are of.

    Args:
        path: the folder.
        classes: names of the columns.
        made_by: what computed them (model, weights, precision, …); other scores are refused.
    """

    def __init__(self, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> None:
        self.path, self.classes, self.made_by = path, tuple(classes), dict(made_by)

    @classmethod
    def create(cls, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> ScoreFolder:
        """A new folder, or one that was begun for the same.

        Raises:
            OtherScores: the folder holds the scores of something else.
            EffbenchError: it can't be made.
        """
        folder = cls(path, classes, made_by)
        if (path / ABOUT).exists():
            begun = cls.open(path)
            differing = differences(begun.made_by, folder.made_by)
            if differing or begun.classes != folder.classes:
                what = differing or "other classes"
                raise OtherScores(f"{path} holds other scores ({what}): give another folder, or remove it")
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

    def keep_only(self, audio: Mapping[str, str]) -> set[str]:
        """Remove what is not of these clips with this audio (clip -> digest), and what killed runs left.

        Returns the clips that are done.
        """
        done = set()
        with reporting_write_errors(self.path):
            for file in [*self.path.iterdir()]:
                if file.suffix != _LOGITS and not is_temporary(file):
                    continue
                if not is_temporary(file) and _audio_of(file) == audio.get(file.stem, ""):
                    done.add(file.stem)
                else:
                    file.unlink(missing_ok=True)
        return done

    def add(self, clip: str, logits: Array, audio: str = "", *, single: bool = False) -> None:
        """Keep the logits of one clip, packed or single; the file appears when it is complete."""
        kept = {"logits": logits.astype(np.float32)} if single else pack(logits)
        with replacing(self.path / f"{clip}{_LOGITS}") as temporary, temporary.open("wb") as file:
            np.savez(file, audio=np.array(audio), **kept)

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def __getitem__(self, clip: str) -> Array:
        try:
            with np.load(self.path / f"{clip}{_LOGITS}") as kept:
                return unpack(kept)
        except FileNotFoundError:
            return self._before(clip)

    def _before(self, clip: str) -> Array:
        """From a file as earlier versions wrote it: an array alone, without a trace of its audio."""
        try:
            array: Array = np.load(self.path / f"{clip}.npy")
        except FileNotFoundError:
            raise KeyError(clip) from None
        return array

    def __iter__(self) -> Iterator[str]:
        files = (file for file in self.path.iterdir() if file.suffix in (_LOGITS, ".npy"))
        return iter(sorted({file.stem for file in files if not is_temporary(file)}))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _audio_of(file: Path) -> str | None:
    """Digest of the audio that a file of logits is of; ``None`` where the file is damaged."""
    try:
        with np.load(file) as kept:
            return str(kept["audio"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _is_hidden(file: Path, folder: Path) -> bool:
    """Whether it is being written, or lies in a hidden folder."""
    return is_temporary(file) or any(part.startswith(".") for part in file.relative_to(folder).parts)


def _by_clip(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Files by the clips that they are named after."""
    names = {file.relative_to(folder).with_name(table_name(file)).as_posix(): file for file in files}
    clips: dict[str, Path] = {}
    for name, clip in name_clips(names).items():
        if clips.setdefault(clip, names[name]) != names[name]:
            raise DataError(f"two files of one clip, '{clip}': {clips[clip]} and {names[name]}")
    if len(names) < len(files):
        doubled = next(file for file in files if file not in names.values())
        raise DataError(f"two files of one clip, '{stem(table_name(doubled))}': {doubled} and another")
    return clips


class _Lazy(Mapping[str, Array]):
    """Arrays that are read when they are asked for."""

    def __init__(self, clips: Iterable[str], read: Callable[[str], Array]) -> None:
        self._clips, self._read = dict.fromkeys(clips), read

    def __getitem__(self, clip: str) -> Array:
        return self._read(clip)

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips)

    def __len__(self) -> int:
        return len(self._clips)


def _tables(files: Mapping[str, Path]) -> ScoreSet:
    # Scores and times of a clip are asked for one after the other.
    table = lru_cache(maxsize=1)(lambda clip: _one_clip(files[clip]))
    first = next(iter(files))
    classes = _classes(table(first))

    def checked(clip: str) -> pd.DataFrame:
        if _classes(table(clip)) != classes:
            raise EffbenchError(f"{files[clip]} has other classes than {files[first]}")
        return table(clip)

    scores = _Lazy(files, lambda clip: checked(clip)[list(classes)].to_numpy())
    times = _Lazy(files, lambda clip: _boundaries(checked(clip), str(files[clip])))
    return ScoreSet(scores, classes, times)


def _one_table(path: Path) -> ScoreSet:
    frame = read_frame_table(path)
    if "filename" not in frame:
        frame.insert(0, "filename", table_name(path))
    by_name = dict(iter(frame.groupby("filename", sort=False, observed=True)))
    clip_of = name_clips(map(str, by_name))
    if len(set(clip_of.values())) < len(by_name):
        name = next(name for name in clip_of if list(clip_of.values()).count(clip_of[name]) > 1)
        raise DataError(f"{path}: the clip '{clip_of[name]}' has several file names, '{name}' and others")
    groups = {clip_of[str(name)]: rows for name, rows in by_name.items()}
    classes = _classes(frame.drop(columns="filename"))
    scores = {clip: rows[list(classes)].to_numpy() for clip, rows in groups.items()}
    times = {clip: _boundaries(rows, f"{path}, clip '{clip}'") for clip, rows in groups.items()}
    return ScoreSet(scores, classes, times)


def _one_clip(path: Path) -> pd.DataFrame:
    frame = read_frame_table(path)
    if "filename" in frame:
        raise DataError(
            f"{path}, line 1: a column 'filename', though each table of a folder is of the clip it is named "
            "after: give one table with all clips, or remove the column"
        )
    return frame


def _classes(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(name) for name in frame.columns if name not in BOUNDS)


def _boundaries(frame: pd.DataFrame, where: str) -> Array:
    """Boundaries (frames + 1,) of the frames of a clip, which follow one another."""
    onsets, offsets = frame["onset"].to_numpy(float), frame["offset"].to_numpy(float)
    apart = np.flatnonzero(~(np.abs(onsets[1:] - offsets[:-1]) <= _TOUCHING))
    if len(apart):
        row = int(apart[0])
        kind = "a gap" if onsets[row + 1] > offsets[row] else "an overlap or another order"
        raise EffbenchError(
            f"{where}: {kind} between frame {row + 1:,}, which ends at {offsets[row]:g} s, and the next, "
            f"which begins at {onsets[row + 1]:g} s; each frame has to begin where the one before ends"
        )
    return np.append(onsets, offsets[-1:])
