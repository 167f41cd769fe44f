"""Frame scores that are written as Parquet tables while the audio is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effbench.detect.detected import DetectedFile
from effbench.detect.file_decoder import FrameListener
from effbench.files import replacing
from effbench.grid import FRAMES_PER_SECOND
from effbench.infer.windows import Floats

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Two minutes. Shorter groups cost memory by their number, since the file's index is held until its end.
GROUP_FRAMES = 3000


@contextmanager
def open_score_table(
    path: Path, labels: Sequence[str], *, several: bool, about: str
) -> Iterator[pq.ParquetWriter]:
    """A Parquet file of probabilities, which appears when the block ends well.

    Columns: ``filename`` (for several sources), ``onset`` and ``offset`` of the frame in seconds (float64),
    then one float32 column a class, named as it is.

    Args:
        path: the file; the folder of a single source's is made.
        labels: names of the class columns.
        several: whether it is for several sources.
        about: kept in the file's metadata.

    Raises:
        EffbenchError: it can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("filename", pa.dictionary(pa.int32(), pa.string()))] if several else []
    fields += [("onset", pa.float64()), ("offset", pa.float64())]
    fields += [(label, pa.float32()) for label in labels]
    schema = pa.schema(fields, metadata={"effbench": about})
    with (
        replacing(path, make_folder=not several) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=["filename"] if several else False,
            use_byte_stream_split=schema.names[-len(labels) :],
            write_statistics=False,
        ) as writer,
    ):
        yield writer


class ScoreListener(FrameListener):
    """Writes one source's scores, unfiltered, in row groups of two minutes."""

    def __init__(self, name: str, writer: pq.ParquetWriter) -> None:
        self._name, self._writer = name, writer
        self._held: list[Floats] = []
        self._written = 0

    def on_scores(self, scores: Floats) -> None:
        self._held.append(scores)
        # A frame is held back, because only the last one knows where the audio ends.
        while sum(map(len, self._held)) > GROUP_FRAMES:
            held = np.concatenate(self._held)
            self._write(held[:GROUP_FRAMES])
            self._held = [held[GROUP_FRAMES:]]

    def on_end(self, file: DetectedFile) -> None:
        if self._held:
            self._write(np.concatenate(self._held), file.duration)

    def _write(self, scores: Floats, end: float | None = None) -> None:
        """The next frames as a row group; the last one ends with the audio."""
        import pyarrow as pa

        bounds = np.arange(self._written, self._written + len(scores) + 1) / FRAMES_PER_SECOND
        if end is not None:
            bounds[-1] = end
        columns = [pa.array(bounds[:-1]), pa.array(bounds[1:])]
        columns += [pa.array(column) for column in np.ascontiguousarray(scores.T)]
        if self._writer.schema.names[0] == "filename":
            index = pa.array(np.zeros(len(scores), np.int32))
            columns.insert(0, pa.DictionaryArray.from_arrays(index, pa.array([self._name])))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._writer.schema))
        self._written += len(scores)
