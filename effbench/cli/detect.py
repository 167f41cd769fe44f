"""``effbench detect``: events in audio files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import live as streams
from effbench.cli import options
from effbench.cli.cluster import Address, Executor, Where, Workers, cluster_workers
from effbench.cli.options import naming
from effbench.cli.output import note
from effbench.cli.progress import clock, status
from effbench.detect.formats import BadDestination, EventFormat, OtherRun
from effbench.errors import EffbenchError, Stopped, UsageError
from effbench.grid import FRAME_SECONDS

if TYPE_CHECKING:
    from effbench.cli.progress import Status
    from effbench.detect.detected import DetectedFile, Failure
    from effbench.detect.event_decoding import Decoding
    from effbench.detect.inputs import Source
    from effbench.detect.outputs import Outputs
    from effbench.detect.record import Remaining
    from effbench.infer.on_cluster import ClusterWorkers
    from effbench.infer.scorer import Inference
    from effbench.models.chosen import ChosenModel
    from effbench.models.detector import SoundEventDetector


def detect(
    audio: Annotated[
        list[str] | None,
        typer.Argument(metavar="AUDIO", help="Files, folders, globs, or - for standard input."),
    ] = None,
    model: options.OneModel = None,
    checkpoint: options.Checkpoint = None,
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
        typer.Option(help="A file for all events, or a folder: a file each, and the run can be resumed."),
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
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    backend: Annotated[
        str | None,
        typer.Option(
            help="What runs the network, or an exported file; by default folded, on long jobs the best here."
        ),
    ] = None,
    threads: options.Threads = None,
    executor: Executor = Where.local,
    address: Address = None,
    workers: Workers = None,
    live: streams.Live = False,
    hop: streams.Hop = None,
    look_ahead: streams.LookAhead = None,
    rate: streams.Rate = None,
    channels: streams.Channels = None,
    sample_format: streams.SampleFormat = None,
    input_device: streams.InputDevice = None,
) -> None:
    """Events in audio files of any length, as a table, JSON, CSV, DCASE TSV or Audacity labels; or live.

    Example: effbench detect street.wav --model fmn10 --checkpoint strong --threshold 0.3
    """
    from effbench.detect.event_decoding import Decoding, check_thresholds
    from effbench.detect.inputs import find, skipped_media
    from effbench.detect.outputs import Destinations, default_format

    options.check_model(model, checkpoint)
    asked = streams.LiveOptions(hop, look_ahead, rate, channels, sample_format, input_device)
    if live:
        for_files = {
            "--top": top,
            "--out": out,
            "--scores": scores,
            "--plot": plot,
            "--batch-size": batch_size,
        }
        flags = {
            "--overwrite": overwrite,
            "--no-overlap": not overlap,
            "--executor": executor is not Where.local,
        }
        given = {name: value is not None for name, value in for_files.items()}
        streams.refuse_with_live(given | flags, form)
    else:
        asked.refuse_without_live()
        if not audio:
            raise UsageError("give AUDIO: files, folders, globs or -; or --live for a microphone")
    with naming("--threshold"):
        limits = check_thresholds(threshold or [0.5])
    window = median_frames(median_window)
    from effbench.detect.long_jobs import backend_for
    from effbench.detect.run import run_record
    from effbench.infer.on_cluster import check_travels
    from effbench.infer.scorer import Inference

    if live:
        placed = Inference(device, precision, backend=backend or "folded")
        with cluster_workers(executor, address, workers, threads):
            chosen = _choose(model, checkpoint)
            decoding = Decoding(limits, window, None, min_duration, classes, chosen.class_names)
            streams.run(audio or [], asked, chosen, decoding, placed, form)
        return
    audio = audio or []
    if executor is Where.ray and (plot is not None or "-" in audio):
        raise UsageError("--executor ray is for files, without --plot: figures and standard input stay here")
    inference = (
        None
        if executor is Where.ray
        else Inference(device, precision, batch_size, overlap, backend or "folded")
    )
    found = find(audio)
    sources = found.sources
    with _naming_destinations():
        places = Destinations(len(sources), form or default_format(out), out, scores, plot)
    if found.left_out:
        note(f"note: {skipped_media(found.left_out)}")
    chosen = _choose(model, checkpoint)
    decoding = Decoding(limits, window, top, min_duration, classes, chosen.class_names)
    with ExitStack() as stack:
        cluster = stack.enter_context(cluster_workers(executor, address, workers, threads))
        if cluster is not None:
            check_travels([chosen])
            paths = (Path(str(source.audio)) for source in sources)
            cluster.check(next(filter(Path.exists, paths), None))
            inference = cluster.inference(device, precision, batch_size, overlap, backend or "folded")
        assert inference is not None
        if cluster is None and backend is None:
            inference = backend_for(chosen.detector, inference, sources)
        inference = inference.settled(chosen.detector)
        run = run_record(chosen, decoding, inference)
        stack.enter_context(_naming_destinations())
        outputs = stack.enter_context(places.open(run, decoding.labels, overwrite=overwrite))
        remaining = outputs.remaining(sources)
        if places.folder is not None:
            _tell_remaining(len(sources), remaining)
        detection = _Detection(remaining.sources, chosen.detector, inference, decoding, outputs, cluster)
        try:
            failures = detection.run(single=len(sources) == 1)
        except KeyboardInterrupt:
            if places.folder is None:
                raise
            raise Stopped("interrupted: the same command does the files that are left") from None
        outputs.finish(failures)
    if places.folder is not None:
        note(f"results in {out}")
    elif out is not None and outputs.held:
        note(f"{_count(sum(map(len, outputs.held)), 'event')} of {_files(len(outputs.held))} in {out}")
    elif places.form is EventFormat.table and outputs.held and not any(map(len, outputs.held)):
        note("no events")
    if failures:
        several = f"{len(failures)} of {_files(len(sources))} could not be used"
        raise EffbenchError(several if len(sources) > 1 else str(failures[0]))


def _choose(model: str | None, checkpoint: str | None) -> ChosenModel:
    from effbench.models.chosen import choose_model

    chosen = choose_model(model, checkpoint)
    if chosen.checkpoint is None:
        note("note: no --checkpoint, so the weights are untrained: the events mean nothing")
    return chosen


def _tell_remaining(count: int, remaining: Remaining) -> None:
    changed = f"; {_files(remaining.changed)} changed since, done again" if remaining.changed else ""
    note(f"{_files(count)}, {count - len(remaining.sources)} of them done before{changed}")


def _files(count: int) -> str:
    return _count(count, "file")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


@contextmanager
def _naming_destinations() -> Iterator[None]:
    try:
        yield
    except OtherRun as error:
        raise UsageError(f"{error}\nUse another folder, or --overwrite to make them all again.") from None
    except BadDestination as error:
        raise UsageError(f"--{error.what}: {error}") from None


def median_frames(text: str) -> int:
    """Frames (1 to 1001) of ``9``, ``0.36s`` or ``360ms``; a time is rounded to the nearest 40-ms frame."""
    from effbench.evaluate.median import MedianWindow

    with naming("--median-window"):
        return MedianWindow.of(text).in_frames(FRAME_SECONDS)


@dataclass(frozen=True)
class _Detection:
    sources: Sequence[Source]
    detector: SoundEventDetector
    inference: Inference
    decoding: Decoding
    outputs: Outputs
    cluster: ClusterWorkers | None

    def run(self, *, single: bool) -> list[Failure]:
        """Keep the events; files that fail are returned, and reported at once unless there is just one."""
        from effbench.detect.detected import Failure

        failures = []
        with status(len(self.sources)) as bar, closing(self._results(bar)) as results:
            for result in results:
                if isinstance(result, Failure):
                    failures.append(result)
                    if not single:
                        if result.name != bar.name:
                            bar.start(result.name)
                        bar.failed(str(result))
                else:
                    if self.cluster is not None:
                        bar.start(result.name)
                    self.outputs.keep(result)
        return failures

    def _results(self, bar: Status) -> Generator[DetectedFile | Failure, None, None]:
        def damaged(message: str) -> None:
            bar.line(f"note: {message}")

        if self.cluster is not None:
            from effbench.detect.cluster_run import detect_on_cluster

            return detect_on_cluster(
                self.cluster,
                self.sources,
                self.detector,
                self.inference,
                self.decoding,
                listen=self.outputs.listeners,
                keep_scores=self.outputs.places.scores is not None,
                on_damage=damaged,
                on_identity=self.outputs.identify,
            )
        from effbench.detect.run import detect_files
        from effbench.infer.scorer import FrameScorer

        return detect_files(
            self.outputs.identified(self.sources),
            FrameScorer(self.detector, self.inference, probabilities=True, columns=self.decoding.columns),
            self.decoding,
            listen=self.outputs.listeners,
            on_damage=damaged,
            on_seconds=_follower(bar),
        )


def _follower(bar: Status) -> Callable[[Source, float], None]:
    """Shows how much of a file is done."""
    seconds: float | None = None

    def at(source: Source, done: float) -> None:
        nonlocal seconds
        if source.name != bar.name:
            bar.start(source.name)
            seconds = source.seconds()
        length = f" of {clock(seconds)}" if seconds else ""
        bar.within(f"{clock(done)}{length}", done / seconds if seconds else 0.0)

    return at
