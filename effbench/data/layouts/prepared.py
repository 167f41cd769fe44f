"""Data sets made by ``effbench data prepare``: Hugging Face ``datasets`` folders, read memory-mapped.

Folders that others saved with ``datasets`` open too where they have ``filename``, ``mp3_bytes`` and
``events``. Reading needs pyarrow alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effbench.data.clips import Audio, DataSet, EventTable, no_events
from effbench.data.tables import stem
from effbench.data.vocabulary import ClassList, strong_classes
from effbench.errors import DataError

RECORD = "effbench.json"
AUDIO_COLUMNS = ("audio_bytes", "mp3_bytes")
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
def _mapped(shard: Path) -> Any:
    """A shard's table; its pages are read when needed, and shared between processes."""
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(pa.memory_map(str(shard))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{shard}: no readable Arrow file ({str(error).splitlines()[0]})") from error


def splits(folder: Path) -> dict[str, Path]:
    """Finished splits of a folder."""
    if not folder.is_dir():
        return {}
    if (folder / "state.json").is_file():
        return {folder.name: folder}
    if not (folder / "dataset_dict.json").is_file():
        return {}
    names = _json(folder / "dataset_dict.json").get("splits", [])
    return {name: folder / name for name in names if (folder / name / "state.json").is_file()}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object")
    return content


def open_split(folder: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split; the audio stays on disk."""
    shards = [folder / file["filename"] for file in _json(folder / "state.json").get("_data_files", [])]
    record = folder.parent / RECORD
    classes = strong_classes()
    if record.is_file():
        kept = _json(record)["classes"]
        classes = ClassList(tuple(kept["names"]), tuple(kept["mids"]), frozenset(kept["scored"]))
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
        names = [stem(name) for name in table["filename"].to_pylist()]
        clips |= {name: ShardAudio(shard, row, column, name) for row, name in enumerate(names)}
        if "duration" in table.column_names:
            known = zip(names, table["duration"].to_pylist(), strict=True)
            durations |= {name: seconds for name, seconds in known if seconds is not None}
        if "labels" in table.column_names:
            labels = zip(names, table["labels"].to_pylist(), strict=True)
            weak |= {name: tuple(found) for name, found in labels if found}
    events = _events(shards)
    return DataSet(folder.parent, "prepared", split, classes, clips, events, weak, durations)


def _events(shards: Sequence[Path]) -> EventTable:
    parts = [part for shard in shards for part in _shard_events(shard)]
    if not parts:
        return no_events()
    clips, onsets, offsets, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return EventTable(clips, onsets.astype(np.float64), offsets.astype(np.float64), labels)


def _shard_events(shard: Path) -> Iterator[tuple[NDArray[Any], ...]]:
    """Clips, onsets, offsets and labels of the events in a shard, in parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _mapped(shard)
    if "events" not in table.column_names:
        return
    for batch in table.select(["filename", "events"]).to_batches():
        events = batch.column("events")
        names = np.array([stem(name) for name in batch.column("filename").to_pylist()], object)
        if pa.types.is_struct(events.type):  # of lists, as older versions of ``datasets`` keep them
            rows = pc.list_parent_indices(events.field("onset"))
            fields = [pc.list_flatten(events.field(name)) for name in _FIELDS]
        else:
            rows, flat = pc.list_parent_indices(events), pc.list_flatten(events)
            fields = [pc.struct_field(flat, name) for name in _FIELDS]
        columns = [field.to_numpy(zero_copy_only=False) for field in fields]
        yield names[rows.to_numpy()], *columns
