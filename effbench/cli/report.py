"""``effbench report``: pages rendered from the results store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import note, note_if_only_shipped


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="What to report on: paper, or the models of any study or YAML file."
        ),
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Report on this model, too: a spec, or a name in the store."),
    ] = None,
    store: options.Store = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pages and figures go; made if missing.")
    ] = Path("results/report"),
    device: options.DrawnDevice = None,
) -> None:
    """Write a report as one Markdown and one self-contained HTML page, and print their paths.

    Example: effbench report paper --out report
    """
    from effbench.cli.remedies import with_remedies
    from effbench.reports import pages

    note_if_only_shipped(store)
    with with_remedies(study=study):
        if study in pages.REPORTS and not also:
            paths = pages.report(study, store=store, out=out, device=device)
        else:
            paths = _on_models(study, also or (), store=store, out=out, device=device)
    page, *others = paths
    for path in (*others, page):
        print(path)
    note(f"open it in any browser: {page.resolve().as_uri()}")


def _on_models(
    study: str, also: Iterable[str], *, store: Path | None, out: Path, device: str | None
) -> list[Path]:
    """The report on a study's models and others beside them."""
    from effbench.reports import pages
    from effbench.spec import row_name
    from effbench.study.definition import load_study

    definition = load_study(study)
    specs = [str(spec) for spec in definition.specs()]
    specs += [name for name in map(row_name, also) if name not in specs]
    name = f"{study}-models" if study in pages.REPORTS else Path(study).stem
    return pages.report_models(name, definition.title, specs, store=store, out=out, device=device)
