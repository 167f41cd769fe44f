"""Converts a data set once into a memory-mapped Hugging Face ``datasets`` folder.

Audio files are kept as they are, byte for byte. Shards are written whole or not at all, and a stopped run
continues with the first that is missing; the split can be opened once the last one is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from effbench.data.clips import Clip, DataSet
from effbench.data.layouts.prepared import RECORD
from effbench.errors import DataError, UsageError
from effbench.files import replacing

_BATCH = 16


def prepare(
    dataset: DataSet,
    folder: str | Path,
    *,
    shard_clips: int = 512,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write ``dataset`` as one split of ``folder``, which may have or get others.

    Args:
        dataset: what ``open_dataset`` gives.
        folder: new, or of an earlier run.
        shard_clips: clips in one file.
        progress: told (clips done, clips in all).

    Raises:
        DataError: ``datasets`` is not installed, a clip can't be read, or there is none.
        UsageError: the folder holds a split of this name made from something else.
    """
    folder = Path(folder)
    schema, info = _schema(dataset)
    if not len(dataset):
        raise DataError(f"{dataset.path}: the split '{dataset.split}' has no clip with audio")
    split = folder / dataset.split
    _claim(folder, split, dataset, shard_clips)
    starts = range(0, len(dataset), shard_clips)
    names = [f"data-{number:05d}-of-{len(starts):05d}.arrow" for number in range(len(starts))]
    progress(0, len(dataset))
    for name, start in zip(names, starts, strict=True):
        end = min(start + shard_clips, len(dataset))
        if not (split / name).exists():
            _write_shard(split / name, schema, dataset, range(start, end), progress)
        progress(end, len(dataset))
    _finish(folder, split, info, names)
    return folder


def _schema(dataset: DataSet) -> tuple[Any, Any]:
    """The Arrow schema, with the features in its metadata as ``datasets`` has them, and a description."""
    try:
        from datasets import DatasetInfo, Features, List, Value
    except ImportError as error:
        raise DataError(
            "preparing a data set needs the package 'datasets'\nInstall it: pip install 'effbench[data]'"
        ) from error
    text, number = Value("string"), Value("float64")
    event = {"event_label": text, "event_label_id": text, "onset": number, "offset": number}
    features = Features(
        {
            "filename": text,
            "filepath": text,
            "duration": number,
            "events": List(event),
            "labels": List(text),
            "label_ids": List(text),
            "audio_bytes": Value("binary"),
        }
    )
    return features.arrow_schema, DatasetInfo(
        features=features, description=f"{dataset.layout} {dataset.split}"
    )


def _claim(folder: Path, split: Path, dataset: DataSet, shard_clips: int) -> None:
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
    }
    for path, content in ((folder / RECORD, record), (split / RECORD, made_from)):
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if not path.exists():
            _write(path, text)
        elif path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{path} is of another data set; choose another folder, or remove this one")


def _write_shard(
    path: Path,
    schema: Any,
    dataset: DataSet,
    rows: Sequence[int],
    progress: Callable[[int, int], None],
) -> None:
    import pyarrow as pa

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


def _row(clip: Clip, mids: dict[str, str]) -> dict[str, Any]:
    source = clip.audio.source()
    if not isinstance(source, bytes):
        path = Path(str(source))
        name, where = path.name, str(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error
    else:
        name, where, content = f"{clip.id}.mp3", clip.audio.name, source
    return {
        "filename": name,
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


def _finish(folder: Path, split: Path, info: Any, shards: Sequence[str]) -> None:
    """The files that make ``datasets.load_from_disk`` and ``open_dataset`` find the split."""
    info.write_to_directory(str(split))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in shards],
        "_fingerprint": hashlib.sha256((split / RECORD).read_bytes()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    _write(split / "state.json", json.dumps(state, indent=2) + "\n")
    _write(folder / "dataset_dict.json", json.dumps({"splits": sorted(_finished(folder))}) + "\n")


def _finished(folder: Path) -> Iterator[str]:
    return (path.parent.name for path in folder.glob("*/state.json"))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
