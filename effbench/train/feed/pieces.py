"""Pieces of clips with their labels: the items of training and validation.

Audio and labels are cut on one grid of 40-ms frames: frame k of a piece that begins at frame s has the
samples from 640 · (s + k) on, and the labels of frame s + k. Random cuts come from the seed that the sampler
draws for every item, so that they depend neither on the number of workers nor on where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from effbench.data.audio import Samples, audio_info, read_audio
from effbench.data.clips import Clip, DataSet, FileAudio
from effbench.data.labels import FrameRule
from effbench.data.pseudo_label_files import Logits
from effbench.errors import DataError, UsageError
from effbench.grid import CLIP_FRAMES, CLIP_SAMPLES, CLIP_SECONDS, FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE
from effbench.infer.windows import HOP_FRAMES, clip_windows, frames_of
from effbench.train.feed.targets import END_TOLERANCE, check_pseudo_labels, targets_of

if TYPE_CHECKING:
    from effbench.train.feed.samplers import Draw


_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a clip, in the compact types that travel from the loader's processes (see ``Batch``)."""

    clip: str
    start: int
    """Frame of the clip that the piece begins with."""
    frames: int
    """Frames that have audio; the rest is silence to the piece's length."""
    waveform: Samples
    """(samples,) float32, 16 kHz, zero-padded."""
    labels: NDArray[np.uint8] | None
    """(classes, frames), 0 or 1; ``None`` for a data set without events."""
    pseudo: Logits | None
    """(classes, frames) logits, half precision as in the file."""
    weak: NDArray[np.uint8] | None
    """(weak classes,), 0 or 1."""
    seed: int
    """The sampler's, for whatever else is random about this item."""


def clip_seconds(dataset: DataSet) -> NDArray[np.float64]:
    """(clips,) length of every clip, without decoding any; ``AudioError`` where a file is not audio.

    From the tables or, where they do not say, the header of the clip's file. Clips inside a pack whose tables
    do not say are AudioSet's, and taken to last 10 s.
    """

    def length(clip: Clip) -> float:
        if clip.duration is not None:
            return clip.duration
        if not isinstance(clip.audio, FileAudio):
            return CLIP_SECONDS
        return audio_info(clip.audio.source(), name=clip.audio.name).duration

    return np.array([length(clip) for clip in dataset], np.float64)


class ClipPieces:
    """Pieces of the clips of a data set: ``TrainingItems`` or ``ValidationItems``.

    Args:
        dataset: the clips, with pseudo labels if ``Item.pseudo`` is wanted.
        classes: names of the model's outputs, in order; none where only the audio is wanted.
        seconds: length of a piece, a multiple of 40 ms.
        weak_classes: names of the weak outputs; by default those of a data set that has weak labels. A data
            set with events only gives the classes of the events in a piece.
        rule: which frames an event has (``encode_events``).
        float32_times: round times to float32 first, as the published training data has them.

    Raises:
        DataError: no clip, no label of the model's classes, or pseudo labels that do not fit.
        UsageError: an impossible length.
        AudioError: a file is not audio.
    """

    def __init__(
        self,
        dataset: DataSet,
        *,
        classes: Sequence[str],
        seconds: float = CLIP_SECONDS,
        weak_classes: Sequence[str] | None = None,
        rule: FrameRule = "cover",
        float32_times: bool = False,
    ) -> None:
        self.dataset = dataset
        self.piece_frames = round(seconds / FRAME_SECONDS)
        if self.piece_frames < 1 or abs(seconds - self.piece_frames * FRAME_SECONDS) > _ROUNDING:
            raise UsageError(f"pieces of {seconds:g} s: the length must be a multiple of 40 ms")
        if not len(dataset):
            raise DataError(f"{dataset.path}: no clip in the split '{dataset.split}'")
        self.piece_seconds = seconds
        self.seconds = clip_seconds(dataset)
        """(clips,) length of every clip."""
        self.targets = targets_of(
            dataset, classes, weak_classes=weak_classes, rule=rule, float32_times=float32_times
        )
        check_pseudo_labels(dataset, len(classes), self.seconds)
        self.clips = np.repeat(np.arange(len(dataset)), self._counts())
        """(items,) position in ``dataset.ids`` of every item's clip."""

    def _counts(self) -> NDArray[np.int64]:
        """(clips,) number of items of every clip."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.clips)

    def pieces(self, draw: Draw) -> list[Item]:
        """The pieces of one item."""
        raise NotImplementedError

    def _piece(self, clip: Clip, start: int, audio: Samples, with_audio: int, seed: int) -> Item:
        """The piece of a clip from frame ``start`` on, which ``audio`` fills; with its labels."""
        frames = self.piece_frames
        return Item(
            clip.id,
            start,
            with_audio,
            audio,
            self.targets.labels(clip, start, frames),
            self.targets.pseudo(self.dataset, clip.id, start, frames),
            self.targets.weak(clip, start, frames),
            seed,
        )


class TrainingItems(ClipPieces, Dataset[Item]):
    """Pieces to train on, by ``Draw``: whole clips, or random cuts of clips that are longer than a piece.

    A clip that fits into a piece (with 50 ms to spare) is one item, from its start. A longer one is
    ``max(1, round(clip / piece))`` items an epoch, each of which begins at a frame drawn from the item's
    seed, uniformly over all where a whole piece follows.
    """

    def __getitem__(self, draw: Draw) -> Item:
        position, start = int(self.clips[draw.index]), 0
        if self.seconds[position] > self.piece_seconds + END_TOLERANCE:
            last = int(self.seconds[position] / FRAME_SECONDS + _ROUNDING) - self.piece_frames
            start = int(np.random.default_rng(draw.seed).integers(last + 1))
        clip, offset = self.dataset[position], start * FRAME_SECONDS
        source = clip.audio
        audio = read_audio(source.source(), offset=offset, seconds=self.piece_seconds, name=source.name)
        if not len(audio):
            raise DataError(
                f"{source.name}: the audio ends before {offset:g} s\n"
                "Find all such clips: effbench data check DATA"
            )
        silence = self.piece_frames * FRAME_SAMPLES - len(audio)
        return self._piece(clip, start, np.pad(audio, (0, silence)), frames_of(len(audio)), draw.seed)

    def pieces(self, draw: Draw) -> list[Item]:
        return [self[draw]]

    def _counts(self) -> NDArray[np.int64]:
        labelled = self.targets.strong or self.targets.weak_classes or self.dataset.pseudo
        if self.targets.classes and not labelled:
            raise DataError(f"{self.dataset.path}: '{self.dataset.split}' has neither events nor labels")
        return np.maximum(1, np.round(self.seconds / self.piece_seconds)).astype(np.int64)


class ValidationItems(ClipPieces):
    """Whole clips, each in the windows of ``effbench evaluate``: of 10 s, with silence after a shorter clip.

    Here that silence counts as audio (``Item.frames``).

    Args:
        dataset, classes, weak_classes, rule: as of ``ClipPieces``.
        overlap: whether neighbouring windows overlap, or follow each other.
        tail_seconds: what is left after the last whole window makes none of its own if it is no longer.
    """

    def __init__(
        self,
        dataset: DataSet,
        *,
        classes: Sequence[str],
        weak_classes: Sequence[str] | None = None,
        rule: FrameRule = "cover",
        overlap: bool = True,
        tail_seconds: float = 0.0,
    ) -> None:
        super().__init__(dataset, classes=classes, weak_classes=weak_classes, rule=rule)
        self.overlap, self.tail_samples = overlap, round(tail_seconds * SAMPLE_RATE)
        hop_seconds = (HOP_FRAMES if overlap else CLIP_FRAMES) * FRAME_SECONDS
        further = np.ceil((self.seconds - CLIP_SECONDS) / hop_seconds)
        self.mean_windows = 1 + float(further.clip(min=0).mean())
        """Windows of a clip, about: the tables' durations may be a little wrong."""

    def pieces(self, draw: Draw) -> list[Item]:
        """The windows of a clip, in order."""
        clip = self.dataset[draw.index]
        audio = clip.waveform()
        rest = len(audio) % CLIP_SAMPLES
        if len(audio) > CLIP_SAMPLES and rest <= self.tail_samples:
            audio = audio[: len(audio) - rest]
        end = max(CLIP_FRAMES, frames_of(len(audio)))
        return [
            self._piece(clip, window.start, window.samples, min(CLIP_FRAMES, end - window.start), draw.seed)
            for window in clip_windows(audio, overlap=self.overlap, pad_to=CLIP_SAMPLES)
        ]

    def _counts(self) -> NDArray[np.int64]:
        return np.ones(len(self.dataset), np.int64)
