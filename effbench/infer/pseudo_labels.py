"""Pseudo labels: the mean logits of one or several models for every clip of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.pseudo_label_files import PseudoLabelWriter
from effbench.infer.dataset import ClipProgress, dataset_scores
from effbench.infer.scorer import FrameScorer, Inference
from effbench.models.chosen import ChosenModel


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
