"""Every kept timing sample of some models, by batch size: one device, one setting."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from effbench.plots.axes import log_limits, log_ticks, tick_label
from effbench.plots.caption import setting, sources
from effbench.plots.statistical.kinds import SamplesDefinition
from effbench.plots.statistical.shared_axis import SharedAxis, on_device, share_axis, timed_alike, under
from effbench.plots.statistical.sheet import Sheet, Statistics, same_jitter
from effbench.plots.timings import PREFERRED
from effbench.plots.values import MissingResults, rows_of
from effbench.shown import Row, number_of

_LABELS = {"throughput": "Throughput (clips/s)", "latency_p50": "Latency (ms)"}
_KEPT = "timing samples"

# Inches: the axes, and one row of points.
_WIDTH, _ROW = 7.0, 0.19
#: Where, in the axes' room, the values end and their deviations begin.
_SPLIT = (0.48, 0.54)
#: Axes that hold values further apart than this are logarithmic.
_RATIO = 5
#: With more points than this, an SVG or PDF has them as an image.
_MANY = 3000


@dataclass(frozen=True)
class TimedBatches:
    """One model at one batch size: every batch, and what the store says of them all, in the figure's unit."""

    spec: str
    batch_size: int
    values: tuple[float, ...]
    median: float
    low: float | None
    high: float | None

    @property
    def deviations(self) -> np.ndarray:
        """Of every batch from the median, per cent."""
        return (np.array(self.values) / self.median - 1) * 100


@dataclass(frozen=True)
class TimingSamples(Statistics):
    """Timings that share an axis, the fastest model first; ``groups`` of one model are neighbours."""

    definition: SamplesDefinition
    axis: SharedAxis
    groups: tuple[TimedBatches, ...]

    @classmethod
    def of(cls, rows: pd.DataFrame, definition: SamplesDefinition) -> TimingSamples:
        """The samples that a figure asks for.

        Raises:
            MissingResults: there are none, or none of all models on one device in one setting.
            UsageError: a model or device that has none.
        """
        specs = rows["spec"].unique()
        found = rows_of(rows, definition.quantity, specs, "measured")
        found = found[found["samples"].map(len) > 0]
        found = under(on_device(found, definition.device), definition.conditions)
        if found.empty:
            how = f" under {dict(definition.conditions)}" if definition.conditions else ""
            raise MissingResults(
                f"the store holds no {_KEPT} of {definition.quantity}{how}; 'effbench profile' measures them"
            )
        axis = share_axis(found, definition.models, timed_alike, what=_KEPT, preferred=PREFERRED)
        newest = axis.rows.sort_values("created", kind="stable").drop_duplicates(
            ["spec", "batch_size"], keep="last"
        )
        groups = [_batches(row, definition.quantity) for row in newest.to_dict("records")]
        slow = definition.quantity != "throughput"
        best = {
            spec: max(-group.median if slow else group.median for group in groups if group.spec == spec)
            for spec in axis.models
        }
        groups.sort(key=lambda group: (-best[group.spec], group.spec, group.batch_size))
        return cls(definition, replace(axis, rows=newest), tuple(groups))

    @property
    def title(self) -> str:
        """What is shown."""
        return self.definition.title or "How timings are distributed"

    @property
    def models(self) -> tuple[str, ...]:
        """The fastest first."""
        return tuple(_places(self.groups))

    @property
    def caption(self) -> str:
        """What marks mean, and where the timings come from."""
        count = sum(len(group.values) for group in self.groups)
        batches = number_of(count, "timed batch") if count == 1 else f"{count:,} timed batches"
        conditions = {name: value for name, value in self.axis.shared.items() if name != "device"}
        how = ", ".join([str(self.axis.shared["device"]), *setting(conditions)])
        return (
            f"A point is one of {batches} of {number_of(len(self.axis.models), 'model')}, on {how}. "
            "Diamonds: median with its 95 % bootstrap interval. Boxes: quartiles; whiskers reach the last "
            "point within 1.5 times their distance. Right: how far the same points are from their median. "
            f"Measured, {sources(self.axis.rows)}.{self.axis.remark}"
        )

    def rows(self) -> list[Row]:
        """One row for each model and batch size: median, interval and samples, in the figure's unit."""
        unit = "clips/s" if self.definition.quantity == "throughput" else "ms"
        return [
            {
                "spec": group.spec,
                "quantity": self.definition.quantity,
                "batch_size": group.batch_size,
                "median": group.median,
                "low": group.low,
                "high": group.high,
                "unit": unit,
                "samples": list(group.values),
            }
            for group in self.groups
        ]

    def draw(self) -> Figure:
        """Values on the left, deviations from the median on the right."""
        import seaborn as sns

        order = [f"{group.spec} {group.batch_size}" for group in self.groups]
        lengths = [len(group.values) for group in self.groups]
        points = pd.DataFrame(
            {
                "row": np.repeat(order, lengths),
                "batch": np.repeat([group.batch_size for group in self.groups], lengths),
                "value": np.concatenate([group.values for group in self.groups]),
                "deviation": np.concatenate([group.deviations for group in self.groups]),
            }
        )
        sizes = sorted({group.batch_size for group in self.groups})
        palette = "colorblind" if len(sizes) <= 10 else "husl"
        colours = dict(zip(sizes, sns.color_palette(palette, len(sizes)), strict=True))
        places = _places(self.groups)
        height = _ROW * (len(order) + 1)
        sheet = Sheet.of(self.title, self.caption, list(places), width=_WIDTH, height=height, legend=True)
        left = sheet.add_axes(stop=_SPLIT[0])
        right = sheet.add_axes(start=_SPLIT[1], share=left)
        look = {"hue": "batch", "palette": colours, "order": order, "dodge": False, "legend": False}
        with same_jitter():
            for axes, column in ((left, "value"), (right, "deviation")):
                sns.stripplot(
                    points, x=column, y="row", ax=axes, size=2.2, alpha=0.5, jitter=0.3, orient="h",
                    rasterized=len(points) > _MANY, **look,
                )  # fmt: skip
        with warnings.catch_warnings():
            # seaborn 0.13 says 'vert', which matplotlib 3.11 wants otherwise.
            warnings.filterwarnings("ignore", "vert: bool was deprecated")
            sns.boxplot(
                points, x="deviation", y="row", ax=right, fill=False, fliersize=0, width=0.7, linewidth=0.8,
                orient="h", **look,
            )  # fmt: skip
        self._mark_medians(left)
        _label(left, sheet, places, order)
        left.set(xlabel=_LABELS[self.definition.quantity], ylabel="")
        right.set(xlabel="Deviation from the median (%)", ylabel="")
        right.tick_params(labelleft=False)
        scale_by_values(left, points["value"])
        handles = [
            Line2D([], [], ls="", marker="o", color=colour, label=f"batch size {size}")
            for size, colour in colours.items()
        ]
        sheet.add_legend(handles)
        return sheet.finish()

    def _mark_medians(self, axes: Axes) -> None:
        ink, ground = rcParams["text.color"], rcParams["axes.facecolor"]
        for place, group in enumerate(self.groups):
            ends = [(group.median - group.low, group.high - group.median)] if group.low and group.high else []
            axes.errorbar(
                group.median, place, xerr=np.array(ends).T if ends else None, fmt="D", markersize=3.6,
                color=ink, markerfacecolor=ground, markeredgewidth=0.9, elinewidth=1, capsize=2, zorder=5,
            )  # fmt: skip


def scale_by_values(axes: Axes, values: pd.Series[float]) -> None:
    """A logarithmic horizontal axis where values are far apart, else a linear one."""
    low, high = float(values.min()), float(values.max())
    if low <= 0 or high / low < _RATIO:
        return
    axes.set_xscale("log")
    axes.set_xlim(*log_limits(low, high))
    axes.xaxis.set_major_locator(FixedLocator(log_ticks(*axes.get_xlim())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))


def _label(axes: Axes, sheet: Sheet, places: Mapping[str, list[int]], order: list[str]) -> None:
    """The name of a model beside its rows, and a line between two models."""
    axes.set_yticks([sum(rows) / len(rows) for rows in places.values()], sheet.names)
    axes.set_ylim(len(order) - 0.4, -0.6)
    for axes_ in axes.figure.axes:
        axes_.grid(visible=False, axis="y")
        for rows in places.values():
            axes_.axhline(max(rows) + 0.5, color=rcParams["grid.color"], lw=0.6, zorder=0)


def _places(groups: tuple[TimedBatches, ...]) -> dict[str, list[int]]:
    """Numbers of the rows of each model."""
    places: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group.spec, []).append(place)
    return places


def _batches(row: Mapping[Any, Any], quantity: str) -> TimedBatches:
    """A row of the store in the figure's unit."""
    size = int(row["batch_size"])
    if quantity == "throughput":
        values, factor = tuple(size / sample for sample in row["samples"]), 1.0
    else:
        values, factor = tuple(1000 * sample for sample in row["samples"]), 1000.0
    low, high = (None if np.isnan(row[end]) else factor * row[end] for end in ("low", "high"))
    return TimedBatches(row["spec"], size, values, factor * row["value"], low, high)
