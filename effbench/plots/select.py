"""Which stored values a figure draws: of each series one data set, device, setting and origin.

Of several rows the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.plots.choices import Convention
from effbench.plots.fairness import Drawn, require_fair
from effbench.plots.figure_data import AxisData, FigureData, Look
from effbench.plots.figures import FigureDefinition
from effbench.plots.quantities import ON_A_DEVICE, is_score
from effbench.plots.scored import checkpoints
from effbench.plots.series_values import SeriesValues
from effbench.plots.values import Chosen, Lacking, MissingResults, require, untimed
from effbench.results.declared import read_condition
from effbench.spec import is_spec


class UndrawableValue(EffbenchError):
    """A stored value that the axes of a figure can't show."""


def select(
    rows: pd.DataFrame,
    definition: FigureDefinition,
    *,
    macs: Convention = Convention.exact,
    device: str | None = None,
    precision: str | None = None,
    overlay: bool = False,
) -> FigureData:
    """Choose what a figure draws; the published timings where nothing was timed.

    ``effbench.plot`` documents the options; ``effbench.results.exchange.to_frame`` the columns of ``rows``.

    Raises:
        MissingResults: models of the figure lack scores or counts, or there are no such timings.
        UnfairComparison: values that would share an axis differ in what decides them.
        UsageError: no timings of that device, or no such precision.
    """
    _require_known(rows, definition.specs)
    if precision is not None:
        read_condition("precision", precision)
    asked = {name: text for name, text in (("device", device), ("precision", precision)) if text is not None}
    for name in asked:
        if named := [look.label for look in definition.looks if name in look.conditions]:
            raise UsageError(f"the figure's series have a {name} of their own: {', '.join(named)}")
    groups: dict[tuple[str | None, str], list[Look]] = {}
    for look in definition.looks:
        groups.setdefault(look.choice, []).append(look)
    found: list[dict[str, Chosen]] = [{} for _ in definition.axes]
    for looks in groups.values():
        chosen = SeriesValues(rows, definition, macs, looks, asked).axes()
        for by_label, values in zip(found, chosen, strict=True):
            _join(by_label, values, looks)
    y, *panels = (
        AxisData(axis, {look.label: by_label[look.label] for look in definition.looks})
        for axis, by_label in zip(definition.axes, found, strict=True)
    )
    if overlay:
        panels = [_with_overlay(rows, definition, panel) for panel in panels]
    data = FigureData(definition, macs, y, tuple(panels))
    _require_complete(data)
    _require_drawable(data)
    require_fair(definition, [Drawn(axis.axis, axis.of) for axis in data.axes])
    several = [
        checkpoints(rows, chosen)
        for axis in data.axes
        if is_score(axis.axis.quantity)
        for chosen in axis.choices
    ]
    return FigureData(
        definition,
        macs,
        y,
        data.panels,
        {spec: count for counts in several for spec, count in counts.items()},
    )


def _join(by_label: dict[str, Chosen], values: Chosen, looks: Sequence[Look]) -> None:
    """Add the values of series to an axis; choices that are alike in all but the models become one."""
    alike = next((other for other in by_label.values() if other.is_like(values)), None)
    if alike is not None:
        values = alike.joined(values)
        by_label |= {label: values for label, other in by_label.items() if other is alike}
    by_label |= {look.label: values for look in looks}


def _require_known(rows: pd.DataFrame, specs: Iterable[str]) -> None:
    stored = set(rows["spec"])
    for spec in specs:
        if spec not in stored and not is_spec(spec):
            raise MissingResults(
                f"nothing is stored of '{spec}'{nearest(spec, stored)}\n"
                "It is no spec; 'effbench profile' keeps what it finds of a model of your own under its name."
            )


def _with_overlay(rows: pd.DataFrame, definition: FigureDefinition, panel: AxisData) -> AxisData:
    if panel.choices[0].provenance != "measured":
        return panel
    name, figure = panel.axis.published_quantity, definition.published_figure
    return AxisData(panel.axis, panel.of, untimed(rows, name, definition.specs, "published", figure).values)


def _require_complete(data: FigureData) -> None:
    looks = data.definition.looks
    require(
        (chosen, spec)
        for axis in data.axes
        if axis.axis.quantity not in ON_A_DEVICE
        for look in looks
        for chosen in [axis.of[look.label]]
        for spec in look.specs
    )
    for axis in data.axes:
        if not any(chosen.values for chosen in axis.choices):
            chosen = axis.choices[0]
            lacking = [Lacking(s, chosen.quantity, "measured", chosen.setting) for s in data.definition.specs]
            raise MissingResults(
                f"the store holds no measured {chosen.quantity} of this figure's models", lacking
            )
    for panel in data.panels:
        if not data.points(panel):
            y, x = data.y.axis.quantity, panel.axis.quantity
            raise MissingResults(f"no model of this figure has both {y} and {x}")


def _require_drawable(data: FigureData) -> None:
    for axis in data.axes:
        if axis.axis.drawn_scale == "linear":
            continue
        for chosen in axis.choices:
            for spec, value in chosen.values.items():
                if value.value <= 0:
                    what = f"{chosen.quantity} of {spec} is {value.value:g}"
                    raise UndrawableValue(
                        f"{what}: a logarithmic axis shows what is above 0, a linear one all: scale: linear"
                    )
