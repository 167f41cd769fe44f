"""Which values may share an axis, and what is said of those that may not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from effbench.plots.figures import Axis, FigureDefinition
from effbench.plots.quantities import ON_A_DEVICE, is_score
from effbench.plots.scored import IncomparableScores, require_comparable
from effbench.plots.timings import PREFERRED, SETTING
from effbench.plots.values import Chosen, MissingResults
from effbench.results.own_rows import BESIDE_PUBLISHED

#: Settings that come with another condition: those of processors, and of what a GPU calls TF32.
_FOLLOWS = {"threads": "device", "tf32": "precision"}


class UnfairComparison(MissingResults):
    """Values that would share an axis, but differ in what decides them."""


@dataclass(frozen=True)
class Drawn:
    """An axis and its values by label of a series."""

    axis: Axis
    of: Mapping[str, Chosen]


def require_fair(definition: FigureDefinition, axes: Sequence[Drawn]) -> None:
    """An ``UnfairComparison`` that names who has what, unless all that share an axis may be compared.

    Scores are of one data set, scored alike, unless ``mixed_data`` says otherwise. Times of the series are of
    one device and setting, but for what each series names in its conditions. Both values of a point are of
    one device and setting.
    """
    scores = [axis for axis in axes if is_score(axis.axis.quantity)]
    if definition.mixed_data:
        for label in [look.label for look in definition.looks]:
            _require_alike([axis.of[label] for axis in scores])
    else:
        _require_alike(chosen for axis in scores for chosen in axis.of.values())
        for axis in scores:
            _require_published_data(axis)
    for axis in axes:
        if axis.axis.quantity in ON_A_DEVICE:
            _require_one_setting(definition, axis)
    y, *panels = axes
    for panel in panels:
        _require_one_machine(y, panel)


def _require_alike(scores: Iterable[Chosen]) -> None:
    try:
        require_comparable({id(chosen): chosen for chosen in scores}.values())
    except IncomparableScores as error:
        raise UnfairComparison(
            f"{error}\nChoose one in the figure's definition: y: {{conditions: {_in_yaml(error.choice)}}}"
        ) from None


def _require_published_data(axis: Drawn) -> None:
    """Measured scores beside published ones are of the data that those are of."""
    published = [label for label, chosen in axis.of.items() if len(chosen.measured.rows) < len(chosen.rows)]
    if not published:
        return
    others: dict[str, list[str]] = {}
    for label, chosen in axis.of.items():
        for conditions in chosen.measured.rows["conditions"]:
            if not BESIDE_PUBLISHED.items() <= conditions.items():
                names = ("data", "split", "protocol", "classes")
                said = ", ".join(f"{name} {conditions[name]}" for name in names if name in conditions)
                others.setdefault(said or "unnamed data", []).append(label)
    if others:
        raise UnfairComparison(
            "\n".join(
                [
                    f"{axis.axis.quantity} of these series can't share an axis: some are of other data",
                    f"published, on AudioSet-strong's evaluation set (407 classes): {', '.join(published)}",
                    *(f"measured, {said}: {', '.join(dict.fromkeys(of))}" for said, of in others.items()),
                    f"Measure on the published data (conditions: {_in_yaml(BESIDE_PUBLISHED)}), or let the "
                    "figure's definition say mixed_data: true; its caption then does.",
                ]
            )
        )


def _require_one_setting(definition: FigureDefinition, axis: Drawn) -> None:
    named = {look.label: look.conditions for look in definition.looks}
    timed = {label: chosen for label, chosen in axis.of.items() if chosen.values}
    for name in ("provenance", "device", *SETTING):
        by_value: dict[str, list[str]] = {}
        for label, chosen in timed.items():
            by_value.setdefault(_in_words(chosen, name), []).append(label)
        deliberate = {name, _FOLLOWS.get(name)}
        if len(by_value) < 2 or all(deliberate & set(named[label]) for label in timed):
            continue
        first = next(iter(by_value))
        remedy = (
            f"Choose one for the axis, conditions: {{{name}: {json.dumps(first)}}}, or let each series name "
            f"its own in its conditions."
            if name != "provenance"
            else "Choose one for the axis, provenance: measured or published."
        )
        raise UnfairComparison(
            "\n".join(
                [
                    f"{axis.axis.quantity} of these series can't share an axis: they differ in {name}",
                    *(f"{value}: {', '.join(labels)}" for value, labels in by_value.items()),
                    remedy,
                ]
            )
        )


def _require_one_machine(y: Drawn, x: Drawn) -> None:
    """Where both axes are timed, each series has both values of one device and setting."""
    if not {y.axis.quantity, x.axis.quantity} <= set(ON_A_DEVICE):
        return
    for label in x.of:
        for name in ("provenance", "device", *SETTING):
            first, second = _in_words(y.of[label], name), _in_words(x.of[label], name)
            if first != second and y.of[label].values and x.of[label].values:
                quantities = f"{y.axis.quantity} and {x.axis.quantity}"
                raise UnfairComparison(
                    f"{quantities} of '{label}' can't make a point: they differ in {name}\n"
                    f"{y.axis.quantity}: {first}\n{x.axis.quantity}: {second}\n"
                    f"Choose one for both, conditions: {{{name}: …}}."
                )


def _in_words(chosen: Chosen, name: str) -> str:
    if name == "provenance":
        return chosen.provenance
    if name == "device":
        return chosen.device or "unknown"
    return str(chosen.setting.get(name, PREFERRED.get(name, "unsaid")))


def _in_yaml(conditions: Mapping[str, object]) -> str:
    return f"{{{', '.join(f'{name}: {json.dumps(value)}' for name, value in conditions.items())}}}"
