"""Where the results of a run go: standard output, a file, or a folder; scores and figures beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from effbench.detect.decoder import FrameListener
from effbench.detect.detected import DetectedFile, Failure
from effbench.detect.formats import BY_SUFFIX, BadDestination, EventFormat, write_events
from effbench.detect.inputs import Source
from effbench.detect.plot import IMAGE_SUFFIXES, draw_file
from effbench.detect.result_folder import ResultFolder
from effbench.errors import EffbenchError
from effbench.files import replacing, reporting_write_errors
from effbench.infer.score_files import ScoreFile, open_score_file
from effbench.infer.windows import Floats

SCORES_SUFFIX = ".parquet"
#: Two minutes. Shorter groups cost memory by their number, since the file's index is held until its end.
GROUP_FRAMES = 3000


@dataclass(frozen=True)
class Destinations:
    """What is kept of each file, and where; paths without a suffix are folders.

    Attributes:
        form: format of the events.
        out: a file, or a folder with one each; standard output if ``None``.
        scores: a Parquet file or a folder of them.
        plot: an image or a folder of them.
    """

    form: EventFormat
    out: Path | None = None
    scores: Path | None = None
    plot: Path | None = None

    @classmethod
    def choose(
        cls,
        count: int,
        *,
        form: EventFormat | None = None,
        out: Path | None = None,
        scores: Path | None = None,
        plot: Path | None = None,
    ) -> Destinations:
        """Destinations of ``count`` files; without a format, that of the suffix of ``out``.

        Raises:
            BadDestination: they can't be told apart there, or a suffix means nothing.
        """
        resumable = out is not None and _is_folder(out)
        if form is None:
            default = EventFormat.csv if resumable else EventFormat.table
            form = BY_SUFFIX.get(out.suffix.lower(), default) if out is not None else default
        if form is EventFormat.audacity and count > 1 and not resumable:
            raise BadDestination("out", "Audacity labels belong to one audio file: give a folder for several")
        if form is EventFormat.table and resumable:
            raise BadDestination("out", "a folder holds json, csv, dcase or audacity files, not tables")
        if scores is not None and not _is_folder(scores):
            if scores.suffix.lower() != SCORES_SUFFIX:
                raise BadDestination(
                    "scores", f"'{scores}': frame scores are written as {SCORES_SUFFIX}, or into a folder"
                )
            if resumable:
                raise BadDestination(
                    "scores", "a folder of events can be continued, so scores must go into a folder as well"
                )
        if plot is not None and not _is_folder(plot):
            if plot.suffix.lower() not in IMAGE_SUFFIXES:
                raise BadDestination(
                    "plot", f"'{plot}': figures are {' or '.join(IMAGE_SUFFIXES)}, or go into a folder"
                )
            if count > 1:
                raise BadDestination("plot", f"'{plot}' is one file for {count} sources: use a folder")
        return cls(form, out, scores, plot)

    @contextmanager
    def open(self, run: Mapping[str, object], labels: Sequence[str], *, overwrite: bool) -> Iterator[Outputs]:
        """Make folders and files; those that are not complete when the block is left vanish.

        Args:
            run: how the results are made (``run_record``).
            labels: names of the scores' columns.
            overwrite: make what a folder has of an earlier run again.

        Raises:
            OtherRun: the folder's results were made in another way.
            EffbenchError: something can't be written.
        """
        folder = None
        if self.out is not None and _is_folder(self.out):
            kept = {"format": self.form.value, "scores": _text(self.scores), "plot": _text(self.plot)}
            run = {**run, "kept": kept}
            others = () if self.scores is None else ((self.scores, SCORES_SUFFIX),)
            folder = ResultFolder(self.out, self.form, run, others)
            folder.prepare(overwrite=overwrite)
        elif self.out is not None and not self.out.parent.is_dir():
            raise EffbenchError(f"'{self.out}' can't be written: there is no folder '{self.out.parent}'")
        with ExitStack() as stack:
            score_file = None
            if self.scores is not None and not _is_folder(self.scores):
                opened = open_score_file(self.scores, labels, filenames=True, about=json.dumps(run))
                score_file = stack.enter_context(opened)
            yield Outputs(self, run, labels, folder, score_file)


@dataclass(frozen=True)
class Outputs:
    """The opened destinations of a run.

    Attributes:
        places: what is kept, and where.
        run: how the results are made.
        labels: names of the scores' columns.
        folder: of the events, if they have one.
        score_file: of all sources' scores, if there is one.
        held: files whose events are written at the end.
    """

    places: Destinations
    run: Mapping[str, object]
    labels: Sequence[str]
    folder: ResultFolder | None
    score_file: ScoreFile | None
    held: list[DetectedFile] = field(default_factory=list)

    def done(self, source: Source) -> bool:
        """Whether an earlier run finished this source."""
        return self.folder is not None and self.folder.done(source)

    def listeners(self, source: Source) -> Iterator[AbstractContextManager[FrameListener]]:
        """What follows the frames of a source."""
        plot, scores = self.places.plot, self.places.scores
        if plot is not None:
            single = not _is_folder(plot)
            yield draw_file(source, plot if single else _below(plot, f"{source.name}.png"), parts=not single)
        if self.score_file is not None:
            yield nullcontext(ScoreListener(source.name, self.score_file))
        elif scores is not None:
            yield self._own_scores(source, _below(scores, source.name + SCORES_SUFFIX))

    @contextmanager
    def _own_scores(self, source: Source, path: Path) -> Iterator[FrameListener]:
        with open_score_file(path, self.labels, filenames=False, about=json.dumps(self.run)) as file:
            yield ScoreListener(source.name, file)

    def keep(self, file: DetectedFile) -> None:
        """Events of one file: written at once in a folder, else held until all are there."""
        if self.folder is not None:
            self.folder.write(file)
        else:
            self.held.append(file)

    def finish(self, failures: Sequence[Failure]) -> None:
        """Write what was held."""
        if self.folder is not None or (failures and not self.held):
            return
        with _opened(self.places.out) as stream:
            write_events(self.held, self.places.form, stream, run=self.run, failures=failures)


class ScoreListener:
    """Writes one source's frames to a file of scores, in groups of two minutes.

    Args:
        name: of the source.
        file: open.
    """

    def __init__(self, name: str, file: ScoreFile) -> None:
        self.name, self.file = name, file
        self._held: list[Floats] = []
        self._written = 0

    def on_scores(self, scores: Floats) -> None:
        self._held.append(scores)
        # A frame is held back, because only the last one knows where the audio ends.
        while sum(map(len, self._held)) > GROUP_FRAMES:
            held = np.concatenate(self._held)
            self.file.write(self.name, self._written, held[:GROUP_FRAMES])
            self._written += GROUP_FRAMES
            self._held = [held[GROUP_FRAMES:]]

    def on_filtered(self, scores: Floats) -> None:
        """Scores are kept unfiltered."""

    def on_end(self, file: DetectedFile) -> None:
        if self._held:
            self.file.write(self.name, self._written, np.concatenate(self._held), file.duration)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _below(folder: Path, name: str) -> Path:
    """A path in a folder, which is made."""
    path = folder / name
    with reporting_write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path
