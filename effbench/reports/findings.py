"""What the numbers say: where counting conventions differ, which models are worth their cost, and whether the
paper's claim holds: events are detected as transformers do, with around 5 % of their parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.models import zoo
from effbench.models.cards import Training
from effbench.plots.figures import FigureDefinition
from effbench.plots.values import untimed
from effbench.reports.comparison import Point
from effbench.reports.pareto import Tradeoff, dominator, pareto_front
from effbench.spec import TRANSFORMERS, ModelSpec

#: Smallest difference between two conventions that counts as one.
NOTICEABLE = 0.01

#: What the published convention does to the MACs of a sequence model, where it does anything.
CAUSES = {
    "gru": "recurrent cells count as zero",
    "tcn": "every convolution counts twice, and so does the padding that is computed and thrown away",
    "mamba": "the state-space scan counts as zero",
}

#: The model of the claim, and the training that it was made for.
CHALLENGER = "fmn10+tf-256"
TRAINING: Training = "advanced-kd"
CLAIMED_SHARE = 0.05


@dataclass(frozen=True)
class Family:
    """Models of one series: lowest and highest ratio of MACs in the published convention to exact ones, which
    models have them, how many models there are, and why the conventions differ, if they do."""

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
    """The Pareto front of (MACs, PSDS1) of one figure in the published convention and with exact MACs.

    Attributes:
        figure: number of the published figure.
        paper, exact: models on the front, cheapest first.
        leaving, entering: models on the front in the published convention only, and with exact MACs only.
        by_series: how many models of each series are on the one front and on the other; series that are on
            neither are absent.
    """

    figure: int
    paper: tuple[Point, ...]
    exact: tuple[Point, ...]
    leaving: tuple[Leaver, ...]
    entering: tuple[Point, ...]
    by_series: Mapping[str, tuple[int, int]]


def families(points: Sequence[Point], figures: Sequence[FigureDefinition]) -> list[Family]:
    """Series of all figures (a label with and without ``+`` is one), those that differ most first."""
    members: dict[str, dict[str, float]] = {}
    for point in points:
        figure = next(figure for figure in figures if figure.published_figure == point.figure)
        label = _label(figure, point.spec)
        members.setdefault(label, {})[point.spec] = point.macs_paper / point.macs_exact
    found = []
    for label, ratios in members.items():
        low, high = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
        cause = CAUSES.get(ModelSpec.parse(low).sequence or "", "")
        found.append(Family(label, ratios[low], ratios[high], low, high, len(ratios), cause))
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
    before, after = (Counter(_label(figure, spec) for spec in front) for front in (paper_front, exact_front))
    labels = dict.fromkeys(_label(figure, spec) for spec in figure.specs)
    return FrontChange(
        figure=points[0].figure,
        paper=tuple(by_spec[spec] for spec in paper_front),
        exact=tuple(by_spec[spec] for spec in exact_front),
        leaving=tuple(leaving),
        entering=tuple(by_spec[spec] for spec in exact_front if spec not in paper_front),
        by_series={label: (before[label], after[label]) for label in labels if before[label] or after[label]},
    )


def _label(figure: FigureDefinition, spec: str) -> str:
    label = figure.label_of(spec).removeprefix("+").strip()
    # A backbone alone is one of its kind, whether it is a reference or in a series.
    return label if "+" in spec else "no sequence model"


@dataclass(frozen=True)
class Contender:
    """A model in the comparison: its published PSDS1 in per cent, and our counts (exact MACs per clip)."""

    spec: str
    psds1: float
    parameters: float
    macs: float


@dataclass(frozen=True)
class Claim:
    """The CNN of the claim, with the score of the training that the claim is about, against the transformers.

    Attributes:
        plain: its score after the training that all CNNs of the figures had, in per cent.
        rivals: the transformers, the best first.
        equals: the smallest CNN of the figures that scores at least as the weakest transformer, if any.
    """

    challenger: Contender
    plain: float
    rivals: tuple[Contender, ...]
    equals: Point | None

    @property
    def shares(self) -> tuple[float, float]:
        """Lowest and highest share of a transformer's parameters that the CNN has."""
        shares = [self.share(rival) for rival in self.rivals]
        return min(shares), max(shares)

    @property
    def beaten(self) -> tuple[Contender, ...]:
        """Transformers that score no higher than the CNN."""
        return tuple(rival for rival in self.rivals if rival.psds1 <= self.challenger.psds1)

    @property
    def gaps(self) -> tuple[float, float]:
        """The CNN's score less the weakest and less the best transformer's, points of PSDS1."""
        scores = [rival.psds1 for rival in self.rivals]
        return self.challenger.psds1 - min(scores), self.challenger.psds1 - max(scores)

    def share(self, rival: Contender) -> float:
        """The CNN's part of a transformer's parameters."""
        return self.challenger.parameters / rival.parameters

    def macs_share(self, rival: Contender) -> float:
        """The CNN's part of a transformer's MACs."""
        return self.challenger.macs / rival.macs


def claim(rows: pd.DataFrame, points: Sequence[Point]) -> Claim | None:
    """The claim, checked with our own counts; ``None`` where the transformers have not been counted."""
    specs = (CHALLENGER, *TRANSFORMERS)
    parameters, macs = (
        untimed(rows, name, specs, "measured").values for name in ("parameters", "macs_exact")
    )
    if any(spec not in values for spec in specs for values in (parameters, macs)):
        return None
    published = {spec: zoo.models()[ModelSpec.parse(spec)].card.published for spec in specs}

    def contender(spec: str, training: Training) -> Contender:
        score = published[spec][training].psds1
        return Contender(spec, score, parameters[spec].value, macs[spec].value)

    rivals = [contender(spec, "strong") for spec in TRANSFORMERS]
    weakest = min(rival.psds1 for rival in rivals)
    able = [point for point in points if point.psds1 >= weakest]
    return Claim(
        challenger=contender(CHALLENGER, TRAINING),
        plain=published[CHALLENGER]["strong"].psds1,
        rivals=tuple(sorted(rivals, key=lambda rival: -rival.psds1)),
        equals=min(able, key=lambda point: point.parameters, default=None),
    )
