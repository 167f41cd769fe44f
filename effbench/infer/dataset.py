"""Inference over a data set: logits in a folder, or pseudo labels; an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.pseudo_labels import PseudoLabelWriter
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


def write_pseudo_labels(
    dataset: DataSet,
    models: Sequence[ChosenModel],
    path: Path,
    inference: Inference | None = None,
    *,
    suffix: str = ".mp3",
    progress: ClipProgress = lambda done, total: None,
) -> None:
    """Write an HDF5 file with the mean logits of the models for every clip's first 10 s.

    The file appears when it is complete; an interrupted run resumes.

    Args:
        dataset: the clips.
        models: with the same classes.
        path: the file.
        inference: where and how the models run.
        suffix: of the clips' names in the file.
        progress: called with the number of clips that are done, and of all.

    Raises:
        EffbenchError: the file exists, was begun for other clips or models or can't be written, or a clip
            can't be decoded.
        UsageError: the models differ in their number of classes.
    """
    scorer = FrameScorer([model.detector for model in models], inference)
    made_by = "; ".join(f"{model.spec} {model.checkpoint or 'untrained'}" for model in models)
    names = [f"{clip}{suffix}" for clip in dataset.ids]
    outputs = models[0].detector.strong_head.out_features
    with PseudoLabelWriter(path, names, outputs, made_by) as file:
        progress(file.done, len(names))
        for _, logits in dataset_scores(dataset, dataset.ids[file.done :], scorer):
            file.add(logits)
            progress(file.done, len(names))
        file.finish()
