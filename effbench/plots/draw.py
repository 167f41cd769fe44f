"""Draws a trade-off figure: stacked panels that share the score, one horizontal axis per cost."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from effbench.plots.annotate import annotate
from effbench.plots.axes import HOLLOW, log_limits, log_ticks, marker_size, short
from effbench.plots.caption import axis_label, caption
from effbench.plots.figures import ReferenceModel, Series
from effbench.plots.save import new_figure, style
from effbench.plots.select import TIMED, FigureData, PanelData

# Inches around and between the panels.
_LEFT, _RIGHT, _TITLE, _LEGEND_ROW, _BELOW_PANEL, _CAPTION_LINE = 0.62, 0.2, 0.36, 0.2, 0.5, 0.125
_LEGEND_COLUMNS = 7
_CAPTION_SIZE = 6.5
_GREY = "#666666"
_DASHES = (0, (5, 3))


def draw(data: FigureData) -> Figure:
    """Figure of the chosen values, in effbench's own style."""
    with style():
        return _draw(data)


def _draw(data: FigureData) -> Figure:
    definition = data.definition
    width, height = definition.width, definition.height
    figure = new_figure(width, height)
    legend = _legend_rows(data)
    lines = _wrapped(figure, caption(data), (width - _LEFT - _RIGHT) * figure.dpi)
    top, bottom = _TITLE + len(legend) * _LEGEND_ROW + 0.08, len(lines) * _CAPTION_LINE + 0.1
    panels = _add_panels(figure, data, top, bottom)
    figure.text(_LEFT / width, 1 - 0.12 / height, definition.title, va="top", size=10, weight="bold")
    for index, handles in enumerate(legend):
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=((_LEFT - 0.06) / width, 1 - (_TITLE + index * _LEGEND_ROW) / height),
            ncols=len(handles),
        )
    figure.text(_LEFT / width, 0.1 / height, "\n".join(lines), va="bottom", size=_CAPTION_SIZE, color=_GREY)
    figure.canvas.draw()
    for axes, panel in zip(panels, data.panels, strict=True):
        annotate(axes, data, panel)
    return figure


def _add_panels(figure: Figure, data: FigureData, top: float, bottom: float) -> list[Axes]:
    """Axes with everything but the labels of the points; ``top`` and ``bottom`` are inches kept free."""
    width, height = data.definition.width, data.definition.height
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
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel(axis_label(panel, data.macs), labelpad=3)
    axes.set_ylabel(data.definition.score.label)


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


def _wrapped(figure: Figure, text: str, width: float) -> list[str]:
    """Text in lines of at most ``width`` pixels, in the size of the caption."""
    probe = figure.text(0, 0, "", size=_CAPTION_SIZE)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        probe.set_text(longer)
        if lines[-1] and probe.get_window_extent().width > width:
            lines.append(word)
        else:
            lines[-1] = longer
    probe.remove()
    return lines


def _legend_rows(data: FigureData) -> list[list[Line2D]]:
    """Legend entries, line by line: the series, then what they are compared with."""
    series = [_legend_line(look) for look in data.definition.series]
    others = [_legend_line(look, dashed=True) for look in data.definition.references]
    timings = [panel.chosen for panel in data.panels if panel.chosen.quantity in TIMED]
    hollow = any(chosen.provenance == "published" for chosen in timings)
    if hollow or any(panel.overlay for panel in data.panels):
        others.append(Line2D([], [], ls="", marker="o", mfc="none", mec=_GREY, label="published"))
    columns = _LEGEND_COLUMNS
    groups = [series + others] if len(series + others) <= columns else [series, others]
    return [group[start : start + columns] for group in groups for start in range(0, len(group), columns)]


def _legend_line(look: Series | ReferenceModel, *, dashed: bool = False) -> Line2D:
    line = Line2D([], [], color=look.colour, marker=look.marker, ms=marker_size(look), label=look.label)
    if dashed:
        line.set(linestyle=_DASHES, linewidth=0.9)
    return line
