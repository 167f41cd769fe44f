"""Inference over a data set, into a folder of logits with which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SAMPLES
from effbench.infer.batches import clip_scores
from effbench.infer.score_files import ScoreFolder, ScoreSet
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Floats
from effbench.models.chosen import ChosenModel

#: Called with the number of clips that are done, and of all.
ClipProgress = Callable[[int, int], None]


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
    progress: ClipProgress = lambda done, total: None,
) -> ScoreSet:
    """Logits of every clip of a data set in a folder; one begun for the same model and data resumes.

    Raises:
        EffbenchError: the folder belongs to other scores, the model's classes are not known, or a clip can't
            be decoded.
    """
    made_by = {**chosen.record(), "data": str(dataset.path.resolve()), "split": dataset.split}
    if not inference.overlap:
        made_by["windows"] = "apart"
    scores = ScoreFolder.create(folder, _classes_of(chosen, dataset), made_by)
    todo = [name for name in dataset.ids if name not in scores]
    done = len(dataset) - len(todo)
    progress(done, len(dataset))
    scored = dataset_scores(dataset, todo, FrameScorer(chosen.detector, inference))
    for number, (name, logits) in enumerate(scored, done + 1):
        scores.add(name, logits)
        progress(number, len(dataset))
    return ScoreSet(scores, scores.classes, None, probabilities=False)


def _classes_of(chosen: ChosenModel, dataset: DataSet) -> tuple[str, ...]:
    """Names of a detector's outputs: its own where they are known, else the data's where they are as many."""
    outputs = chosen.detector.strong_head.out_features
    if chosen.classes or len(dataset.classes) == outputs:
        return chosen.classes or dataset.classes.names
    raise EffbenchError(
        f"{chosen.spec} has {outputs} classes; the data set has {len(dataset.classes)}, "
        f"AudioSet-strong {len(strong_classes())}"
    )
