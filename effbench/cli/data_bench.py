"""``effbench data bench``: how fast clips are loaded."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from effbench.cli.output import Format, note, write_csv, write_json, write_table
from effbench.cli.progress import status
from effbench.errors import UsageError

if TYPE_CHECKING:
    from effbench.machine.description import Environment
    from effbench.train.feed.bench import LoaderProfile, LoaderRate


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
    from effbench.machine.environment import environment
    from effbench.train.feed.bench import measure_loader, profile_loading
    from effbench.train.feed.pieces import TrainingItems

    dataset = open_dataset(data, layout, split=split, audio=audio, pseudo_labels=pseudo_labels)
    items = TrainingItems(dataset, classes=dataset.classes.names, seconds=piece_seconds)
    rates = []
    with status(1 + len(counts)) as progress:
        progress.start("one process, step by step")
        here = environment("cpu")
        profile = profile_loading(items, batch_size=batch_size, seconds=seconds_budget)
        for count in counts:
            progress.start(f"{count} workers")
            rates.append(
                measure_loader(
                    items,
                    workers=count,
                    batch_size=batch_size,
                    seconds=seconds_budget,
                    encoded_bytes=profile.encoded_bytes,
                )
            )
            progress.line(str(rates[-1]))
    about = {
        "data": str(data),
        "split": dataset.split,
        "clips": len(dataset),
        "items": len(items),
        "piece_seconds": piece_seconds,
        "batch_size": batch_size,
    }
    _write(rates, profile, about, here, form)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0:
        raise UsageError(f"--workers {text}: not a list of numbers of processes, e.g. 0,2,4")
    return counts


def _write(
    rates: list[LoaderRate],
    profile: LoaderProfile,
    about: dict[str, Any],
    here: Environment,
    form: Format,
) -> None:
    from effbench.machine.concerns import concerns
    from effbench.train.feed.bench import rates_table

    stages = profile.stages
    if form is Format.json:
        figures = [rate.to_dict() for rate in rates]
        write_json(
            {
                **about,
                "rates": figures,
                "steps": [asdict(stage) for stage in stages],
                "environment": here.to_dict(),
            }
        )
        return
    if form is Format.csv:
        rows = [{**about, **rate.to_dict()} for rate in rates]
        write_csv([{key: value for key, value in row.items() if key != "runs"} for row in rows])
        return
    write_table(rates_table(rates))
    write_table(
        [
            {
                "step": stage.name,
                "ms a clip": f"{stage.milliseconds:.2f}",
                "share": f"{100 * stage.share:.0f} %",
            }
            for stage in stages
        ]
    )
    print(
        f"{about['clips']:,} clips, batches of {about['batch_size']}; {here.cpu.model}, "
        f"load average {here.load.average_1m}. Files that were read before may come from memory."
    )
    for concern in concerns(here):
        note(f"note: {concern}")
