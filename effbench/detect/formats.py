"""Events as tables, JSON, CSV, DCASE TSV or Audacity labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TextIO

from effbench.errors import UsageError
from effbench.shown import show, takes_unicode

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


class BadDestination(UsageError):
    """Results that can't go where they are wanted; ``what`` says which."""

    def __init__(self, what: Literal["out", "scores", "plot"], message: str) -> None:
        super().__init__(message)
        self.what = what


class OtherRun(UsageError):
    """A folder whose results were made in another way; says what differs."""


def write_events(
    files: Sequence[DetectedFile],
    form: EventFormat,
    stream: TextIO,
    *,
    run: Mapping[str, object],
    failures: Sequence[Failure] = (),
) -> None:
    """Write events to an open text file; JSON also says how they were made and which files failed."""
    if form is EventFormat.json:
        failed = [{"filename": failure.name, "error": str(failure)} for failure in failures]
        document = {**run, "files": [file.to_dict() for file in files], "failed": failed}
        json.dump(document, stream, indent=2, ensure_ascii=not takes_unicode(stream))
        stream.write("\n")
    else:
        _WRITERS[form](files, stream)


def _write_table(files: Sequence[DetectedFile], stream: TextIO) -> None:
    """Nothing where there are no events."""
    if not any(map(len, files)):
        return
    from effbench.detect.detected import event_table

    show([event_table(files)], stream)


def _write_csv(files: Sequence[DetectedFile], stream: TextIO) -> None:
    from effbench.detect.detected import EVENT_COLUMNS

    writer = csv.DictWriter(stream, EVENT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for file in files:
        writer.writerows({"filename": file.name, **vars(event)} for event in file)


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
    """Onset, offset and text of each label of one file, since there is no place for a file's name."""
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
