"""AudioSet: strong labels from the official tables, weak ones from the official tables or the packs.

Audio is a folder of files in any format, named ``Y<id>`` or ``<id>``, or HDF5 packs of mp3 files.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from effbench.data.clips import Audio, DataSet
from effbench.data.ground_truth import AUDIOSET, read_audioset
from effbench.data.packs import pack_audio, pack_split, pack_targets, packs_in
from effbench.data.tables import (
    AudioFiles,
    audio_files,
    find_durations,
    first_match,
    header,
    tables_with,
)
from effbench.data.vocabulary import strong_classes, weak_classes
from effbench.errors import DataError


def strong_splits(folder: Path) -> dict[str, Path]:
    """Tables of strong labels: ``train`` for ``audioset_train_strong.tsv``."""
    tables = [folder] if folder.is_file() else tables_with(folder, *AUDIOSET)
    tables = [table for table in tables if set(AUDIOSET) <= set(header(table)[1])]
    return {re.sub(r"^audioset_|_strong$", "", table.stem): table for table in tables}


def open_strong(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split of AudioSet-strong.

    ``audio`` is where the files or packs are; by default they are sought beside the table. Clips without
    audio are listed as ``missing``.
    """
    labelled = read_audioset(table)
    durations = find_durations(table.parent, split)
    files = _find_audio(audio or table.parent, split)
    wanted = dict.fromkeys([*labelled.clips, *durations])
    clips: dict[str, Audio] = {}
    for name in wanted:
        segment = labelled.clips.get(name, name)
        file = first_match((name, name[1:], f"Y{segment}", segment), files.found)
        if file is not None:
            clips[name] = file
    return DataSet(
        table.parent,
        "audioset-strong",
        split,
        strong_classes(),
        clips,
        labelled.events,
        known_durations=durations,
        missing=tuple(sorted(name for name in wanted if name not in clips)),
        problems=(*labelled.problems, *files.problems(clips)),
    )


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
