"""Frame scores in files: tables of ours or of others, archives of arrays, or the folder that inference fills.

A table has the columns ``onset`` and ``offset`` (seconds) and one column a class; one file a clip, named
after it, or one file for all with a column ``filename``. This is what detection and sed_scores_eval write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from effbench.data.clip_names import name_clips, stem
from effbench.data.tables import table_name
from effbench.errors import DataError, EffbenchError, UsageError
from effbench.files import is_temporary
from effbench.grid import FRAME_SECONDS
from effbench.infer.frame_gaps import FilledGaps, follow
from effbench.infer.frame_tables import BOUNDS, is_frame_table, read_frame_table
from effbench.infer.score_archives import ARCHIVES, ScoreArchive
from effbench.infer.score_folder import ABOUT, Array, ScoreFolder

if TYPE_CHECKING:
    import pandas as pd

ValueKind = Literal["probabilities", "logits"]


@dataclass(frozen=True)
class ScoreSet:
    """Frame scores of many clips, loaded one clip at a time.

    Attributes:
        scores: clip -> (frames, classes).
        classes: names of the columns.
        timestamps: clip -> (frames + 1,) boundaries in seconds; ``None`` where every frame lasts 40 ms.
        values: what the scores are; ``None`` where nothing says so.
        filled: gaps between frames that were filled, of the clips that have been read.
    """

    scores: Mapping[str, Array]
    classes: tuple[str, ...]
    timestamps: Mapping[str, Array] | None
    values: ValueKind | None = None
    filled: FilledGaps = field(default_factory=FilledGaps)

    def renamed(self, names: Mapping[str, str]) -> ScoreSet:
        """Some clips under other names: new name -> name here."""
        scores, times = self.scores, self.timestamps
        return replace(
            self,
            scores=_Lazy(names, lambda clip: scores[names[clip]]),
            timestamps=None if times is None else _Lazy(names, lambda clip: times[names[clip]]),
        )


def read_scores(path: Path, *, fill_gaps: bool = False) -> ScoreSet:
    """Scores of a folder of tables, one table with a column ``filename``, an archive, or an inference folder.

    Args:
        path: the file or folder.
        fill_gaps: where frames of a table are missing between others, nothing is detected (-inf); they are
            an error otherwise.

    Raises:
        UsageError: no such path, or nothing in it that holds scores.
        EffbenchError: a file that can't be read, or classes that differ from file to file.
    """
    if (path / ABOUT).is_file():
        folder = ScoreFolder.open(path)
        return ScoreSet(folder, folder.classes, None, values="logits")
    if path.suffix.lower() in ARCHIVES and path.is_file():
        archive = ScoreArchive(path)
        times = _Lazy(archive.keys, archive.times)
        return ScoreSet(_Lazy(archive.keys, archive.scores), archive.classes, times)
    if path.is_file():
        return _one_table(path, fill_gaps)
    files = [file for file in sorted(path.rglob("*")) if is_frame_table(file) and not _is_hidden(file, path)]
    if not files:
        raise UsageError(f"no scores in '{path}': expected tables .parquet, .tsv or .csv (also .gz)")
    return _tables(_by_clip(path, files), fill_gaps)


def clip_spans(given: ScoreSet) -> tuple[dict[str, float], dict[str, float]]:
    """Where the scores of each clip begin, and where they end, in seconds."""
    if given.timestamps is None:
        ends = {clip: len(scores) * FRAME_SECONDS for clip, scores in given.scores.items()}
        return dict.fromkeys(ends, 0.0), ends
    times = ((clip, given.timestamps[clip]) for clip in given.scores)
    spans = {clip: (float(mine[0]), float(mine[-1])) for clip, mine in times}
    begins, ends = ({clip: span[end] for clip, span in spans.items()} for end in (0, 1))
    return begins, ends


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


class _Framed(NamedTuple):
    """Of one clip: boundaries (frames + 1,) and scores (frames, classes)."""

    times: Array
    scores: Array


def _tables(files: Mapping[str, Path], fill_gaps: bool) -> ScoreSet:
    filled = FilledGaps()
    first = next(iter(files))
    classes = _classes(_one_clip(files[first]))

    @lru_cache(maxsize=1)  # scores and times of a clip are asked for one after the other
    def framed(clip: str) -> _Framed:
        frame = _one_clip(files[clip])
        if _classes(frame) != classes:
            raise EffbenchError(f"{files[clip]} has other classes than {files[first]}")
        return _framed(frame, classes, clip, str(files[clip]), filled if fill_gaps else None)

    scores = _Lazy(files, lambda clip: framed(clip).scores)
    times = _Lazy(files, lambda clip: framed(clip).times)
    return ScoreSet(scores, classes, times, filled=filled)


def _one_table(path: Path, fill_gaps: bool) -> ScoreSet:
    frame = read_frame_table(path)
    if "filename" not in frame:
        frame.insert(0, "filename", table_name(path))
    by_name = dict(iter(frame.groupby("filename", sort=False, observed=True)))
    clip_of = name_clips(map(str, by_name))
    if len(set(clip_of.values())) < len(by_name):
        name = next(name for name in clip_of if list(clip_of.values()).count(clip_of[name]) > 1)
        raise DataError(f"{path}: the clip '{clip_of[name]}' has several file names, '{name}' and others")
    classes, filled = _classes(frame.drop(columns="filename")), FilledGaps()
    framed: dict[str, _Framed] = {}
    for written, rows in by_name.items():
        clip = clip_of[str(written)]
        framed[clip] = _framed(rows, classes, clip, f"{path}, clip '{clip}'", filled if fill_gaps else None)
    scores = {clip: each.scores for clip, each in framed.items()}
    times = {clip: each.times for clip, each in framed.items()}
    return ScoreSet(scores, classes, times, filled=filled)


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


def _framed(
    frame: pd.DataFrame, classes: Sequence[str], clip: str, where: str, filled: FilledGaps | None
) -> _Framed:
    """Boundaries of a clip's frames and its scores, -inf in gaps that are filled."""
    onsets, offsets = (frame[name].to_numpy(float) for name in BOUNDS)
    times, rows = follow(clip, where, onsets, offsets, filled)
    scores = frame[list(classes)].to_numpy()
    if len(rows) > len(scores):
        scores = np.where(rows[:, None] < 0, -np.inf, scores[rows])
    return _Framed(times, scores)
