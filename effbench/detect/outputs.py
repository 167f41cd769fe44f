"""Where the results of a run go: standard output, a file, or a folder; scores and figures beside them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, TextIO

from effbench.detect.detected import DetectedFile, Failure
from effbench.detect.figure import IMAGE_SUFFIXES, draw_file
from effbench.detect.file_decoder import FrameListener
from effbench.detect.formats import BadDestination, EventFormat, write_events
from effbench.detect.inputs import Source
from effbench.detect.record import AudioIdentity, FolderRecord, Remaining, claim
from effbench.detect.score_tables import ScoreListener, open_score_table
from effbench.errors import EffbenchError
from effbench.files import file_name, remove_abandoned, replacing

if TYPE_CHECKING:
    import pyarrow.parquet as pq

SCORES_SUFFIX = ".parquet"
#: Formats that a file's suffix means, where none is asked for.
BY_SUFFIX = {form.suffix: form for form in EventFormat if form is not EventFormat.table}


def default_format(out: Path | None) -> EventFormat:
    """Format that the suffix of ``out`` means; CSV in a folder, else a table."""
    if out is None:
        return EventFormat.table
    return BY_SUFFIX.get(out.suffix.lower(), EventFormat.csv if _is_folder(out) else EventFormat.table)


@dataclass(frozen=True)
class Destinations:
    """What is kept of each file, and where; paths without a suffix are folders.

    Attributes:
        count: number of files.
        form: format of the events.
        out: a file, or a folder with one each; standard output if ``None``.
        scores: a Parquet file or a folder of them.
        plot: an image or a folder of them.

    Raises:
        BadDestination: files could not be told apart there, or a suffix means nothing.
        EffbenchError: a folder is missing, or can't be written.
    """

    count: int
    form: EventFormat
    out: Path | None = None
    scores: Path | None = None
    plot: Path | None = None

    def __post_init__(self) -> None:
        scores, plot = self.scores, self.plot
        if self.form is EventFormat.audacity and self.count > 1 and not self.folder:
            raise BadDestination("out", "Audacity labels belong to one audio file: give a folder for several")
        if self.form is EventFormat.table and self.folder:
            raise BadDestination("out", "a folder holds json, csv, dcase or audacity files, not tables")
        if scores is not None and not _is_folder(scores):
            if scores.suffix.lower() != SCORES_SUFFIX:
                message = f"'{scores}': frame scores are written as {SCORES_SUFFIX}, or into a folder"
                raise BadDestination("scores", message)
            if self.folder:
                message = "a folder of events can be resumed, so scores must go into a folder as well"
                raise BadDestination("scores", message)
        if plot is not None and not _is_folder(plot):
            if plot.suffix.lower() not in IMAGE_SUFFIXES:
                message = f"'{plot}': figures are {' or '.join(IMAGE_SUFFIXES)}, or go into a folder"
                raise BadDestination("plot", message)
            if self.count > 1:
                raise BadDestination("plot", f"'{plot}' is one file for {self.count} sources: use a folder")
        for place in (self.out, scores, plot):
            if place is not None:
                _check_writable(place)

    @property
    def folder(self) -> Path | None:
        """Of the events, if they have one: such a run can be resumed."""
        return self.out if self.out is not None and _is_folder(self.out) else None

    @contextmanager
    def open(self, run: Mapping[str, object], labels: Sequence[str], *, overwrite: bool) -> Iterator[Outputs]:
        """Make folders and files; those that are not complete when the block is left vanish.

        Args:
            run: how the results are made (``run_record``).
            labels: names of the scores' columns.
            overwrite: make what a folder has of an earlier run again.

        Raises:
            OtherRun: a folder's results were made in another way, or belong to another run.
            EffbenchError: something can't be written.
        """
        for place in (self.scores, self.plot):
            if place is not None and _is_folder(place):
                claim(place, self.folder, overwrite=overwrite)
        record = None
        if self.folder is not None:
            scores, plot = (path and str(path) for path in (self.scores, self.plot))
            run = {**run, "kept": {"format": self.form.value, "scores": scores, "plot": plot}}
            record = FolderRecord(self.folder, run, overwrite=overwrite)
        for place in (self.out, self.scores, self.plot):
            if place is not None and place.is_dir():
                remove_abandoned(place)
        with ExitStack() as stack:
            writer = None
            if self.scores is not None and not _is_folder(self.scores):
                opened = open_score_table(self.scores, labels, several=True, about=json.dumps(run))
                writer = stack.enter_context(opened)
            yield Outputs(self, run, labels, writer, record)


@dataclass(frozen=True)
class Outputs:
    """The opened destinations of a run; ``held`` are files whose events are written at the end.

    A folder holds ``<audio file>.<format>`` for each source. It appears when it is complete, after everything
    else that is kept of the same audio, and counts when the folder's ``record`` has it.
    """

    places: Destinations
    run: Mapping[str, object]
    labels: Sequence[str]
    writer: pq.ParquetWriter | None
    record: FolderRecord | None
    held: list[DetectedFile] = field(default_factory=list)
    _audio: dict[str, AudioIdentity] = field(default_factory=dict)

    def remaining(self, sources: Sequence[Source]) -> Remaining:
        """Sources whose results are not in the folder yet; raises ``OtherRun`` where others' are."""
        return Remaining(sources) if self.record is None else self.record.remaining(sources, self._kept)

    def identified(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The same sources; what their audio is is noted before it is read."""
        for source in sources:
            if self.record is not None:
                with suppress(OSError):
                    self._audio[source.name] = AudioIdentity.of(source)
            yield source

    def identify(self, source: Source, audio: AudioIdentity) -> None:
        """Note what the audio of a source is, where that is known already."""
        self._audio[source.name] = audio

    def _kept(self, source: Source) -> tuple[Path, ...]:
        """Files of a source in folders, the events first."""
        folder, scores = self.places.folder, self.places.scores
        assert folder is not None
        result = self._result(folder, source.name)
        return (result,) if scores is None else (result, _score_table(scores, source))

    def listeners(self, source: Source) -> Iterator[AbstractContextManager[FrameListener]]:
        """What follows the frames of a source."""
        plot, scores = self.places.plot, self.places.scores
        if plot is not None:
            parts = _is_folder(plot)
            yield draw_file(source, plot / file_name(source.name, ".png") if parts else plot, parts=parts)
        if self.writer is not None:
            yield nullcontext(ScoreListener(source.name, self.writer))
        elif scores is not None:
            yield self._own_scores(source, scores)

    @contextmanager
    def _own_scores(self, source: Source, folder: Path) -> Iterator[FrameListener]:
        path, about = _score_table(folder, source), json.dumps(self.run)
        with open_score_table(path, self.labels, several=False, about=about) as writer:
            yield ScoreListener(source.name, writer)

    def keep(self, file: DetectedFile) -> None:
        """Events of one file: written at once in a folder, else held until all are there."""
        folder = self.places.folder
        if folder is None:
            self.held.append(file)
        else:
            with _text_file(self._result(folder, file.name), make_folder=True) as stream:
                write_events([file], self.places.form, stream, run=self.run)
            if self.record is not None and file.name in self._audio:
                self.record.add(file.name, self._audio.pop(file.name))

    def finish(self, failures: Sequence[Failure]) -> None:
        """Write what was held; into the folder of temporary files where its own place has become full."""
        out = self.places.out
        if self.places.folder is not None or (failures and not self.held):
            return
        if out is None:
            write_events(self.held, self.places.form, sys.stdout, run=self.run, failures=failures)
            return
        try:
            self._write(out, failures)
        except EffbenchError as error:
            spare = Path(gettempdir(), f"effbench-{os.getpid()}{out.suffix}")
            try:
                self._write(spare, failures)
            except EffbenchError:
                raise error from None
            raise EffbenchError(f"{error}\nThe events are in '{spare}'.") from error

    def _write(self, path: Path, failures: Sequence[Failure]) -> None:
        with _text_file(path) as stream:
            write_events(self.held, self.places.form, stream, run=self.run, failures=failures)

    def _result(self, folder: Path, name: str) -> Path:
        return folder / file_name(name, self.places.form.suffix)


def _check_writable(place: Path) -> None:
    """Raise before work starts what would be lost at its end; what is made later on is checked then."""
    folder = place if place.is_dir() else place.parent
    if not folder.is_dir() and not _is_folder(place):
        raise EffbenchError(f"'{place}' can't be written: there is no folder '{folder}'")
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise EffbenchError(f"'{place}' can't be written: no permission to write in '{folder}'")
    if place.exists() and not (place.is_dir() or place.is_file()):
        raise EffbenchError(f"'{place}' can't be written: it is neither a file nor a folder")


@contextmanager
def _text_file(path: Path, *, make_folder: bool = False) -> Iterator[TextIO]:
    with (
        replacing(path, make_folder=make_folder) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        yield stream


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _score_table(folder: Path, source: Source) -> Path:
    return folder / file_name(source.name, SCORES_SUFFIX)
