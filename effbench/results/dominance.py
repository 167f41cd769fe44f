"""Which of several points no other one betters in everything: their Pareto front."""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)

#: What a model achieves in every metric, more is better: costs with their sign turned.
Gains = Sequence[float]


def undominated(points: Mapping[Name, Gains]) -> tuple[Name, ...]:
    """Names of the points that no other point dominates, the best in the first metric first.

    A point dominates another if it is at least as good in all metrics, and better in one; so points that are
    equal in all stand or fall together. Infinite gains are compared as numbers; NaN is a ``ValueError``.
    """
    if any(math.isnan(gain) for gains in points.values() for gain in gains):
        raise ValueError("a gain is not a number")
    front: list[Name] = []
    # In this order, what dominates a point comes before it.
    for name in sorted(points, key=lambda name: tuple(points[name]), reverse=True):
        if not any(dominates(points[other], points[name]) for other in reversed(front)):
            front.append(name)
    return tuple(front)


def dominates(one: Gains, other: Gains) -> bool:
    """Whether the first is at least as good in all metrics, and better in one."""
    return all(map(operator.ge, one, other)) and any(map(operator.gt, one, other))
