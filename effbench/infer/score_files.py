"""Frame scores in files: our Parquet tables, anybody's tables, and the arrays that inference leaves behind.

A table has the columns ``onset`` and ``offset`` (seconds) and one column a class; one file a clip, named
after it, or one file for all with a column ``filename``. This is what detection and sed_scores_eval write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from effbench.data.tables import stem
from effbench.errors import EffbenchError, UsageError
from effbench.files import replacing
from effbench.grid import FRAME_SECONDS, FRAMES_PER_SECOND
from effbench.infer.score_folder import ABOUT, ScoreFolder
from effbench.infer.windows import Floats

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Array = NDArray[np.floating]
TABLES = (".parquet", ".tsv", ".csv")
_BOUNDS = ("onset", "offset")


@dataclass(frozen=True)
class ScoreSet:
    """Frame scores of many clips, loaded one clip at a time.

    Attributes:
        scores: clip -> (frames, classes).
        classes: names of the columns.
        timestamps: clip -> (frames + 1,) boundaries in seconds; ``None`` where every frame lasts 40 ms.
        probabilities: whether the scores lie between 0 and 1, rather than being logits.
    """

    scores: Mapping[str, Array]
    classes: tuple[str, ...]
    timestamps: Mapping[str, Array] | None
    probabilities: bool


def read_scores(path: Path) -> ScoreSet:
    """Scores of a folder of tables, of one table with a column ``filename``, or of an inference folder.

    Raises:
        UsageError: no such path, or nothing in it that holds scores.
        EffbenchError: a file that can't be read, or classes that differ from file to file.
    """
    if (path / ABOUT).is_file():
        folder = ScoreFolder.open(path)
        return ScoreSet(folder, folder.classes, None, probabilities=False)
    if path.is_file():
        return _one_table(path)
    files = sorted(f for f in path.glob("*") if f.suffix.lower() in TABLES) if path.is_dir() else []
    if not files:
        raise UsageError(f"no scores in '{path}': expected files {', '.join('*' + s for s in TABLES)}")
    tables = _Tables({stem(file.name.removesuffix(file.suffix)): file for file in files})
    return ScoreSet(tables, tables.classes, tables.timestamps, probabilities=tables.look_like_probabilities())


def last_times(given: ScoreSet) -> dict[str, float]:
    """Where the scores of each clip end, in seconds."""
    if given.timestamps is not None:
        return {clip: float(given.timestamps[clip][-1]) for clip in given.scores}
    return {clip: len(scores) * FRAME_SECONDS for clip, scores in given.scores.items()}


class _Tables(Mapping[str, Array]):
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

    def __getitem__(self, clip: str) -> Array:
        return self.frame(clip)[list(self.classes)].to_numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


class _Times(Mapping[str, Array]):
    """Boundaries of the frames of each table."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables

    def __getitem__(self, clip: str) -> Array:
        return _bounds(self.tables.frame(clip))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


def _bounds(frame: pd.DataFrame) -> Array:
    return np.append(frame["onset"].to_numpy(float), frame["offset"].to_numpy(float)[-1:])


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

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
            f"{path} is not a table of frame scores: " + (f"no {missing[0]}" if missing else "empty")
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


@contextmanager
def open_score_file(
    path: Path, labels: Sequence[str], *, filenames: bool, about: str = ""
) -> Iterator[ScoreFile]:
    """A Parquet file of probabilities, which appears when the block ends well.

    Columns: ``filename`` (where wanted), ``onset`` and ``offset`` of the frame in seconds (float64), then one
    float32 column a class, named as it is.

    Args:
        path: the file; its folder must exist.
        labels: names of the class columns.
        filenames: whether there is a column ``filename``, for a file of several sources.
        about: text to keep in the file's metadata.

    Raises:
        EffbenchError: it can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("filename", pa.dictionary(pa.int32(), pa.string()))] if filenames else []
    fields += [("onset", pa.float64()), ("offset", pa.float64())]
    fields += [(label, pa.float32()) for label in labels]
    schema = pa.schema(fields, metadata={"effbench": about})
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=["filename"] if filenames else False,
            use_byte_stream_split=schema.names[-len(labels) :],
            write_statistics=False,
        ) as writer,
    ):
        yield ScoreFile(writer, schema)


class ScoreFile:
    """A Parquet file of frame scores that is being written.

    Args:
        writer: open.
        schema: its columns.
    """

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, name: str, first_frame: int, scores: Floats, end: float | None = None) -> None:
        """A row group: consecutive frames of one source; the last ends at ``end`` (seconds), where given."""
        import pyarrow as pa

        bounds = np.arange(first_frame, first_frame + len(scores) + 1) / FRAMES_PER_SECOND
        if end is not None:
            bounds[-1] = end
        columns = [pa.array(bounds[:-1]), pa.array(bounds[1:])]
        columns += [pa.array(column) for column in np.ascontiguousarray(scores.T)]
        if self._schema.names[0] == "filename":
            index = pa.array(np.zeros(len(scores), np.int32))
            columns.insert(0, pa.DictionaryArray.from_arrays(index, pa.array([name])))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
