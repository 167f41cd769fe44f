"""Which models are worth their cost: the Pareto front of cost and score."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from effbench.reports.comparison import Point

Name = TypeVar("Name", bound=Hashable)


class Tradeoff(NamedTuple):
    """What something costs (less is better) and what it achieves (more is better)."""

    cost: float
    score: float

    def dominates(self, other: Tradeoff) -> bool:
        """Whether this is at least as good in both, and better in one."""
        return self.cost <= other.cost and self.score >= other.score and self != other


def pareto_front(points: Mapping[Name, Tradeoff]) -> tuple[Name, ...]:
    """Names of the points that no other point dominates, from the cheapest to the best.

    Points that are equal in both stand or fall together.
    """
    front: list[Name] = []
    best = Tradeoff(float("inf"), float("-inf"))
    for name in sorted(points, key=lambda name: (points[name].cost, -points[name].score)):
        point = points[name]
        if point.score > best.score or point == best:
            front.append(name)
            best = point
    return tuple(front)


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
