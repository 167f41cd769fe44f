"""Which scores a report ranks its models by, measured or published ones, and which stand beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.plots.scored import SCORED_ON, Conditions, with_measured
from effbench.plots.values import Chosen, rows_of, untimed

_NAMES = tuple(name for names in SCORED_ON for name in names)


@dataclass(frozen=True)
class LeadingScores:
    """Scores of one quantity: those that models are ranked by, and those of the other origin, if any."""

    leading: Chosen
    beside: Chosen | None


def leading_scores(rows: pd.DataFrame, specs: Sequence[str], quantity: str) -> LeadingScores:
    """Measured scores of one data set and protocol, or published ones, by the rule of ``measured_lead``.

    Published ones that lead have measured ones on the same data with them, of models that nobody published.
    """
    published = untimed(rows, quantity, specs, "published")
    groups = measured_groups(rows, specs, quantity)
    measured = untimed(rows, quantity, specs, "measured", conditions=groups[0]) if groups else None
    if measured is None:
        return LeadingScores(published, None)
    if measured_lead(measured.values, published.values):
        return LeadingScores(measured, published if published.values else None)
    whole = with_measured(rows, published, specs)
    return LeadingScores(whole, None if measured.values.items() <= whole.values.items() else measured)


def measured_lead(measured: Collection[str], published: Collection[str]) -> bool:
    """Whether models are ranked by measured scores: those of two models, and of half of all that have any.

    So do those of a model that is alone; those of a few of many models, which another study may have left in
    the same store, do not.
    """
    either = {*measured, *published}
    return len(measured) >= min(len(either), max(2, len(either) / 2))


def measured_groups(rows: pd.DataFrame, specs: Sequence[str], quantity: str) -> list[Conditions]:
    """Conditions under which measured scores can be compared: those of most models first, then the newest."""
    found = rows_of(rows, quantity, specs, "measured")
    models: dict[tuple[object, ...], set[str]] = {}
    newest: dict[tuple[object, ...], str] = {}
    for spec, conditions, created in found[["spec", "conditions", "created"]].itertuples(index=False):
        group = tuple(conditions.get(name) for name in _NAMES)
        models.setdefault(group, set()).add(spec)
        newest[group] = max(newest.get(group, ""), str(created))
    ordered = sorted(models, key=lambda group: (len(models[group]), newest[group]), reverse=True)
    return [dict(zip(_NAMES, group, strict=True)) for group in ordered]
