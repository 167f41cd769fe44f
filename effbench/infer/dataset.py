"""Inference over a data set, into a folder of logits with which an interrupted run resumes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Literal

import torch

from effbench.data.audio import read_audio
from effbench.data.clips import Audio, DataSet
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError, EffbenchWarning
from effbench.grid import CLIP_SAMPLES
from effbench.infer.backends.known import find_backend
from effbench.infer.batches import clip_scores, in_groups
from effbench.infer.on_cluster import MOST_BYTES, ClusterWorkers, Work, check_travels
from effbench.infer.score_files import ScoreSet
from effbench.infer.score_folder import ScoreFolder
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Floats
from effbench.models.chosen import ChosenModel
from effbench.models.detector import SoundEventDetector
from effbench.version import VERSION

#: Called with the number of clips that are done, and of all.
ClipProgress = Callable[[int, int], None]

#: Raised whenever the same inputs get other logits: kept ones are then not used any more.
_ARITHMETIC = 2

#: Precision of kept logits, 16 or 32 bits: a clip of 10 s and 447 classes takes 227 or 447 kB.
KeptPrecision = Literal["half", "single"]


def dataset_scores(
    dataset: DataSet,
    names: Sequence[str],
    detectors: Sequence[SoundEventDetector],
    inference: Inference,
    workers: ClusterWorkers | None = None,
) -> Generator[tuple[str, Floats], None, None]:
    """Mean logits (frames, classes) of the named clips, in order; shorter ones are padded to 10 s.

    Args:
        dataset: that has the clips.
        names: of the clips.
        detectors: one or several, with the same classes.
        inference: where and how they run.
        workers: of a cluster, which score instead of this process.

    Raises:
        AudioError: a clip that can't be decoded; names it.
    """
    if workers is None:
        clips = ((name, dataset.clip(name).waveform()) for name in names)
        yield from clip_scores(clips, FrameScorer(detectors, inference), pad_to=CLIP_SAMPLES)
        return
    numbered = in_groups(names, inference.windows_per_call)
    groups = [
        [(name, dataset.audio[name]) for _, name in group]
        for _, group in groupby(numbered, key=lambda numbered_name: numbered_name[0])
    ]
    work = Work(_decode_clips, _ScoreClips(tuple(detectors), inference))
    for scored in workers.run(groups, work, inference):
        for message in scored.damage:
            warnings.warn(message, EffbenchWarning, stacklevel=2)
        yield from scored.clips
        if scored.error is not None:
            raise scored.error


def check_shared(workers: ClusterWorkers, models: Sequence[ChosenModel], dataset: DataSet) -> None:
    """Raise ``EffbenchError`` where the machines of a cluster can't run the models or see the audio."""
    check_travels(models)
    first = dataset.audio[dataset.ids[0]].source() if len(dataset) else None
    workers.check(None if first is None or isinstance(first, bytes) else Path(str(first)))


_Clips = Sequence[tuple[str, Audio]]


@dataclass
class _ClipAudio:
    """Audio of a group's clips, up to one that can't be decoded, and what was said of damage."""

    clips: list[tuple[str, Floats]]
    damage: list[str]
    error: EffbenchError | None = None


def _decode_clips(group: _Clips, most_bytes: float = MOST_BYTES) -> _ClipAudio | None:
    audio, size = _ClipAudio([], []), 0
    for name, source in group:
        try:
            samples = read_audio(source.source(), name=source.name, on_damage=audio.damage.append)
        except EffbenchError as error:
            audio.error = error
            break
        audio.clips.append((name, samples))
        size += samples.nbytes
        if size > most_bytes:
            return None
    return audio


@dataclass
class _ScoreClips:
    """Logits of a group's clips; the model is arranged once."""

    detectors: Sequence[SoundEventDetector]
    inference: Inference

    @cached_property
    def scorer(self) -> FrameScorer:
        return FrameScorer(self.detectors, self.inference)

    def __call__(self, group: _Clips, audio: _ClipAudio | None) -> _ClipAudio:
        heard = audio or _decode_clips(group, float("inf"))
        assert heard is not None
        scored = list(clip_scores(heard.clips, self.scorer, pad_to=CLIP_SAMPLES))
        return _ClipAudio(scored, heard.damage, heard.error)


def infer(
    dataset: DataSet,
    chosen: ChosenModel,
    folder: Path,
    inference: Inference,
    *,
    audio: Mapping[str, str] | None = None,
    kept: KeptPrecision = "half",
    progress: ClipProgress = lambda done, total: None,
    workers: ClusterWorkers | None = None,
) -> ScoreSet:
    """Logits of every clip of a data set in a folder; one begun for the same model and data resumes.

    What the folder holds of clips whose audio has changed since, or that are gone, is removed.

    Args:
        dataset: the clips.
        chosen: the model.
        folder: of the logits; new, or of an earlier run.
        inference: where and how the model runs.
        audio: the data set's ``audio_identities``, where they are known already.
        kept: precision of the logits in the files.
        progress: called with the number of clips that are done, and of all.
        workers: of a cluster, which score instead of this process.

    Raises:
        EffbenchError: the folder belongs to other scores, the model's classes are not known, or a clip can't
            be decoded.
    """
    audio = dataset.audio_identities() if audio is None else audio
    made_by = {
        **computed_by(chosen, inference, kept),
        "data": str(dataset.path.resolve()),
        "split": dataset.split,
    }
    scores = ScoreFolder.create(folder, output_classes(chosen, dataset), made_by)
    before = scores.keep_only(audio)
    todo = [name for name in dataset.ids if name not in before]
    done = len(dataset) - len(todo)
    progress(done, len(dataset))
    scored = dataset_scores(dataset, todo, [chosen.detector], inference, workers)
    for number, (name, logits) in enumerate(scored, done + 1):
        scores.add(name, logits, audio[name], single=kept == "single")
        progress(number, len(dataset))
    return ScoreSet(scores, scores.classes, None, values="logits")


def computed_by(
    chosen: ChosenModel, inference: Inference, kept: KeptPrecision
) -> dict[str, str | int | None]:
    """All that the kept logits of some audio depend on; where two are equal, so are the logits."""
    return {**chosen.record(), **computed_with(inference), "kept": kept}


def computed_with(inference: Inference) -> dict[str, str | int | None]:
    """The same of any model, in full precision."""
    return {
        "effbench": VERSION,
        "arithmetic": _ARITHMETIC,
        "torch": str(torch.__version__),
        "device": torch.device(inference.device).type,
        "precision": inference.precision,
        "backend": find_backend(inference.backend).name,
        "windows": "cross-faded" if inference.overlap else "apart",
    }


def output_classes(chosen: ChosenModel, dataset: DataSet) -> tuple[str, ...]:
    """Names of a detector's outputs: its own where they are known, else the data's where they are as many.

    Raises ``EffbenchError`` where they are neither.
    """
    outputs = chosen.detector.strong_head.out_features
    if chosen.classes or len(dataset.classes) == outputs:
        return chosen.classes or dataset.classes.names
    raise EffbenchError(
        f"{chosen.spec} has {outputs} classes; the data set has {len(dataset.classes)}, "
        f"AudioSet-strong {len(strong_classes())}"
    )
