"""Audio to read: files, folders, globs and standard input."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from glob import glob
from pathlib import Path
from stat import S_ISREG

from effbench.data.audio import stated_seconds
from effbench.data.clip_names import AUDIO_SUFFIXES
from effbench.data.media_files import MEDIA_HELP, MEDIA_SUFFIXES, can_decode_media
from effbench.errors import AudioError, UsageError
from effbench.files import readable

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """One audio file (the bytes, of standard input) and its unique name; in a folder, the path below it.

    The name is printable text, whatever the bytes of the file's name are.
    """

    name: str
    audio: Path | bytes

    def seconds(self) -> float | None:
        """Length of the audio as its header says it; ``None`` where it does not, or can't be read."""
        try:
            return stated_seconds(self.audio)
        except AudioError:
            return None


@dataclass(frozen=True)
class Found:
    """What ``find`` has found.

    Attributes:
        sources: the audio.
        left_out: number of media files in folders that can't be decoded, by kind (``m4a``).
    """

    sources: list[Source]
    left_out: Mapping[str, int]


def find(paths: Iterable[str | os.PathLike[str]]) -> Found:
    """The sources of files, folders (recursively), globs and ``-`` (standard input), each once, in order.

    A file that does not exist is a source as well: it fails when it is read, and the others go on. Of
    folders, regular files alone are taken, and one that links lead to twice is searched once.

    Raises:
        UsageError: a folder without audio, a glob without a match, a pipe or a device, or two files that
            results can't tell apart.
    """
    # By the file's place, so that it is one source however it is reached.
    found: dict[Path, Source] = {}
    left_out: Counter[str] = Counter()
    real = cache(Path.resolve)
    for given in paths:
        argument = os.fspath(given)
        if argument == STANDARD_INPUT:
            place = Path(STANDARD_INPUT)
            if place not in found:
                found[place] = Source("stdin", sys.stdin.buffer.read())
            continue
        path = Path(argument).expanduser()
        if path.is_dir():
            named = [(file, file.relative_to(path).as_posix()) for file in _audio_in(path, left_out)]
        else:
            named = [(file, file.name) for file in _named(path)]
        for file, name in named:
            found.setdefault(real(file.parent) / file.name, Source(readable(name), file))
    return Found(_distinct(found), left_out)


def _named(path: Path) -> list[Path]:
    """The file of an argument, or those that it matches."""
    if path.exists() or not any(mark in str(path) for mark in "*?["):
        if path.exists() and not path.is_file():
            raise UsageError(
                f"'{readable(path)}' is no regular file: a pipe or a device is read as standard input (-)"
            )
        return [path]
    files = [Path(match) for match in sorted(glob(str(path), recursive=True)) if Path(match).is_file()]  # noqa: PTH207
    if not files:
        raise UsageError(f"no file matches '{readable(path)}'")
    return files


def _audio_in(folder: Path, left_out: Counter[str]) -> list[Path]:
    """Audio files at any depth; ``left_out`` counts media that can't be decoded."""
    suffixes = AUDIO_SUFFIXES | MEDIA_SUFFIXES if can_decode_media() else AUDIO_SUFFIXES
    files: list[Path] = []
    skipped: Counter[str] = Counter()
    searched: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        files.append(Path(error.filename))  # it fails as a file does, and is reported

    for parent, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        about = Path(parent).stat()
        if (about.st_dev, about.st_ino) in searched:
            folders.clear()
            continue
        searched.add((about.st_dev, about.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if name.startswith(".") or suffix not in AUDIO_SUFFIXES | MEDIA_SUFFIXES:
                continue
            path = Path(parent, name)
            if suffix not in suffixes:
                skipped[suffix[1:]] += 1
            elif _is_regular(path):
                files.append(path)
    left_out += skipped
    if not files:
        if skipped:
            raise UsageError(
                f"no audio in '{readable(folder)}' that can be decoded: {skipped_media(skipped)}"
            )
        kinds = ", ".join(sorted(suffix[1:] for suffix in AUDIO_SUFFIXES | MEDIA_SUFFIXES))
        raise UsageError(f"no audio files in '{readable(folder)}': a folder is searched for {kinds}")
    return files


def skipped_media(kinds: Mapping[str, int]) -> str:
    """What is left out and what would change that: ``11 files left out (8 m4a, 3 mp4): …``."""
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    total = sum(kinds.values())
    return f"{total:,} file{'s' * (total != 1)} left out ({listed}): {MEDIA_HELP}"


def _is_regular(path: Path) -> bool:
    """Whether a file can be opened without harm; a broken link can, and fails by itself."""
    try:
        return S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _distinct(found: Mapping[Path, Source]) -> list[Source]:
    """Sources whose names differ; where file names are shared, paths from the folder common to all."""
    sources = list(found.values())
    if len({source.name for source in sources}) < len(sources):
        common = os.path.commonpath([place.parent for place in found if place.is_absolute()])
        sources = [
            source
            if isinstance(source.audio, bytes)
            else Source(readable(place.relative_to(common).as_posix()), source.audio)
            for place, source in found.items()
        ]
    for name, count in Counter(source.name for source in sources).items():
        if count > 1:
            raise UsageError(f"{count} sources would be called '{name}' in the results: rename one")
    return sources
