"""Scores a model on a data set: inference into a folder that can go on, then the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS, SAMPLE_RATE
from effbench.infer.logits import LogitModel, clip_logits
from effbench.infer.score_files import ScoreFolder
from effbench.infer.windows import Floats
from effbench.models.chosen import ChosenModel


def logits_of(
    dataset: DataSet, names: Sequence[str], model: LogitModel, *, batch_size: int, overlap: bool = True
) -> Iterator[tuple[str, Floats]]:
    """Logits (frames, classes) of the named clips, in order; what is shorter than 10 s is filled up.

    What is longer runs in overlapping windows, or is cut every 10 s.
    """
    audio = ((name, dataset.clip(name).audio.source()) for name in names)
    length = round(CLIP_SECONDS * SAMPLE_RATE)
    return clip_logits(audio, model, batch_size=batch_size, pad_to=length, overlap=overlap)


def infer(
    dataset: DataSet,
    chosen: ChosenModel,
    classes: Sequence[str],
    folder: Path,
    *,
    model: LogitModel,
    batch_size: int = 4,
    overlap: bool = True,
    advance: Callable[[int], None] = lambda count: None,
) -> ScoreFolder:
    """Logits of every clip of a data set in a folder; clips that are there already are left out.

    Args:
        dataset: the clips.
        chosen: says what made the scores.
        classes: of the detector's outputs.
        folder: where the scores go; one that was begun for the same model and data goes on.
        model: what computes them.
        batch_size: windows per call.
        overlap: whether windows of longer clips overlap.
        advance: told of how many more clips are done.

    Raises:
        EffbenchError: the folder belongs to something else, or a clip can't be decoded.
    """
    made_by = {**chosen.record(), "data": str(dataset.path.resolve()), "split": dataset.split}
    if not overlap:
        made_by["windows"] = "apart"
    scores = ScoreFolder.create(folder, classes, made_by)
    todo = [name for name in dataset.ids if name not in scores]
    advance(len(dataset) - len(todo))
    for name, logits in logits_of(dataset, todo, model, batch_size=batch_size, overlap=overlap):
        scores.add(name, logits)
        advance(1)
    return scores


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
