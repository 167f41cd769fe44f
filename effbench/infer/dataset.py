"""Inference over a data set, into a folder of logits with which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from effbench.data.clips import DataSet
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SAMPLES
from effbench.infer.batches import clip_scores
from effbench.infer.score_files import ScoreSet
from effbench.infer.score_folder import ScoreFolder
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Floats
from effbench.models.chosen import ChosenModel
from effbench.version import VERSION

#: Called with the number of clips that are done, and of all.
ClipProgress = Callable[[int, int], None]

#: Raised whenever the same inputs get other logits: kept ones are then not used any more.
_ARITHMETIC = 2

#: Precision of kept logits, 16 or 32 bits: a clip of 10 s and 447 classes takes 227 or 447 kB.
KeptPrecision = Literal["half", "single"]


def dataset_scores(
    dataset: DataSet, names: Sequence[str], scorer: FrameScorer
) -> Generator[tuple[str, Floats], None, None]:
    """Scores (frames, classes) of the named clips, in order; shorter ones are padded to 10 s.

    Raises:
        AudioError: a clip that can't be decoded; names it.
    """
    clips = ((name, dataset.clip(name).waveform()) for name in names)
    return clip_scores(clips, scorer, pad_to=CLIP_SAMPLES)


def infer(
    dataset: DataSet,
    chosen: ChosenModel,
    folder: Path,
    inference: Inference,
    *,
    audio: Mapping[str, str] | None = None,
    kept: KeptPrecision = "half",
    progress: ClipProgress = lambda done, total: None,
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
    scored = dataset_scores(dataset, todo, FrameScorer(chosen.detector, inference))
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
        "arrangement": inference.arrangement,
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
