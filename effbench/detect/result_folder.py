"""A folder of results, one file for each audio file, that an interrupted run can continue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from effbench.detect.detected import DetectedFile
from effbench.detect.formats import EventFormat, OtherRun, write_events
from effbench.detect.inputs import Source
from effbench.errors import EffbenchError
from effbench.files import replacing

MANIFEST = "effbench-detect.json"


@dataclass(frozen=True)
class ResultFolder:
    """Results in ``<folder>/<audio file>.<format>``; how they were made is in ``effbench-detect.json``.

    A result appears when it is complete, after everything else that was asked for of the same audio. It is
    out of date where the audio is newer.

    Attributes:
        path: the folder.
        form: format of the events.
        run: what was asked for; all results of a folder are made alike.
        others: suffixes by folder of the other files that belong to each result (scores).
    """

    path: Path
    form: EventFormat
    run: Mapping[str, object]
    others: tuple[tuple[Path, str], ...] = ()

    def prepare(self, *, overwrite: bool = False) -> None:
        """Make the folder, or see that its results were made alike.

        Raises:
            OtherRun: they were not, and are not to be overwritten.
            EffbenchError: the folder can't be written, or what it says of its results is damaged.
        """
        manifest = self.path / MANIFEST
        try:
            if manifest.is_file() and not overwrite:
                self._compare(json.loads(manifest.read_text(encoding="utf-8")))
                return
        except OSError as error:
            raise EffbenchError(f"'{manifest}' can't be read: {error.strerror or error}") from None
        except ValueError:
            raise EffbenchError(f"{manifest} is damaged: use another folder, or overwrite it") from None
        with replacing(manifest, make_folder=True) as temporary:
            temporary.write_text(json.dumps(self.run, indent=2) + "\n", encoding="utf-8")

    def _compare(self, earlier: Mapping[str, object]) -> None:
        before, now = _flat(earlier), _flat(json.loads(json.dumps(self.run)))
        changed = [
            f"{key.replace('_', '-')}: {json.dumps(before.get(key))} before, {json.dumps(now.get(key))} now"
            for key in dict.fromkeys((*before, *now))
            if before.get(key) != now.get(key)
        ]
        if changed:
            raise OtherRun(
                "out", "\n".join([f"the results in '{self.path}' were made in another way", *changed])
            )

    def result_of(self, source: Source | DetectedFile) -> Path:
        """The file with the events of a source."""
        return self.path / f"{source.name}{self.form.suffix}"

    def done(self, source: Source) -> bool:
        """Whether everything of a source is there, and newer than the audio."""
        wanted = [self.result_of(source), *(folder / f"{source.name}{end}" for folder, end in self.others)]
        if not all(path.is_file() for path in wanted):
            return False
        if isinstance(source.audio, bytes):
            return False
        try:
            # What is older than the manifest was made in another way, and is to be overwritten.
            newest = max(file.stat().st_mtime_ns for file in (source.audio, self.path / MANIFEST))
            return newest <= wanted[0].stat().st_mtime_ns
        except OSError:
            return False

    def write(self, file: DetectedFile) -> None:
        """Write one file's events."""
        with (
            replacing(self.result_of(file), make_folder=True) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as stream,
        ):
            write_events([file], self.form, stream, run=self.run)


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    """What results depend on: all but the version, whose successors go on where it stopped."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if key == "effbench":
            continue
        flat |= value if isinstance(value, Mapping) else {key: value}
    return flat
