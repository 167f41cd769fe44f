"""The class lists: 447 AudioSet-strong classes in checkpoint order, 527 AudioSet classes in target order."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from effbench.errors import DataError

_FOLDER = Path(__file__).with_name("classes")

EVALUATION_ONLY = frozenset(
    {
        "Heart murmur",
        "Outside, rural or natural",
        "Silence",
        "Source-ambiguous sounds",
        "Specific impact sounds",
        "Studio recording",
        "Throbbing",
        "Unmodified field recording",
        "Vibration",
    }
)
"""Labels of the AudioSet-strong evaluation set alone; detectors have no output for them."""


@dataclass(frozen=True)
class ClassList:
    """Class names in the order of a model's outputs.

    ``mids`` are the ontology's ids, in the same order, where there are any; ``scored`` are the names that
    take part in evaluation.
    """

    names: tuple[str, ...]
    mids: tuple[str, ...] = ()
    scored: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of every name."""
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def by_mid(self) -> dict[str, str]:
        """Name of every ontology id."""
        return dict(zip(self.mids, self.names, strict=False))


@cache
def strong_classes() -> ClassList:
    """The 447 classes of AudioSet-strong training, in the order of published checkpoints; 407 are scored."""
    return _class_list("audioset_strong.csv")


@cache
def weak_classes() -> ClassList:
    """The 527 classes of AudioSet in index order, that of the packed targets."""
    return _class_list("audioset_weak.csv")


@cache
def mid_names() -> dict[str, str]:
    """Display name of every id in the two lists; the strong list's name where they differ."""
    return {**weak_classes().by_mid, **strong_classes().by_mid}


def _class_list(file: str) -> ClassList:
    with (_FOLDER / file).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if [int(row["index"]) for row in rows] != list(range(len(rows))):
        raise ValueError(f"{file}: rows are not in index order")
    scored = frozenset(row["name"] for row in rows if row.get("scored", "1") == "1")
    return ClassList(tuple(row["name"] for row in rows), tuple(row["mid"] for row in rows), scored)


def require_shared(present: Iterable[str], classes: Sequence[str], what: str) -> None:
    """Raise ``DataError`` unless a model's ``classes`` have one of those ``present`` in data.

    ``what`` has these classes and where they are, to begin the message: ``FOLDER: none of its events``.
    """
    labels = sorted(set(present))
    if not set(classes).intersection(labels):
        raise DataError(
            f"{what} is of a class that the model has\nData: {some_of(labels)}\nModel: {some_of(classes)}"
        )


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    shown = "; ".join(names[:4])
    return f"{shown}; … ({len(names)})" if len(names) > 4 else shown
