"""Evaluation from Python: a model on a data set, or files of frame scores against ground truth."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from effbench.data.clips import DataSet
from effbench.data.datasets import open_dataset
from effbench.data.ground_truth import read_ground_truth
from effbench.data.tables import read_durations
from effbench.errors import EffbenchWarning, UsageError
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.inputs import Durations, GroundTruth
from effbench.evaluate.protocol import EvaluationOptions
from effbench.evaluate.scoring import Engine
from effbench.infer.dataset import ClipProgress, infer
from effbench.infer.inference import Inference
from effbench.infer.score_files import ScoreSet, last_times, read_scores
from effbench.machine.environment import environment
from effbench.models.chosen import ChosenModel, choose_model
from effbench.models.detector import SoundEventDetector
from effbench.results.store import Store
from effbench.spec import ModelSpec

#: Where the logits of models are kept by default, a folder for each model and data set.
WORK = Path("results/scores")


def evaluate(
    model: str | ModelSpec | SoundEventDetector | None = None,
    *,
    data: str | Path | DataSet | None = None,
    checkpoint: str | Path | None = None,
    split: str | None = None,
    layout: str | None = None,
    audio: str | Path | None = None,
    scores: str | Path | None = None,
    ground_truth: str | Path | None = None,
    durations: str | Path | None = None,
    protocol: str = "paper",
    metrics: Sequence[str] | None = None,
    engine: Engine = "effbench",
    median_window: int | None = None,
    threshold: float | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int | None = None,
    work: str | Path | None = None,
    store: str | Path | None = None,
    progress: ClipProgress = lambda done, total: None,
) -> Evaluation:
    """Score a model on a data set, or files of frame scores against ground truth, with 95 % intervals.

    Scores that are arrays already are for ``evaluate_scores``.

    Args:
        model: spec, e.g. ``fmn10+hybrid-512``, or a detector, whose logits are kept in a temporary folder.
        data: folder or table of a data set, or one that is open.
        checkpoint: weights of the spec: ``strong``, ``advanced-kd``, or a file; without, untrained ones.
        split: of the data set, where it has several.
        layout: of the data set; recognised by default.
        audio: folder of its audio, where that lies elsewhere.
        scores: files instead of a model: a folder of tables, one table, or a folder of a model's logits.
        ground_truth: table of events that belong to these scores, DESED's or AudioSet-strong's.
        durations: table of their clips' seconds; by default, clips end where their scores do.
        protocol: ``paper`` or ``dcase2016``.
        metrics: ``psds1``, ``psds2``, ``pauroc``, ``event_f1``, …; the protocol's own by default.
        engine: ``reference`` has sed_scores_eval compute PSDS and pAUROC, without intervals.
        median_window: frames of the median filter, instead of the protocol's.
        threshold: for scores of events, on the scale of the scores, instead of the protocol's.
        device: that the model runs on: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: windows per call of the model; by default what suits the device.
        work: folder of the model's logits, where an interrupted run goes on; by default, one under
            ``results/scores`` for each model and data set.
        store: results store that keeps the model's values, if any.
        progress: is told how many clips of how many have their scores.

    Raises:
        UsageError: what can't work as it was asked for.
        EffbenchError: data, weights or scores that can't be read, or files that can't be written.
    """
    own, given = model is not None and data is not None, scores is not None and ground_truth is not None
    if own == given or (model is None) != (data is None) or (scores is None) != (ground_truth is None):
        raise UsageError("an evaluation is of a model on a data set, or of scores against ground truth")
    if store is not None and not isinstance(model, str | ModelSpec):
        raise UsageError("a results store keeps the values of models by their specs, and there is none here")
    if work is not None and not isinstance(model, str | ModelSpec):
        raise UsageError("a work folder keeps the logits of models by their specs, and there is none here")
    options = EvaluationOptions(protocol, metrics, engine, median_window, threshold)
    with ExitStack() as opened:
        results = None if store is None else opened.enter_context(Store(store, create=True))
        if model is not None and data is not None:
            inference = Inference(device, precision, batch_size, options.plan.overlap)
            dataset = _dataset(data, layout, split, audio)
            where = (dataset.path if isinstance(data, DataSet) else Path(data)).resolve()
            chosen = _chosen(model, checkpoint)
            if isinstance(model, SoundEventDetector):
                work = opened.enter_context(TemporaryDirectory(prefix="effbench-"))
            folder = Path(work or _default_folder(chosen, where, dataset.split, inference))
            found = infer(dataset, chosen, folder, inference, progress=progress)
            origin = {"data": where.name, "split": dataset.split, **chosen.record()}
            evaluated = _Evaluated(found, dataset.ground_truth(), dataset.durations(), origin)
        else:
            assert scores is not None
            assert ground_truth is not None
            evaluated = _read(Path(scores), Path(ground_truth), durations)
        evaluation = evaluated.by(options)
        if results is not None:
            conditions = {key: value for key, value in evaluation.origin.items() if key != "model"}
            spec, here = str(evaluation.origin["model"]), environment("cpu")
            results.add(evaluation.measurements(spec, conditions=conditions, environment=here))
    return evaluation


@dataclass(frozen=True)
class _Evaluated:
    """Frame scores, what they are held against, and where both come from."""

    found: ScoreSet
    ground_truth: GroundTruth
    durations: Durations
    origin: Mapping[str, str | int | None]

    def by(self, options: EvaluationOptions) -> Evaluation:
        """Their evaluation."""
        evaluation = options.evaluate(
            self.found.scores,
            self.ground_truth,
            self.durations,
            classes=self.found.classes,
            probabilities=self.found.probabilities,
            timestamps=self.found.timestamps,
        )
        return replace(evaluation, origin=self.origin)


def _dataset(
    data: str | Path | DataSet, layout: str | None, split: str | None, audio: str | Path | None
) -> DataSet:
    if not isinstance(data, DataSet):
        return open_dataset(data, layout, split=split, audio=audio)
    if layout or split or audio:
        raise UsageError("a data set that is open has its layout, split and audio already")
    return data


def _chosen(model: str | ModelSpec | SoundEventDetector, checkpoint: str | Path | None) -> ChosenModel:
    if isinstance(model, SoundEventDetector):
        if checkpoint is not None:
            raise UsageError("a detector has its weights already: a checkpoint is for a spec")
        return ChosenModel.of(model)
    chosen = choose_model(str(model), None if checkpoint is None else str(checkpoint))
    if chosen.checkpoint is None:
        message = "no checkpoint, so the weights are untrained: the values are those of chance"
        warnings.warn(message, EffbenchWarning, stacklevel=3)
    return chosen


def _default_folder(chosen: ChosenModel, data: Path, split: str, inference: Inference) -> Path:
    """Another checkpoint of the same model, or other windows, have a folder of their own."""
    origin = f"{chosen.record()} {data} {inference.overlap}"
    tag = blake2b(origin.encode(), digest_size=4).hexdigest()
    return WORK / f"{chosen.spec}_{data.name}_{split}_{tag}"


def _read(scores: Path, ground_truth: Path, durations: str | Path | None) -> _Evaluated:
    found = read_scores(scores)
    seconds = last_times(found) if durations is None else read_durations(Path(durations))
    origin = {"data": ground_truth.name, "model": str(scores)}
    return _Evaluated(found, read_ground_truth(ground_truth), seconds, origin)
