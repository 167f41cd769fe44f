"""Pseudo labels of a data set: mean frame logits of one or several models, for knowledge distillation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.pseudo_labels import PseudoLabelWriter
from effbench.infer.dataset import ClipProgress, dataset_scores
from effbench.infer.inference import Inference
from effbench.infer.scorer import FrameScorer
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
    """Write the mean logits of every clip's first 10 s; an interrupted run goes on where it stopped.

    Args:
        dataset: the clips.
        models: with the same classes.
        path: the HDF5 file, which appears when it is complete.
        inference: where and how the models run.
        suffix: of the clips' names in the file.
        progress: is told how many clips of how many are done.

    Raises:
        EffbenchError: the file is there, was begun for something else or can't be written, or a clip can't be
            decoded.
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
