"""AudioSet's HDF5 packs: mp3 files of many clips in one file, with their weak targets (needs ``h5py``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effbench.data.clip_names import stem
from effbench.data.vocabulary import weak_classes
from effbench.errors import DataError

if TYPE_CHECKING:
    import h5py

PACK_SUFFIXES = (".hdf", ".hdf5", ".h5")


@dataclass(frozen=True, slots=True)
class PackAudio:
    """One clip of a pack; the pack is opened once per process, at the first read."""

    pack: Path
    row: int
    clip: str

    @property
    def name(self) -> str:
        return f"{self.pack}: {self.clip}"

    def source(self) -> bytes:
        """The bytes of the mp3 file."""
        try:
            return bytes(_opened(self.pack, os.getpid())["mp3"][self.row].tobytes())
        except (OSError, KeyError, RuntimeError) as error:
            raise DataError(f"{self.pack}: {self.name} can't be read ({error})") from error


@lru_cache(maxsize=8)
def _opened(pack: Path, process: int) -> h5py.File:
    """An open pack; a forked process must not share its parent's."""
    return open_hdf5(pack)


def open_hdf5(path: Path, mode: str = "r") -> h5py.File:
    """An open HDF5 file; ``DataError`` if it is not one, or ``h5py`` is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"{path}: HDF5 files need h5py\nInstall it: pip install 'effbench[data]'") from error
    try:
        return h5py.File(path, mode)
    except OSError as error:
        raise DataError(f"{path} is not a readable HDF5 file ({str(error).splitlines()[0]})") from error


def packs_in(folder: Path) -> list[Path]:
    """HDF5 files in ``folder`` that hold mp3 files, by name."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PACK_SUFFIXES and path.is_file() and not path.name.startswith("."):
            with open_hdf5(path) as pack:
                if {"audio_name", "mp3"} <= set(pack):
                    found.append(path)
    return found


def pack_split(pack: Path) -> str:
    """``balanced_train`` of ``balanced_train_segments_mp3.hdf``."""
    return pack.stem.removesuffix("_mp3").removesuffix("_segments")


def pack_names(pack: Path) -> list[str]:
    """``Y<id>`` of every row: without the suffix, and without the folder that large packs prefix."""
    with open_hdf5(pack) as file:
        return [stem(name.decode("utf-8", "replace")) for name in file["audio_name"][:].tolist()]


def pack_audio(packs: Sequence[Path]) -> dict[str, PackAudio]:
    """Every clip of some packs, by name."""
    found: dict[str, PackAudio] = {}
    for pack in packs:
        for row, name in enumerate(pack_names(pack)):
            found.setdefault(name, PackAudio(pack, row, name))
    return found


def pack_targets(pack: Path) -> dict[str, tuple[str, ...]]:
    """Weak labels of every clip; the packed bits follow the index order of the 527 classes."""
    classes = weak_classes().names
    width = -(-len(classes) // 8)
    with open_hdf5(pack) as file:
        if "target" not in file or file["target"].shape[1:] != (width,):
            raise DataError(f"{pack}: no packed targets of {len(classes)} classes ({width} bytes a clip)")
        bits = np.unpackbits(file["target"][:], axis=1, count=len(classes))
    rows, columns = np.nonzero(bits)
    parts = np.split(columns, np.searchsorted(rows, np.arange(1, len(bits))))
    labels = (tuple(classes[column] for column in part) for part in parts)
    return dict(zip(pack_names(pack), labels, strict=True))
