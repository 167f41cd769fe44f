"""The folder of logits that inference fills, a file a clip."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from effbench.errors import EffbenchError
from effbench.files import is_temporary, replacing, reporting_write_errors
from effbench.identity import differences

Array = NDArray[np.floating]
#: Logits as ``pack`` makes them.
Packed = Mapping[str, Array | NDArray[np.uint16]]
#: Where the logits of models are kept by default, a folder for each model and data set.
SCORES = Path("results/scores")
#: Classes and origin of the scores in a folder of inference.
ABOUT = "scores.json"
#: Suffix of the file of one clip in a folder of inference.
_LOGITS = ".npz"
#: In names of files, instead of the slash that clips of several folders have in theirs.
_SLASH = "%2F"
_STEPS = 2**16 - 1


def pack(logits: Array) -> Packed:
    """Logits (frames, classes) in 16 bits each: steps between the lowest and the highest of every class.

    They are off by at most 1/131,070 of that range, where half-precision numbers would be by up to 30 times
    as much and, of a class that hardly varies, by the whole range. Logits that are not finite stay as they
    are.
    """
    low, high = logits.min(axis=0, initial=np.inf), logits.max(axis=0, initial=-np.inf)
    if not len(logits) or not np.isfinite([low, high]).all():
        return {"logits": logits.astype(np.float32)}
    low = low.astype(np.float32)
    step = ((high - low) / _STEPS).astype(np.float32)
    codes = np.rint((logits - low) / np.where(step > 0, step, 1)).clip(0, _STEPS).astype(np.uint16)
    return {"codes": codes, "low": low, "step": step}


def unpack(kept: Packed) -> NDArray[np.float32]:
    """The logits of ``pack``, or single ones as they are."""
    if "logits" in kept:
        return np.asarray(kept["logits"], np.float32)
    return np.asarray(kept["low"] + kept["codes"] * np.asarray(kept["step"], np.float32), np.float32)


class OtherScores(EffbenchError):
    """A folder of scores that something else computed."""


class ScoreFolder(Mapping[str, Array]):
    """Logits (frames, classes) of many clips, a file each, written as they come; an interrupted run resumes.

    The file of a clip also holds the digest of the audio that its logits are of.

    Args:
        path: the folder.
        classes: names of the columns.
        made_by: what computed them (model, weights, precision, …); other scores are refused.
    """

    def __init__(self, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> None:
        self.path, self.classes, self.made_by = path, tuple(classes), dict(made_by)

    @classmethod
    def create(cls, path: Path, classes: Sequence[str], made_by: Mapping[str, object]) -> ScoreFolder:
        """A new folder, or one that was begun for the same.

        Raises:
            OtherScores: the folder holds the scores of something else.
            EffbenchError: it can't be made.
        """
        folder = cls(path, classes, made_by)
        if (path / ABOUT).exists():
            begun = cls.open(path)
            differing = differences(begun.made_by, folder.made_by)
            if differing or begun.classes != folder.classes:
                what = differing or "other classes"
                raise OtherScores(f"{path} holds other scores ({what}): give another folder, or remove it")
            return begun
        with replacing(path / ABOUT, make_folder=True) as temporary:
            temporary.write_text(json.dumps({"classes": folder.classes, "made_by": folder.made_by}))
        return folder

    @classmethod
    def open(cls, path: Path) -> ScoreFolder:
        """An existing folder.

        Raises:
            EffbenchError: it is not a score folder.
        """
        try:
            about = json.loads((path / ABOUT).read_text())
            return cls(path, about["classes"], about["made_by"])
        except (OSError, ValueError, KeyError) as error:
            raise EffbenchError(f"{path} is not a folder of scores: {error}") from None

    def keep_only(self, audio: Mapping[str, str]) -> set[str]:
        """Remove what is not of these clips with this audio (clip -> digest), and what killed runs left.

        Returns the clips that are done.
        """
        done = set()
        with reporting_write_errors(self.path):
            for file in [*self.path.iterdir()]:
                if file.suffix != _LOGITS and not is_temporary(file):
                    continue
                if not is_temporary(file) and _audio_of(file) == audio.get(_clip_of(file), ""):
                    done.add(_clip_of(file))
                else:
                    file.unlink(missing_ok=True)
        return done

    def add(self, clip: str, logits: Array, audio: str = "", *, single: bool = False) -> None:
        """Keep the logits of one clip, packed or single; the file appears when it is complete."""
        kept = {"logits": logits.astype(np.float32)} if single else pack(logits)
        with replacing(self._file_of(clip)) as temporary, temporary.open("wb") as file:
            np.savez(file, audio=np.array(audio), **kept)

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def _file_of(self, clip: str) -> Path:
        return self.path / f"{clip.replace('/', _SLASH)}{_LOGITS}"

    def __getitem__(self, clip: str) -> Array:
        try:
            with np.load(self._file_of(clip)) as kept:
                return unpack(kept)
        except FileNotFoundError:
            return self._before(clip)

    def _before(self, clip: str) -> Array:
        """From a file as earlier versions wrote it: an array alone, without a trace of its audio."""
        try:
            array: Array = np.load(self.path / f"{clip}.npy")
        except FileNotFoundError:
            raise KeyError(clip) from None
        return array

    def __iter__(self) -> Iterator[str]:
        files = (file for file in self.path.iterdir() if file.suffix in (_LOGITS, ".npy"))
        return iter(sorted({_clip_of(file) for file in files if not is_temporary(file)}))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _clip_of(file: Path) -> str:
    return file.stem.replace(_SLASH, "/")


def _audio_of(file: Path) -> str | None:
    """Digest of the audio that a file of logits is of; ``None`` where the file is damaged."""
    try:
        with np.load(file) as kept:
            return str(kept["audio"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def kept_scores(spec: str | None = None) -> list[ScoreFolder]:
    """The folders of logits under ``SCORES``, of all models or of one."""
    folders = [ScoreFolder.open(about.parent) for about in sorted(SCORES.glob(f"*/{ABOUT}"))]
    return [folder for folder in folders if spec in (None, folder.made_by.get("model"))]
