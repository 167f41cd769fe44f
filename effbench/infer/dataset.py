"""Inference over a data set, into a folder of logits that an interrupted run can continue."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SAMPLES
from effbench.infer.batches import WindowScorer, clip_scores
from effbench.infer.inference import Inference
from effbench.infer.score_files import ScoreSet
from effbench.infer.score_folder import ScoreFolder
from effbench.infer.scorer import FrameScorer
from effbench.infer.windows import Floats
from effbench.models.chosen import ChosenModel

#: Is told how many of how many are done.
ClipProgress = Callable[[int, int], None]


def dataset_scores(
    dataset: DataSet, names: Sequence[str], scorer: WindowScorer
) -> Generator[tuple[str, Floats], None, None]:
    """Scores (frames, classes) of the named clips, in order; what is shorter than 10 s is filled up.

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
    """Logits of every clip of a data set in a folder; clips that are there already are left out.

    Args:
        dataset: the clips.
        chosen: the model.
        folder: where the logits go; one that was begun for the same model and data goes on.
        inference: where and how the model runs.
        progress: is told how many clips of how many are done.

    Raises:
        EffbenchError: the folder belongs to something else, the model's classes are not known, or a clip
            can't be decoded.
    """
    made_by = {**chosen.record(), "data": str(dataset.path.resolve()), "split": dataset.split}
    if not inference.overlap:
        made_by["windows"] = "apart"
    scores = ScoreFolder.create(folder, classes_of(chosen, dataset), made_by)
    todo = [name for name in dataset.ids if name not in scores]
    done = len(dataset) - len(todo)
    progress(done, len(dataset))
    scored = dataset_scores(dataset, todo, FrameScorer(chosen.detector, inference))
    for number, (name, logits) in enumerate(scored, done + 1):
        scores.add(name, logits)
        progress(number, len(dataset))
    return ScoreSet(scores, scores.classes, None, probabilities=False)


def classes_of(chosen: ChosenModel, dataset: DataSet) -> tuple[str, ...]:
    """Names of a detector's outputs: those that its file states, the AudioSet-strong classes, or the data's.

    Raises:
        EffbenchError: the number of outputs fits neither.
    """
    if chosen.classes:
        return chosen.classes
    outputs = chosen.detector.strong_head.out_features
    if len(dataset.classes) == outputs:
        return dataset.classes.names
    raise EffbenchError(
        f"{chosen.spec} has {outputs} classes; the data set has {len(dataset.classes)}, "
        f"AudioSet-strong {len(strong_classes())}"
    )
