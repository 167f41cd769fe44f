"""Draws a trade-off figure: stacked panels that share the score, one horizontal axis per cost."""

from __future__ import annotations

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from effbench.plots.annotate import annotate
from effbench.plots.axes import HOLLOW, log_limits, log_ticks, marker_size, tick_label
from effbench.plots.caption import axis_label, caption
from effbench.plots.figures import ReferenceModel, Series
from effbench.plots.lettering import fitted, make_legible, text_width, wrapped
from effbench.plots.save import new_figure, style
from effbench.plots.select import TIMED, FigureData, PanelData
from effbench.results.measurement import UNITS

# Inches around and between the panels.
_LEFT, _RIGHT, _TITLE, _LEGEND_ROW, _BELOW_PANEL, _CAPTION_LINE = 0.62, 0.2, 0.36, 0.2, 0.5, 0.125
_TITLE_LINE = 0.17
# Inches of a panel with what belongs to it, of all else, and of a panel that is as low as can be read.
_PANEL, _FRAME, _LOWEST = 2.6, 1.4, 0.8
_LEGEND_COLUMNS, _USUAL_ROWS = 7, 2
_TITLE_SIZE, _LABEL_SIZES, _CAPTION_SIZE = 10, (9, 8, 7, 6), 6.5
_GREY = "#666666"
_DASHES = (0, (5, 3))


def draw(data: FigureData) -> Figure:
    """Figure of the chosen values, in effbench's own style."""
    with style():
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
    figure.text(_LEFT / width, 0.1 / height, "\n".join(lines), va="bottom", size=_CAPTION_SIZE, color=_GREY)
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
    scores = [value.value for value in data.scores.values.values()]
    room = 0.07 * (max(scores) - min(scores)) or 1.0
    panels[0].set_ylim(min(scores) - room, max(scores) + room)
    panels[0].yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    return panels


def _draw_panel(axes: Axes, data: FigureData, panel: PanelData) -> None:
    scores = data.scores.values
    for reference in data.definition.references:
        axes.axhline(scores[reference.spec].value, color=reference.colour, lw=0.9, ls=_DASHES, zorder=1.5)
    hollow = panel.chosen.provenance == "published" and panel.chosen.device is None
    for look in data.definition.looks:
        _draw_models(axes, look, data, panel, hollow)
    low, high = log_limits(*_ends(panel))
    axes.set_xscale("log")
    axes.set_xlim((high, low) if panel.panel.reversed else (low, high))
    axes.xaxis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    unit = UNITS[panel.chosen.quantity]
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value, unit)))
    box = axes.get_window_extent()
    label, size = _label(axes, axis_label(panel, data.macs), box.width)
    axes.set_xlabel(label, size=size, labelpad=3)
    label, size = _label(axes, data.definition.score.label, box.height)
    axes.set_ylabel(label, size=size)


def _label(axes: Axes, content: str, space: float) -> tuple[str, float]:
    """Label of an axis of ``space`` pixels, and its size: a long one is smaller, or cut."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # an axes is made by its figure
    sizes = (size for size in _LABEL_SIZES if text_width(figure, content, size) <= space)
    size = next(sizes, _LABEL_SIZES[-1])
    return fitted(figure, content, space, size), size


def _draw_models(
    axes: Axes, look: Series | ReferenceModel, data: FigureData, panel: PanelData, hollow: bool
) -> None:
    """A line with markers and intervals, and the published values as larger hollow markers."""
    scores, costs, overlay = data.scores.values, panel.chosen.values, panel.overlay
    colour, size = look.colour, marker_size(look)
    shown = [spec for spec in look.specs if spec in costs]
    for spec in shown:
        low, high, score = costs[spec].low, costs[spec].high, scores[spec].value
        if low is not None and high is not None:
            axes.plot([low, high], [score, score], color=colour, lw=2.4, alpha=0.45, zorder=2.2)
    x, y = [costs[spec].value for spec in shown], [scores[spec].value for spec in shown]
    face, edge, width = ("white", colour, 0.9) if hollow else (colour, "white", 0.5)
    axes.plot(x, y, color=colour, marker=look.marker, ms=size, mfc=face, mec=edge, mew=width, zorder=2.5)
    extra = [spec for spec in look.specs if spec in overlay]
    if extra:
        x, y = [overlay[spec].value for spec in extra], [scores[spec].value for spec in extra]
        size *= HOLLOW
        axes.plot(x, y, ls="", marker=look.marker, mfc="none", mec=colour, ms=size, mew=0.8, zorder=2.4)


def _ends(panel: PanelData) -> tuple[float, float]:
    """Lowest and highest cost, intervals included."""
    values = (*panel.chosen.values.values(), *panel.overlay.values())
    ends = [end for value in values for end in (value.low, value.value, value.high) if end and end > 0]
    return min(ends), max(ends)


def _legend_rows(figure: Figure, data: FigureData, space: float) -> list[list[Line2D]]:
    """Legend entries, in lines of ``space`` pixels: the series, then what they are compared with."""
    series = [_legend_line(look) for look in data.definition.series]
    others = [_legend_line(look, dashed=True) for look in data.definition.references]
    timings = [panel.chosen for panel in data.panels if panel.chosen.quantity in TIMED]
    hollow = any(chosen.provenance == "published" for chosen in timings)
    if hollow or any(panel.overlay for panel in data.panels):
        others.append(Line2D([], [], ls="", marker="o", mfc="none", mec=_GREY, label="published"))
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


def _legend_line(look: Series | ReferenceModel, *, dashed: bool = False) -> Line2D:
    line = Line2D([], [], color=look.colour, marker=look.marker, ms=marker_size(look), label=look.label)
    if dashed:
        line.set(linestyle=_DASHES, linewidth=0.9)
    return line
