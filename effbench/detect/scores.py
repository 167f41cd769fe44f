"""Frame scores as Parquet: probabilities of every class in every frame of 40 ms, before the median filter.

Columns: ``filename`` (only where one file holds several sources), ``onset`` and ``offset`` of the frame in
seconds (float64), then one float32 column a class, named as it is. Row groups are written while the audio is
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from effbench.detect.events import Detection
from effbench.detect.inputs import Source
from effbench.files import replacing
from effbench.grid import FRAMES_PER_SECOND
from effbench.infer.windows import Floats

if TYPE_CHECKING:
    import pyarrow as pa

#: Two minutes. Shorter groups cost memory by their number, since the file's index is held until its end.
GROUP_FRAMES = 3000


class ScoreFile:
    """A Parquet file that appears when it is complete: a context manager that takes the tables of frames.

    Args:
        path: the file; its folder must exist.
        labels: names of the class columns.
        filenames: whether there is a column ``filename``.
        about: text to keep in the file's metadata.
    """

    def __init__(self, path: Path, labels: Sequence[str], *, filenames: bool, about: str = "") -> None:
        import pyarrow as pa

        fields = [("filename", pa.dictionary(pa.int32(), pa.string()))] if filenames else []
        fields += [("onset", pa.float64()), ("offset", pa.float64())]
        fields += [(label, pa.float32()) for label in labels]
        self.path, self.filenames, self.count = path, filenames, len(labels)
        self.schema = pa.schema(fields, metadata={"effbench": about})
        self._stack = ExitStack()

    def __enter__(self) -> ScoreFile:
        import pyarrow.parquet as pq

        temporary = self._stack.enter_context(replacing(self.path))
        self._writer = self._stack.enter_context(
            pq.ParquetWriter(
                temporary,
                self.schema,
                compression="zstd",
                use_dictionary=["filename"] if self.filenames else False,
                use_byte_stream_split=self.schema.names[-self.count :],
                write_statistics=False,
            )
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, name: str, first_frame: int, scores: Floats, end: float | None = None) -> None:
        """A row group: consecutive frames of one source; the last ends at ``end`` (seconds), where given."""
        self._writer.write_table(self._table(name, first_frame, scores, end))

    def _table(self, name: str, first_frame: int, scores: Floats, end: float | None) -> pa.Table:
        import pyarrow as pa

        bounds = np.arange(first_frame, first_frame + len(scores) + 1) / FRAMES_PER_SECOND
        if end is not None:
            bounds[-1] = end
        columns = [pa.array(bounds[:-1]), pa.array(bounds[1:])]
        columns += [pa.array(column) for column in np.ascontiguousarray(scores.T)]
        if self.filenames:
            index = pa.array(np.zeros(len(scores), np.int32))
            columns.insert(0, pa.DictionaryArray.from_arrays(index, pa.array([name])))
        return pa.Table.from_arrays(columns, schema=self.schema)


class ScoreListener:
    """Writes one source's frames to a ``ScoreFile``, and closes it where it is the source's own."""

    def __init__(self, source: Source, file: ScoreFile, *, own: bool) -> None:
        self.source, self.file, self.own = source, file, own
        self._held: list[Floats] = []
        self._written = 0
        if own:
            file.__enter__()

    def raw(self, scores: Floats) -> None:
        self._held.append(scores)
        # A frame is held back, because only the last one knows where the audio ends.
        while sum(map(len, self._held)) > GROUP_FRAMES:
            held = np.concatenate(self._held)
            self.file.write(self.source.name, self._written, held[:GROUP_FRAMES])
            self._written += GROUP_FRAMES
            self._held = [held[GROUP_FRAMES:]]

    def filtered(self, scores: Floats) -> None:
        """Scores are kept unfiltered."""

    def finish(self, detection: Detection) -> None:
        if self._held:
            self.file.write(self.source.name, self._written, np.concatenate(self._held), detection.duration)
        if self.own:
            self.file.__exit__(None, None, None)

    def abort(self) -> None:
        if self.own:
            stop = InterruptedError("incomplete")
            self.file.__exit__(InterruptedError, stop, None)
