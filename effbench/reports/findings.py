"""What the numbers say: which counting conventions differ, and which models are worth their cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from effbench.plots.figures import FigureDefinition
from effbench.reports.pareto import Tradeoff, dominator, pareto_front
from effbench.reports.points import Point
from effbench.spec import ModelSpec

#: Smallest difference between two conventions that counts as one.
NOTICEABLE = 0.01

#: What the published convention does to the MACs of a sequence model, where it does anything.
CAUSES = {
    "gru": "recurrent cells count as zero",
    "tcn": "every convolution counts twice, and so does the padding that is computed and thrown away",
    "mamba": "the state-space scan counts as zero",
}


@dataclass(frozen=True)
class Family:
    """Models of one series, and what the published convention counts of their exact MACs.

    Attributes:
        label: of the series.
        lowest: smallest ratio of MACs in the published convention to exact ones.
        highest: largest ratio.
        lowest_spec: the model with the smallest ratio.
        highest_spec: the model with the largest ratio.
        count: number of models.
        cause: why the conventions differ, if they do.
    """

    label: str
    lowest: float
    highest: float
    lowest_spec: str
    highest_spec: str
    count: int
    cause: str

    @property
    def differs(self) -> bool:
        """Whether the conventions disagree on any of its models."""
        return self.lowest < 1 - NOTICEABLE or self.highest > 1 + NOTICEABLE


@dataclass(frozen=True)
class Leaver:
    """A model that is on one front and not on the other, with the model that beats it there."""

    point: Point
    beaten_by: Point | None


@dataclass(frozen=True)
class FrontChange:
    """The Pareto front of (MACs, PSDS1) of one figure, in both conventions.

    Attributes:
        figure: number of the published figure.
        paper: models on the front in the published convention, cheapest first.
        exact: models on the front with exact MACs, cheapest first.
        leaving: on the front in the published convention only.
        entering: on the front with exact MACs only.
        by_series: how many models of each series are on the front in the published convention, and with
            exact MACs; series that are on neither are absent.
    """

    figure: int
    paper: tuple[Point, ...]
    exact: tuple[Point, ...]
    leaving: tuple[Leaver, ...]
    entering: tuple[Point, ...]
    by_series: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Cost:
    """One way to measure what a model costs, and the models that are worth it.

    Attributes:
        label: what was measured.
        front: models on the Pareto front, cheapest first.
        models: how many models have this cost.
    """

    label: str
    front: tuple[str, ...]
    models: int


def families(points: Sequence[Point], figures: Sequence[FigureDefinition]) -> list[Family]:
    """Series of all figures (a label with and without ``+`` is one), those that differ most first."""
    members: dict[str, dict[str, float]] = {}
    for point in points:
        figure = next(figure for figure in figures if figure.published_figure == point.figure)
        label = _label(figure, point.spec)
        members.setdefault(label, {})[point.spec] = point.macs_paper / point.macs_exact
    found = [
        Family(
            label=label,
            lowest=min(ratios.values()),
            highest=max(ratios.values()),
            lowest_spec=min(ratios, key=lambda spec: ratios[spec]),
            highest_spec=max(ratios, key=lambda spec: ratios[spec]),
            count=len(ratios),
            cause=CAUSES.get(ModelSpec.parse(next(iter(ratios))).sequence or "", ""),
        )
        for label, ratios in members.items()
    ]
    return sorted(found, key=lambda family: -max(1 / family.lowest, family.highest))


def front_change(points: Sequence[Point], figure: FigureDefinition) -> FrontChange:
    """What counting exactly does to the front of one figure's points."""
    by_spec = {point.spec: point for point in points}
    exact = {point.spec: Tradeoff(point.macs_exact, point.psds1) for point in points}
    paper = {point.spec: Tradeoff(point.macs_paper, point.psds1) for point in points}
    exact_front, paper_front = pareto_front(exact), pareto_front(paper)
    leaving = []
    for spec in paper_front:
        if spec not in exact_front:
            better = dominator(spec, exact)
            leaving.append(Leaver(by_spec[spec], None if better is None else by_spec[better]))
    return FrontChange(
        figure=points[0].figure,
        paper=tuple(by_spec[spec] for spec in paper_front),
        exact=tuple(by_spec[spec] for spec in exact_front),
        leaving=tuple(leaving),
        entering=tuple(by_spec[spec] for spec in exact_front if spec not in paper_front),
        by_series=_by_series(figure, paper_front, exact_front),
    )


def costs(points: Sequence[Point], devices: Mapping[str, str]) -> list[Cost]:
    """Fronts of all models by parameters, MACs in both conventions, and time on each device.

    Args:
        points: of one or several figures; a model that is in several counts once.
        devices: label of each device that timed the models.
    """
    models = {point.spec: point for point in points}
    tables: dict[str, dict[str, Tradeoff]] = {
        "Parameters": {spec: Tradeoff(point.parameters, point.psds1) for spec, point in models.items()},
        "MACs, exact": {spec: Tradeoff(point.macs_exact, point.psds1) for spec, point in models.items()},
        "MACs, published convention": {
            spec: Tradeoff(point.macs_paper, point.psds1) for spec, point in models.items()
        },
    }
    for device, label in devices.items():
        tables[f"Time, {label}"] = {
            spec: Tradeoff(1 / point.throughput[device].value, point.psds1)
            for spec, point in models.items()
            if device in point.throughput
        }
    return [Cost(label, pareto_front(table), len(table)) for label, table in tables.items() if table]


def _by_series(
    figure: FigureDefinition, paper: Sequence[str], exact: Sequence[str]
) -> dict[str, tuple[int, int]]:
    before, after = (Counter(_label(figure, spec) for spec in front) for front in (paper, exact))
    labels = dict.fromkeys(_label(figure, spec) for spec in figure.specs)
    return {label: (before[label], after[label]) for label in labels if before[label] or after[label]}


def _label(figure: FigureDefinition, spec: str) -> str:
    label = figure.label_of(spec).removeprefix("+").strip()
    # A backbone alone is one of its kind, whether it is a reference or in a series.
    return label if "+" in spec else "no sequence model"
