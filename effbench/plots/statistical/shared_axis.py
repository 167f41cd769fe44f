"""Rows that may share an axis: those of all models of a figure, under one set of conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from effbench.plots.scored import SCORED_ON
from effbench.plots.timings import PREFERRED, SETTING, find_device
from effbench.plots.values import MissingResults
from effbench.results.selection import matching_names
from effbench.shown import number_of

Conditions = Mapping[str, object]

_SHOWN = 6


class DifferingRows(MissingResults):
    """No set of conditions has rows of all the models."""


@dataclass(frozen=True)
class SharedAxis:
    """Rows that agree in what makes values comparable.

    Attributes:
        rows: of the store.
        models: all that the rows are of, each once.
        shared: what they agree in, as far as they say it.
        others: sets of conditions that have all the models as well, and are not shown.
    """

    rows: pd.DataFrame
    models: tuple[str, ...]
    shared: Conditions
    others: int

    @property
    def remark(self) -> str:
        """A sentence on what else the store holds of the models; empty where that is nothing."""
        if not self.others:
            return ""
        return f" Not shown: {number_of(self.others, 'other setting')} of the same models."


def scored_alike(row: Mapping[Any, Any]) -> dict[str, object]:
    """What comparable scores agree in: their data, and how they were made."""
    conditions = row["conditions"]
    names = [name for group in SCORED_ON for name in group]
    if conditions.get("fingerprint"):
        names = [name for name in names if name not in ("data", "split")]
    return {name: conditions.get(name) for name in names}


def timed_alike(row: Mapping[Any, Any]) -> dict[str, object]:
    """What timings that share an axis agree in; threads are the processor's, no matter to a GPU."""
    conditions, environment = row["conditions"], row["environment"]
    found = {name: conditions.get(name, PREFERRED.get(name)) for name in SETTING}
    if (environment or {}).get("gpu"):
        del found["threads"]
    if found["kernels"] == PREFERRED["kernels"]:
        del found["kernels"]
    return {"device": row["device"], **found}


def under(rows: pd.DataFrame, conditions: Conditions) -> pd.DataFrame:
    """Only the rows under some conditions."""
    kept = [all(row.get(name) == wanted for name, wanted in conditions.items()) for row in rows["conditions"]]
    return rows[np.array(kept, bool)]


def on_device(rows: pd.DataFrame, name: str | None) -> pd.DataFrame:
    """Only the rows of the device that a name or a part of it means, if one is given.

    Raises:
        UsageError: there is no such device, or several; they are listed.
    """
    if name is None or rows.empty:
        return rows
    return rows[rows["device"] == find_device(name, sorted(set(rows["device"])))]


def share_axis(
    rows: pd.DataFrame,
    patterns: Sequence[str],
    key: Callable[[Mapping[Any, Any]], Conditions],
    *,
    what: str,
    preferred: Conditions | None = None,
) -> SharedAxis:
    """The rows of the models that ``patterns`` choose, under conditions that all of them have.

    Of several such conditions, those that agree more with ``preferred`` are taken, then the newest.

    Args:
        rows: of one quantity.
        patterns: specs, names, globs.
        key: what a row (as a dict) must agree in with others.
        what: the rows are of, in words.

    Raises:
        UsageError: a pattern chooses nothing.
        DifferingRows: no conditions have all the models; those that some have are listed.
    """
    models = matching_names(patterns, dict.fromkeys(rows["spec"]), what)
    rows = rows[rows["spec"].isin(models)]
    keys = [key(row) for row in rows.to_dict("records")]
    texts = pd.Series([json.dumps(found, sort_keys=True, default=str) for found in keys], index=rows.index)
    groups = {str(text): group for text, group in rows.groupby(texts, sort=True)}
    conditions = dict(zip(texts, keys, strict=True))
    complete = {text: group for text, group in groups.items() if group["spec"].nunique() == len(models)}
    if not complete:
        raise _differing(what, {text: conditions[text] for text in groups}, groups)

    def fitness(text: str) -> tuple[int, str]:
        wanted = (preferred or {}).items()
        return sum(conditions[text].get(k, v) == v for k, v in wanted), str(groups[text]["created"].max())

    best = max(complete, key=fitness)
    shared = {name: value for name, value in conditions[best].items() if value is not None}
    return SharedAxis(complete[best], tuple(models), shared, len(complete) - 1)


def _differing(
    what: str, conditions: Mapping[str, Conditions], groups: Mapping[str, pd.DataFrame]
) -> DifferingRows:
    """What differs, and for which models."""
    names = list(dict.fromkeys(name for found in conditions.values() for name in found))
    differ = [name for name in names if len({str(found.get(name)) for found in conditions.values()}) > 1]
    lines = [f"{what} of these models can't share an axis: they differ in {', '.join(differ)}"]
    ordered = sorted(groups, key=lambda text: -groups[text]["spec"].nunique())
    for text in ordered[:_SHOWN]:
        specs = sorted(groups[text]["spec"].unique())
        more = f" and {len(specs) - _SHOWN} more" if len(specs) > _SHOWN else ""
        lines.append(f"{_said(conditions[text], differ)}: {', '.join(specs[:_SHOWN])}{more}")
    if len(ordered) > _SHOWN:
        lines.append(f"… and {len(ordered) - _SHOWN} more")
    choice = _said(conditions[ordered[0]], differ, known=True)
    lines.append(f"Choose fewer models, or one of these: {choice}")
    return DifferingRows("\n".join(lines))


def _said(conditions: Conditions, names: Sequence[str], *, known: bool = False) -> str:
    """Conditions in words, those of ``names``; only what is ``known`` if asked for."""
    return ", ".join(
        f"{name}: {_plain(conditions.get(name))}"
        for name in names
        if not known or conditions.get(name) is not None
    )


def _plain(value: object) -> str:
    return "unknown" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)
