"""A figure without a file: its definition from quantities, models and what makes a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from effbench.config import check
from effbench.errors import UsageError, nearest
from effbench.plots.choices import By
from effbench.plots.families import GROUPINGS, series_by
from effbench.plots.figures import FigureDefinition, Series
from effbench.plots.looks import LOOKS
from effbench.plots.quantities import MACS, ON_A_DEVICE, default_label, is_score, varies_with
from effbench.plots.timings import find_device, timed_devices
from effbench.plots.values import MissingResults, rows_of
from effbench.results.declared import check_quantity
from effbench.results.selection import matching_names
from effbench.spec import ModelSpec, is_spec


def asked_for(
    rows: pd.DataFrame,
    x: Sequence[str],
    y: str | None,
    models: Sequence[str] = (),
    by: str = By.family,
    conditions: Mapping[str, object] | None = None,
) -> FigureDefinition:
    """A figure of these quantities; ``effbench.plot`` documents the options.

    ``device`` and ``precision`` among the conditions are those of timings, and may be ``None``.

    Raises:
        UsageError: no axes, an unknown quantity or model, or series that nothing tells apart.
        MissingResults: nothing is known of a quantity.
    """
    if not x or not y:
        raise UsageError("give a figure, or quantities for both axes: e.g. throughput and psds1")
    if by not in list(By):
        raise UsageError(f"series can't be by '{by}'{nearest(by, By)}\nThey are by {', '.join(By)}.")
    for quantity in (y, *x):
        if quantity != MACS:
            check_quantity(quantity)
    under = {name: value for name, value in (conditions or {}).items() if value is not None}
    for name in under:
        if not any(varies_with(quantity, name) for quantity in (y, *x)):
            raise UsageError(f"{_listed([y, *x])} do not depend on {name}: leave it out")
    specs = _models(rows, [y, *x], models)
    axes = [_axis(rows, quantity, specs, under, by) for quantity in (y, *x)]
    series = _series(rows, [y, *x], specs, By(by), axes)
    up, *panels = axes
    title = f"{default_label(y).partition(' (')[0]} against {_listed([_word(quantity) for quantity in x])}"
    content = {"title": title, "y": up, "panels": tuple(panels), "series": tuple(series)}
    return check(content, FigureDefinition, "the figure", UsageError)


def to_yaml(figure: FigureDefinition) -> str:
    """A definition as a file has it, without what is as it is by default."""
    content = figure.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def _models(rows: pd.DataFrame, quantities: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Models, in the order of their families and widths; globs choose those of which all is known."""
    known = list(dict.fromkeys(rows["spec"]))
    for quantity in quantities:
        name = "macs_exact" if quantity == MACS else quantity
        having = set(rows["spec"][rows["quantity"] == name])
        if not having:
            raise MissingResults(f"the store holds no {name} of any model")
        known = [spec for spec in known if spec in having]
    named = [pattern for pattern in patterns if not set(pattern) & set("*?[")]
    globs = [pattern for pattern in patterns or ["*"] if pattern not in named]
    if globs and not known:
        raise MissingResults(f"the store holds {_listed(quantities)} of no model, all of them")
    found = [*matching_names(named, dict.fromkeys(rows["spec"])), *matching_names(globs, known)]
    return sorted(dict.fromkeys(found), key=_order)


def _order(name: str) -> tuple[bool, str, str, str, int]:
    if not is_spec(name):
        return True, name, "", "", 0
    spec = ModelSpec.parse(name)
    return False, spec.family, spec.sequence or "", spec.backbone, spec.dim or 0


def _axis(
    rows: pd.DataFrame, quantity: str, specs: Sequence[str], asked: Mapping[str, object], by: str
) -> dict[str, Any]:
    """An axis; series that differ in another condition than the device are of one device."""
    conditions = {name: value for name, value in asked.items() if varies_with(quantity, name)}
    if quantity in ON_A_DEVICE:
        devices = timed_devices(rows, quantity, specs)
        if "device" in asked and devices:
            conditions["device"] = find_device(str(asked["device"]), devices)
        elif devices and by not in (*GROUPINGS, By.device, By.provenance):
            conditions["device"] = devices[0]
    else:
        conditions.pop("precision", None)
    return {"quantity": quantity, **({"conditions": conditions} if conditions else {})}


def _series(
    rows: pd.DataFrame,
    quantities: Sequence[str],
    specs: Sequence[str],
    by: By,
    axes: Sequence[dict[str, Any]],
) -> list[Series]:
    if by in GROUPINGS:
        return list(series_by(by, specs))
    if by is By.provenance:
        groups = [("published", "published", specs), ("measured", "measured", specs)]
        return [_one(number, label, of, {}, origin) for number, (label, origin, of) in enumerate(groups)]
    dependent = [
        (quantity, axis) for quantity, axis in zip(quantities, axes, strict=True) if varies_with(quantity, by)
    ]
    if not dependent:
        raise UsageError(f"series can't be by {by}: {_listed(quantities)} do not depend on it")
    values: dict[object, list[str]] = {}
    for quantity, axis in dependent:
        found = _shown(rows, axis, quantity, specs)
        column = found["device"] if by is By.device else [row.get(by) for row in found["conditions"]]
        for spec, value in zip(found["spec"], column, strict=True):
            if value is not None:
                values.setdefault(value, []).append(spec)
    if not values:
        raise MissingResults(f"no measured {dependent[0][0]} of these models says its {by}")
    if len(values) > len(LOOKS):
        raise UsageError(f"a figure has room for {len(LOOKS)} series, and there are {len(values)} by {by}")
    order = sorted(values, key=lambda value: (str(type(value)), value))
    return [
        _one(number, _label(by, value), [s for s in specs if s in values[value]], {by.value: value})
        for number, value in enumerate(order)
    ]


def _shown(rows: pd.DataFrame, axis: Mapping[str, Any], quantity: str, specs: Sequence[str]) -> pd.DataFrame:
    """Measured rows that an axis could show."""
    conditions = dict(axis.get("conditions", {}))
    device = conditions.pop("device", None)
    found = rows_of(rows, quantity, specs, "measured", conditions)
    return found if device is None else found[found["device"] == device]


def _one(
    number: int,
    label: str,
    specs: Sequence[str],
    conditions: dict[str, object],
    provenance: str | None = None,
) -> Series:
    colour, marker = LOOKS[number]
    content = {"label": label, "colour": colour, "marker": marker, "line": False, "specs": tuple(specs)}
    more = {"conditions": conditions, "provenance": provenance}
    return Series.model_validate(content | more)


def _label(by: By, value: object) -> str:
    if by in (By.threads, By.batch_size):
        return f"{value} threads" if by is By.threads else f"batch size {value}"
    return str(value)


def _word(quantity: str) -> str:
    """A quantity in words, without its unit, as it stands in a title."""
    label = default_label(quantity).partition(" (")[0]
    return label if is_score(quantity) or label.startswith("MACs") else label[0].lower() + label[1:]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
