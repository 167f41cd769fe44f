"""Where the results of a run go: standard output, a file, or a folder; scores and figures beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from effbench.detect.events import Detection
from effbench.detect.folder import ResultFolder
from effbench.detect.inputs import Source
from effbench.detect.job import Listener
from effbench.detect.output import BY_SUFFIX, EventFormat, rows, write_events
from effbench.detect.plot import IMAGE_SUFFIXES, PlotListener
from effbench.detect.run import Failure
from effbench.detect.scores import ScoreFile, ScoreListener
from effbench.errors import EffbenchError, UsageError
from effbench.files import replacing

SCORES_SUFFIX = ".parquet"
Table = Callable[[list[dict[str, Any]]], None]


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


@dataclass
class Destinations:
    """What is kept of each file, and where.

    Attributes:
        form: format of the events.
        out: a file or a folder; standard output if ``None``.
        scores: a Parquet file or a folder of them.
        plot: an image or a folder of them.
    """

    form: EventFormat
    out: Path | None = None
    scores: Path | None = None
    plot: Path | None = None
    folder: ResultFolder | None = None
    _detections: list[Detection] = field(default_factory=list)
    _scores_file: ScoreFile | None = None
    _run: Mapping[str, Any] = field(default_factory=dict)
    _labels: Sequence[str] = ()

    @classmethod
    def choose(
        cls,
        count: int,
        *,
        form: EventFormat | None,
        out: Path | None,
        scores: Path | None,
        plot: Path | None,
    ) -> Destinations:
        """Destinations of ``count`` files.

        Raises:
            UsageError: they can't be told apart there, or a suffix means nothing.
        """
        resumable = out is not None and _is_folder(out)
        if form is None:
            default = EventFormat.csv if resumable else EventFormat.table
            form = BY_SUFFIX.get(out.suffix.lower(), default) if out is not None else default
        if form is EventFormat.audacity and count > 1 and not resumable:
            raise UsageError("Audacity labels belong to one audio file: use --out FOLDER for several")
        if form is EventFormat.table and resumable:
            raise UsageError("a folder holds json, csv, dcase or audacity files, not tables")
        if scores is not None and not _is_folder(scores):
            if scores.suffix.lower() != SCORES_SUFFIX:
                raise UsageError(
                    f"--scores '{scores}': frame scores are written as .parquet, or into a folder"
                )
            if resumable:
                raise UsageError("--out FOLDER can be continued, so --scores must be a folder as well")
        if plot is not None and not _is_folder(plot):
            if plot.suffix.lower() not in IMAGE_SUFFIXES:
                raise UsageError(
                    f"--plot '{plot}': figures are {' or '.join(IMAGE_SUFFIXES)}, or go into a folder"
                )
            if count > 1:
                raise UsageError(f"--plot '{plot}' is one file for {count} sources: use a folder")
        return cls(form, out, scores, plot)

    def open(self, stack: ExitStack, *, run: dict[str, Any], labels: Sequence[str], overwrite: bool) -> None:
        """Make folders and files; those that are not complete when ``stack`` is left vanish.

        Raises:
            UsageError: the folder's results were made in another way.
            EffbenchError: something can't be written.
        """
        self._run, self._labels = run, labels
        if self.out is not None and _is_folder(self.out):
            kept = {"format": self.form.value, "scores": _text(self.scores), "plot": _text(self.plot)}
            run = run | {"kept": kept}
            others = () if self.scores is None else ((self.scores, SCORES_SUFFIX),)
            self.folder = ResultFolder(self.out, self.form, run, others)
            self.folder.prepare(overwrite=overwrite)
        elif self.out is not None and not self.out.parent.is_dir():
            raise EffbenchError(f"can't write '{self.out}': there is no folder '{self.out.parent}'")
        if self.scores is not None and not _is_folder(self.scores):
            file = ScoreFile(self.scores, labels, filenames=True, about=json.dumps(run))
            self._scores_file = stack.enter_context(file)

    def done(self, source: Source) -> bool:
        """Whether an earlier run finished this source."""
        return self.folder is not None and self.folder.done(source)

    def listeners(self, source: Source) -> list[Listener]:
        """What follows the frames of a source."""
        found: list[Listener] = []
        if self.plot is not None:
            single = not _is_folder(self.plot)
            path = self.plot if single else _below(self.plot, f"{source.name}.png")
            found.append(PlotListener(source, path, parts=not single))
        if self._scores_file is not None:
            found.append(ScoreListener(source, self._scores_file, own=False))
        elif self.scores is not None:
            path = _below(self.scores, source.name + SCORES_SUFFIX)
            file = ScoreFile(path, self._labels, filenames=False, about=json.dumps(self._run))
            found.append(ScoreListener(source, file, own=True))
        return found

    def keep(self, detection: Detection) -> None:
        """Events of one file: written at once in a folder, else held until all are there."""
        if self.folder is not None:
            self.folder.write(detection)
        else:
            self._detections.append(detection)

    def finish(self, failures: Sequence[Failure], table: Table) -> None:
        """Write what was held."""
        if self.folder is not None or (failures and not self._detections):
            return
        with self._opened() as file:
            if self.form is EventFormat.table:
                with redirect_stdout(file):
                    table(list(rows(self._detections)))
            else:
                write_events(self._detections, self.form, file, run=self._run, failures=failures)

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        if self.out is None:
            yield sys.stdout
            return
        with replacing(self.out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            yield file


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _below(folder: Path, name: str) -> Path:
    """A path in a folder, which is made."""
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EffbenchError(f"can't make '{path.parent}': {error.strerror or error}") from None
    return path
