"""The shape of a Pareto front in numbers: its knee, and the volume that it dominates."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from effbench.results.dominance import Gains, Name, undominated

#: A front whose furthest point bulges less than this, of 1, has no knee.
_FLAT = 1e-9


def knee(points: Mapping[Name, Gains]) -> tuple[Name, ...]:
    """The points of a front that bulge furthest out, none where no point lies beyond the plane of its ends.

    Every metric is scaled to 0 for the worst and 1 for the best on the front; one in which all are equal says
    nothing. With two metrics that is the point furthest from the line between the ends of the front; with
    more, from the plane through the points that are best in one metric and worst in all others.

    Source: Das 1999, "On characterizing the knee of the Pareto curve", Structural Optimization 18.
    """
    if not points:
        return ()
    values = np.array([list(gains) for gains in points.values()], dtype=np.float64)
    finite = np.where(np.isfinite(values), values, np.nan)
    telling = [np.unique(column[~np.isnan(column)]).size > 1 for column in finite.T]
    if not any(telling):
        return ()
    low, high = np.nanmin(finite[:, telling], axis=0), np.nanmax(finite[:, telling], axis=0)
    bulge = np.clip((values[:, telling] - low) / (high - low), 0, 1).sum(axis=1) - 1
    if bulge.max() <= _FLAT:
        return ()
    return tuple(name for name, distance in zip(points, bulge, strict=True) if distance == bulge.max())


def hypervolume(points: Sequence[Gains], reference: Gains) -> float:
    """Volume between a finite reference point and what any of the points dominates, exactly.

    A point that is not better than the reference in every metric adds nothing; one that is, and infinitely so
    in one, makes the volume infinite. It is cut point by point into what only that point dominates.

    Source: While, Bradstreet and Barone 2012, "A fast way of calculating exact hypervolumes" (WFG).
    """
    if not all(map(math.isfinite, reference)):
        raise ValueError("a reference point is finite")
    extents = [tuple(map(operator.sub, gains, reference)) for gains in points]
    extents = [extent for extent in extents if min(extent) > 0]
    return math.inf if any(math.inf in extent for extent in extents) else _volume(extents)


def _volume(extents: Iterable[Gains]) -> float:
    """Volume of the union of boxes from the origin to these corners."""
    corners = undominated({corner: corner for corner in map(tuple, extents)})
    if corners and len(corners[0]) == 1:
        return corners[0][0]
    total = 0.0
    for number, corner in enumerate(corners):
        # Those that follow reach less far in the first metric, so what they share with this one is as far
        # from the origin in it as they are.
        total += math.prod(corner) - _volume(
            tuple(map(min, corner, other)) for other in corners[number + 1 :]
        )
    return total


def probability_on_front(samples: ArrayLike) -> np.ndarray:
    """Share of draws in which each point is on the front: (points,), from gains (points, metrics, draws)."""
    drawn = np.asarray(samples, dtype=np.float64)
    # Points that are good in all metrics beat most others in every draw, after which nothing is left to do.
    ranks = np.median(drawn, axis=2).argsort(axis=0).argsort(axis=0).sum(axis=1)
    strongest_first = drawn[np.argsort(-ranks)]
    result = np.ones(len(drawn))
    for number, point in enumerate(drawn):
        beaten = np.zeros(drawn.shape[2], dtype=bool)
        for other in strongest_first:
            beaten |= (other >= point).all(axis=0) & (other > point).any(axis=0)
            if beaten.all():
                break
        result[number] = 1 - beaten.mean()
    return result
