"""Events as JSON, CSV, DCASE TSV, Audacity labels, or rows of a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from effbench.errors import UsageError

if TYPE_CHECKING:
    from effbench.detect.events import Detection
    from effbench.detect.run import Failure


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
COLUMNS = ("filename", "onset", "offset", "label", "threshold", "score")


def rows(detections: Iterable[Detection]) -> Iterator[dict[str, Any]]:
    """One row an event: file, seconds, class, threshold and highest score."""
    for detection in detections:
        for event in detection.events():
            yield {
                "filename": detection.name,
                "onset": event.onset,
                "offset": event.offset,
                "label": event.label,
                "threshold": event.threshold,
                "score": event.score,
            }


def write_events(
    detections: Sequence[Detection],
    form: EventFormat,
    file: TextIO,
    *,
    run: Mapping[str, Any],
    failures: Sequence[Failure] = (),
) -> None:
    """Write events to an open text file; ``table`` is the command line's own.

    Args:
        detections: the files' events.
        form: any format but ``table``.
        file: where to.
        run: what JSON says about the run: model, checkpoint, options.
        failures: files that could not be used; only JSON has room for them.

    Raises:
        UsageError: several files in a format that can't tell them apart.
    """
    if form is EventFormat.json:
        json.dump(document(detections, run=run, failures=failures), file, indent=2, ensure_ascii=False)
        file.write("\n")
    elif form is EventFormat.csv:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(detections))
    elif form is EventFormat.dcase:
        _write_dcase(detections, file)
    elif form is EventFormat.audacity:
        _write_audacity(detections, file)
    else:
        raise ValueError(f"write_events does not write {form}")


def document(
    detections: Sequence[Detection], *, run: Mapping[str, Any], failures: Sequence[Failure] = ()
) -> dict[str, Any]:
    """What JSON holds: the run, the files with their events, and the files that failed."""
    files = [
        {
            "filename": detection.name,
            "duration": detection.duration,
            "events": [{k: v for k, v in row.items() if k != "filename"} for row in rows([detection])],
        }
        for detection in detections
    ]
    failed = [{"filename": failure.name, "error": failure.message} for failure in failures]
    return {**run, "files": files, "failed": failed}


def _write_dcase(detections: Sequence[Detection], file: TextIO) -> None:
    """Four columns; a fifth with the threshold only where there are several."""
    several = any(len(detection.thresholds) > 1 for detection in detections)
    header = ["filename", "onset", "offset", "event_label"] + ["threshold"] * several
    writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(header)
    for row in rows(detections):
        values = [row["filename"], row["onset"], row["offset"], row["label"]]
        writer.writerow(values + [row["threshold"]] * several)


def _write_audacity(detections: Sequence[Detection], file: TextIO) -> None:
    """Start, end and text of each label; Audacity has no place for the file's name."""
    if len(detections) > 1:
        raise UsageError("Audacity labels belong to one audio file: use --out FOLDER for several")
    for detection in detections:
        several = len(detection.thresholds) > 1
        for event in detection.events():
            text = f"{event.label} (> {event.threshold:g})" if several else event.label
            file.write(f"{event.onset:.6f}\t{event.offset:.6f}\t{text}\n")
