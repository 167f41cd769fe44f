"""Logits of a validation, on their way from the processes that compute them to the one that scores them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from effbench.files import reporting_write_errors
from effbench.infer.score_folder import Packed, unpack


class LogitWriter:
    """Appends the logits of clips to an archive, in which every array is a file."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive

    def add(self, clip: int, arrays: Packed) -> None:
        """Keep a clip's logits, as ``pack`` makes them, under the clip's number."""
        for name, array in arrays.items():
            with self._archive.open(f"{clip}/{name}", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


@contextmanager
def writing_logits(folder: Path, process: int) -> Iterator[LogitWriter]:
    """A file of this process's own in ``folder``; raises ``EffbenchError`` where it can't be written."""
    path = _file(folder, process)
    with reporting_write_errors(path), ZipFile(path, "w") as archive:
        yield LogitWriter(archive)


@contextmanager
def reading_logits(
    folder: Path, processes: int, clips: Sequence[str]
) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    """The logits that all ``processes`` have written of ``clips``, whose numbers are their places."""
    with ExitStack() as opened:
        archives = [opened.enter_context(ZipFile(_file(folder, number))) for number in range(processes)]
        yield _KeptLogits(archives, clips)


def _file(folder: Path, process: int) -> Path:
    return folder / f"{process}.zip"


class _KeptLogits(Mapping[str, NDArray[np.float32]]):
    """The logits of each clip, read when they are asked for."""

    def __init__(self, archives: Sequence[ZipFile], clips: Sequence[str]) -> None:
        self._parts: dict[str, dict[str, ZipFile]] = defaultdict(dict)
        for archive in archives:
            for entry in archive.namelist():
                number, name = entry.split("/")
                self._parts[clips[int(number)]][name] = archive
        self._numbers = {clip: number for number, clip in enumerate(clips)}

    def __getitem__(self, clip: str) -> NDArray[np.float32]:
        number, parts = self._numbers[clip], self._parts[clip]
        return unpack({name: _array(archive, f"{number}/{name}") for name, archive in parts.items()})

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _array(archive: ZipFile, name: str) -> NDArray[np.float32]:
    with archive.open(name) as file:
        array: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        return array
