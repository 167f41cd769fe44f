"""``effbench evaluate``: how well events are found."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from effbench.cli.output import Format, note, write_csv, write_json, write_sections
from effbench.cli.progress import status
from effbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effbench.evaluate.evaluation import Evaluation
    from effbench.infer.score_files import ScoreSet


def evaluate(
    model: Annotated[str | None, typer.Option(help="Model spec: run it on --data and score it.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Weights: strong, advanced-kd, or a file. Without: untrained.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The data set to run on.")] = None,
    split: Annotated[str | None, typer.Option(help="Which split, where it has several.")] = None,
    layout: Annotated[str | None, typer.Option(help="Its layout; recognised by default.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of the audio, where it lies elsewhere.")] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Score these frame scores: a folder of tables, or one .parquet."),
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(metavar="TSV", help="Events that --scores are held against.")
    ] = None,
    durations: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Seconds of every clip; by default, where its scores end."),
    ] = None,
    protocol: Annotated[str, typer.Option(help="paper, or dcase2016.")] = "paper",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="psds1, psds2, pauroc, event_f1, onset_f1, … Repeatable; the protocol's by default."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="effbench, or reference (sed_scores_eval).")] = "effbench",
    median_window: Annotated[
        int | None, typer.Option(min=1, help="Frames of the median filter, instead of the protocol's.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="For scores of events, on the scores' scale.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where frame logits are kept, so that a run can go on."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Clips per call of the model; 2 on a CPU, 32 on a GPU.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    per_class: Annotated[bool, typer.Option("--per-class", help="Show every class.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the PSD-ROC curves: .png, .svg or .pdf.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Results store; results/effbench.sqlite by default.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-store", help="Keep a model's values in the store.")
    ] = True,
    form: Annotated[Format, typer.Option("--format", help="table, json or csv.")] = Format.table,
) -> None:
    """Score a model on a data set, or anybody's frame scores against ground truth, with 95 % intervals.

    Example: effbench evaluate --model fmn10 --checkpoint strong --data audioset --split eval
    """
    own = model is not None and data is not None and scores is None and ground_truth is None
    given = scores is not None and ground_truth is not None and model is None and data is None
    if own == given:
        raise UsageError("give --model with --data, or --scores with --ground-truth")
    from effbench.evaluate.protocol import evaluate_scores, plan_of
    from effbench.results.store import Store

    plan = plan_of(protocol, metric)
    if plot is not None:
        _check_plot(plot, engine, metric or plan.metrics)
    results = Store(store, create=True) if keep and own else None
    options: dict[str, Any] = {
        "protocol": protocol,
        "metrics": metric,
        "engine": engine,
        "median_window": median_window,
        "threshold": threshold,
    }
    if own:
        assert model is not None
        assert data is not None
        place = {"split": split, "layout": layout, "audio": audio}
        run = {
            "batch_size": batch_size,
            "device": device,
            "precision": precision,
            "work": work,
            "overlap": plan.overlap,
        }
        found, truth, seconds, facts = _inferred(model, checkpoint, data, place, run)
    else:
        assert scores is not None
        assert ground_truth is not None
        found, truth, seconds, facts = _read(scores, ground_truth, durations)
    evaluation = evaluate_scores(
        found.scores,
        truth,
        seconds,
        classes=found.classes,
        probabilities=found.probabilities,
        timestamps=found.timestamps,
        **options,
    )
    _write(evaluation, form, per_class=per_class)
    if plot is not None:
        _plot(evaluation, plot, facts)
    if results is not None:
        with results:
            _store(evaluation, results, facts)


def _inferred(
    spec: str, checkpoint: str | None, data: Path, place: Mapping[str, Any], run: Mapping[str, Any]
) -> tuple[ScoreSet, Any, Any, dict[str, Any]]:
    """Logits of the model on the data set, its ground truth and durations."""
    from effbench.data.datasets import open_dataset
    from effbench.infer.dataset import infer
    from effbench.infer.inference import Inference
    from effbench.models.chosen import choose_model

    inference = Inference(run["device"], run["precision"], run["batch_size"], run["overlap"])
    dataset = open_dataset(data, place["layout"], split=place["split"], audio=place["audio"])
    chosen = choose_model(spec, checkpoint)
    if chosen.checkpoint is None:
        note("note: no --checkpoint, so the weights are untrained: the values are those of chance")
    # Another checkpoint of the same model, or other windows, have a folder of their own.
    origin = f"{chosen.record()} {data.resolve()} {run['overlap']}"
    tag = blake2b(origin.encode(), digest_size=4).hexdigest()
    name = f"{chosen.spec}_{data.resolve().name}_{dataset.split}_{tag}"
    folder = run["work"] or Path("results/scores") / name
    with status(len(dataset)) as progress:
        scores = infer(dataset, chosen, folder, inference, advance=progress.advance)
    facts = {"data": data.resolve().name, "split": dataset.split, **chosen.record()}
    return scores.score_set(), dataset.ground_truth(), dataset.durations(), facts


def _read(
    scores: Path, ground_truth: Path, durations: Path | None
) -> tuple[ScoreSet, Any, Any, dict[str, Any]]:
    """Anybody's scores, ground truth and durations."""
    from effbench.data.ground_truth import read_ground_truth
    from effbench.data.tables import read_durations
    from effbench.infer.score_files import last_times, read_scores

    found = read_scores(scores)
    seconds = read_durations(durations) if durations else last_times(found)
    return found, read_ground_truth(ground_truth), seconds, {"data": ground_truth.name, "model": str(scores)}


def _write(evaluation: Evaluation, form: Format, *, per_class: bool) -> None:
    if form is Format.json:
        write_json(evaluation.to_dict())
    elif form is Format.csv:
        write_csv((evaluation.by_class if per_class else evaluation).rows())
    else:
        write_sections([evaluation.table(), *(evaluation.by_class.sections() if per_class else ())])
    for remark in evaluation.notes:
        note(f"note: {remark}")


def _check_plot(path: Path, engine: str, metrics: Sequence[str]) -> None:
    from effbench.plots.choices import ImageFormat

    if "psds1" not in metrics or engine != "effbench":
        raise UsageError("--plot draws the curves of psds1 by the effbench engine: ask for that metric")
    if path.suffix[1:] not in [form.value for form in ImageFormat]:
        raise UsageError(f"'{path}' can't be drawn: a figure ends in .png, .svg or .pdf")


def _plot(evaluation: Evaluation, path: Path, facts: Mapping[str, Any]) -> None:
    from effbench.evaluate.psds.metric import PsdsResult
    from effbench.plots.psd_roc import save_psd_roc

    title = f"{facts['model']} on {facts['data']}, PSDS1 {100 * evaluation.values['psds1'].value:.2f} %"
    result = evaluation.results["psds1"]
    assert isinstance(result, PsdsResult)
    save_psd_roc(result.curves, result.mean_curve, path, title=title)
    note(f"curves in {path}")


def _store(evaluation: Evaluation, results: Any, facts: Mapping[str, Any]) -> None:
    from effbench.machine.environment import environment

    conditions = {name: value for name, value in facts.items() if name != "model"}
    rows = evaluation.measurements(str(facts["model"]), conditions=conditions, environment=environment("cpu"))
    results.add(rows)
    note(f"kept in {results.path}")
