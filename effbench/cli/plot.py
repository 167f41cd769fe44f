"""``effbench plot``: figures from the results store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.plots.choices import Convention, ImageFormat, Theme


def plot(
    figure: Annotated[
        str,
        typer.Argument(metavar="FIGURE", help="paper-1, paper-2, …; samples, per-class, seeds; or a file."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model of samples, per-class or seeds: a spec, a name or a glob. Repeatable."),
    ] = None,
    quantity: Annotated[
        str | None, typer.Option(help="What samples, per-class or seeds show: latency_p50, psds2, …")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes that per-class shows, at most; 30 by default.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Only values of samples, per-class or seeds under this. Repeatable."
        ),
    ] = None,
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
    theme: Annotated[
        Theme, typer.Option(help="Draw samples, per-class or seeds for a light or a dark page.")
    ] = Theme.light,
    show: Annotated[
        bool, typer.Option("--show", help="Print the figure's YAML, to copy and change, instead of drawing.")
    ] = False,
) -> None:
    """Draw a figure as PNG, SVG and PDF, and print the files' paths.

    Example: effbench plot paper-1 --overlay --format svg
    """
    if show:
        from effbench.plots.statistical.kinds import definition_text

        print(definition_text(figure), end="")
        return
    from effbench.plots.api import plot as draw
    from effbench.plots.statistical.shared_axis import DifferingRows
    from effbench.yaml_files import parse

    try:
        drawn = draw(
            figure,
            models=model or (),
            quantity=quantity,
            classes=classes,
            conditions={key: parse(value) for key, value in options.pairs(condition or (), "--condition")},
            also=also or (),
            store=store,
            out=out,
            formats=format or list(ImageFormat),
            macs=macs,
            device=device,
            precision=precision,
            overlay=overlay,
            theme=theme,
        )
    except DifferingRows as error:
        raise DifferingRows(f"{error}\nOptions: --model, --device, --condition KEY=VALUE.") from None
    for path in drawn.paths:
        print(path)
