"""The paper's claim: events are detected as transformers do, with around 5 % of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.models import zoo
from effbench.plots.values import untimed
from effbench.reports.points import Point
from effbench.spec import TRANSFORMERS, ModelSpec

FIGURE = "cnn-vs-transformers"

#: The model of the claim, and the training that it was made for.
CHALLENGER = "fmn10+tf-256"
TRAINING: zoo.Training = "advanced-kd"
CLAIMED_SHARE = 0.05

_QUANTITIES = ("parameters", "macs_exact")


@dataclass(frozen=True)
class Contender:
    """A model in the comparison.

    Attributes:
        spec: canonical model spec.
        psds1: published, in percent.
        parameters: counted here.
        macs: counted here, exact, per clip.
    """

    spec: str
    psds1: float
    parameters: float
    macs: float


@dataclass(frozen=True)
class Claim:
    """The CNN of the claim against the transformers.

    Attributes:
        challenger: the CNN, with the score of the training that the claim is about.
        plain: its score after the training that all CNNs of the figures had, in percent.
        rivals: the transformers, the best first.
        equals: the smallest CNN of the figures that scores at least as the weakest transformer, if any.
    """

    challenger: Contender
    plain: float
    rivals: tuple[Contender, ...]
    equals: Point | None

    @property
    def claimed(self) -> float:
        """Share of the transformers' parameters that the paper states."""
        return CLAIMED_SHARE

    @property
    def shares(self) -> tuple[float, float]:
        """Lowest and highest share of a transformer's parameters that the CNN has."""
        shares = [self.challenger.parameters / rival.parameters for rival in self.rivals]
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
    """The claim, checked with our own counts; ``None`` where the transformers have not been counted.

    Args:
        rows: of the results store.
        points: of the published figures.
    """
    specs = (CHALLENGER, *TRANSFORMERS)
    counts = {name: untimed(rows, name, specs, "measured").values for name in _QUANTITIES}
    if any(spec not in values for spec in specs for values in counts.values()):
        return None

    def contender(spec: str, psds1: float) -> Contender:
        return Contender(spec, psds1, *(counts[name][spec].value for name in _QUANTITIES))

    own = zoo.models()[ModelSpec.parse(CHALLENGER)].card.published
    rivals = [
        contender(spec, zoo.models()[ModelSpec(spec)].card.published["strong"].psds1) for spec in TRANSFORMERS
    ]
    weakest = min(rival.psds1 for rival in rivals)
    able = [point for point in points if point.psds1 >= weakest]
    return Claim(
        challenger=contender(CHALLENGER, own[TRAINING].psds1),
        plain=own["strong"].psds1,
        rivals=tuple(sorted(rivals, key=lambda rival: -rival.psds1)),
        equals=min(able, key=lambda point: point.parameters, default=None),
    )
