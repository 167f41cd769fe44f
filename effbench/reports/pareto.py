"""Which models are worth their cost: the Pareto front, of cost and score or of any number of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from effbench.results.dominance import Name, dominates, undominated

if TYPE_CHECKING:
    from effbench.reports.comparison import Point


class Tradeoff(NamedTuple):
    """What something costs (less is better) and what it achieves (more is better)."""

    cost: float
    score: float

    @property
    def gains(self) -> tuple[float, float]:
        """The same as ``Gains``, the cost first."""
        return -self.cost, self.score

    def dominates(self, other: Tradeoff) -> bool:
        """Whether this is at least as good in both, and better in one."""
        return dominates(self.gains, other.gains)


def pareto_front(points: Mapping[Name, Tradeoff]) -> tuple[Name, ...]:
    """Names of the points that no other point dominates, from the cheapest to the best.

    Points that are equal in both stand or fall together.
    """
    return undominated({name: point.gains for name, point in points.items()})


def dominator(name: Name, points: Mapping[Name, Tradeoff]) -> Name | None:
    """The best-scoring point that dominates the named one (the cheapest of equals); ``None`` on the front."""
    better = [other for other in points if points[other].dominates(points[name])]
    return min(better, key=lambda other: (-points[other].score, points[other].cost), default=None)


@dataclass(frozen=True)
class Cost:
    """One way to measure what a model costs, the models on its Pareto front (cheapest first), and the number
    of models of which the cost is known."""

    label: str
    front: tuple[str, ...]
    models: int


def costs(points: Sequence[Point], devices: Mapping[str, str]) -> list[Cost]:
    """Fronts of all models by parameters, MACs in both conventions, and time on each device (with its label).

    A model that is in several figures counts once.
    """
    models = {point.spec: point for point in points}
    known = {
        "Parameters": {spec: point.parameters for spec, point in models.items()},
        "MACs, exact": {spec: point.macs_exact for spec, point in models.items()},
        "MACs, published convention": {spec: point.macs_paper for spec, point in models.items()},
    }
    for device, label in devices.items():
        timed = [point for point in models.values() if device in point.throughput]
        known[f"Time, {label}"] = {point.spec: 1 / point.throughput[device].value for point in timed}
    found = []
    for label, values in known.items():
        tradeoffs = {spec: Tradeoff(value, models[spec].psds1) for spec, value in values.items()}
        if tradeoffs:
            found.append(Cost(label, pareto_front(tradeoffs), len(tradeoffs)))
    return found
