"""Measurements that ship with effbench: published results, and what was measured on machines with a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.models import zoo
from effbench.own_cards import Files, card_files
from effbench.resources import share
from effbench.results.database import default_store
from effbench.results.exchange import encode, to_frame
from effbench.results.measurement import Measurement
from effbench.results.row_files import read_lines, read_rows
from effbench.results.store import Store

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "benchmarks/measurements"
PUBLISHED = "published.csv"

#: When the published results appeared (month); constant, so that importing them again adds nothing.
PUBLISHED_ON = "2025-03-01T00:00:00+00:00"

_TEXT = ("figure", "spec", "source", "note")


def published_measurements(path: Path | None = None) -> list[Measurement]:
    """Published points as measurements, with the figure and a remark in their conditions.

    The file has the columns figure, spec, source, note, and one per quantity in its unit; by default, it is
    the shipped ``benchmarks/measurements/published.csv``. Raises as ``row_files.read_lines``.
    """
    path = share(f"{_FOLDER}/{PUBLISHED}") if path is None else path
    return [row for point in read_lines(path, _point, _TEXT, others=True) for row in point]


def published_scores() -> list[Measurement]:
    """PSDS1 of models that are in no published figure, from their cards."""
    drawn = {row.spec for row in published_measurements()}
    return [
        Measurement(
            spec=str(spec),
            quantity="psds1",
            value=model.card.published["strong"].psds1,
            provenance="published",
            source=model.source,
            created=f"{model.month}-01T00:00:00+00:00",
        )
        for spec, model in zoo.models().items()
        if str(spec) not in drawn and "strong" in model.card.published
    ]


def import_shipped(store: Store) -> int:
    """Add every shipped measurement to a store; returns the number of new rows.

    Published results come from ``published.csv`` and the model cards; other CSV files are exported stores.
    """
    return sum(map(store.add, _shipped()))


def _shipped() -> Iterator[Iterable[Measurement]]:
    yield [*published_measurements(), *published_scores()]
    for path in sorted(share(_FOLDER).glob("*.csv*")):
        if path.name != PUBLISHED:
            yield read_rows(path)


@cache
def _shipped_frame(_cards: Files) -> pd.DataFrame:
    return to_frame(encode(row) for rows in _shipped() for row in rows)


def lacks_store(path: Path | str | None = None) -> bool:
    """Whether the default store is meant, and does not exist yet, so that only what ships is known."""
    return path is None and not default_store().exists()


def newest_rows(path: Path | str | None = None) -> pd.DataFrame:
    """Newest rows of a store, with everything that ships added to it, for this once if need be.

    Where the default store does not exist yet, they are of what ships alone.

    Raises:
        StoreError: no such store, or one that can't be read.
    """
    if lacks_store(path):
        return _shipped_frame(card_files()).copy()
    with Store(path, scratch=True) as store:
        import_shipped(store)
        return store.latest()


def _point(cells: Mapping[str, str]) -> list[Measurement]:
    return [
        Measurement(
            spec=cells["spec"],
            quantity=quantity,
            value=float(cells[quantity]),
            provenance="published",
            source=cells["source"],
            conditions={"figure": int(cells["figure"]), "note": cells["note"]},
            created=PUBLISHED_ON,
        )
        for quantity in cells
        if quantity not in _TEXT
    ]
