"""``effbench data bench``: how fast clips are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.output import Format, note, write_result
from effbench.cli.progress import status
from effbench.errors import UsageError


def bench(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the data set, or its table.")],
    split: Annotated[str | None, typer.Option(help="Split; needed where there are several.")] = None,
    layout: Annotated[str | None, typer.Option(help="As for check; recognised by default.")] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Folder of the audio, where it is not beside the tables.")
    ] = None,
    pseudo_labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Load the pseudo labels of this HDF5 file too.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Numbers of processes, e.g. 0,2,4.")] = "0,2",
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a batch.")] = 16,
    piece_seconds: Annotated[
        float, typer.Option(help="Length of a piece; longer clips are cut at random.")
    ] = 10.0,
    seconds_budget: Annotated[
        float, typer.Option(min=0.1, help="Seconds of measuring, for each number of workers.")
    ] = 10.0,
    form: Annotated[Format, typer.Option("--format", help="table, json or csv.")] = Format.table,
) -> None:
    """Measure how many clips a second are decoded, labelled and batched, and what the time goes into.

    Example: effbench data bench data/synthetic --split train --workers 0,2,4 --batch-size 16
    """
    counts = _counts(workers)

    from effbench.data.datasets import open_dataset
    from effbench.machine.concerns import concerns
    from effbench.train.feed.bench import benchmark_loader

    dataset = open_dataset(data, layout, split=split, audio=audio, pseudo_labels=pseudo_labels)
    with status(1 + len(counts)) as progress:
        result = benchmark_loader(
            dataset,
            workers=counts,
            batch_size=batch_size,
            piece_seconds=piece_seconds,
            seconds=seconds_budget,
            progress=progress,
        )
    write_result(result, form)
    if form is Format.table:
        for concern in concerns(result.environment):
            note(f"note: {concern}")


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0:
        raise UsageError(f"--workers {text}: not a list of numbers of processes, e.g. 0,2,4")
    return counts
