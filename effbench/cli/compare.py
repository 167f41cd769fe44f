"""``effbench compare``: how far two systems' scores differ, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write_result, write_sections

if TYPE_CHECKING:
    from effbench.data.ground_truth import OnProblem
    from effbench.evaluate.incomplete import OnMissing
    from effbench.evaluate.paired import Comparison
    from effbench.infer.score_files import ValueKind


def compare(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="Frame scores as evaluate takes them, or the spec of kept logits."),
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help="The same of the other system; what is told is B less A.")
    ],
    ground_truth: Annotated[Path, typer.Option(metavar="TSV", help="Events to compare both with.")],
    events: Annotated[bool, typer.Option("--events", help="A and B are lists of detected events.")] = False,
    durations: options.Durations = None,
    confidence: options.Confidence = 0.5,
    columns: options.Columns = None,
    protocol: options.Protocol = "paper",
    metric: options.Metrics = None,
    median_window: options.MedianWindow = None,
    values: options.Values = None,
    threshold: options.EventThreshold = None,
    on_problem: options.OddEvents = None,
    missing: options.OnMissing = None,
    fill_gaps: options.FillGaps = False,
    per_class: Annotated[bool, typer.Option("--per-class", help="Show every class.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what changed, by class: .png, .svg or .pdf."),
    ] = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Two systems on the same ground truth: differences with paired 95 % bootstrap intervals.

    Example: effbench compare before/ after/ --ground-truth eval.tsv --plot changes.png
    """
    from effbench.evaluate.paired import compare as run

    if plot is not None:
        from effbench.files import require_folder
        from effbench.plots.save import image_format

        require_folder(plot.parent)
        image_format(plot)
    with options.naming_scoring():
        comparison = run(
            a,
            b,
            ground_truth=ground_truth,
            events=events,
            durations=durations,
            confidence=confidence,
            columns=options.heads(columns),
            protocol=protocol,
            metrics=metric,
            median_window=median_window,
            threshold=threshold,
            values=cast("ValueKind | None", values),
            on_problem=cast("OnProblem | None", on_problem),
            on_missing=cast("OnMissing | None", missing),
            fill_gaps=fill_gaps,
        )
    _write(comparison, form, per_class=per_class)
    if plot is not None:
        _plot(comparison, plot)


def _write(comparison: Comparison, form: Format, *, per_class: bool) -> None:
    if per_class and form is not Format.json:
        write_result(comparison.by_class, form)
    elif form in (Format.json, Format.csv):
        write_result(comparison, form)
    else:
        write_sections(comparison.tables(), form)
    for remark in comparison.notes:
        note(f"note: {remark}")


def _plot(comparison: Comparison, path: Path) -> None:
    from effbench.plots.score_changes import save_score_changes

    metric, changes = next(iter(comparison.by_class.by_metric.items()))
    percent = {name: change.difference.map(lambda value: 100 * value) for name, change in changes.items()}
    title = f"{comparison.name_b} against {comparison.name_a}"
    save_score_changes(percent, path, title=title, label=f"{metric}, difference in percentage points")
    note(f"changes of {metric} in {path}")
