"""What was counted and measured here, beside what was published and what third-party counters say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.plots.figures import FigureDefinition
from effbench.plots.timings import timed, timed_devices
from effbench.plots.values import Chosen, Value, require, untimed

#: Quantities that a report can't do without; the store must hold them for every model.
NEEDED = ("parameters", "macs_exact", "macs_paper")

COUNTER_NAMES = {"macs_fvcore": "fvcore", "macs_thop": "thop", "macs_torch": "torch"}


@dataclass(frozen=True)
class Point:
    """One model in one published figure: what the figure says (``psds1`` and ``…_published``), and our own.

    PSDS1 is in per cent, MACs are per clip, ``macs_paper`` in the convention of the figure. The published
    throughput is that of an unknown device; ours is by device, as far as the device ran the model.
    """

    figure: int
    spec: str
    psds1: float
    parameters: float
    parameters_published: float
    macs_exact: float
    macs_paper: float
    macs_published: float
    throughput_published: float
    throughput: Mapping[str, Value]

    @property
    def parameters_difference(self) -> float:
        """Ours against the published number, as a fraction of that."""
        return self.parameters / self.parameters_published - 1

    @property
    def macs_difference(self) -> float:
        """Ours, in the published convention, against the published number, as a fraction of that."""
        return self.macs_paper / self.macs_published - 1


@dataclass(frozen=True)
class Agreement:
    """How well computed values match published ones.

    Attributes:
        worst: the point that differs most.
        difference: by how much it does, as a fraction.
        outside: number of points that differ by more than the precision of the figures allows.
        count: number of points.
    """

    worst: Point
    difference: float
    outside: int
    count: int

    @classmethod
    def of(cls, points: Sequence[Point], difference: Callable[[Point], float], tolerance: float) -> Agreement:
        """Agreement of all points; ``tolerance`` and what ``difference`` gives are fractions."""
        worst = max(points, key=lambda point: abs(difference(point)))
        outside = sum(abs(difference(point)) > tolerance for point in points)
        return cls(worst, difference(worst), outside, len(points))


def collect(rows: pd.DataFrame, figure: FigureDefinition, timings: Mapping[str, Chosen]) -> list[Point]:
    """Points of a figure with a published counterpart, in drawing order; timings are from ``throughputs``.

    Raises:
        MissingResults: the store lacks parameters or MACs of a model, or published values.
    """
    number, specs = figure.published_figure, figure.specs
    ours = counted(rows, specs)
    published = {
        name: untimed(rows, name, specs, "published", number)
        for name in ("psds1", "parameters", "macs_paper", "throughput")
    }
    require((chosen, spec) for chosen in published.values() for spec in specs)
    return [
        Point(
            figure=number or 0,
            spec=spec,
            psds1=published["psds1"].values[spec].value,
            parameters=ours["parameters"].values[spec].value,
            parameters_published=published["parameters"].values[spec].value,
            macs_exact=ours["macs_exact"].values[spec].value,
            macs_paper=ours["macs_paper"].values[spec].value,
            macs_published=published["macs_paper"].values[spec].value,
            throughput_published=published["throughput"].values[spec].value,
            throughput={
                device: chosen.values[spec] for device, chosen in timings.items() if spec in chosen.values
            },
        )
        for spec in specs
    ]


def counted(rows: pd.DataFrame, specs: Sequence[str]) -> dict[str, Chosen]:
    """Parameters and MACs of all the models, by quantity; ``MissingResults`` names all that lack any."""
    ours = {name: untimed(rows, name, specs, "measured") for name in NEEDED}
    require((chosen, spec) for chosen in ours.values() for spec in specs)
    return ours


def throughputs(rows: pd.DataFrame, figures: Sequence[FigureDefinition]) -> dict[str, Chosen]:
    """Measured throughput of all models of the figures, by device; the most complete device comes first."""
    specs = list(dict.fromkeys(spec for figure in figures for spec in figure.specs))
    conditions: dict[str, object] = {}
    for panel in (panel for figure in figures for panel in figure.panels):
        conditions |= panel.conditions if panel.quantity == "throughput" else {}
    found = {
        device: timed(rows, "throughput", specs, device, conditions)
        for device in timed_devices(rows, "throughput", specs)
    }
    return {device: chosen for device, chosen in found.items() if chosen is not None}


@dataclass(frozen=True)
class Count:
    """MACs per clip of one model by one counter and exactly, and why the two differ, one line a cause."""

    spec: str
    counter: str
    macs: float
    exact: float
    causes: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The counter's against the exact count, as a fraction of that."""
        return self.macs / self.exact - 1


def counts(rows: pd.DataFrame, specs: Sequence[str]) -> list[Count]:
    """Counts of all counters that ran, model by model."""
    exact = untimed(rows, "macs_exact", specs, "measured").values
    found: dict[tuple[str, str], Count] = {}
    for quantity, name in COUNTER_NAMES.items():
        chosen = untimed(rows, quantity, specs, "measured").rows
        for spec, value, conditions in chosen[["spec", "value", "conditions"]].itertuples(index=False):
            causes = tuple(str(cause) for cause in conditions.get("explanation", ()))
            found[spec, name] = Count(spec, name, value, exact[spec].value, causes)
    return [found[spec, name] for spec in specs for name in COUNTER_NAMES.values() if (spec, name) in found]


@dataclass(frozen=True)
class Spread:
    """How far one counter is from the exact count: its counts that are furthest below and above (or least
    below), how many are equal to the exact ones, and of how many models it has one."""

    counter: str
    lowest: Count
    highest: Count
    equal: int
    models: int


def spreads(found: Sequence[Count]) -> list[Spread]:
    """One entry for each counter that ran."""
    by_counter: dict[str, list[Count]] = {}
    for count in found:
        by_counter.setdefault(count.counter, []).append(count)
    return [
        Spread(
            counter=counter,
            lowest=min(group, key=lambda count: count.difference),
            highest=max(group, key=lambda count: count.difference),
            equal=sum(count.macs == count.exact for count in group),
            models=len(group),
        )
        for counter, group in by_counter.items()
    ]
