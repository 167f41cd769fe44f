"""``effbench plot``: figures from the results store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import note_if_only_shipped
from effbench.plots.choices import By, Convention, ImageFormat, Theme


def plot(
    figure: Annotated[
        str | None,
        typer.Argument(
            metavar="[FIGURE]", help="paper-1, …; samples, per-class, seeds, roofline; or a file."
        ),
    ] = None,
    x: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY",
            help="Without a figure: a horizontal axis, e.g. throughput or macs. Repeatable: a panel each.",
        ),
    ] = None,
    y: Annotated[
        str | None, typer.Option(metavar="QUANTITY", help="Without a figure: the vertical axis, e.g. psds1.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model where the figure names none: a spec, a name or a glob. Repeatable."),
    ] = None,
    by: Annotated[By, typer.Option(help="What makes a series of --x and --y.")] = By.family,
    quantity: Annotated[
        str | None, typer.Option(help="What samples, per-class or seeds show: latency_p50, psds2, …")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes that per-class shows, at most; 30 by default.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only values under this, of --x and --y or a statistical figure.",
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
    front: Annotated[
        bool, typer.Option("--front", help="Draw the Pareto front of what a trade-off figure shows.")
    ] = False,
    theme: Annotated[Theme, typer.Option(help="For a light or a dark page.")] = Theme.light,
    show: Annotated[
        bool, typer.Option("--show", help="Print the figure's YAML, to copy and change, instead of drawing.")
    ] = False,
) -> None:
    """Draw a figure as PNG, SVG and PDF, and print the files' paths.

    Example: effbench plot paper-1 --overlay --format svg

    Example: effbench plot --x throughput --y psds1 --model 'fmn10*' --front
    """
    from effbench.yaml_files import parse

    under = {key: parse(value) for key, value in options.pairs(condition or (), "--condition")}
    if show:
        wanted = {**under, "device": device, "precision": precision}
        print(_definition(figure, x or [], y, model or [], by, store, wanted), end="")
        return
    note_if_only_shipped(store)
    from effbench.cli.remedies import with_remedies
    from effbench.plots.api import plot as draw
    from effbench.plots.statistical.shared_axis import DifferingRows

    try:
        with with_remedies(figure):
            drawn = draw(
                figure,
                x=x or (),
                y=y,
                models=model or (),
                by=by,
                quantity=quantity,
                classes=classes,
                conditions=under,
                also=also or (),
                store=store,
                out=out,
                formats=format or list(ImageFormat),
                macs=macs,
                device=device,
                precision=precision,
                overlay=overlay,
                front=front,
                theme=theme,
            )
    except DifferingRows as error:
        raise DifferingRows(f"{error}\nOptions: --model, --device, --condition KEY=VALUE.") from None
    for path in drawn.paths:
        print(path)


def _definition(
    figure: str | None,
    x: list[str],
    y: str | None,
    models: list[str],
    by: By,
    store: Path | None,
    conditions: Mapping[str, object],
) -> str:
    """The YAML of a figure, or of what would be drawn without one."""
    if figure is not None:
        from effbench.plots.statistical.kinds import definition_text

        return definition_text(figure)
    from effbench.plots.asked import asked_for, to_yaml
    from effbench.results.shipped import newest_rows

    note_if_only_shipped(store)
    return to_yaml(asked_for(newest_rows(store), x, y, models, by, conditions))
