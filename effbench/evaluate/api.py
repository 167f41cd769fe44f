"""Evaluation from Python: a model on a data set, or files of frame scores against ground truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from effbench.data.clips import DataSet
from effbench.data.datasets import open_dataset
from effbench.data.ground_truth import SURE, OnProblem
from effbench.data.vocabulary import require_shared, some_of
from effbench.errors import DataError, EffbenchWarning, UsageError
from effbench.evaluate.data_events import events_of
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.event_lists import event_options, read_event_list
from effbench.evaluate.given import GivenFiles, read_given
from effbench.evaluate.given_times import check_events
from effbench.evaluate.incomplete import OnMissing, check_on_missing, skip_missing
from effbench.evaluate.protocol import EvaluationOptions, evaluate_given
from effbench.evaluate.protocol_files import Protocol
from effbench.evaluate.scoring import Engine
from effbench.evaluate.scoring_inputs import GroundTruth
from effbench.identity import digest
from effbench.infer.backends.known import find_backend
from effbench.infer.dataset import (
    ClipProgress,
    KeptPrecision,
    check_shared,
    computed_by,
    infer,
    output_classes,
)
from effbench.infer.on_cluster import ClusterWorkers
from effbench.infer.score_files import ScoreSet, ValueKind
from effbench.infer.score_folder import SCORES
from effbench.infer.scorer import Inference
from effbench.machine.environment import environment
from effbench.models.chosen import ChosenModel, choose_model
from effbench.models.detector import SoundEventDetector
from effbench.models.located import stated_spec
from effbench.results.store import Store
from effbench.spec import ModelSpec

#: Whether, and in which precision, the logits of a model are kept.
KeepScores = Literal["half", "single", "no"]


def evaluate(
    model: str | ModelSpec | SoundEventDetector | None = None,
    *,
    data: str | Path | DataSet | None = None,
    checkpoint: str | Path | None = None,
    split: str | None = None,
    layout: str | None = None,
    audio: str | Path | None = None,
    scores: str | Path | None = None,
    events: str | Path | None = None,
    ground_truth: str | Path | None = None,
    durations: str | Path | None = None,
    confidence: float = SURE,
    columns: Sequence[str] = (),
    protocol: str = "paper",
    metrics: Sequence[str] | None = None,
    engine: Engine = "effbench",
    median_window: int | str | None = None,
    threshold: float | None = None,
    values: ValueKind | None = None,
    on_problem: OnProblem | None = None,
    on_missing: OnMissing | None = None,
    fill_gaps: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    backend: str = "folded",
    batch_size: int | None = None,
    work: str | Path | None = None,
    keep_scores: KeepScores = "half",
    store: str | Path | None = None,
    progress: ClipProgress = lambda done, total: None,
    workers: ClusterWorkers | None = None,
) -> Evaluation:
    """Score a model on a data set, or files of frame scores against ground truth, with 95 % intervals.

    Scores that are arrays already are for ``evaluate_scores``.

    Args:
        model: spec, e.g. ``fmn10+hybrid-512``, or a detector, whose logits are kept in a temporary folder.
        data: folder or table of a data set, or an open data set.
        checkpoint: weights of the spec: ``strong``, ``advanced-kd``, or a file; untrained ones by default.
        split: of the data set, where it has several.
        layout: of the data set; recognised by default.
        audio: folder of its audio, where that lies elsewhere.
        scores: files instead of a model: a folder of tables, one table, or a folder of a model's logits.
        events: list of detected events instead, scored by the protocol ``events``, or by the metrics of
            another that need no scores.
        ground_truth: table of events that belong to these scores, DESED's or AudioSet-strong's.
        durations: table of their clips' seconds; by default, clips end where their scores do.
        confidence: above which soft labels, events with a column of that name, are events.
        columns: heads of the tables of events, where these have none.
        protocol: ``paper``, ``desed``, ``dcase2016`` or ``maestro``, or the path of a YAML file.
        metrics: ``psds1``, ``psds2``, ``pauroc``, ``event_f1``, …; the protocol's own by default.
        engine: ``reference`` has sed_scores_eval and sed_eval compute the scores, without intervals.
        median_window: of the median filter, instead of the protocol's: frames (9) or a time (``"360ms"``).
        threshold: for scores of events, on the scale of the scores, instead of the protocol's.
        values: what the scores of files are, ``probabilities`` or ``logits``; by default, logits if any is
            more than 0.01 below 0 or above 1, -inf apart.
        on_problem: of events without length, given twice or overlapping others of their class, F-scores count
            each, PSDS and pAUROC the union, and rows of tables that are no events are refused; ``error``
            refuses all these, ``drop`` leaves out all but overlapping ones.
        on_missing: clips of the ground truth without audio or scores are an ``error``, or left out
            (``skip``); by default, those without scores are an error, and those without audio left out.
        fill_gaps: of tables of scores, frames that are missing between others detect nothing (-inf); by
            default, they are an error.
        device: that the model runs on: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``tf32`` (NVIDIA GPUs), ``bf16`` or ``fp16``.
        backend: what runs the model, a name of ``BACKENDS``, the path of an exported file, or ``best`` for
            the fastest one here.
        batch_size: windows per call of the model; by default what suits the device.
        work: folder of the model's logits, where an interrupted run resumes; by default, one under
            ``results/scores`` for each model and data set. Only logits of the same audio, weights and options
            are used again.
        keep_scores: precision of these files, and so of the scores: ``half`` (16 bits) or ``single``; ``no``
            removes them in the end.
        store: results store that keeps the model's values, if any.
        progress: called with the number of clips that have their scores, and of all.
        workers: of a cluster, which run the model instead of this process.

    Raises:
        UsageError: arguments that don't go together, or that name nothing known.
        EffbenchError: data, weights or scores that can't be read, or files that can't be written.
    """
    if model is None and checkpoint is not None and data is not None:
        model = stated_spec(checkpoint)
    files = scores is not None or events is not None
    own, theirs = model is not None and data is not None, files and ground_truth is not None
    if own == theirs or (model is None) != (data is None) or files != (ground_truth is not None):
        raise UsageError("an evaluation is of a model on a data set, or of scores against ground truth")
    for wanted, what in ((store, "a results store keeps values"), (work, "a work folder keeps logits")):
        if wanted is not None and not isinstance(model, str | ModelSpec):
            raise UsageError(f"{what} of models by their specs: give the spec of a model")
    if keep_scores not in get_args(KeepScores):
        raise UsageError(
            f"scores are kept in half or single precision, or not at all (no): not '{keep_scores}'"
        )
    if values is not None and own:
        raise UsageError("what a model gives is known: only the scores of files are said to be of some kind")
    if fill_gaps and scores is None:
        raise UsageError("only tables of scores have gaps between frames that can be filled")
    check_on_missing(on_missing)
    if events is not None:
        if scores is not None:
            raise UsageError("an evaluation is of scores or of a list of events, not of both")
        protocol, metrics = event_options(protocol, metrics)
    plan = EvaluationOptions(protocol, metrics, engine, median_window, threshold, values, on_problem).plan
    with ExitStack() as opened:
        results = None if store is None else opened.enter_context(Store(store, create=True))
        if model is not None and data is not None:
            resolve = Inference if workers is None else workers.inference
            inference = resolve(device, precision, batch_size, plan.overlap, backend)
            dataset = _dataset(data, layout, split, audio)
            where = (dataset.path if isinstance(data, DataSet) else Path(data)).resolve()
            chosen = choose_model(model, checkpoint)
            inference = inference.settled(chosen.detector)
            if chosen.checkpoint is None:
                message = "no checkpoint, so the weights are untrained: the values are those of chance"
                warnings.warn(message, EffbenchWarning, stacklevel=2)
            kept: KeptPrecision = "single" if keep_scores == "single" else "half"
            origin = {"data": where.name, "split": dataset.split, **chosen.record()}
            if isinstance(model, SoundEventDetector) or keep_scores == "no":
                folder = Path(opened.enter_context(TemporaryDirectory(prefix="effbench-")))
            else:
                folder = Path(work or _default_folder(chosen, where, dataset.split, inference, kept))
                origin["scores"] = str(folder)
            truth = events_of(dataset, metrics or plan.metrics.asked, on_problem)
            on_missing = on_missing or "skip"
            there, _ = skip_missing(truth, dataset.ids, on_missing)
            _check_classes(dataset, there, output_classes(chosen, dataset), plan)
            if workers is not None:
                check_shared(workers, [chosen], dataset)
            computed, seconds, fingerprint = _infer(
                dataset, chosen, folder, inference, kept, progress, workers
            )
            check_events(truth, seconds, {}, dataset.path)
            given = GivenFiles(computed, truth, seconds)
            origin |= {"fingerprint": fingerprint, "precision": inference.precision}
            if not (named := find_backend(inference.backend)).exact:
                origin["backend"] = named.name
                if named.calibration:
                    origin["calibration"] = named.calibration
        else:
            source = scores if events is None else events
            assert source is not None
            assert ground_truth is not None
            read = partial(read_given, fill_gaps=fill_gaps) if events is None else read_event_list
            given = read(
                Path(source),
                Path(ground_truth),
                None if durations is None else Path(durations),
                confidence=confidence,
                on_problem=on_problem,
                columns=columns,
            )
            origin = {"data": Path(ground_truth).name, "model": str(source)}
            if fill_gaps:
                origin["gaps"] = "filled"
        evaluation = evaluate_given(
            given,
            protocol=protocol,
            metrics=metrics,
            engine=engine,
            values=values,
            median_window=median_window,
            threshold=threshold,
            on_problem=on_problem,
            on_missing=on_missing or "error",
        )
        if results is not None:
            conditions = {key: value for key, value in origin.items() if key not in ("model", "scores")}
            spec, here = str(origin["model"]), environment().to_dict()
            results.add(evaluation.measurements(spec, conditions=conditions, environment=here))
    return replace(evaluation, origin=origin)


def _dataset(
    data: str | Path | DataSet, layout: str | None, split: str | None, audio: str | Path | None
) -> DataSet:
    if not isinstance(data, DataSet):
        return open_dataset(data, layout, split=split, audio=audio)
    if layout or split or audio:
        raise UsageError("an open data set has its layout, split and audio already")
    return data


def _infer(
    dataset: DataSet,
    chosen: ChosenModel,
    folder: Path,
    inference: Inference,
    kept: KeptPrecision,
    progress: ClipProgress,
    workers: ClusterWorkers | None,
) -> tuple[ScoreSet, dict[str, float], str]:
    """Scores and seconds of every clip, and the fingerprint of the data that they are of."""
    audio = dataset.audio_identities()
    scores = infer(
        dataset, chosen, folder, inference, audio=audio, kept=kept, progress=progress, workers=workers
    )
    seconds = dataset.durations()
    return scores, seconds, dataset.fingerprint(audio, seconds)


def _check_classes(dataset: DataSet, truth: GroundTruth, classes: tuple[str, ...], plan: Protocol) -> None:
    """Raise ``DataError`` where scores of these classes would not do for the events."""
    labels = sorted({label for events in truth.values() for *_, label in events})
    if not labels:
        raise DataError(f"{dataset.path}: '{dataset.split}' has no events to score with")
    require_shared(labels, classes, f"{dataset.path}: none of its events ('{dataset.split}')")
    unknown = [label for label in labels if label not in classes]
    if unknown and not plan.scored_only:
        raise DataError(
            f"{dataset.path}: '{dataset.split}' has events that the model has no class for "
            f"({some_of(unknown)}), and this protocol leaves none out"
        )


def _default_folder(
    chosen: ChosenModel, data: Path, split: str, inference: Inference, kept: KeptPrecision
) -> Path:
    """Other weights, options or versions of the same model have a folder of their own."""
    tag = digest([computed_by(chosen, inference, kept), str(data)])[:8]
    return SCORES / f"{chosen.spec}_{data.name}_{split}_{tag}"
