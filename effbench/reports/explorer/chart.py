"""The explorer's chart as a Vega-Lite specification, whose data and colours the page's script fills in."""

from __future__ import annotations

from typing import Any

_HEIGHT = 440


def chart() -> dict[str, Any]:
    """The layers: front, limits, intervals, points, the best one, labels, and the point in focus.

    The script gives the data sets (``points``, ``front``, ``across`` and ``along`` of limits, ``focus``), the
    parameters ``ink``, ``quiet`` and ``accent``, which are colours, and titles and kinds of both scales.
    """
    import altair as alt

    def data(name: str) -> alt.Chart:
        return alt.Chart(alt.NamedData(name=name))

    colours = {name: alt.param(name=name, value="grey") for name in ("ink", "quiet", "accent")}
    ink, quiet, accent = (alt.ExprRef(name) for name in colours)
    x, y = alt.X("x:Q"), alt.Y("y:Q")
    colour = alt.Color("colour:N", scale=None)
    fill = alt.Fill("fill:N", scale=None)
    shape = alt.Shape("shape:N", scale=None)
    opacity = alt.Opacity("opacity:Q", scale=None)
    points = data("points")
    best = points.transform_filter("datum.best")
    # A label stands to the right of its point, or to the left where it would be cut.
    right, left = (points.transform_filter(f"datum.label && {end}datum.end") for end in ("!", ""))
    interval = points.mark_rule(strokeWidth=1.2).encode(color=colour, opacity=opacity)
    layers = alt.layer(
        data("front").mark_line(color=quiet, strokeDash=[5, 3], strokeWidth=1.3).encode(x, y),
        data("across").mark_rule(color=accent, strokeWidth=1.5).encode(x=alt.X("x:Q")),
        data("along").mark_rule(color=accent, strokeWidth=1.5).encode(y=alt.Y("y:Q")),
        interval.encode(x=alt.X("xlow:Q"), x2="xhigh:Q", y=y),
        interval.encode(x=x, y=alt.Y("ylow:Q"), y2="yhigh:Q"),
        points.mark_point(size=80, strokeWidth=1.8, filled=False).encode(
            x=x, y=y, stroke=alt.Stroke("colour:N", scale=None), fill=fill, shape=shape, opacity=opacity
        ),
        best.mark_point(color=ink, size=330, strokeWidth=2).encode(x, y),
        right.mark_text(color=ink, align="left", dx=9, dy=-9, fontSize=11.5).encode(x, y, text="label:N"),
        left.mark_text(color=ink, align="right", dx=-9, dy=-9, fontSize=11.5).encode(x, y, text="label:N"),
        data("focus").mark_point(color=accent, size=230, strokeWidth=2.5).encode(x, y),
    )
    sized = layers.properties(
        width="container", height=_HEIGHT, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    spec: dict[str, Any] = sized.add_params(*colours.values()).to_dict()
    return spec
