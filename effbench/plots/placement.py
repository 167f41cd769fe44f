"""Places small labels beside points, where they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import hypot

#: Directions to try, the best first: above, below, and to the sides.
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))

#: Distances to try, in gaps; and how many places further down the list a place without a line may be.
_REACHES = (1.0, 1.7, 2.4)
_LINE_COST = 12


@dataclass(frozen=True)
class Box:
    """A rectangle on the canvas: centre and size."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share area."""
        return (
            abs(self.x - other.x) * 2 < self.width + other.width
            and abs(self.y - other.y) * 2 < self.height + other.height
        )

    def within(self, other: Box) -> bool:
        """Whether this one lies inside the other."""
        return (
            abs(self.x - other.x) * 2 + self.width <= other.width
            and abs(self.y - other.y) * 2 + self.height <= other.height
        )

    def crossed_by(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether a straight line runs through it (Liang and Barsky's clipping)."""
        low, high = 0.0, 1.0
        for delta, origin, centre, size in (
            (end[0] - start[0], start[0], self.x, self.width),
            (end[1] - start[1], start[1], self.y, self.height),
        ):
            first, last = centre - size / 2 - origin, centre + size / 2 - origin
            if delta == 0:
                if first > 0 or last < 0:
                    return False
                continue
            enter, leave = sorted((first / delta, last / delta))
            low, high = max(low, enter), min(high, leave)
        return low <= high


def place(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    frame: Box,
    obstacles: Sequence[Box],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    gap: float,
) -> list[Box | None]:
    """Box of each label, beside its anchor; ``None`` where it would cover a point or another label.

    Among the free places, those that no line runs through are preferred, then the nearest. Labels take
    turns: crowded ones first, since they have the fewest places.

    Args:
        anchors: points to be labelled, in pixels.
        sizes: width and height of each label, in pixels.
        frame: where labels may lie.
        obstacles: boxes that must stay free, those of the points included.
        lines: line segments that had better stay free.
        gap: distance between a point and its label, in pixels.
    """
    placed: list[Box | None] = [None] * len(anchors)
    taken = list(obstacles)
    crowding = [sum(hypot(x - other.x, y - other.y) < 6 * gap for other in obstacles) for x, y in anchors]
    for index in sorted(range(len(anchors)), key=lambda index: -crowding[index]):
        best: tuple[float, Box] | None = None
        for rank, box in enumerate(_candidates(anchors[index], sizes[index], gap)):
            if not box.within(frame) or any(box.overlaps(other) for other in taken):
                continue
            cost = _LINE_COST * sum(box.crossed_by(*line) for line in lines) + rank
            if best is None or cost < best[0]:
                best = cost, box
        if best is not None:
            placed[index] = best[1]
            taken.append(best[1])
    return placed


def _candidates(anchor: tuple[float, float], size: tuple[float, float], gap: float) -> list[Box]:
    boxes = []
    for reach, (right, up) in product(_REACHES, _DIRECTIONS):
        x = anchor[0] + right * (gap * reach + size[0] / 2)
        y = anchor[1] + up * (gap * reach + size[1] / 2)
        boxes.append(Box(x, y, *size))
    return boxes
