"""Finds the audio files of a data set by their names."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from effbench.data.clip_names import AUDIO_SUFFIXES, TABLE_SUFFIXES, stem, without_suffix
from effbench.data.clips import Audio, FileAudio, Problem
from effbench.data.media_files import MEDIA_SUFFIXES

_DOCUMENTS = (".json", ".jsonl", ".yaml", ".yml", ".md", ".h5", ".hdf", ".hdf5", ".pdf", ".py", ".zip", ".gz")
_NOT_AUDIO = {*TABLE_SUFFIXES, *_DOCUMENTS}


class Matched(NamedTuple):
    """Audio of the clips that have some, ids of those that have none, and what is odd about the files."""

    audio: Mapping[str, Audio]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class AudioFiles:
    """Audio by name, and by path, without suffix; ``spare`` are further files of the same name."""

    found: Mapping[str, Audio]
    spare: tuple[tuple[str, Path], ...] = ()

    def match(self, names: Mapping[str, Iterable[str]]) -> Matched:
        """Audio of every clip under the first of its ``names`` that there is a file of."""
        audio = {
            clip: self.found[name]
            for clip, candidates in names.items()
            if (name := next((name for name in candidates if name in self.found), None)) is not None
        }
        kind = "several audio files of one clip"
        problems = [Problem(kind, name, f"{path} is not used") for name, path in self.spare if name in audio]
        return Matched(audio, tuple(sorted(names.keys() - audio.keys())), tuple(problems))

    def unnamed(self, names: Collection[str]) -> tuple[Problem, ...]:
        """Says how many recordings have none of the names, if any."""
        named = {self.found[name] for name in names if name in self.found}
        others = sorted({audio.name for audio in self.found.values() if audio not in named})
        others = [name for name in others if Path(name).suffix.lower() in AUDIO_SUFFIXES | MEDIA_SUFFIXES]
        if not others:
            return ()
        files = "1 file" if len(others) == 1 else f"{len(others):,} files"
        return (Problem("audio that no labels name", stem(others[0]), f"{files}, {others[0]} first"),)


def audio_files(root: Path, split: str) -> AudioFiles:
    """Every file that may hold audio in ``audio/<split>``, ``audio``, ``<split>`` or all of ``root``."""
    folders = (root / "audio" / split, root / "audio", root / split, root)
    folder = next((folder for folder in folders if folder.is_dir()), root)
    found: dict[str, Audio] = {}
    spare = []
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() in _NOT_AUDIO:
                continue
            if stem(name) in found:
                spare.append((stem(name), path))
            for known in (name, path.relative_to(folder).as_posix(), path.relative_to(root).as_posix()):
                found.setdefault(without_suffix(known), FileAudio(path))
    return AudioFiles(found, tuple(spare))
