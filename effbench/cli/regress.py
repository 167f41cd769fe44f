"""``effbench regress``: keeps models from getting heavier or slower unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_json
from effbench.errors import UsageError
from effbench.shown import number_of

if TYPE_CHECKING:
    from effbench.regress.baseline import Entry
    from effbench.shown import Row

app = typer.Typer(no_args_is_help=True, help="Save complexity and speed of models, or check against them.")

BaselineOption = Annotated[Path, typer.Option(metavar="FILE", help="File of the baseline.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Model spec, glob, or ./file.py:factory. Repeatable; by default those in the baseline."
    ),
]
ComplexityOption = Annotated[
    bool, typer.Option("--complexity-only", help="Parameters and MACs only: fast, and on any hardware.")
]

_BASELINE = Path("benchmarks/baselines/regress.json")


@app.command()
def save(
    baseline: BaselineOption = _BASELINE,
    model: ModelOption = None,
    complexity_only: ComplexityOption = False,
    device: options.Device = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch on the CPU; one is steadiest.")] = 1,
    form: options.OutputFormat = Format.table,
) -> None:
    """Measure models and keep the figures to check against; other models in the file stay.

    Example: effbench regress save --model fmn10 --model fmn10+hybrid-256
    """
    from effbench.regress.baseline import IncomparableSpeeds
    from effbench.regress.gate import save as save_baseline

    try:
        saved = save_baseline(
            baseline,
            _specs(model),
            complexity_only=complexity_only,
            device=device,
            threads=threads,
            progress=note,
        )
    except IncomparableSpeeds as error:
        cure = "Save all of them again (without --model), or to another file (--baseline FILE)."
        raise UsageError(f"{error}\n{cure}") from error
    if form is Format.json:
        write_json(saved.model_dump(mode="json"))
    else:
        write([_row(spec, entry) for spec, entry in saved.models.items()], form)
    note(f"saved {number_of(len(saved.models), 'model')} in {baseline}")


@app.command()
def check(
    baseline: BaselineOption = _BASELINE,
    model: ModelOption = None,
    complexity_only: ComplexityOption = False,
    threshold: Annotated[
        float, typer.Option(min=1, max=90, help="Percentage of its speed that a model may lose.")
    ] = 15.0,
    form: options.OutputFormat = Format.table,
) -> None:
    """Measure again and compare; exit code 1 if a model is heavier, slower or missing, 2 on other hardware.

    Complexity must be equal. Speed is measured in turn with a fixed reference workload, and a model that
    seems slower is measured again before it counts.

    Example: effbench regress check --complexity-only
    """
    from effbench.regress.baseline import IncomparableSpeeds
    from effbench.regress.gate import check as check_models

    try:
        result = check_models(
            baseline,
            _specs(model),
            complexity_only=complexity_only,
            threshold=threshold / 100,
            progress=note,
        )
    except IncomparableSpeeds as error:
        cure = "Check with --complexity-only, or save a baseline for this machine: --baseline FILE."
        raise UsageError(f"{error}\n{cure}") from error
    if form is Format.json:
        write_json(result.to_dict())
    else:
        write(result.rows(), form)
    for remark in (*result.notes, result.verdict):
        note(remark)
    if not result.passed:
        raise typer.Exit(1)


def _specs(patterns: list[str] | None) -> list[str]:
    if not patterns:
        return []
    from effbench.models import zoo

    return [spec.reference for spec in zoo.resolve(patterns)]


def _row(spec: str, entry: Entry) -> Row:
    speed = entry.speed
    return {
        "model": spec,
        "parameters": entry.parameters,
        "MACs exact": entry.macs_exact,
        "MACs paper": entry.macs_paper,
        "speed (reference = 1)": speed.ratio if speed else None,
        "interval": f"[{speed.low:.4g}, {speed.high:.4g}]" if speed else None,
    }
