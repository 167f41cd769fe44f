"""``effbench plot``: trade-off figures from the results store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.plots.choices import Convention, ImageFormat


def plot(
    figure: Annotated[
        str,
        typer.Argument(metavar="FIGURE", help="paper-1, paper-2, cnn-vs-transformers, … or a YAML file."),
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL", help="Draw this model as well: a spec, or the name of one of your own."
        ),
    ] = None,
    store: options.Store = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the image files go; made if missing.")
    ] = Path("results/figures"),
    format: Annotated[
        list[ImageFormat] | None, typer.Option(help="Image format; repeatable. All three by default.")
    ] = None,
    macs: Annotated[
        Convention,
        typer.Option(help="Convention of the MACs: exact, or as in the published figures."),
    ] = Convention.exact,
    device: options.DrawnDevice = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Draw timings in this precision, e.g. fp16. By default, the most complete."),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Add the published points as hollow markers.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the figure's YAML, to copy and change, instead of drawing.")
    ] = False,
) -> None:
    """Draw a trade-off figure as PNG, SVG and PDF, and print the files' paths.

    Example: effbench plot paper-1 --overlay --format svg
    """
    if show:
        from effbench.plots.figures import figure_text

        print(figure_text(figure), end="")
        return
    from effbench.plots.api import plot as draw

    drawn = draw(
        figure,
        also=also or (),
        store=store,
        out=out,
        formats=format or list(ImageFormat),
        macs=macs,
        device=device,
        precision=precision,
        overlay=overlay,
    )
    for path in drawn.paths:
        print(path)
