"""Events as tables, JSON, CSV, DCASE TSV or Audacity labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TextIO

from effbench.errors import UsageError

if TYPE_CHECKING:
    from effbench.detect.detected import DetectedFile, Failure


class EventFormat(StrEnum):
    """How events are written."""

    table = "table"
    json = "json"
    csv = "csv"
    dcase = "dcase"
    audacity = "audacity"

    @property
    def suffix(self) -> str:
        """Suffix of a file in this format."""
        return {"table": ".txt", "dcase": ".tsv", "audacity": ".txt"}.get(self.value, f".{self.value}")


#: Formats that a file's suffix means, where none is asked for.
BY_SUFFIX = {
    ".json": EventFormat.json,
    ".csv": EventFormat.csv,
    ".tsv": EventFormat.dcase,
    ".txt": EventFormat.audacity,
}


class BadDestination(UsageError):
    """Results that can't go where they are wanted.

    Attributes:
        what: which of the destinations it is.
    """

    def __init__(self, what: Literal["out", "scores", "plot"], message: str) -> None:
        super().__init__(message)
        self.what = what


class OtherRun(BadDestination):
    """A folder whose results were made in another way; says what differs."""


def write_events(
    files: Sequence[DetectedFile],
    form: EventFormat,
    stream: TextIO,
    *,
    run: Mapping[str, object],
    failures: Sequence[Failure] = (),
) -> None:
    """Write events to an open text file.

    Args:
        files: with their events.
        form: any format.
        stream: where to.
        run: what JSON says about the run: model, checkpoint, options.
        failures: files that could not be used; only JSON has room for them.

    Raises:
        BadDestination: several files in a format that can't tell them apart.
    """
    if form is EventFormat.json:
        json.dump(document(files, run=run, failures=failures), stream, indent=2, ensure_ascii=False)
        stream.write("\n")
    else:
        _WRITERS[form](files, stream)


def document(
    files: Sequence[DetectedFile], *, run: Mapping[str, object], failures: Sequence[Failure] = ()
) -> dict[str, object]:
    """What JSON holds: the run, the files with their events, and the files that failed."""
    failed = [{"filename": failure.name, "error": failure.message} for failure in failures]
    return {**run, "files": [file.to_dict() for file in files], "failed": failed}


def _write_table(files: Sequence[DetectedFile], stream: TextIO) -> None:
    """Nothing where there are no events."""
    if not any(map(len, files)):
        return
    from rich.console import Console

    from effbench.detect.detected import event_table

    table = event_table(files)
    # Tables are never cut: lines run on.
    console = Console(file=stream, width=Console(width=10_000).measure(table.__rich__()).maximum)
    console.print(table)


def _write_csv(files: Sequence[DetectedFile], stream: TextIO) -> None:
    from effbench.detect.detected import COLUMNS, event_rows

    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for file in files:
        writer.writerows(event_rows(file))


def _write_dcase(files: Sequence[DetectedFile], stream: TextIO) -> None:
    """Four columns; a fifth with the threshold only where there are several."""
    several = any(len(file.thresholds) > 1 for file in files)
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(["filename", "onset", "offset", "event_label"] + ["threshold"] * several)
    for file in files:
        for event in file:
            row = [file.name, event.onset, event.offset, event.label]
            writer.writerow([*row, event.threshold] if several else row)


def _write_audacity(files: Sequence[DetectedFile], stream: TextIO) -> None:
    """Start, end and text of each label; Audacity has no place for the file's name."""
    if len(files) > 1:
        raise BadDestination("out", "Audacity labels belong to one audio file: give a folder for several")
    for file in files:
        several = len(file.thresholds) > 1
        for event in file:
            text = f"{event.label} (> {event.threshold:g})" if several else event.label
            stream.write(f"{event.onset:.6f}\t{event.offset:.6f}\t{text}\n")


_WRITERS: Mapping[EventFormat, Callable[[Sequence[DetectedFile], TextIO], None]] = {
    EventFormat.table: _write_table,
    EventFormat.csv: _write_csv,
    EventFormat.dcase: _write_dcase,
    EventFormat.audacity: _write_audacity,
}
