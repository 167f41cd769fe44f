"""AudioSet: strong labels from the official tables, weak ones from the official tables or the packs.

Audio is a folder of files in any format, named ``Y<id>`` or ``<id>``, or HDF5 packs of mp3 files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from effbench.data.clips import Audio, DataSet
from effbench.data.packs import pack_audio, pack_split, pack_targets, packs_in
from effbench.data.tables import (
    AudioFiles,
    audio_files,
    event_table,
    find_durations,
    first_match,
    header,
    read_table,
    tables_with,
)
from effbench.data.vocabulary import mid_names, strong_classes, weak_classes
from effbench.errors import DataError

_STRONG = ("segment_id", "start_time_seconds", "end_time_seconds", "label")


def strong_splits(folder: Path) -> dict[str, Path]:
    """Tables of strong labels: ``train`` for ``audioset_train_strong.tsv``."""
    tables = [folder] if folder.is_file() else tables_with(folder, *_STRONG)
    tables = [table for table in tables if set(_STRONG) <= set(header(table)[1])]
    return {re.sub(r"^audioset_|_strong$", "", table.stem): table for table in tables}


def open_strong(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split of AudioSet-strong.

    ``audio`` is where the files or packs are; by default they are sought beside the table. Clips without
    audio are listed as ``missing``.
    """
    rows = read_table(table, _STRONG)
    names = _names(table.parent)
    segments = rows["segment_id"].str.rsplit("_", n=1).str[0]
    labels = rows["label"].map(lambda mid: names.get(mid, mid))
    events, problems = event_table(
        table, "Y" + segments, rows["start_time_seconds"], rows["end_time_seconds"], labels
    )
    durations = find_durations(table.parent, split)
    files = _find_audio(audio or table.parent, split)
    full = dict(zip("Y" + segments, rows["segment_id"], strict=True))
    wanted = dict.fromkeys([*full, *durations])
    clips: dict[str, Audio] = {}
    for name in wanted:
        segment = full.get(name, name)
        file = first_match((name, name[1:], f"Y{segment}", segment), files.found)
        if file is not None:
            clips[name] = file
    return DataSet(
        table.parent,
        "audioset-strong",
        split,
        strong_classes(),
        clips,
        events,
        known_durations=durations,
        missing=tuple(sorted(name for name in wanted if name not in clips)),
        problems=(*problems, *files.problems(clips)),
    )


def _names(folder: Path) -> Mapping[str, str]:
    """Display names by id, also of the classes that a table beside the labels names."""
    names = mid_names()
    for table in (folder / "mid_to_display_name.tsv", folder / "class_labels_indices_strong.csv"):
        if table.is_file():
            separator = header(table)[0]
            with table.open(encoding="utf-8-sig", newline="") as lines:
                rows = (row for row in csv.reader(lines, delimiter=separator) if len(row) == 2)
                names = {**{mid: name for mid, name in rows if mid[:1] == "/"}, **names}
    return names


def _find_audio(folder: Path, split: str) -> AudioFiles:
    packs = [folder] if folder.is_file() else packs_in(folder)
    if packs:
        return AudioFiles(pack_audio(packs))
    return audio_files([folder / "audio" / split, folder / "audio", folder / split, folder])


def weak_splits(folder: Path) -> dict[str, Path]:
    """Packs with weak targets, or the official segment tables."""
    if folder.is_file():
        return {pack_split(folder): folder} if _is_weak(folder) else {}
    packs = packs_in(folder)
    tables = [path for path in sorted(folder.glob("*.csv")) if path.is_file() and _is_segments(path)]
    return {pack_split(path): path for path in (packs or tables)}


def _is_weak(path: Path) -> bool:
    return path in packs_in(path.parent) or _is_segments(path)


def _is_segments(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as lines:
        return any(
            "YTID" in line and "positive_labels" in line for _, line in zip(range(5), lines, strict=False)
        )


def open_weak(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split of AudioSet with clip labels of 527 classes, from a pack or the official segment table."""
    if not _is_segments(table):
        weak, packed = pack_targets(table), pack_audio([table])
        return DataSet(table.parent, "audioset-weak", split, weak_classes(), packed, weak=weak)
    weak = _segment_labels(table)
    files = _find_audio(audio or table.parent, split)
    clips = {name: first_match((name, name[1:]), files.found) for name in weak}
    return DataSet(
        table.parent,
        "audioset-weak",
        split,
        weak_classes(),
        {name: file for name, file in clips.items() if file is not None},
        weak=weak,
        missing=tuple(sorted(name for name, file in clips.items() if file is None)),
        problems=tuple(files.problems(clips)),
    )


def _segment_labels(table: Path) -> dict[str, tuple[str, ...]]:
    """``Y<id>`` -> names, from lines of ``id, start, end, "mid,mid"``."""
    names = weak_classes().by_mid
    labels: dict[str, tuple[str, ...]] = {}
    with table.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
            if not row or row[0].startswith("#"):
                continue
            if len(row) != 4:
                raise DataError(f"{table}, line {number}: {len(row)} columns, not 4")
            labels[f"Y{row[0]}"] = tuple(names.get(mid, mid) for mid in row[3].split(","))
    return labels
