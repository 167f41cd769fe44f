"""The Pareto fronts of what a panel shows: one for each group of series whose values may be compared."""

from __future__ import annotations

from collections.abc import Iterator

from effbench.plots.figure_data import AxisData, FigureData, Look, Plotted
from effbench.plots.quantities import ON_A_DEVICE
from effbench.results.dominance import undominated
from effbench.results.measurement import more_is_better

Position = tuple[float, float]


def fronts(data: FigureData, panel: AxisData) -> Iterator[tuple[tuple[Look, ...], list[Position]]]:
    """For each group of series of one device and setting, the corners of its front as a step line.

    Between two models of the front nothing is better than the cheaper one, up to the other's value.
    """
    groups: dict[object, list[Plotted]] = {}
    for point in data.points(panel):
        groups.setdefault(_machine(data.y, point.look) + _machine(panel, point.look), []).append(point)
    for points in groups.values():
        looks = tuple({point.look.label: point.look for point in points}.values())
        yield looks, _steps(data, panel, points)


def _machine(axis: AxisData, look: Look) -> tuple[object, ...]:
    """Which of the choices of an axis a series has, where that is of a device and setting."""
    return (id(axis.of[look.label]),) if axis.axis.quantity in ON_A_DEVICE else (None,)


def _steps(data: FigureData, panel: AxisData, points: list[Plotted]) -> list[Position]:
    right, up = (
        1 if more_is_better(next(iter(axis.of.values())).quantity) else -1 for axis in (panel, data.y)
    )
    gains = {number: (right * p.x.value, up * p.y.value) for number, p in enumerate(points)}
    corners: list[Position] = []
    for number in undominated(gains):
        point = points[number]
        if corners:
            corners.append((point.x.value, corners[-1][1]))
        corners.append((point.x.value, point.y.value))
    return corners
