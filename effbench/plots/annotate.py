"""Names beside lines and points of a drawn panel, where they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import hypot

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Text

from effbench.plots.axes import HOLLOW, marker_size
from effbench.plots.colours import for_text
from effbench.plots.figure_data import AxisData, FigureData, Plotted
from effbench.plots.figures import ReferenceModel, Series
from effbench.plots.lettering import fitted, make_legible
from effbench.spec import ModelSpec, is_spec

_SIZE = 6.2  # of the text, points

#: Directions to try, the best first: above, below, and to the sides.
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))

#: Distances to try, in gaps; and how many places further down the list a place without a line may be.
_REACHES = (1.0, 1.7, 2.4)
_LINE_COST = 12


Pixels = tuple[float, float]
Segment = tuple[Pixels, Pixels]


def annotate(axes: Axes, data: FigureData, panel: AxisData) -> None:
    """Name the dashed lines, and write each model's width beside its point; the figure must have been drawn.

    A width that would cover a point or another label is left out.
    """
    points = data.points(panel)
    at = [_pixels(axes, point.x.value, point.y.value) for point in points]
    obstacles = _markers(axes, data, panel, points, at)
    together = pairwise(zip(points, at, strict=True))
    lines = [(a, b) for (one, a), (other, b) in together if one.look is other.look and one.look.line]
    levels = [
        (look, value) for look in data.definition.references if (value := data.y.value(look, look.spec))
    ]
    for look, value in levels:
        obstacles.append(_name_line(axes, look, value.value, obstacles, lines))
    lines += [_dashed(axes, value.value) for _, value in levels]
    labelled = [number for number, point in enumerate(points) if isinstance(point.look, Series)]
    names = {look.label: _names(look) for look in data.definition.series}
    texts = [
        _text(axes, names[look.label][points[number].spec], look.colour)
        for number in labelled
        for look in [points[number].look]
    ]
    boxes = place(
        [at[number] for number in labelled],
        [_extent(text) for text in texts],
        frame=_frame(axes),
        obstacles=obstacles,
        lines=lines,
        gap=max(box.width for box in obstacles[: len(at)]) / 2 + _pixels_per_point(axes),
    )
    for text, box in zip(texts, boxes, strict=True):
        if box is None:
            text.remove()
        else:
            _move(axes, text, box)


def name_points(
    axes: Axes, names: Sequence[str], at: Sequence[tuple[float, float]], lines: Sequence[Line2D]
) -> None:
    """Write names beside points (in data), off the lines where that goes; the figure must have been drawn.

    A name that would cover a point or another name is left out.
    """
    anchors = [_pixels(axes, *point) for point in at]
    side = float(rcParams["lines.markersize"]) * _pixels_per_point(axes)
    texts = [_text(axes, name, rcParams["text.color"]) for name in names]
    paths = [[_pixels(axes, x, y) for x, y in np.asarray(line.get_xydata())] for line in lines]
    boxes = place(
        anchors,
        [_extent(text) for text in texts],
        frame=_frame(axes),
        obstacles=[Box(*anchor, side, side) for anchor in anchors],
        lines=[segment for path in paths for segment in pairwise(path)],
        gap=side / 2 + _pixels_per_point(axes),
    )
    for text, box in zip(texts, boxes, strict=True):
        if box is None:
            text.remove()
        else:
            _move(axes, text, box)


def _markers(
    axes: Axes, data: FigureData, panel: AxisData, points: Sequence[Plotted], at: Sequence[Pixels]
) -> list[Box]:
    """Boxes around the markers, then around the overlaid ones."""
    scale = _pixels_per_point(axes)
    sizes = [marker_size(point.look) * scale for point in points]
    boxes = [Box(*where, size, size) for where, size in zip(at, sizes, strict=True)]
    for over in data.overlaid(panel):
        side = marker_size(over.look) * scale * HOLLOW
        boxes.append(Box(*_pixels(axes, over.x.value, over.y.value), side, side))
    return boxes


def _dashed(axes: Axes, score: float) -> Segment:
    """Where a reference's dashed line runs."""
    left, right = axes.get_xlim()
    return _pixels(axes, left, score), _pixels(axes, right, score)


def _name_line(
    axes: Axes, reference: ReferenceModel, score: float, obstacles: list[Box], lines: list[Segment]
) -> Box:
    """Write a reference's name above or below its dashed line, at the end where it covers least."""
    frame = _frame(axes)
    figure = axes.get_figure(root=True)
    assert figure is not None  # an axes is made by its figure
    text = _text(axes, fitted(figure, reference.label, frame.width / 2, _SIZE), reference.colour)
    width, height = _extent(text)
    gap = 1.5 * _pixels_per_point(axes)
    line = _dashed(axes, score)[0][1]
    candidates = [
        Box(frame.x + side * (frame.width - width) / 2, line + up * (gap + height / 2), width, height)
        for side in (1, -1)
        for up in (1, -1)
    ]
    best = min(
        candidates,
        key=lambda box: (
            2 * sum(box.overlaps(other) for other in obstacles)
            + sum(box.crossed_by(*segment) for segment in lines)
        ),
    )
    _move(axes, text, best)
    return best


def _names(series: Series) -> dict[str, str]:
    """What the points of a series are called: by their width, or in full where some share one."""
    widths = {spec: _width(spec) for spec in series.specs}
    return widths if len(set(widths.values())) == len(widths) else {spec: spec for spec in widths}


def _width(spec: str) -> str:
    """What a point is called: the width of its sequence model, or its backbone where it has none."""
    if not is_spec(spec):
        return spec
    model = ModelSpec.parse(spec)
    return model.backbone if model.dim is None else str(model.dim)


def _text(axes: Axes, content: str, colour: str) -> Text:
    text = axes.text(
        0,
        0,
        content,
        transform=axes.transAxes,
        size=_SIZE,
        color=for_text(colour),
        ha="center",
        va="center",
        zorder=3,
    )
    make_legible([text])
    return text


def _move(axes: Axes, text: Text, box: Box) -> None:
    """Centre a text on a box; in parts of the axes, so that it stays there at every resolution."""
    x, y = axes.transAxes.inverted().transform((box.x, box.y))
    text.set_position((float(x), float(y)))


def _pixels(axes: Axes, x: float, y: float) -> Pixels:
    right, up = axes.transData.transform((x, y))
    return float(right), float(up)


def _pixels_per_point(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    assert figure is not None  # an axes is made by its figure
    return float(figure.dpi) / 72


def _extent(text: Text) -> Pixels:
    extent = text.get_window_extent()
    return float(extent.width), float(extent.height)


def _frame(axes: Axes) -> Box:
    box = axes.get_window_extent()
    return Box((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.width, box.height)


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

    def crossed_by(self, start: Pixels, end: Pixels) -> bool:
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
    anchors: Sequence[Pixels],
    sizes: Sequence[Pixels],
    *,
    frame: Box,
    obstacles: Sequence[Box],
    lines: Sequence[Segment],
    gap: float,
) -> list[Box | None]:
    """Box of each label, beside its anchor; ``None`` where it would cover a point or another label.

    Labels lie inside ``frame``, at least ``gap`` from their points, off the ``obstacles`` (points too) and
    preferably off the ``lines``, then as near as possible. Crowded ones choose first, since they have the
    fewest places. All numbers are pixels.
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


def _candidates(anchor: Pixels, size: Pixels, gap: float) -> list[Box]:
    boxes = []
    for reach, (right, up) in product(_REACHES, _DIRECTIONS):
        x = anchor[0] + right * (gap * reach + size[0] / 2)
        y = anchor[1] + up * (gap * reach + size[1] / 2)
        boxes.append(Box(x, y, *size))
    return boxes
