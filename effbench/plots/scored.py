"""Measured scores that share an axis: of one data set, scored alike; others can't be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from effbench.plots.quantities import is_score
from effbench.plots.values import Chosen, MissingResults, rows_of, seeds_of_one_another, untimed
from effbench.results.own_rows import BESIDE_PUBLISHED

#: Conditions in which scores that share an axis must agree: the fingerprint of a data set's content, or its
#: names where scores have none, and how they were computed.
SCORED_ON = (
    ("fingerprint",),
    ("data", "split"),
    ("protocol",),
    ("median_window",),
    ("precision",),
    ("backend",),
    ("engine",),
    ("missing_clips",),
)

Conditions = Mapping[str, object]


class IncomparableScores(MissingResults):
    """Scores that can't share an axis; under the conditions of ``choice`` most of them can."""

    def __init__(self, message: str, choice: Conditions) -> None:
        super().__init__(message)
        self.choice = choice


def short_fingerprint(conditions: Conditions) -> str:
    """First eight digits of the fingerprint of what was scored; empty where there is none."""
    return str(conditions.get("fingerprint") or "")[:8]


def with_measured(rows: pd.DataFrame, published: Chosen, specs: Iterable[str]) -> Chosen:
    """Published scores, and measured ones of these models on the same data where nobody published any."""
    own = [spec for spec in specs if spec not in published.values]
    conditions = {**BESIDE_PUBLISHED, **published.setting}
    measured = untimed(rows, published.quantity, own, "measured", conditions=conditions)
    if not measured.values:
        return published
    both = pd.concat([published.rows, measured.rows])
    values = {**published.values, **measured.values}
    return replace(published, values=values, rows=both, seeds=measured.seeds)


def require_comparable(axes: Iterable[Chosen]) -> None:
    """An ``IncomparableScores``, with the data sets and models, if scores on the axes can't be compared."""
    scores = [axis.measured for axis in axes if is_score(axis.quantity)]
    quantities = ", ".join(dict.fromkeys(axis.quantity for axis in scores))
    for names in SCORED_ON:
        groups: dict[tuple[object, ...], dict[str, Conditions]] = {}
        for axis in scores:
            for spec, conditions in zip(axis.rows["spec"], axis.rows["conditions"], strict=True):
                groups.setdefault(_told_apart_by(names, conditions), {})[spec] = conditions
        if len(groups) > 1:
            raise _differing(quantities, names, groups)


def checkpoints(rows: pd.DataFrame, scores: Chosen) -> dict[str, int]:
    """Models with comparable scores of several checkpoints (or recipes), and how many; one is drawn.

    Seeds of one training are one.
    """
    if scores.provenance != "measured":
        return {}
    task = _task(scores.rows["conditions"].iloc[0])
    drawn = dict(zip(scores.rows["spec"], scores.rows["conditions"], strict=True))
    found: dict[str, dict[str, bool]] = {spec: {} for spec in scores.values}
    candidates = rows_of(rows, scores.quantity, scores.values, scores.provenance, scores.setting)
    for spec, conditions in zip(candidates["spec"], candidates["conditions"], strict=True):
        if _task(conditions) == task:
            name = str(conditions.get("checkpoint") or conditions.get("recipe"))
            found[spec][name] = found[spec].get(name, False) or seeds_of_one_another(conditions, drawn[spec])
    # Those that are drawn together count as one.
    numbers = {spec: len(names) - max(sum(names.values()) - 1, 0) for spec, names in found.items()}
    return {spec: number for spec, number in numbers.items() if number > 1}


def untrained(scores: Chosen) -> list[str]:
    """Models whose scores are those of weights that nobody trained."""
    rows = scores.measured.rows
    nothing = [row.get("checkpoint", "unknown") is None for row in rows["conditions"]]
    return sorted(str(spec) for spec in rows["spec"][nothing])


def _task(conditions: Conditions) -> tuple[object, ...]:
    return tuple(value for names in SCORED_ON for value in _told_apart_by(names, conditions))


def _told_apart_by(names: tuple[str, ...], conditions: Conditions) -> tuple[object, ...]:
    if names == ("data", "split") and conditions.get("fingerprint"):
        return (None, None)
    return tuple(conditions.get(name) for name in names)


def _differing(
    quantity: str,
    names: tuple[str, ...],
    groups: Mapping[tuple[object, ...], Mapping[str, Conditions]],
) -> IncomparableScores:
    """What differs, and for which models."""
    of_data = names[0] in ("fingerprint", "data")
    what = "data set" if of_data else names[0].replace("_", " ")
    lines = [f"the newest {quantity} of these models can't share an axis: they differ in {what}"]
    for values, models in sorted(groups.items(), key=lambda group: -len(group[1])):
        if of_data:
            conditions = next(iter(models.values()))
            place = " ".join(str(conditions[name]) for name in ("data", "split") if conditions.get(name))
            fingerprint = short_fingerprint(conditions)
            known = f"fingerprint {fingerprint}" if fingerprint else "without a fingerprint"
            label = f"{place or 'unnamed'}, {known}"
        else:
            unsaid = "none" if names[0] == "missing_clips" else "unknown"
            label = unsaid if values[0] is None else str(values[0])
        lines.append(f"{label}: {', '.join(sorted(models))}")
    chosen = max(groups, key=lambda values: (values[0] is not None, len(groups[values])))
    return IncomparableScores("\n".join(lines), dict(zip(names, chosen, strict=True)))
