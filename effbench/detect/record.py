"""What a folder of results holds: how all of them are made, and which audio each one is of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from effbench.detect.formats import OtherRun
from effbench.detect.inputs import Source
from effbench.errors import EffbenchError
from effbench.files import replacing, reporting_write_errors
from effbench.identity import content_digest

#: How the results are made: the same for all of a folder.
MANIFEST = "effbench-detect.json"
#: Which audio each result is of: a line of JSON for each, written after the result.
INPUTS = "effbench-detect.inputs.jsonl"
#: In a folder of scores or figures: which folder of events they belong to.
OWNER = "effbench-detect.of.json"


@dataclass(frozen=True)
class AudioIdentity:
    """The audio that a result is of.

    Attributes:
        path: absolute; ``None`` for standard input.
        size: bytes.
        modified: nanoseconds since 1970, 0 for standard input.
        content: digest of the bytes.
    """

    path: str | None
    size: int
    modified: int
    content: str

    @classmethod
    def of(cls, source: Source) -> AudioIdentity:
        """Of a source as it is now; raises ``OSError`` where it can't be read."""
        if isinstance(source.audio, bytes):
            return cls(None, len(source.audio), 0, content_digest(source.audio))
        about = source.audio.stat()
        place = str(source.audio.parent.resolve() / source.audio.name)
        return cls(place, about.st_size, about.st_mtime_ns, content_digest(source.audio))

    def compare(self, source: Source) -> Literal["same", "changed", "other"]:
        """Whether a source has this content, other content in the same place, or is another recording.

        Content is read only where place, size and time do not tell.
        """
        try:
            if isinstance(source.audio, Path):
                about = source.audio.stat()
                place = str(source.audio.parent.resolve() / source.audio.name)
                if (place, about.st_size, about.st_mtime_ns) == (self.path, self.size, self.modified):
                    return "same"
            if AudioIdentity.of(source).content == self.content:
                return "same"
        except OSError:
            return "changed"  # reading it again says what is wrong
        return "changed" if isinstance(source.audio, Path) and place == self.path else "other"


def claim(place: Path, events: Path | None, *, overwrite: bool) -> None:
    """Note that a folder of scores or figures belongs to a folder of events, if there is one.

    Raises:
        OtherRun: it belongs to another, whose scores and figures would be replaced.
        EffbenchError: it can't be written.
    """
    if events is not None and place.resolve() == events.resolve():
        return
    file = place / OWNER
    wanted = None if events is None else os.path.relpath(events.resolve(), place.resolve())
    try:
        owner = json.loads(file.read_text(encoding="utf-8"))["events"]
    except (OSError, ValueError, KeyError, TypeError):
        owner = None
    if isinstance(owner, str) and owner != wanted and not overwrite and (place / owner / MANIFEST).is_file():
        told = os.path.relpath((place / owner).resolve())
        raise OtherRun(f"'{place}' has scores or figures of the results in '{told}'")
    if wanted is not None and wanted != owner:
        with replacing(file, make_folder=True) as temporary:
            temporary.write_text(json.dumps({"events": wanted}) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Remaining:
    """Sources that are still to be done; of ``changed``, the folder has results of earlier content."""

    sources: Sequence[Source]
    changed: int = 0


class FolderRecord:
    """The record of a folder of results, which an interrupted run leaves complete up to its last result.

    Raises:
        OtherRun: the folder's results were made in another way, or it has no record of their audio.
        EffbenchError: it can't be read or written.
    """

    def __init__(self, folder: Path, run: Mapping[str, object], *, overwrite: bool) -> None:
        self._file = folder / INPUTS
        self._inputs: dict[str, AudioIdentity | None] = {}
        manifest = folder / MANIFEST
        if manifest.is_file() and not overwrite:
            _compare(folder, _read(manifest), run)
            self._inputs = dict(self._lines())
            return
        with replacing(self._file, make_folder=True):
            pass
        with replacing(manifest) as temporary:
            temporary.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")

    def remaining(self, sources: Sequence[Source], kept: Callable[[Source], tuple[Path, ...]]) -> Remaining:
        """Which sources are still to be done.

        Args:
            sources: all of a run.
            kept: files of a source, the result first.

        Raises:
            OtherRun: the folder has results of other recordings with the same names.
        """
        todo, changed, others = [], 0, []
        for source in sources:
            known, files = self._inputs.get(source.name), kept(source)
            state = known.compare(source) if known is not None and files[0].is_file() else "missing"
            if state == "same" and all(file.is_file() for file in files[1:]):
                continue
            todo.append(source)
            changed += state == "changed"
            if state == "other" and known is not None:
                others.append(f"{source.name}: the result is of {known.path or 'other standard input'}")
        if others:
            more = [f"and {len(others) - 5:,} more"] if len(others) > 5 else []
            told = f"'{self._file.parent}' has results of other recordings with the same names"
            raise OtherRun("\n".join([told, *others[:5], *more]))
        for source in todo:
            if self._inputs.get(source.name) is not None:
                self._forget(source.name)
        return Remaining(todo, changed)

    def add(self, name: str, audio: AudioIdentity) -> None:
        """A result is complete."""
        self._append(name, asdict(audio))
        self._inputs[name] = audio

    def _forget(self, name: str) -> None:
        """Its result is about to be replaced, and then is not of what the record has."""
        self._append(name, {})
        self._inputs[name] = None

    def _append(self, name: str, fields: Mapping[str, object]) -> None:
        line = json.dumps({"name": name, **fields}) + "\n"
        with reporting_write_errors(self._file), self._file.open("a+b", buffering=0) as file:
            # A line that a killed run left half written stays alone.
            if file.tell() and not self._ends_with_newline():
                line = "\n" + line
            file.write(line.encode())

    def _ends_with_newline(self) -> bool:
        with self._file.open("rb") as file:
            file.seek(-1, 2)
            return file.read() == b"\n"

    def _lines(self) -> Iterator[tuple[str, AudioIdentity | None]]:
        """Those that are whole; the last of a name holds."""
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            raise OtherRun(
                f"'{self._file.parent}' has no record of the audio that its results are of, "
                "so they can't be continued"
            ) from None
        except OSError as error:
            raise EffbenchError(f"'{self._file}' can't be read: {error.strerror or error}") from None
        for line in lines:
            try:
                fields = json.loads(line)
                yield fields.pop("name"), AudioIdentity(**fields) if fields else None
            except (ValueError, TypeError, AttributeError, KeyError):
                continue


def _read(manifest: Path) -> Mapping[str, object]:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        raise EffbenchError(f"'{manifest}' can't be read: {error.strerror or error}") from None
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        raise OtherRun(f"'{manifest}' is damaged, so its results can't be continued")
    return content


def _compare(folder: Path, earlier: Mapping[str, object], run: Mapping[str, object]) -> None:
    before, now = _flat(earlier), _flat(json.loads(json.dumps(run)))
    changed = [
        f"{key.replace('_', '-')}: {json.dumps(before.get(key))} before, {json.dumps(now.get(key))} now"
        for key in dict.fromkeys((*before, *now))
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise OtherRun("\n".join([f"the results in '{folder}' were made in another way", *changed]))


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    """What results depend on: all but the version, since a later one resumes the same run."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if key != "effbench":
            flat |= value if isinstance(value, Mapping) else {key: value}
    return flat
