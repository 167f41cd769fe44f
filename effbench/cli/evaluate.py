"""``effbench evaluate``: how well sound events are detected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from effbench.cli import options
from effbench.cli.cluster import Address, Executor, Where, Workers, cluster_workers
from effbench.cli.output import Format, note, size, write, write_result, write_sections
from effbench.cli.progress import counting
from effbench.errors import UsageError

if TYPE_CHECKING:
    from effbench.data.ground_truth import OnProblem
    from effbench.evaluate.api import KeepScores
    from effbench.evaluate.evaluation import Evaluation
    from effbench.evaluate.incomplete import OnMissing
    from effbench.evaluate.protocol import EvaluationOptions
    from effbench.evaluate.scoring import Engine
    from effbench.infer.score_files import ValueKind


def evaluate(
    model: Annotated[
        str | None,
        typer.Option(help="Model spec, or ./file.py:factory of your own: run it on --data and score it."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    name: options.ModelName = None,
    model_arg: options.ModelOptions = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Data set: its folder, or one of its tables."),
    ] = None,
    split: options.Split = None,
    layout: options.Layout = None,
    audio: options.Audio = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Score these frame scores: a folder of tables, a table, .npz, .h5."
        ),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score this list of detected events instead.")
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(metavar="TSV", help="Events to compare --scores or --events with.")
    ] = None,
    durations: options.Durations = None,
    confidence: options.Confidence = 0.5,
    columns: options.Columns = None,
    protocol: options.Protocol = "paper",
    list_protocols: Annotated[
        bool, typer.Option("--list-protocols", help="Show the protocols that ship, and nothing else.")
    ] = False,
    metric: options.Metrics = None,
    engine: Annotated[
        str, typer.Option(help="effbench, or reference (sed_scores_eval, sed_eval).")
    ] = "effbench",
    median_window: options.MedianWindow = None,
    values: options.Values = None,
    threshold: options.EventThreshold = None,
    on_problem: options.OddEvents = None,
    missing: options.OnMissing = None,
    fill_gaps: options.FillGaps = False,
    work: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where frame logits are kept, so that a run can resume."),
    ] = None,
    keep_scores: Annotated[
        str, typer.Option(help="Precision of the kept logits: half or single; no removes them.")
    ] = "half",
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    backend: options.Backend = "folded",
    threads: options.Threads = None,
    executor: Executor = Where.local,
    address: Address = None,
    workers: Workers = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="Show every class.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the PSD-ROC curves: .png, .svg or .pdf.")
    ] = None,
    store: options.Store = None,
    keep: options.Keep = True,
    form: options.OutputFormat = Format.table,
) -> None:
    """Score a model on a data set, or anybody's frame scores against ground truth, with 95 % intervals.

    Example: effbench evaluate --model fmn10 --checkpoint strong --data audioset --split eval
    """
    if list_protocols:
        from effbench.evaluate.protocol_files import protocol_rows

        write(protocol_rows(), form)
        return
    files = scores is not None or events is not None
    own = (model or checkpoint) is not None and data is not None and not files and ground_truth is None
    given = files and ground_truth is not None and model is None and data is None
    if own == given:
        raise UsageError(
            "give --model, or the --checkpoint of a run, with --data; "
            "or --scores (or --events) with --ground-truth"
        )
    if executor is Where.ray and given:
        raise UsageError("--executor ray runs a model: scores and events of files are scored here")
    if model is not None:
        from effbench.models.own_model import own_model

        model = own_model(model, name=name, options=tuple(model_arg or ()))
    elif name is not None or model_arg:
        raise UsageError("--name and --model-arg are for a --model of your own")
    from effbench.evaluate.api import evaluate as run
    from effbench.evaluate.median import MedianWindow
    from effbench.evaluate.protocol import EvaluationOptions
    from effbench.results.database import default_store

    if median_window is not None:
        with options.naming("--median-window"):
            MedianWindow.of(median_window)
    chosen = cast("Engine", engine)
    if plot is not None and events is not None:
        raise UsageError("--plot draws the curves of scores, which a list of events has not")
    if plot is not None:
        _check_plot(plot, EvaluationOptions(protocol, metric, chosen))
    kept = (store or default_store()) if keep and own else None
    counted = counting("clips", resumable=own and keep_scores != "no")
    cluster = cluster_workers(executor, address, workers, threads)
    with options.naming_scoring(), cluster as remote, counted as progress:
        evaluation = run(
            model,
            data=data,
            checkpoint=checkpoint,
            split=split,
            layout=layout,
            audio=audio,
            scores=scores,
            events=events,
            ground_truth=ground_truth,
            durations=durations,
            confidence=confidence,
            columns=options.heads(columns),
            protocol=protocol,
            metrics=metric,
            engine=chosen,
            median_window=median_window,
            threshold=threshold,
            values=cast("ValueKind | None", values),
            on_problem=cast("OnProblem | None", on_problem),
            on_missing=cast("OnMissing | None", missing),
            fill_gaps=fill_gaps,
            device=device,
            precision=precision,
            backend=backend,
            batch_size=batch_size,
            work=work if own else None,
            keep_scores=cast("KeepScores", keep_scores),
            store=kept,
            progress=progress,
            workers=remote,
        )
    _write(evaluation, form, per_class=per_class)
    if plot is not None:
        _plot(evaluation, plot)
    if "scores" in evaluation.origin:
        _tell_scores(Path(str(evaluation.origin["scores"])))
    if kept is not None:
        note(f"kept in {kept}")


def _write(evaluation: Evaluation, form: Format, *, per_class: bool) -> None:
    if form is Format.table:
        write_sections([evaluation.table(), *(evaluation.by_class.sections() if per_class else ())])
    else:
        write_result(evaluation.by_class if per_class and form is Format.csv else evaluation, form)
    for remark in evaluation.notes:
        note(f"note: {remark}")


def _tell_scores(folder: Path) -> None:
    from effbench.infer.score_folder import ScoreFolder

    used = size(ScoreFolder.open(folder).bytes)
    note(f"frame logits in {folder} ({used}); 'effbench scores clear' removes them")


def _check_plot(path: Path, asked: EvaluationOptions) -> None:
    from effbench.files import require_folder
    from effbench.plots.save import image_format

    require_folder(path.parent)
    if "psds1" not in asked.metric_names or asked.engine != "effbench":
        raise UsageError("--plot draws the curves of psds1 by the effbench engine: ask for that metric")
    image_format(path)


def _plot(evaluation: Evaluation, path: Path) -> None:
    from effbench.evaluate.psds.score import PsdsResult
    from effbench.plots.psd_roc import save_psd_roc

    subject = f"{evaluation.origin['model']} on {evaluation.origin['data']}"
    result = evaluation.results["psds1"]
    assert isinstance(result, PsdsResult)
    title = f"{subject}, PSDS1 {100 * result.macro:.2f} %"
    curves = {name: curve.steps for name, curve in result.curves.items()}
    max_efpr = float(evaluation.followed["metrics"]["psds1"]["max_efpr"])
    save_psd_roc(curves, result.mean_curve.steps, path, title=title, max_efpr=max_efpr)
    note(f"curves in {path}")
