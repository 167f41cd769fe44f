"""``effbench detect``: events in audio files."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from effbench.cli.output import note, write_table
from effbench.cli.parsing import check_thresholds, median_frames, select_classes
from effbench.cli.progress import Status, status
from effbench.detect.output import EventFormat
from effbench.errors import EffbenchError
from effbench.version import VERSION

if TYPE_CHECKING:
    from effbench.detect.destinations import Destinations
    from effbench.detect.inputs import Source
    from effbench.detect.job import Settings
    from effbench.detect.run import Failure
    from effbench.infer.scorer import FrameScorer
    from effbench.models.chosen import ChosenModel


def detect(
    audio: Annotated[
        list[str],
        typer.Argument(metavar="AUDIO", help="Files, folders, globs, or - for standard input."),
    ],
    model: Annotated[str, typer.Option(help="Model spec, e.g. fmn10+hybrid-512.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Weights: strong, advanced-kd, or a file. Without: untrained.")
    ] = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option(help="Probability that an event exceeds, 0.5 by default. Repeatable."),
    ] = None,
    median_window: Annotated[
        str, typer.Option(help="Median filter: 9 (frames of 40 ms), 0.36s or 360ms; 1 for none.")
    ] = "9",
    top: Annotated[
        int | None, typer.Option(help="Only the N classes with the highest scores in a file.", min=1)
    ] = None,
    min_duration: Annotated[float, typer.Option(help="Leave out shorter events, seconds.", min=0)] = 0.0,
    classes: Annotated[
        list[str] | None, typer.Option(help="Only this class, or those a glob matches. Repeatable.")
    ] = None,
    form: Annotated[
        EventFormat | None,
        typer.Option("--format", help="By default, what --out's suffix says (csv in a folder), else table."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A file for all events, or a folder: a file each, and the run can be continued."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make the results in the folder of --out again.")
    ] = False,
    scores: Annotated[
        Path | None, typer.Option(help="Keep frame scores: a .parquet file, or a folder with one each.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw spectrogram, scores and events: a folder, or a .png or .svg file."),
    ] = None,
    overlap: Annotated[
        bool,
        typer.Option("--overlap/--no-overlap", help="Cross-faded windows, or hard cuts every 10 s."),
    ] = True,
    batch_size: Annotated[
        int | None, typer.Option(help="Windows per call of the model; 2 on a CPU, 32 on a GPU.", min=1)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    threads: Annotated[int | None, typer.Option(help="Threads of torch on the CPU.", min=1)] = None,
) -> None:
    """Events in audio files of any length, as a table, JSON, CSV, DCASE TSV or Audacity labels.

    Example: effbench detect street.wav --model fmn10 --checkpoint strong --threshold 0.3
    """
    from effbench.detect.destinations import Destinations
    from effbench.detect.inputs import find
    from effbench.detect.job import Settings

    limits = check_thresholds(threshold or [0.5])
    frames = median_frames(median_window)
    sources = find(audio)
    destinations = Destinations.choose(len(sources), form=form, out=out, scores=scores, plot=plot)
    chosen = _model(model, checkpoint)
    settings = Settings(
        thresholds=limits,
        median_window=frames,
        top=top,
        min_duration=min_duration,
        classes=select_classes(classes or [], chosen.class_names),
        overlap=overlap,
        names=chosen.class_names,
    )
    scorer = _scorer(chosen, settings, device, precision, batch_size, threads)
    record = {"effbench": VERSION, **chosen.record()}
    with ExitStack() as stack:
        run = record | {"options": settings.record() | {"precision": precision}}
        destinations.open(stack, run=run, labels=settings.labels, overwrite=overwrite)
        todo = [source for source in sources if not destinations.done(source)]
        if destinations.folder is not None:
            note(f"{_files(len(sources))}, {len(sources) - len(todo)} of them done before")
        failures = _detect(todo, scorer, settings, destinations, single=len(sources) == 1)
        destinations.finish(failures, _table)
    if destinations.folder is not None:
        note(f"results in {out}")
    if len(failures) == 1 == len(sources):
        raise EffbenchError(failures[0].message)
    if failures:
        raise EffbenchError(f"{len(failures)} of {_files(len(sources))} could not be used")


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _model(spec: str, checkpoint: str | None) -> ChosenModel:
    from effbench.models.chosen import choose_model

    chosen = choose_model(spec, checkpoint)
    if chosen.checkpoint is None:
        note("note: no --checkpoint, so the weights are untrained: the events mean nothing")
    return chosen


def _scorer(
    chosen: ChosenModel,
    settings: Settings,
    device: str,
    precision: str,
    batch_size: int | None,
    threads: int | None,
) -> FrameScorer:
    """The model where it is to run."""
    import torch

    from effbench.infer.inference import Inference
    from effbench.infer.scorer import FrameScorer

    inference = Inference(device, precision, batch_size, settings.overlap)
    if threads is not None:
        torch.set_num_threads(threads)
    return FrameScorer(chosen.detector, inference, probabilities=True, columns=settings.columns)


def _detect(
    sources: list[Source],
    scorer: FrameScorer,
    settings: Settings,
    destinations: Destinations,
    *,
    single: bool,
) -> list[Failure]:
    """Detect and keep the events; files that could not be used are said at once and returned.

    The failure of a single file is left to be the command's.
    """
    from effbench.detect import run

    failures = []
    with status(len(sources)) as bar:
        progress = _Progress(bar)
        results = run.detect(
            sources,
            scorer,
            settings,
            listen=destinations.listeners,
            on_damage=lambda message: bar.line(f"note: {message}"),
            on_seconds=lambda source, seconds: progress.at(source.name, seconds),
        )
        with closing(results):
            for result in results:
                if isinstance(result, run.Failure):
                    failures.append(result)
                    if not single:
                        progress.at(result.name, 0)
                        bar.line(f"failed: {result.message}")
                else:
                    destinations.keep(result)
    return failures


class _Progress:
    """Which file is at work, and how much of it is done."""

    def __init__(self, bar: Status) -> None:
        self.bar = bar
        self.name: str | None = None

    def at(self, name: str, seconds: float) -> None:
        if name != self.name:
            self.name = name
            self.bar.start(name)
        self.bar.bar.update(self.bar.task, description=f"{name} {int(seconds) // 60}:{int(seconds) % 60:02d}")


def _table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        note("no events")
        return
    digits = {"onset": 2, "offset": 2, "score": 3}
    write_table([row | {key: f"{row[key]:.{count}f}" for key, count in digits.items()} for row in rows])
