"""``effbench regress``: keeps models from getting heavier or slower unnoticed."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write_json, write_table
from effbench.errors import UsageError
from effbench.shown import Table, number_of

app = typer.Typer(
    no_args_is_help=True, help="Save what models count, or check against it or another version."
)

BaselineOption = Annotated[Path, typer.Option(metavar="FILE", help="File of the baseline.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Model spec, glob, or ./file.py:factory. Repeatable; by default those in the baseline."
    ),
]

_BASELINE = Path("benchmarks/baselines/regress.json")


@app.command()
def save(
    baseline: BaselineOption = _BASELINE,
    model: ModelOption = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Count models and keep the counts to check against; other models in the file stay.

    Example: effbench regress save --model fmn10 --model fmn10+hybrid-256
    """
    from effbench.regress.baseline import COUNTS
    from effbench.regress.gate import save as save_baseline

    saved = save_baseline(baseline, _references(model))
    if form is Format.json:
        write_json(saved.model_dump(mode="json"))
    else:
        rows = [
            {"model": spec, **{label: getattr(entry, name) for name, label in COUNTS.items()}}
            for spec, entry in saved.models.items()
        ]
        write_table(Table(rows), form)
    note(f"saved {number_of(len(saved.models), 'model')} in {baseline}")


@app.command()
def check(
    context: typer.Context,
    baseline: BaselineOption = _BASELINE,
    model: ModelOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Compare with this version instead of the baseline, times as well: a git revision, a wheel, "
            "or an environment (its folder, or its python).",
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[MODEL=]PERCENT",
            help="How much more time a model may take, 2.5 by default; of one model or a glob: 'fmn10+*=5'. "
            "Repeatable.",
        ),
    ] = None,
    counts_only: Annotated[bool, typer.Option("--counts-only", help="Don't time: counts alone.")] = False,
    budget: Annotated[
        float, typer.Option(min=1, help="Seconds for a model, after which its verdict stays undecided.")
    ] = 50.0,
    device: options.Device = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch on the CPU; one is steadiest.")] = 1,
    seconds: options.Seconds = 10.0,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the verdicts as JUnit XML.")
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write JSON for github-action-benchmark.")
    ] = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Count again and compare; exit code 1 if a model is heavier, slower or missing.

    Against the baseline, counts must be equal. Against another version, no count may have grown, and both are
    timed in turn until it is clear which is faster. In a job on GitHub, its summary gets the table, too.

    Example: effbench regress check --against main --model fmn10 --threshold 3
    """
    from effbench.regress import gate
    from effbench.regress.baseline import read_baseline
    from effbench.regress.ci_files import add_summary, write_benchmark, write_junit
    from effbench.regress.interleaved import Setting

    references = _references(model)
    if against is None:
        only_against = ("threshold", "counts_only", "budget", "device", "threads", "seconds")
        options.refuse_given(context, only_against, "is for a comparison: give --against as well")
        result = gate.check(baseline, references)
    else:
        if not references and baseline.exists():
            references = list(read_baseline(baseline).models)
        default, single = _thresholds(threshold or [], references or gate.STANDARD_MODELS)
        result = gate.compare(
            against,
            references,
            threshold=gate.THRESHOLD if default is None else default,
            thresholds=single,
            setting=Setting(device, threads, seconds, budget),
            counts_only=counts_only,
            say=note,
        )
    if form is Format.json:
        write_json(result.to_dict())
    else:
        write_table(result.table(), form)
    for remark in (*result.notes, result.verdict):
        note(remark)
    if junit is not None:
        write_junit(result, junit)
    if benchmark is not None:
        write_benchmark(result, benchmark)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        add_summary(result, Path(summary))
    if not result.passed:
        raise typer.Exit(1)


def _references(patterns: list[str] | None) -> list[str]:
    if not patterns:
        return []
    from effbench.models import zoo

    return [spec.reference for spec in zoo.resolve(patterns)]


def _thresholds(
    texts: list[str], references: list[str] | tuple[str, ...]
) -> tuple[float | None, dict[str, float]]:
    """The threshold of all models, if it is given, and those of single ones; fractions."""
    from effbench.models.own_model import find_model

    names = [str(find_model(reference)) for reference in references]
    default: float | None = None
    single: dict[str, float] = {}
    for text in texts:
        pattern, equals, percent = text.rpartition("=")
        try:
            value = float(percent) / 100
        except ValueError:
            raise UsageError(f"--threshold takes [MODEL=]PERCENT, not '{text}'") from None
        if not 0.001 <= value < 1:
            raise UsageError(f"--threshold takes 0.1 to 99, not '{percent}'")
        if not equals:
            default = value
            continue
        matches = [name for name in names if fnmatchcase(name.lower(), pattern.strip().lower())]
        if not matches:
            raise UsageError(f"--threshold {text}: '{pattern}' is none of {', '.join(names)}")
        single |= dict.fromkeys(matches, value)
    return default, single
