"""Values of series on all axes of a figure: of each one data set, device, setting and origin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from effbench.plots.choices import Convention
from effbench.plots.figure_data import Look
from effbench.plots.figures import Axis, FigureDefinition
from effbench.plots.quantities import MACS, ON_A_DEVICE, is_score, varies_with
from effbench.plots.scored import with_measured
from effbench.plots.timings import at_fair_batch_sizes, find_device, timed, timed_devices
from effbench.plots.values import Chosen, Lacking, MissingResults, untimed
from effbench.spec import is_spec


class SeriesValues:
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
        setting = {**({"device": devices[0]} if len(devices) == 1 else {}), **conditions}
        lacking = [Lacking(spec, axis.quantity, "measured", setting) for spec in self._specs]
        raise MissingResults(f"{message}{f' with {asked}' if asked else ''}", lacking)
