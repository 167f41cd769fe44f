"""``effbench data``: make, convert, check and time data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_result
from effbench.cli.progress import counting, status
from effbench.errors import UsageError
from effbench.shown import number_of

app = typer.Typer(no_args_is_help=True, help="Make a synthetic data set; split, convert, check or time one.")

SplitsOption = Annotated[
    list[str] | None, typer.Option("--split", help="Only this split. Repeatable; all by default.")
]


@app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="New folder, or that of an interrupted run.")],
    clips: Annotated[int, typer.Option(help="Training clips.")] = 200,
    eval_clips: Annotated[
        int, typer.Option(help="Evaluation clips; in the HEAR layout, validation and test clips each.")
    ] = 50,
    layout: Annotated[str, typer.Option(help="audioset (FLAC and TSV) or hear (WAV and JSON).")] = "audioset",
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class. Repeatable; by default all twelve.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of a clip; by default 10, or 120 in the HEAR layout.")
    ] = None,
    snr: Annotated[
        tuple[float, float], typer.Option(help="Lowest and highest level of events over the background, dB.")
    ] = (0.0, 20.0),
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    processes: options.Processes = None,
) -> None:
    """Write a data set of synthetic soundscapes: twelve AudioSet-strong classes over varying backgrounds.

    Example: effbench data synth data/synthetic --clips 500 --eval-clips 100 --snr -5 15
    """
    from effbench.data.synth import synthesise
    from effbench.machine.cpu import available_cores

    with counting("clips", resumable=True) as progress:
        synthesise(
            folder,
            clips=clips,
            eval_clips=eval_clips,
            layout=layout,
            classes=classes,
            seconds=seconds,
            snr=snr,
            seed=seed,
            processes=processes or available_cores(),
            progress=progress,
        )
    note(f"{folder} is complete; look at it with: effbench data check {folder}")


@app.command()
def prepare(
    data: options.Data,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder, or that of an interrupted run.")],
    layout: options.Layout = None,
    split: SplitsOption = None,
    audio: options.Audio = None,
) -> None:
    """Convert a data set once into a folder of memory-mapped Arrow files; audio is kept as it is.

    Example: effbench data prepare data/audioset --out data/audioset-prepared --split eval
    """
    from effbench.data.datasets import open_dataset
    from effbench.data.prepare import prepare as convert

    for name in _splits(data, layout, split):
        dataset = open_dataset(data, layout, split=name, audio=audio)
        with counting(f"clips of {name}", resumable=True) as progress:
            convert(dataset, out, progress=progress)
        missing = f"; {len(dataset.missing)} have no audio" if dataset.missing else ""
        note(f"{name}: {number_of(len(dataset), 'clip')} in {out}{missing}")


@app.command()
def split(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="With filename,onset,offset,event_label.")],
    evaluation: Annotated[float, typer.Option("--eval", help="Share of the clips to score on.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other clips.")] = 0,
    form: options.OutputFormat = Format.table,
) -> None:
    """Split a table by clips into train and eval beside it, every class in both where it can be.

    Example: effbench data split mine/labels.csv --eval 0.2
    """
    from effbench.data.splitting import split_table

    train, scored = split_table(table, evaluation=evaluation, seed=seed)
    rows = [
        {
            "class": name,
            "train clips": train.clips_of.get(name, 0),
            "eval clips": scored.clips_of.get(name, 0),
            "train events": train.events_of.get(name, 0),
            "eval events": scored.events_of.get(name, 0),
        }
        for name in sorted({*train.clips_of, *scored.clips_of})
    ]
    write(rows, form)
    note(f"{number_of(train.clips, 'clip')} in {train.path}, {scored.clips} in {scored.path}")


@app.command()
def check(
    data: options.Data,
    layout: options.Layout = None,
    split: SplitsOption = None,
    audio: options.Audio = None,
    headers_only: Annotated[
        bool, typer.Option("--headers-only", help="Do not decode: fast, but misses damaged audio.")
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Events, clips and seconds of every class.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for any problem.")] = False,
    processes: options.Processes = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Count what is in a data set, and report everything wrong with it; exit code 1 if it is unusable.

    --format json and csv list every problem; with --per-class, csv lists every class instead.

    Example: effbench data check data/synthetic --split eval --per-class
    """
    from effbench.data.check import DataReport, check_split
    from effbench.data.datasets import open_dataset
    from effbench.machine.cpu import available_cores

    reports = []
    for name in _splits(data, layout, split):
        dataset = open_dataset(data, layout, split=name, audio=audio)
        with counting(f"clips of {name}") as progress:
            reports.append(
                check_split(
                    dataset,
                    decode=not headers_only,
                    processes=processes or available_cores(),
                    progress=progress,
                )
            )
    result = DataReport(tuple(reports), per_class)
    write_result(result, form)
    if result.fatal:
        note(f"unusable: {result.fatal} fatal of {number_of(result.problems, 'problem')}")
    elif result.problems:
        note(f"usable, with {number_of(result.problems, 'problem')}")
    if result.fatal or (strict and result.problems):
        raise typer.Exit(1)


@app.command()
def bench(
    data: options.Data,
    split: options.Split = None,
    layout: options.Layout = None,
    audio: options.Audio = None,
    pseudo_labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also load the pseudo labels of this HDF5 file.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Numbers of loading processes, e.g. 0,2,4.")] = "0,2",
    batch_size: Annotated[int, typer.Option(min=1, help="Clips per batch.")] = 16,
    piece_seconds: Annotated[
        float, typer.Option(help="Length of a piece; longer clips are cut at random.")
    ] = 10.0,
    seconds_budget: Annotated[
        float, typer.Option(min=0.1, help="Seconds of measuring, for each number of workers.")
    ] = 10.0,
    form: options.OutputFormat = Format.table,
) -> None:
    """Measure how many clips per second are decoded, labelled and batched, and which step takes the time.

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
            began=progress.start,
            done=progress.line,
        )
    write_result(result, form)
    if form is Format.table:
        for concern in concerns(result.environment):
            note(f"note: {concern}")


def _splits(data: Path, layout: str | None, wanted: list[str] | None) -> list[str]:
    from effbench.data.datasets import recognise

    _, splits = recognise(data, layout)
    unknown = [name for name in wanted or () if name not in splits]
    if unknown:
        raise UsageError(f"{data} has no split '{unknown[0]}'\nSplits: {', '.join(splits)}")
    return list(dict.fromkeys(wanted or splits))


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0:
        raise UsageError(f"--workers {text}: not a list of numbers of processes, e.g. 0,2,4")
    return counts
