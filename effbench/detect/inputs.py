"""Audio to read: files, folders, globs and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from effbench.errors import UsageError

#: Suffixes of audio files in a folder. A file that is named itself may have any.
AUDIO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("wav", "wave", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "aifc"),
        *("au", "snd", "caf", "w64", "rf64", "sph", "nist", "voc"),
    )
)
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """One audio file (the bytes, of standard input) and its unique name; in a folder, the path below it."""

    name: str
    audio: Path | bytes


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Source]:
    """The sources of files, folders (recursively), globs and ``-`` (standard input), each once, in order.

    A file that does not exist is a source as well: it fails when it is read, and the others go on.

    Raises:
        UsageError: a folder without audio, or a glob without a match.
    """
    found: dict[Path | bytes, str] = {}
    for given in paths:
        argument = os.fspath(given)
        if argument == STANDARD_INPUT:
            found.setdefault(sys.stdin.buffer.read(), "stdin")
            continue
        path = Path(argument).expanduser()
        if path.is_dir():
            for file in _audio_in(path):
                found.setdefault(file, file.relative_to(path).as_posix())
        elif path.exists() or not any(mark in argument for mark in "*?["):
            found.setdefault(path, path.name)
        else:
            matches = [Path(match) for match in sorted(glob(str(path), recursive=True))]  # noqa: PTH207
            files = [match for match in matches if match.is_file()]
            if not files:
                raise UsageError(f"no file matches '{path}'")
            for file in files:
                found.setdefault(file, file.name)
    return _distinct(found)


def _audio_in(folder: Path) -> list[Path]:
    files: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [
            Path(parent, name)
            for name in sorted(names)
            if Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".")
        ]
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in AUDIO_SUFFIXES))
        raise UsageError(f"no audio files in '{folder}': a folder is searched for {kinds}")
    return files


def _distinct(found: dict[Path | bytes, str]) -> list[Source]:
    """Sources whose names differ; where file names are shared, paths from the folder common to all."""
    if len(set(found.values())) < len(found):
        common = os.path.commonpath([path.resolve().parent for path in found if isinstance(path, Path)])
        for path in found:
            if isinstance(path, Path):
                found[path] = path.resolve().relative_to(common).as_posix()
    return [Source(name, audio) for audio, name in found.items()]
