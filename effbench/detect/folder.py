"""A folder of results, one file for each audio file, that an interrupted run can continue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench.detect.events import Detection
from effbench.detect.inputs import Source
from effbench.detect.output import EventFormat, write_events
from effbench.errors import EffbenchError, UsageError
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
    run: Mapping[str, Any]
    others: tuple[tuple[Path, str], ...] = ()

    def prepare(self, *, overwrite: bool = False) -> None:
        """Make the folder, or see that its results were made alike.

        Raises:
            UsageError: they were not, and are not to be overwritten; says what differs.
            EffbenchError: the folder can't be written.
        """
        manifest = self.path / MANIFEST
        try:
            if manifest.is_file() and not overwrite:
                self._compare(json.loads(manifest.read_text(encoding="utf-8")))
                return
            with replacing(manifest, make_folder=True) as temporary:
                temporary.write_text(json.dumps(self.run, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise EffbenchError(f"'{manifest}' can't be read: {error.strerror or error}") from None
        except ValueError:
            raise EffbenchError(f"{manifest} is damaged: use --overwrite or another folder") from None

    def _compare(self, earlier: Mapping[str, Any]) -> None:
        before, now = _flat(earlier), _flat(json.loads(json.dumps(self.run)))
        changed = [
            f"{key.replace('_', '-')}: {json.dumps(before.get(key))} before, {json.dumps(now.get(key))} now"
            for key in dict.fromkeys((*before, *now))
            if before.get(key) != now.get(key)
        ]
        if changed:
            raise UsageError(
                "\n".join(
                    [
                        f"the results in '{self.path}' were made in another way",
                        *changed,
                        "Use another folder, or --overwrite to make them all again.",
                    ]
                )
            )

    def result_of(self, source: Source | Detection) -> Path:
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

    def write(self, detection: Detection) -> Path:
        """Write one file's events."""
        path = self.result_of(detection)
        with (
            replacing(path, make_folder=True) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            write_events([detection], self.form, file, run=self.run)
        return path


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= value if isinstance(value, Mapping) else {key: value}
    return flat
