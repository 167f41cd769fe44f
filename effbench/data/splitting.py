"""Splits a table of events by clips: one part to train on, one to score on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effbench.data.clip_names import TABLE_SUFFIXES, name_clips
from effbench.data.column_help import mend_columns
from effbench.data.column_names import DESED
from effbench.data.tables import NOTHING, header, read_table
from effbench.errors import DataError, UsageError
from effbench.files import replacing
from effbench.shown import number_of

if TYPE_CHECKING:
    import pandas as pd

_LABELS = "event_label"
_WEAK_LABELS = "event_labels"  # of a clip, joined by commas


@dataclass(frozen=True)
class SplitPart:
    """One part: its table, and how many clips and events of every class it has."""

    path: Path
    clips: int
    clips_of: Mapping[str, int]
    events_of: Mapping[str, int]


def split_table(table: Path, *, evaluation: float = 0.2, seed: int = 0) -> tuple[SplitPart, SplitPart]:
    """Write ``train`` and ``eval`` beside a table of events or of clip labels, with its columns and suffix.

    Every class that two clips or more have is in both, as far as classes share no clips. The same clips,
    share and seed give the same parts.

    Args:
        table: with the columns of DESED.
        evaluation: share of the clips to score on, between 0 and 1; at least one clip.
        seed: of the draw.

    Raises:
        DataError: the table can't be read, has other columns, or fewer than two clips.
        UsageError: an impossible share, or a table of another content is there already; it stays.
    """
    if not 0 < evaluation < 1:
        raise UsageError(f"a share of {evaluation:g} for evaluation: it lies between 0 and 1, e.g. 0.2")
    if not table.is_file():
        raise DataError(f"{table} is not a file" if table.exists() else f"{table}: no such file")
    separator, columns = header(table)
    if not set(DESED) <= set(columns) and not {DESED[0], _WEAK_LABELS} <= set(columns):
        there = ", ".join(columns)
        found = f"It has {there}" if there.isprintable() and there else "It is empty, or not text"
        expected = f"{table}: expected the columns {', '.join(DESED)}\n{found}"
        raise DataError(mend_columns(table) or expected)
    if "split" in columns:
        raise UsageError(f"{table} has a column 'split' that splits it already: remove it to split anew")
    rows = read_table(table, columns)
    clips = rows[DESED[0]].map(name_clips(rows[DESED[0]]))
    labels = _labels(rows, clips)
    if len(labels) < 2:
        raise DataError(
            f"{table} has rows of {number_of(len(labels), 'clip')}: two are needed, and more are better"
        )
    drawn = _draw({clip: set(of) for clip, of in labels.items()}, evaluation, seed)
    suffix = Path(table.name.removesuffix(".gz")).suffix
    texts, parts = {}, []
    for name, chosen in (("train", labels.keys() - drawn), ("eval", drawn)):
        path = table.with_name(f"{name}{suffix}")
        texts[path] = rows[clips.isin(chosen)].to_csv(sep=separator, index=False, lineterminator="\n")
        own = [labels[clip] for clip in sorted(chosen)]
        clips_of = Counter(label for of in own for label in of)
        parts.append(SplitPart(path, len(own), clips_of, sum(own, Counter[str]())))
    for path, text in texts.items():
        _require_free(path, text)
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return parts[0], parts[1]


def _labels(rows: pd.DataFrame, clips: pd.Series[str]) -> dict[str, Counter[str]]:
    """How often each clip has each label, by clip in order of names."""
    labels = {clip: Counter[str]() for clip in sorted(set(clips))}
    strong = _LABELS in rows
    for clip, text in zip(clips, rows[_LABELS if strong else _WEAK_LABELS], strict=True):
        named = [text] if strong else text.split(",")
        labels[clip].update(label.strip() for label in named if label.strip() not in NOTHING)
    return labels


def _require_free(path: Path, text: str) -> None:
    """Raise ``UsageError`` if a table of this name is there, unless it is the one to be written."""
    for suffix in dict.fromkeys((path.suffix, *TABLE_SUFFIXES)):
        there = path.with_suffix(suffix)
        same = there == path and there.is_file() and there.read_bytes() == text.encode()
        if os.path.lexists(there) and not same:
            raise UsageError(f"{there} exists and is never overwritten: move it, or delete it")


def _draw(labels: Mapping[str, Set[str]], share: float, seed: int) -> set[str]:
    """Clips to score on: of every class its share, the rarest class first, then of all."""
    names = list(labels)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    clips_of = Counter(label for of in labels.values() for label in of)
    left = clips_of.copy()  # clips of each class to train on
    drawn: set[str] = set()

    def draw(clip: str) -> None:
        drawn.add(clip)
        left.subtract(labels[clip])

    def only_one(label: str) -> bool:
        return clips_of[label] == 1

    for label, count in sorted(clips_of.items(), key=lambda item: (item[1], item[0])):
        wanted = 0 if only_one(label) else max(1, round(count * share))
        own = [clip for clip in order if label in labels[clip] and clip not in drawn]
        # The only clip of a class is rather one to train on.
        for clip in sorted(own, key=lambda clip: any(map(only_one, labels[clip]))):
            if count - left[label] < wanted and all(left[o] > 1 or only_one(o) for o in labels[clip]):
                draw(clip)
    total = min(max(1, round(len(names) * share)), len(names) - 1)
    for clip in order:
        if len(drawn) < total and clip not in drawn and all(left[label] > 1 for label in labels[clip]):
            draw(clip)
    return drawn or {order[0]}
