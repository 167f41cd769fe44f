"""AudioSet: strong labels from the official tables, weak ones from the official tables or the packs.

Audio is a folder of files in any format, named ``Y<id>`` or ``<id>``, or HDF5 packs of mp3 files.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from effbench.data.audio_folder import AudioFiles, audio_files
from effbench.data.clips import DataSet
from effbench.data.column_names import AUDIOSET
from effbench.data.durations import find_durations
from effbench.data.ground_truth import read_audioset
from effbench.data.packs import pack_audio, pack_split, pack_targets, packs_in
from effbench.data.tables import header, open_text, table_name, tables_with
from effbench.data.vocabulary import strong_classes, weak_classes
from effbench.errors import DataError


def strong_splits(folder: Path) -> dict[str, Path]:
    """Tables of strong labels: ``train`` for ``audioset_train_strong.tsv``."""
    tables = [folder] if folder.is_file() else tables_with(folder, *AUDIOSET)
    tables = [table for table in tables if set(AUDIOSET) <= set(header(table)[1])]
    return {re.sub(r"^audioset_|_strong$", "", table_name(table)): table for table in tables}


def open_strong(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split of AudioSet-strong; ``audio`` is where the files or packs are, if not beside the table."""
    labelled = read_audioset(table)
    durations = find_durations(table.parent, split)
    segments = {name: name for name in durations} | dict(labelled.clips)
    names = {name: (name, name[1:], f"Y{segment}", segment) for name, segment in segments.items()}
    matched = _find_audio(audio or table.parent, split).match(names)
    return DataSet(
        table.parent,
        "audioset-strong",
        split,
        strong_classes(),
        matched.audio,
        labelled.events,
        known_durations=durations,
        missing=matched.missing,
        problems=(*labelled.problems, *matched.problems),
    )


def _find_audio(folder: Path, split: str) -> AudioFiles:
    packs = [folder] if folder.is_file() else packs_in(folder)
    return AudioFiles(pack_audio(packs)) if packs else audio_files(folder, split)


def weak_splits(folder: Path) -> dict[str, Path]:
    """Packs with weak targets, or the official segment tables."""
    if folder.is_file():
        return {pack_split(folder): folder} if _is_weak(folder) else {}
    packs = packs_in(folder)
    found = (path for path in sorted(folder.glob("[!.]*.csv")) if path.is_file())
    tables = [path for path in found if _is_segments(path)]
    return {pack_split(path): path for path in (packs or tables)}


def _is_weak(path: Path) -> bool:
    return path in packs_in(path.parent) or _is_segments(path)


def _is_segments(path: Path) -> bool:
    with open_text(path, errors="replace") as lines:
        return any(
            "YTID" in line and "positive_labels" in line for _, line in zip(range(5), lines, strict=False)
        )


def open_weak(table: Path, split: str, audio: Path | None = None) -> DataSet:
    """One split of AudioSet with clip labels of 527 classes, from a pack or the official segment table."""
    if not _is_segments(table):
        weak, packed = pack_targets(table), pack_audio([table])
        return DataSet(table.parent, "audioset-weak", split, weak_classes(), packed, weak=weak)
    weak = _segment_labels(table)
    matched = _find_audio(audio or table.parent, split).match({name: (name, name[1:]) for name in weak})
    return DataSet(
        table.parent,
        "audioset-weak",
        split,
        weak_classes(),
        matched.audio,
        weak=weak,
        missing=matched.missing,
        problems=matched.problems,
    )


def _segment_labels(table: Path) -> dict[str, tuple[str, ...]]:
    """``Y<id>`` -> names, from lines of ``id, start, end, "mid,mid"``."""
    names = weak_classes().by_mid
    labels: dict[str, tuple[str, ...]] = {}
    with open_text(table) as lines:
        for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
            if not row or row[0].startswith("#"):
                continue
            if len(row) != 4:
                raise DataError(f"{table}, line {number}: {len(row)} columns, not 4")
            labels[f"Y{row[0]}"] = tuple(names.get(mid, mid) for mid in row[3].split(","))
    return labels
