"""Which stored values a figure draws: of each series one data set, device, setting and origin.

Of several rows the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.plots.choices import Convention
from effbench.plots.fairness import Drawn, require_fair
from effbench.plots.figures import Axis, FigureDefinition, ReferenceModel, Series
from effbench.plots.quantities import MACS, ON_A_DEVICE, is_score, varies_with
from effbench.plots.scored import checkpoints, with_measured
from effbench.plots.timings import at_fair_batch_sizes, find_device, timed, timed_devices
from effbench.plots.values import Chosen, Lacking, MissingResults, Value, require, untimed
from effbench.spec import is_spec

Look = Series | ReferenceModel


class UndrawableValue(EffbenchError):
    """A stored value that the axes of a figure can't show."""


@dataclass(frozen=True)
class AxisData:
    """What an axis shows: the values of each series or reference, by its label.

    ``overlay`` are published values that are drawn besides (empty where not asked for).
    """

    axis: Axis
    of: Mapping[str, Chosen]
    overlay: Mapping[str, Value] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[Chosen, ...]:
        """The different choices of values, one where all series share theirs."""
        return tuple({id(chosen): chosen for chosen in self.of.values()}.values())

    def value(self, look: Look, spec: str) -> Value | None:
        """Value of a model in a series; ``None`` where nothing is known."""
        return self.of[look.label].values.get(spec)

    def labels(self, chosen: Chosen) -> list[str]:
        """Labels of the series that share a choice."""
        return [label for label, other in self.of.items() if other is chosen]


@dataclass(frozen=True)
class Plotted:
    """One model of one series in a panel."""

    look: Look
    spec: str
    x: Value
    y: Value


@dataclass(frozen=True)
class FigureData:
    """Everything that is drawn, ready to draw.

    Attributes:
        definition: what was asked for.
        macs: convention of the MACs.
        y: the vertical axis.
        panels: the horizontal ones.
        checkpoints: models of which several checkpoints have such scores, and how many; the newest is drawn.
    """

    definition: FigureDefinition
    macs: Convention
    y: AxisData
    panels: tuple[AxisData, ...]
    checkpoints: Mapping[str, int] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[AxisData, ...]:
        """The vertical axis, then the horizontal ones."""
        return (self.y, *self.panels)

    def points(self, panel: AxisData) -> list[Plotted]:
        """Models of which both values are known, series by series."""
        return [
            Plotted(look, spec, x, y)
            for look in self.definition.looks
            for spec in look.specs
            if (x := panel.value(look, spec)) and (y := self.y.value(look, spec))
        ]

    def overlaid(self, panel: AxisData) -> list[Plotted]:
        """The same of the published values that are drawn besides."""
        return [
            Plotted(look, spec, x, y)
            for look in self.definition.looks
            for spec in look.specs
            if (x := panel.overlay.get(spec)) and (y := self.y.value(look, spec))
        ]


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
        UsageError: no timings of that device.
    """
    _require_known(rows, definition.specs)
    asked = {name: text for name, text in (("device", device), ("precision", precision)) if text is not None}
    for name in asked:
        if named := [look.label for look in definition.looks if name in look.conditions]:
            raise UsageError(f"the figure's series have a {name} of their own: {', '.join(named)}")
    groups: dict[tuple[str | None, str], list[Look]] = {}
    for look in definition.looks:
        groups.setdefault(look.choice, []).append(look)
    found: list[dict[str, Chosen]] = [{} for _ in definition.axes]
    for looks in groups.values():
        chosen = _Choice(rows, definition, macs, looks, asked).axes()
        for by_label, values in zip(found, chosen, strict=True):
            by_label |= {look.label: values for look in looks}
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


class _Choice:
    """The values of series that share their origin and conditions."""

    def __init__(
        self,
        rows: pd.DataFrame,
        definition: FigureDefinition,
        macs: Convention,
        looks: Iterable[Look],
        asked: Mapping[str, object],
    ) -> None:
        looks = list(looks)
        self._rows, self._definition, self._macs = rows, definition, macs
        self._specs = list(dict.fromkeys(spec for look in looks for spec in look.specs))
        self._own, self._asked, self._provenance = looks[0].conditions, asked, looks[0].provenance

    def axes(self) -> list[Chosen]:
        """Values of every axis; those of one device are chosen together."""
        axes = self._definition.axes
        order = [index for index, axis in enumerate(axes) if axis.quantity in ON_A_DEVICE]
        order.sort(key=lambda index: ON_A_DEVICE.index(axes[index].quantity))
        together = dict(zip(order, self._on_devices([axes[index] for index in order]), strict=True))
        return [
            together[index] if index in together else self._elsewhere(axis) for index, axis in enumerate(axes)
        ]

    def _conditions(self, axis: Axis) -> dict[str, object]:
        own = {name: value for name, value in self._own.items() if varies_with(axis.quantity, name)}
        return {**axis.conditions, **own}

    def _origin(self, axis: Axis) -> str | None:
        of_series = self._provenance if axis is self._definition.y else None
        return of_series or axis.provenance

    def _elsewhere(self, axis: Axis) -> Chosen:
        """Counts, or scores."""
        rows, specs, figure = self._rows, self._specs, self._definition.published_figure
        conditions, origin = self._conditions(axis), self._origin(axis)
        quantity = f"macs_{self._macs}" if axis.quantity == MACS else axis.quantity
        if origin == "measured" or (origin is None and not is_score(quantity)):
            return untimed(rows, quantity, specs, "measured", conditions=conditions)
        name = axis.published_quantity
        published = untimed(rows, name, specs, "published", figure, axis.conditions)
        if not is_score(quantity):
            return published
        if origin is None and not published.values:
            return untimed(rows, quantity, specs, "measured", conditions=conditions)
        beside = [spec for spec in specs if origin is None or not is_spec(spec)]
        return with_measured(rows, published, beside)

    def _on_devices(self, axes: Iterable[Axis]) -> Iterator[Chosen]:
        axes = list(axes)
        known = [timed_devices(self._rows, axis.quantity, self._specs) for axis in axes]
        # The device that all of the axes have comes first.
        common = [name for name in known[0] if all(name in other for other in known)] if known else []
        shared: dict[str, dict[str, object]] = {}
        throughput: Chosen | None = None
        for axis, devices in zip(axes, known, strict=True):
            conditions = {**self._conditions(axis), **self._asked}
            wanted = conditions.pop("device", None)
            if self._origin(axis) == "published" or not devices:
                chosen = self._published(axis, nobody=bool(self._asked) or wanted is not None)
            else:
                names = [find_device(str(wanted), devices)] if wanted else [*common, *devices]
                chosen = self._timed(axis, names, conditions, shared, throughput)
                shared.setdefault(str(chosen.device), dict(chosen.setting))
            if axis.quantity == "throughput":
                throughput = chosen
            yield chosen

    def _published(self, axis: Axis, *, nobody: bool) -> Chosen:
        """Published values of an unknown device, unless measured ones were asked for."""
        figure, origin = self._definition.published_figure, self._origin(axis)
        published = untimed(self._rows, axis.quantity, self._specs, "published", figure)
        if origin != "published" and (origin == "measured" or nobody or not published.values):
            setting = {**self._conditions(axis), **self._asked}
            return Chosen.of(axis.quantity, self._rows.iloc[:0], "measured", setting=setting)
        return published

    def _timed(
        self,
        axis: Axis,
        devices: Iterable[str],
        conditions: Mapping[str, object],
        shared: Mapping[str, Mapping[str, object]],
        throughput: Chosen | None,
    ) -> Chosen:
        """Timings on the first of the devices that has some, in the setting of the axes before, if it can."""
        devices = list(dict.fromkeys(devices))
        for device in devices:
            sizes = None
            if throughput is not None and throughput.device == device:
                sizes = dict(zip(throughput.rows["spec"], throughput.rows["batch_size"], strict=True))
            fair = self._rows
            if "batch_size" not in conditions:
                fair = at_fair_batch_sizes(self._rows, axis.quantity, device, sizes)
            for under in ({**shared.get(device, {}), **conditions}, conditions):
                if chosen := timed(fair, axis.quantity, self._specs, device, under):
                    return chosen
        asked = ", ".join(f"{key} {value}" for key, value in conditions.items())
        message = f"no {axis.quantity} of this figure's models on {' or '.join(map(repr, devices))}"
        setting = {"device": devices[0], **conditions}
        lacking = [Lacking(spec, axis.quantity, "measured", setting) for spec in self._specs]
        raise MissingResults(f"{message}{f' with {asked}' if asked else ''}", lacking)


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
