"""Which points of a figure are published, so that they can be told from measured ones."""

from __future__ import annotations

from effbench.plots.figure_data import AxisData, FigureData, Look, Plotted
from effbench.plots.quantities import ON_A_DEVICE, is_score


def is_published(data: FigureData, panel: AxisData, point: Plotted) -> bool:
    """Whether a point is drawn hollow: its time is published, or its score where others are measured."""
    timed = [axis for axis in (data.y, panel) if axis.axis.quantity in ON_A_DEVICE]
    if any(axis.of[point.look.label].provenance == "published" for axis in timed):
        return True
    return mixes_origins(data) and point.spec not in _measured(data, point.look)


def mixes_origins(data: FigureData) -> bool:
    """Whether the vertical axis shows published scores beside measured ones."""
    if not is_score(data.y.axis.quantity):
        return False
    return len({origin for chosen in data.y.choices for origin in chosen.rows["provenance"]}) > 1


def measured_series(data: FigureData) -> set[str]:
    """Labels of the series with measured scores in a figure that has published ones, too."""
    if not mixes_origins(data):
        return set()
    return {look.label for look in data.definition.looks if _measured(data, look) & set(look.specs)}


def _measured(data: FigureData, look: Look) -> set[str]:
    return set(data.y.of[look.label].measured.rows["spec"])
