"""TUT Sound Events: ``meta.txt`` and the lists of clips in ``evaluation_setup``.

Lines of ``meta.txt`` are of an audio file, its scene, and an event's onset, offset and label. Where none has
an event, the events of ``audio/<scene>/<clip>.wav`` are in ``meta/<scene>/<clip>.ann``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from effbench.data.event_documents import EventRow, read_track
from effbench.data.ground_truth import StrongTable, check_rows
from effbench.data.layouts.labelled import Labelled
from effbench.data.tables import read_header, table_rows
from effbench.errors import DataError

_META = "meta.txt"


def is_meta(path: Path) -> bool:
    """Whether its first line is of a file in ``audio``."""
    return path.is_file() and (*read_header(path).written, "")[0].startswith("audio/")


def is_fold(path: Path) -> bool:
    """Whether it is a list of clips; ``<fold>_evaluate`` is one only where its clips are in no ``_test``."""
    tested = path.with_stem(f"{path.stem.removesuffix('_evaluate')}_test")
    doubled = path.stem.endswith("_evaluate") and tested.is_file()
    return path.is_file() and not doubled and is_meta(path.parent.parent / _META)


def read_fold(path: Path, split: str) -> Labelled:
    """Events of the clips in a list."""
    meta = path.parent.parent / _META
    table, _ = _read(meta)
    clip_of = {name: clip for clip, name in table.clips.items()}
    listed = {row[0]: line for line, row in table_rows(path, "\t")}
    if strange := next((name for name in listed if name not in clip_of), None):
        raise DataError(f"{path}, line {listed[strange]}: '{strange}' is not in {meta}")
    return Labelled.of(table).only({clip_of[name] for name in listed})


def scenes(meta: Path) -> tuple[str, ...]:
    """Scenes of a set that has no lists of clips."""
    if (meta.parent / "evaluation_setup").is_dir():
        return ()
    return tuple(dict.fromkeys(row[1] for _, row in table_rows(meta, "\t") if len(row) > 1))


def read_scene(meta: Path, split: str) -> Labelled:
    """Events of the clips of a scene."""
    table, scene_of = _read(meta)
    return Labelled.of(table).only({clip for clip, name in table.clips.items() if scene_of[name] == split})


def _read(meta: Path) -> tuple[StrongTable, dict[str, str]]:
    """Events of all clips, and the scene of each file."""
    lines = list(table_rows(meta, "\t"))
    scene_of: dict[str, str] = {}
    for line, row in lines:
        if len(row) not in (2, 5, 6, 7):
            expected = "audio file, scene, and perhaps onset, offset and label"
            raise DataError(f"{meta}, line {line}: {len(row)} cells; expected are {expected}")
        if scene_of.setdefault(row[0], row[1]) != row[1]:
            raise DataError(f"{meta}, line {line}: '{row[0]}' is of another scene than before")
    with_events = any(len(row) > 2 for _, row in lines)
    rows = _annotated(meta, scene_of)
    if with_events:
        rows = ((f"{meta}, line {line}", *_event([*row, "", "", ""])) for line, row in lines)
    return check_rows(meta, rows), scene_of


def _event(row: list[str]) -> tuple[str, str, str, str, str]:
    name, _, onset, offset, label, *_ = row
    return name, onset, offset, label, ""


def _annotated(meta: Path, files: dict[str, str]) -> Iterator[EventRow]:
    for name in files:
        inside = PurePosixPath(name).relative_to("audio")
        annotation = meta.parent / "meta" / inside.with_suffix(".ann")
        if not annotation.is_file():
            raise DataError(f"{meta} has no events, and there is no {annotation}, either")
        yield from read_track(annotation, name)
