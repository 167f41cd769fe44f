"""Converts a data set once into a folder of memory-mapped Arrow files.

Audio files are kept byte for byte. Shards are written whole or not at all, and an interrupted run resumes
with the first that is missing; the split can be opened once the last one is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.data.clip_names import without_suffix
from effbench.data.clips import Clip, DataSet
from effbench.data.layouts.prepared import PREPARED_RECORD, ShardAudio, shard_names
from effbench.data.tables import read_json
from effbench.errors import DataError, UsageError
from effbench.files import remove_abandoned, replacing, reporting_write_errors
from effbench.identity import content_digest

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 16


def prepare(
    dataset: DataSet,
    folder: str | Path,
    *,
    shard_clips: int = 512,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write ``dataset`` as one split of ``folder``, which may have others.

    Args:
        dataset: as ``open_dataset`` returns it.
        folder: new, or of an earlier run.
        shard_clips: clips in one file.
        progress: called with the clips done and the clips in all.

    Raises:
        DataError: a clip can't be read, or there is none.
        UsageError: the folder holds a split of this name made from something else, or from other audio.
    """
    folder = Path(folder)
    if not len(dataset):
        raise DataError(f"{dataset.path}: the split '{dataset.split}' has no clip with audio")
    split = folder / dataset.split
    _claim(folder, split, dataset, shard_clips)
    remove_abandoned(split)
    progress(0, len(dataset))
    for number, name in enumerate(shard_names(len(dataset), shard_clips)):
        rows = range(len(dataset))[number * shard_clips : (number + 1) * shard_clips]
        if (split / name).exists():
            _check_shard(split / name, dataset, rows)
        else:
            _write_shard(split / name, dataset, rows, progress)
        progress(rows.stop, len(dataset))
    return folder


def _claim(folder: Path, split: Path, dataset: DataSet, shard_clips: int) -> None:
    with reporting_write_errors(split):
        split.mkdir(parents=True, exist_ok=True)
    classes = dataset.classes
    record = {
        "classes": {
            "names": list(classes.names),
            "mids": list(classes.mids),
            "scored": sorted(classes.scored),
        },
    }
    made_from = {
        "source": str(dataset.path.resolve()),
        "layout": dataset.layout,
        "split": dataset.split,
        "shard_clips": shard_clips,
        "clips": len(dataset),
        "ids": hashlib.sha256("\n".join(dataset.ids).encode()).hexdigest(),
        "tables": _tables(dataset),
    }
    for path, content in ((folder / PREPARED_RECORD, record), (split / PREPARED_RECORD, made_from)):
        if not path.exists():
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        # Earlier versions noted less.
        elif any(content.get(name) != value for name, value in read_json(path).items()):
            raise UsageError(
                f"{path} is of another data set, or of this one before it changed; "
                "choose another folder, or remove this one"
            )


def _tables(dataset: DataSet) -> str:
    """Fingerprint of all but the audio, which every shard holds itself."""
    durations = {name: dataset.known_durations.get(name, 0.0) for name in dataset.ids}
    return dataset.fingerprint(dict.fromkeys(dataset.ids, ""), durations)


def _check_shard(path: Path, dataset: DataSet, rows: Sequence[int]) -> None:
    """Raise ``UsageError`` unless a shard of an earlier run has the audio that the clips have now."""
    for row, index in enumerate(rows):
        clip = dataset[index]
        try:
            kept = content_digest(ShardAudio(path, row, "audio_bytes", clip.id).source())
        except (KeyError, IndexError):  # a file of this name that something else wrote
            kept = ""
        if kept != clip.audio_identity():
            raise UsageError(
                f"{path} has other audio of '{clip.id}' than {clip.audio.name} has now; "
                "choose another folder, or remove this one"
            )


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    event = {"event_label": text, "event_label_id": text, "onset": number, "offset": number}
    columns = {
        "filename": text,
        "filepath": text,
        "duration": number,
        "events": pa.list_(pa.struct(event.items())),
        "labels": pa.list_(text),
        "label_ids": pa.list_(text),
        "audio_bytes": pa.binary(),
    }
    return pa.schema(columns.items())


def _write_shard(
    path: Path, dataset: DataSet, rows: Sequence[int], progress: Callable[[int, int], None]
) -> None:
    import pyarrow as pa

    schema = _schema()
    mids = dict(zip(dataset.classes.names, dataset.classes.mids, strict=False))
    with (
        replacing(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as writer,
    ):
        for first in range(0, len(rows), _BATCH):
            batch = rows[first : first + _BATCH]
            content = [_row(dataset[index], mids) for index in batch]
            writer.write_batch(pa.RecordBatch.from_pylist(content, schema=schema))
            progress(batch[-1] + 1, len(dataset))


def _row(clip: Clip, mids: Mapping[str, str]) -> dict[str, object]:
    source = clip.audio.source()
    if not isinstance(source, bytes):
        path = Path(str(source))
        name, where = f"{clip.id}{path.suffix}", str(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error
    else:
        name, where, content = f"{clip.id}.mp3", clip.audio.name, source
    return {
        # An unusual suffix would be part of the clip's name.
        "filename": name if without_suffix(name) == clip.id else clip.id,
        "filepath": where,
        "duration": clip.seconds,
        "events": [
            {
                "event_label": event.label,
                "event_label_id": mids.get(event.label, event.label),
                "onset": event.onset,
                "offset": event.offset,
            }
            for event in clip.events
        ],
        "labels": list(clip.weak),
        "label_ids": [mids.get(label, label) for label in clip.weak],
        "audio_bytes": content,
    }
