"""Models under the roof of a device: multiply-accumulates a second by multiply-accumulates per byte."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from effbench.plots.annotate import name_points
from effbench.plots.axes import log_limits, log_ticks, tick_label
from effbench.plots.caption import setting, sources
from effbench.plots.statistical.kinds import RooflineDefinition
from effbench.plots.statistical.shared_axis import SharedAxis, on_device, share_axis, timed_alike, under
from effbench.plots.statistical.sheet import Sheet, Statistics
from effbench.plots.timings import PREFERRED
from effbench.plots.values import MissingResults, Value, rows_of
from effbench.results.intervals import Estimate, bootstrap
from effbench.shown import Row, number_of, significant

_WIDTH, _HEIGHT, _TICKS = 6.0, 3.6, 0.45  # inches
_BEYOND = 2.0  # times as far as the points do roofs reach to either side


@dataclass(frozen=True)
class PointUnderRoof:
    """A model, or a layer of one: its rate and its share of the roof, with 95 % intervals for models."""

    name: str
    macs_per_byte: float
    rate: Estimate
    share: Value


@dataclass(frozen=True)
class RoofPoints(Statistics):
    """Models of one device and setting; ``layers`` are those of the only model, if there is one only.

    ``products``, ``depthwise`` (MACs/s) and ``memory`` (bytes/s by the working set in bytes) are the medians
    of what was measured with each model.
    """

    definition: RooflineDefinition
    axis: SharedAxis
    points: tuple[PointUnderRoof, ...]
    layers: tuple[PointUnderRoof, ...]
    products: float
    depthwise: float
    memory: Mapping[int, float]

    @classmethod
    def of(cls, rows: pd.DataFrame, definition: RooflineDefinition) -> RoofPoints:
        """The rooflines that a figure asks for.

        Raises:
            MissingResults: there are none, or none of all models on one device in one setting.
            UsageError: a model or device that has none.
        """
        found = rows_of(rows, definition.quantity, rows["spec"].unique(), "measured")
        found = found[np.array(["roof" in (about or {}) for about in found["environment"]], bool)]
        found = under(on_device(found, definition.device), definition.conditions)
        if found.empty:
            how = f" under {dict(definition.conditions)}" if definition.conditions else ""
            raise MissingResults(
                f"the store holds no roofline{how}; 'effbench profile --roofline' measures them"
            )
        axis = share_axis(found, definition.models, _alike, what="rooflines", preferred=PREFERRED)
        newest = axis.rows.sort_values("created", kind="stable").drop_duplicates("spec", keep="last")
        kept = newest.sort_values("value", ascending=False, kind="stable").to_dict("records")
        ceilings = [row["environment"]["roof"]["ceilings"] for row in kept]
        sizes = ceilings[0]["bytes_per_second"]
        return cls(
            definition,
            replace(axis, rows=newest),
            tuple(map(_model, kept)),
            tuple(map(_layer, kept[0]["environment"]["roof"]["layers"])) if len(kept) == 1 else (),
            statistics.median(each["products"] for each in ceilings),
            statistics.median(each["depthwise"] for each in ceilings),
            {
                int(size): statistics.median(each["bytes_per_second"][size] for each in ceilings)
                for size in sizes
            },
        )

    @property
    def title(self) -> str:
        return self.definition.title or "Models under the roof of the device"

    @property
    def models(self) -> tuple[str, ...]:
        """The one with the highest share first."""
        return tuple(point.name for point in self.points)

    @property
    def caption(self) -> str:
        conditions = {name: value for name, value in self.axis.shared.items() if name != "device"}
        how = ", ".join([str(self.axis.shared["device"]), *setting(conditions)])
        layers = " Small dots: its layers, in the folded network." if self.layers else ""
        return (
            f"{number_of(len(self.points), 'model')}, on {how}, batch size {conditions['batch_size']}; bars:"
            f" 95 % bootstrap intervals of the rate.{layers} Bytes: inputs, weights and outputs of what"
            " multiplies and accumulates, as if all else were fused. Lines: ceilings of the device, measured"
            f" along with the models. Measured, {sources(self.axis.rows)}.{self.axis.remark}"
        )

    def rows(self) -> list[Row]:
        """One row for each model, and for each layer of the only one."""
        return [
            {
                "spec": point.name,
                "macs_per_byte": point.macs_per_byte,
                "macs_per_second": point.rate.value,
                "roof_share": point.share.value,
                "low": point.share.low,
                "high": point.share.high,
            }
            for point in (*self.points, *self.layers)
        ]

    def draw(self) -> Figure:
        """Rates by intensity, both axes logarithmic, and the names of the models."""
        sheet = Sheet.of(self.title, self.caption, ["100 G"], width=_WIDTH, height=_HEIGHT, legend=True)
        axes = sheet.add_axes()
        everything = (*self.points, *self.layers)
        across = [*(point.macs_per_byte for point in everything), self.products / self._memory()[1]]
        ends = min(across) / _BEYOND, max(across) * _BEYOND
        roofs = self._draw_roofs(axes, *ends)
        axes.plot(
            [layer.macs_per_byte for layer in self.layers], [layer.rate.value for layer in self.layers],
            ls="", marker=".", markersize=4, alpha=0.7, color="C0",
        )  # fmt: skip
        intervals = [
            axes.plot([point.macs_per_byte] * 2, [point.rate.low, point.rate.high], "C0", lw=1.2)[0]
            for point in self.points
        ]
        places = [(point.macs_per_byte, point.rate.value) for point in self.points]
        axes.plot(*zip(*places, strict=True), ls="", marker="o", color="C0", zorder=5)
        rates = [point.rate.value for point in everything]
        rates += [end for point in self.points for end in (point.rate.low, point.rate.high)]
        _scale(axes, ends, (min(rates), max(*rates, self.products, self.depthwise)))
        axes.set(xlabel="MACs per byte", ylabel="MACs per second")
        sheet.add_legend(roofs)
        figure = sheet.finish()
        figure.draw_without_rendering()
        name_points(axes, self.models, places, [*roofs, *intervals])
        return figure

    def _memory(self) -> tuple[float, float]:
        """Bytes per second of the fastest working set, and of the largest."""
        return max(self.memory.values()), self.memory[max(self.memory)]

    def _draw_roofs(self, axes: Axes, left: float, right: float) -> list[Line2D]:
        cache, memory = self._memory()
        across = np.geomspace(left, right, 500)
        slow, fast = _giga(memory), _giga(cache)
        lines = (
            (memory, self.products, "-", f"memory {slow} GB/s, products {_giga(self.products)} GMAC/s"),
            (cache, self.products, ":", f"caches {fast} GB/s"),
            (cache, self.depthwise, "--", f"depthwise {_giga(self.depthwise)} GMAC/s"),
        )
        return [
            axes.plot(across, np.minimum(bandwidth * across, rate), f"C7{style}", lw=1.1, label=label)[0]
            for bandwidth, rate, style, label in lines
        ]


def _alike(row: Mapping[Any, Any]) -> dict[str, object]:
    return {**timed_alike(row), "batch_size": row["conditions"]["batch_size"]}


def _model(row: Mapping[Any, Any]) -> PointUnderRoof:
    network = row["environment"]["roof"]["network"]
    return PointUnderRoof(
        row["spec"],
        network["macs_per_byte"],
        bootstrap(row["samples"]).map(lambda seconds: network["macs"] / seconds),
        Value(row["value"], *(None if np.isnan(row[end]) else row[end] for end in ("low", "high"))),
    )


def _layer(layer: Mapping[str, Any]) -> PointUnderRoof:
    rate = Estimate(layer["macs"] / layer["call_seconds"])
    return PointUnderRoof(layer["layer"], layer["macs_per_byte"], rate, Value(layer["roof_share"]))


def _scale(axes: Axes, across: tuple[float, float], up: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*across)
    axes.set_ylim(*log_limits(*up))
    for axis, ends in ((axes.xaxis, across), (axes.yaxis, axes.get_ylim())):
        axis.set_major_locator(FixedLocator(log_ticks(*ends)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))


def _giga(rate: float) -> str:
    return significant(rate / 1e9, 3)
