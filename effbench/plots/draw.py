"""Draws a trade-off figure: stacked panels that share the vertical axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis as DrawnAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from effbench.plots.annotate import annotate
from effbench.plots.axes import HOLLOW, linear_limits, log_limits, log_ticks, marker_size, tick_label
from effbench.plots.caption import axis_label, caption
from effbench.plots.choices import Theme
from effbench.plots.colours import grey, ground, standing_out
from effbench.plots.figure_data import AxisData, FigureData, Look, Plotted
from effbench.plots.front import fronts
from effbench.plots.lettering import fitted, make_legible, text_width, wrapped
from effbench.plots.origins import is_published, measured_series, mixes_origins
from effbench.plots.quantities import ON_A_DEVICE, is_score
from effbench.plots.save import new_figure, style
from effbench.plots.values import Value
from effbench.results.measurement import UNITS

# Inches around and between the panels.
_LEFT, _RIGHT, _TITLE, _LEGEND_ROW, _BELOW_PANEL, _CAPTION_LINE = 0.62, 0.2, 0.36, 0.2, 0.5, 0.125
_TITLE_LINE = 0.17
# Inches of a panel with what belongs to it, of all else, and of a panel that is as low as can be read.
_PANEL, _FRAME, _LOWEST = 2.6, 1.4, 0.8
_LEGEND_COLUMNS, _USUAL_ROWS = 7, 2
_TITLE_SIZE, _LABEL_SIZES, _CAPTION_SIZE = 10, (9, 8, 7, 6), 6.5
_DASHES = (0, (5, 3))
_FRONT_WIDTH, _FRONT_DASHES = 1.1, (0, (2, 1.2))


def draw(data: FigureData, theme: Theme = Theme.light) -> Figure:
    """Figure of the chosen values, in effbench's own style."""
    with style(theme):
        return _draw(data)


def _draw(data: FigureData) -> Figure:
    definition, count = data.definition, len(data.panels)
    width, usual = definition.width, round(count * _PANEL + _FRAME, 2)
    figure = new_figure(width, definition.height or usual)
    space = (width - _LEFT - _RIGHT) * figure.dpi
    legend = _legend_rows(figure, data, space)
    title = wrapped(figure, definition.title, space, _TITLE_SIZE, "bold")
    lines = wrapped(figure, caption(data), space, _CAPTION_SIZE)
    above = _TITLE + (len(title) - 1) * _TITLE_LINE
    top, bottom = above + len(legend) * _LEGEND_ROW + 0.08, len(lines) * _CAPTION_LINE + 0.1
    longer = above - _TITLE + max(0, len(legend) - _USUAL_ROWS) * _LEGEND_ROW
    least = top + bottom + count * (_LOWEST + _BELOW_PANEL)
    height = max(definition.height or usual + longer, least)
    if height > figure.get_figheight():
        figure.set_figheight(height)
    panels = _add_panels(figure, data, top, bottom)
    heading = "\n".join(title)
    figure.text(_LEFT / width, 1 - 0.12 / height, heading, va="top", size=_TITLE_SIZE, weight="bold")
    for index, handles in enumerate(legend):
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=((_LEFT - 0.06) / width, 1 - (above + index * _LEGEND_ROW) / height),
            ncols=len(handles),
        )
    figure.text(_LEFT / width, 0.1 / height, "\n".join(lines), va="bottom", size=_CAPTION_SIZE, color=grey())
    make_legible(figure.findobj(Text))
    figure.canvas.draw()
    for axes, panel in zip(panels, data.panels, strict=True):
        annotate(axes, data, panel)
    return figure


def _add_panels(figure: Figure, data: FigureData, top: float, bottom: float) -> list[Axes]:
    """Axes with everything but the labels of the points; ``top`` and ``bottom`` are inches kept free."""
    width, height = map(float, figure.get_size_inches())
    count = len(data.panels)
    tall = (height - top - bottom - count * _BELOW_PANEL) / count
    panels: list[Axes] = []
    for index, panel in enumerate(data.panels):
        base = height - top - (index + 1) * tall - index * _BELOW_PANEL
        bounds = (_LEFT / width, base / height, 1 - (_LEFT + _RIGHT) / width, tall / height)
        axes = figure.add_axes(bounds, sharey=panels[0] if panels else None)
        _draw_panel(axes, data, panel)
        panels.append(axes)
    low, high = _ends([point.y for panel in data.panels for point in data.points(panel)], data.y)
    _scale(panels[0].yaxis, data.y, low, high)
    return panels


def _draw_panel(axes: Axes, data: FigureData, panel: AxisData) -> None:
    for reference in data.definition.references:
        if level := data.y.value(reference, reference.spec):
            colour = standing_out(reference.colour)
            axes.axhline(level.value, color=colour, lw=0.9, ls=_DASHES, zorder=1.5)
    points = data.points(panel)
    for look in data.definition.looks:
        _draw_look(axes, look, data, panel, [point for point in points if point.look is look])
    if data.definition.front:
        for looks, corners in fronts(data, panel):
            colour = standing_out(looks[0].colour) if len(looks) == 1 else grey()
            x, y = zip(*corners, strict=True)
            axes.plot(x, y, color=colour, lw=_FRONT_WIDTH, ls=_FRONT_DASHES, zorder=2.1)
    low, high = _ends([*(point.x for point in points), *panel.overlay.values()], panel)
    _scale(axes.xaxis, panel, low, high)
    box = axes.get_window_extent()
    label, size = _label(axes, axis_label(panel, data.macs), box.width)
    axes.set_xlabel(label, size=size, labelpad=3)
    label, size = _label(axes, axis_label(data.y, data.macs), box.height)
    axes.set_ylabel(label, size=size)


def _scale(drawn: DrawnAxis, data: AxisData, low: float, high: float) -> None:
    """Scale, ends and ticks of an axis that holds ``low`` to ``high``."""
    unit = UNITS[data.choices[0].quantity]
    logarithmic = data.axis.drawn_scale == "log"
    ends = log_limits(low, high) if logarithmic else linear_limits(low, high)
    set_scale, set_limits = (
        (drawn.axes.set_xscale, drawn.axes.set_xlim)
        if drawn is drawn.axes.xaxis
        else (drawn.axes.set_yscale, drawn.axes.set_ylim)
    )
    if logarithmic:
        set_scale("log")
    set_limits(*(reversed(ends) if data.axis.reversed else ends))
    if logarithmic:
        drawn.set_major_locator(FixedLocator(log_ticks(*ends)))
        drawn.set_minor_locator(NullLocator())
    else:
        drawn.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    if logarithmic or not is_score(data.axis.quantity):
        drawn.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value, unit)))


def _label(axes: Axes, content: str, space: float) -> tuple[str, float]:
    """Label of an axis of ``space`` pixels, and its size: a long one is smaller, or cut."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # an axes is made by its figure
    sizes = (size for size in _LABEL_SIZES if text_width(figure, content, size) <= space)
    size = next(sizes, _LABEL_SIZES[-1])
    return fitted(figure, content, space, size), size


def _draw_look(axes: Axes, look: Look, data: FigureData, panel: AxisData, points: Sequence[Plotted]) -> None:
    """A line with markers and intervals, and the published values as larger hollow markers."""
    colour, size = standing_out(look.colour), marker_size(look)
    bar: dict[str, Any] = {"color": colour, "lw": 2.4, "alpha": 0.45, "zorder": 2.2}
    for point in points:
        (left, right), (low, high) = _interval(point.x), _interval(point.y)
        if left != right:
            axes.plot([left, right], [point.y.value] * 2, **bar)
        if low != high:
            axes.plot([point.x.value] * 2, [low, high], **bar)
    hollow = [is_published(data, panel, point) for point in points]
    kinds = dict.fromkeys(hollow)
    if look.line and len(kinds) > 1:
        axes.plot(*_positions(points), color=colour, zorder=2.3)
    for kind in kinds:
        face, edge, width = (ground(), colour, 0.9) if kind else (colour, ground(), 0.5)
        line = rcParams["lines.linestyle"] if look.line and len(kinds) == 1 else ""
        alike = [point for point, other in zip(points, hollow, strict=True) if other is kind]
        axes.plot(
            *_positions(alike),
            color=colour,
            ls=line,
            marker=look.marker,
            ms=size,
            mfc=face,
            mec=edge,
            mew=width,
            zorder=2.5,
        )
    over = [point for point in data.overlaid(panel) if point.look is look]
    if over:
        x, y = _positions(over)
        axes.plot(
            x, y, ls="", marker=look.marker, mfc="none", mec=colour, ms=size * HOLLOW, mew=0.8, zorder=2.4
        )


def _positions(points: Sequence[Plotted]) -> tuple[list[float], list[float]]:
    return [point.x.value for point in points], [point.y.value for point in points]


def _interval(value: Value) -> tuple[float, float]:
    """Ends of the 95 % interval; the value itself where it has none."""
    if value.low is None or value.high is None:
        return value.value, value.value
    return value.low, value.high


def _ends(values: Iterable[Value], data: AxisData) -> tuple[float, float]:
    """Lowest and highest of some values, intervals included as far as the axis can show them."""
    logarithmic = data.axis.drawn_scale == "log"
    ends = [end for value in values for end in (*_interval(value), value.value) if end > 0 or not logarithmic]
    return min(ends), max(ends)


def _legend_rows(figure: Figure, data: FigureData, space: float) -> list[list[Line2D]]:
    """Legend entries, in lines of ``space`` pixels: the series, then what they are compared with."""
    measured = measured_series(data)
    series = [_legend_line(look, measured=look.label in measured) for look in data.definition.series]
    others = [_legend_line(look, dashed=True) for look in data.definition.references]
    timings = [c for panel in data.axes if panel.axis.quantity in ON_A_DEVICE for c in panel.choices]
    hollow = mixes_origins(data) or any(chosen.provenance == "published" for chosen in timings)
    if hollow or any(panel.overlay for panel in data.panels):
        others.append(Line2D([], [], ls="", marker="o", mfc="none", mec=grey(), label="published"))
    if data.definition.front:
        others.append(Line2D([], [], color=grey(), lw=_FRONT_WIDTH, ls=_FRONT_DASHES, label="Pareto front"))
    groups = [series + others] if len(series + others) <= _LEGEND_COLUMNS else [series, others]
    return [row for group in groups for row in _in_rows(figure, group, space)]


def _in_rows(figure: Figure, entries: list[Line2D], space: float) -> list[list[Line2D]]:
    """Entries as many to a line as fit; a label that is longer than a line is cut."""
    size = float(rcParams["legend.fontsize"])
    pixels = size * figure.dpi / 72
    gap = float(rcParams["legend.columnspacing"]) * pixels
    extra = float(rcParams["legend.handlelength"] + rcParams["legend.handletextpad"]) * pixels + gap
    rows: list[list[Line2D]] = []
    left = 0.0
    for entry in entries:
        entry.set_label(fitted(figure, str(entry.get_label()), space - extra, size))
        width = text_width(figure, str(entry.get_label()), size) + extra
        if not rows or width > left or len(rows[-1]) == _LEGEND_COLUMNS:
            rows.append([])
            left = space + gap  # none follows the last column
        rows[-1].append(entry)
        left -= width
    return rows


def _legend_line(look: Look, *, dashed: bool = False, measured: bool = False) -> Line2D:
    label = f"{look.label} (measured)" if measured else look.label
    line = Line2D(
        [], [], color=standing_out(look.colour), marker=look.marker, ms=marker_size(look), label=label
    )
    if dashed:
        line.set(linestyle=_DASHES, linewidth=0.9)
    elif not look.line:
        line.set(linestyle="")
    return line
