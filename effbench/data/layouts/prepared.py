"""Data sets made by ``effbench data prepare``: folders of Arrow files, read memory-mapped.

Folders that others saved with Hugging Face ``datasets`` open too where they have ``filename``, ``mp3_bytes``
and ``events``. Reading needs pyarrow alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from effbench.data.clip_names import without_suffix
from effbench.data.clips import Audio, DataSet
from effbench.data.labels import EventTable
from effbench.data.tables import read_json
from effbench.data.vocabulary import ClassList, strong_classes
from effbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

#: Beside the splits: the classes; in a split: what it was made from.
PREPARED_RECORD = "effbench.json"
AUDIO_COLUMNS = ("audio_bytes", "mp3_bytes")

#: Of ``datasets``: in a split; beside the splits.
_SAVED_SPLIT, _SAVED_SPLITS = "state.json", "dataset_dict.json"
_FIELDS = ("onset", "offset", "event_label")


@dataclass(frozen=True, slots=True)
class ShardAudio:
    """A row's audio in a memory-mapped file."""

    shard: Path
    row: int
    column: str
    clip: str

    @property
    def name(self) -> str:
        return f"{self.shard}: {self.clip}"

    def source(self) -> bytes:
        """The bytes of the original audio file."""
        return bytes(_mapped(self.shard)[self.column][self.row].as_py())


@lru_cache(maxsize=512)
def _mapped(shard: Path) -> pa.Table:
    """A shard's table; its pages are read when needed, and shared between processes."""
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(pa.memory_map(str(shard))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{shard} is not a readable Arrow file ({str(error).splitlines()[0]})") from error


def shard_names(clips: int, shard_clips: int) -> list[str]:
    """Names of the files that hold so many clips of a split."""
    count = -(-clips // shard_clips)
    return [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]


def splits(folder: Path) -> dict[str, Path]:
    """Finished splits of a folder."""
    if not folder.is_dir():
        return {}
    if _shards(folder):
        return {folder.name: folder}
    if not any((folder / name).is_file() for name in (PREPARED_RECORD, _SAVED_SPLITS)):
        return {}
    return {child.name: child for child in sorted(folder.iterdir()) if child.is_dir() and _shards(child)}


def _shards(split: Path) -> list[Path]:
    """The files of a split; none before the last of them is there."""
    if (split / PREPARED_RECORD).is_file():
        record = read_json(split / PREPARED_RECORD)
        clips, shard_clips = record.get("clips"), record.get("shard_clips")
        if not (isinstance(clips, int) and isinstance(shard_clips, int)):
            return []
        found = [split / name for name in shard_names(clips, shard_clips)]
        return found if all(shard.is_file() for shard in found) else []
    if (split / _SAVED_SPLIT).is_file():
        files = read_json(split / _SAVED_SPLIT).get("_data_files")
        return [split / file["filename"] for file in files] if isinstance(files, list) else []
    return []


def open_split(folder: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split; the audio stays on disk."""
    shards = _shards(folder)
    clips: dict[str, Audio] = {}
    durations: dict[str, float] = {}
    weak: dict[str, tuple[str, ...]] = {}
    for shard in shards:
        table = _mapped(shard)
        column = next((name for name in AUDIO_COLUMNS if name in table.column_names), None)
        if column is None or "filename" not in table.column_names:
            raise DataError(
                f"{shard}: no columns 'filename' and 'audio_bytes'\nColumns: {table.column_names}"
            )
        names = [without_suffix(name) for name in table["filename"].to_pylist()]
        clips |= {name: ShardAudio(shard, row, column, name) for row, name in enumerate(names)}
        if "duration" in table.column_names:
            known = zip(names, table["duration"].to_pylist(), strict=True)
            durations |= {name: seconds for name, seconds in known if seconds is not None}
        if "labels" in table.column_names:
            labels = zip(names, table["labels"].to_pylist(), strict=True)
            weak |= {name: tuple(found) for name, found in labels if found}
    classes, events = _classes(folder.parent / PREPARED_RECORD), _events(shards)
    return DataSet(folder.parent, "prepared", split, classes, clips, events, weak, durations)


def _classes(record: Path) -> ClassList:
    """The classes that were kept; folders that others made are of AudioSet-strong."""
    if not record.is_file():
        return strong_classes()
    kept = read_json(record).get("classes")
    if not isinstance(kept, dict):
        raise DataError(f"{record} lists no classes")
    return ClassList(tuple(kept["names"]), tuple(kept["mids"]), frozenset(kept["scored"]))


def _events(shards: Sequence[Path]) -> EventTable:
    parts = [part for shard in shards for part in _shard_events(shard)]
    if not parts:
        return EventTable()
    return EventTable(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _shard_events(shard: Path) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """Clips, onsets, offsets and labels of the events in a shard, in parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _mapped(shard)
    if "events" not in table.column_names:
        return
    for batch in table.select(["filename", "events"]).to_batches():
        events = batch.column("events")
        names = np.array([without_suffix(name) for name in batch.column("filename").to_pylist()], object)
        if pa.types.is_struct(events.type):  # of lists, as older versions of ``datasets`` keep them
            rows = pc.list_parent_indices(events.field("onset"))
            fields = [pc.list_flatten(events.field(name)) for name in _FIELDS]
        else:
            rows, flat = pc.list_parent_indices(events), pc.list_flatten(events)
            fields = [pc.struct_field(flat, name) for name in _FIELDS]
        columns = [field.to_numpy(zero_copy_only=False) for field in fields]
        yield names[rows.to_numpy()], *columns
