"""Pseudo labels: the mean logits of one or several models for every clip of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.pseudo_label_files import PseudoLabelWriter
from effbench.infer.dataset import ClipProgress, computed_with, dataset_scores
from effbench.infer.on_cluster import ClusterWorkers
from effbench.infer.scorer import Inference, same_outputs
from effbench.models.chosen import ChosenModel


def write_pseudo_labels(
    dataset: DataSet,
    models: Sequence[ChosenModel],
    path: Path,
    inference: Inference | None = None,
    *,
    suffix: str = ".mp3",
    progress: ClipProgress = lambda done, total: None,
    workers: ClusterWorkers | None = None,
) -> None:
    """Write an HDF5 file with the mean logits of the models for every clip's first 10 s.

    The file appears when it is complete; an interrupted run resumes, and scores clips again whose audio has
    changed since.

    Args:
        dataset: the clips.
        models: with the same classes.
        path: the file.
        inference: where and how the models run.
        suffix: of the clips' names in the file.
        progress: called with the number of clips that are done, and of all.
        workers: of a cluster, which score instead of this process.

    Raises:
        EffbenchError: the file exists and is of other clips or models, or can't be written; or a clip can't
            be decoded.
        UsageError: the models differ in their number of classes.
    """
    inference, detectors = inference or Inference(), [model.detector for model in models]
    outputs = same_outputs(detectors)
    inference = inference.settled(detectors[0])
    made_by = {"models": [model.record() for model in models], **computed_with(inference)}
    names = [f"{clip}{suffix}" for clip in dataset.ids]
    with PseudoLabelWriter(path, names, outputs, made_by) as file:
        todo = file.keep_only(lambda row, audio: dataset[row].audio_identity() == audio)
        done = len(names) - len(todo)
        progress(done, len(names))
        scored = dataset_scores(dataset, [dataset.ids[row] for row in todo], detectors, inference, workers)
        for number, (row, (clip, logits)) in enumerate(zip(todo, scored, strict=True), done + 1):
            file.add(row, logits, dataset.clip(clip).audio_identity())
            progress(number, len(names))
        file.finish()
