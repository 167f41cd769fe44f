"""``effbench report``: pages rendered from the results store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options


def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="What to report on: paper.")],
    store: options.Store = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the pages and figures go; made if missing.")
    ] = Path("results/report"),
    device: options.DrawnDevice = None,
) -> None:
    """Write a report as one Markdown and one self-contained HTML page, and print the files' paths.

    Example: effbench report paper --out report
    """
    from effbench.reports.pages import report as write

    for path in write(study, store=store, out=out, device=device):
        print(path)
