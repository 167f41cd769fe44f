"""Which models are worth their cost: the Pareto front of cost and score."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

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
