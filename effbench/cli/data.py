"""``effbench data``: make, convert and check data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import data_bench
from effbench.cli.output import Format, note, write_result
from effbench.cli.progress import counting
from effbench.errors import EffbenchError, UsageError

app = typer.Typer(
    no_args_is_help=True, help="Make a synthetic data set, convert one, check one, or time one."
)
app.command()(data_bench.bench)

PathArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the data set, or its table.")]
LayoutOption = Annotated[
    str | None,
    typer.Option(help="audioset-strong, audioset-weak, desed, hear or prepared; recognised by default."),
]
SplitOption = Annotated[list[str] | None, typer.Option(help="Only this split. Repeatable; all by default.")]
AudioOption = Annotated[
    Path | None, typer.Option(help="Folder of the audio, where it is not beside the tables.")
]
ProcessesOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that work; by default as many as there are CPUs.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="table, json or csv.")]


@app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="New folder, or that of a stopped run.")],
    clips: Annotated[int, typer.Option(help="Training clips.")] = 200,
    eval_clips: Annotated[
        int, typer.Option(help="Evaluation clips; in the HEAR layout validation and test clips each.")
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
    processes: ProcessesOption = None,
) -> None:
    """Write a data set of synthetic soundscapes: twelve AudioSet-strong classes over changing backgrounds.

    Example: effbench data synth data/synthetic --clips 500 --eval-clips 100 --snr -5 15
    """
    from effbench.data.synth import synthesise
    from effbench.machine.cpu import available_cores

    with _file_errors(), counting("clips") as progress:
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
    data: PathArgument,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder, or that of a stopped run.")],
    layout: LayoutOption = None,
    split: SplitOption = None,
    audio: AudioOption = None,
) -> None:
    """Convert a data set once into a folder of memory-mapped Arrow files; audio is kept as it is.

    Example: effbench data prepare data/audioset --out data/audioset-prepared --split eval
    """
    from effbench.data.datasets import open_dataset
    from effbench.data.prepare import prepare as convert

    for name in _splits(data, layout, split):
        dataset = open_dataset(data, layout, split=name, audio=audio)
        with _file_errors(), counting(f"clips of {name}") as progress:
            convert(dataset, out, progress=progress)
        missing = f"; {len(dataset.missing)} have no audio" if dataset.missing else ""
        note(f"{name}: {len(dataset)} clips in {out}{missing}")


@app.command()
def check(
    data: PathArgument,
    layout: LayoutOption = None,
    split: SplitOption = None,
    audio: AudioOption = None,
    headers_only: Annotated[
        bool, typer.Option("--headers-only", help="Do not decode: fast, but damage is not found.")
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Events, clips and seconds of every class.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for any problem.")] = False,
    processes: ProcessesOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Count what is in a data set, and list everything that is wrong with it; exit code 1 if it is unusable.

    With --format json every problem is listed, with csv too (or the classes, with --per-class).

    Example: effbench data check data/synthetic --split eval --per-class
    """
    from effbench.data.check import check as examine
    from effbench.data.check import shared_clips
    from effbench.data.check_report import DataReport
    from effbench.data.datasets import open_dataset
    from effbench.machine.cpu import available_cores

    reports = []
    for name in _splits(data, layout, split):
        dataset = open_dataset(data, layout, split=name, audio=audio)
        with _file_errors(), counting(f"clips of {name}") as progress:
            reports.append(
                examine(
                    dataset,
                    decode=not headers_only,
                    processes=processes or available_cores(),
                    progress=progress,
                )
            )
    shared = shared_clips([report.dataset for report in reports])
    result = DataReport(tuple(reports), tuple(shared), per_class)
    write_result(result, form)
    if result.fatal:
        note(f"unusable: {result.fatal} fatal of {result.problems} problems")
    elif result.problems:
        note(f"usable, with {result.problems} problems")
    if result.fatal or (strict and result.problems):
        raise typer.Exit(1)


def _splits(data: Path, layout: str | None, wanted: list[str] | None) -> list[str]:
    from effbench.data.datasets import recognise

    _, splits = recognise(data, layout)
    unknown = [name for name in wanted or () if name not in splits]
    if unknown:
        raise UsageError(f"{data} has no split '{unknown[0]}'\nSplits: {', '.join(splits)}")
    return list(dict.fromkeys(wanted)) if wanted else list(splits)


@contextmanager
def _file_errors() -> Iterator[None]:
    """A folder that can't be made, a full disk and the like, as one line."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise EffbenchError(f"{where}{error.strerror or error}") from error
