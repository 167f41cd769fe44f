"""``effbench study``: grids of models and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.output import Format, note, write
from effbench.cli.progress import status as running_status
from effbench.errors import EffbenchError

app = typer.Typer(no_args_is_help=True, help="Measure a grid of models and tasks, resumably.")

StudyArgument = Annotated[
    str, typer.Argument(help="A study under benchmarks/studies/ (paper, quick, …) or a YAML file.")
]
StoreOption = Annotated[Path | None, typer.Option(help="Results store; results/effbench.sqlite by default.")]
FormatOption = Annotated[Format, typer.Option("--format", help="table, json or csv.")]


@app.command()
def run(
    study: StudyArgument,
    store: StoreOption = None,
    fresh: Annotated[bool, typer.Option(help="Measure again what the store already holds.")] = False,
) -> None:
    """Run what is missing of a study; an interrupted run goes on where it stopped.

    Example: effbench study run paper
    """
    from effbench.results.shipped import import_shipped
    from effbench.results.store import Store
    from effbench.study import run as running
    from effbench.study.definition import load_study

    definition = load_study(study)
    everything = running.jobs(definition)
    with Store(store, create=True) as results:
        import_shipped(results)
        todo = everything if fresh else running.pending(definition, results)
        note(f"{study}: {len(everything)} jobs, {len(everything) - len(todo)} of them done before")
        with running_status(len(todo)) as progress:
            outcomes = running.run(todo, results, start=progress.start, line=progress.line)
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        note(f"kept in {results.path}")
    if failed:
        details = [f"{outcome.job}: {str(outcome.error).splitlines()[0]}" for outcome in failed]
        raise EffbenchError("\n".join([f"{len(failed)} of {len(todo)} jobs failed", *details]))


@app.command()
def status(study: StudyArgument, store: StoreOption = None, form: FormatOption = Format.table) -> None:
    """Which jobs of a study are done.

    Example: effbench study status paper
    """
    from effbench.results.store import Store
    from effbench.study import run as running
    from effbench.study.definition import load_study

    definition = load_study(study)
    with Store(store) as results:
        missing = {str(job) for job in running.pending(definition, results)}
    rows = [
        {"model": str(job.spec), "task": job.task, "precision": job.options.get("precision"), "done": done}
        for job in running.jobs(definition)
        for done in [str(job) not in missing]
    ]
    write(rows, form)
    note(f"{len(rows) - len(missing)} of {len(rows)} jobs done")


@app.command()
def show(
    study: StudyArgument,
    store: StoreOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write full rows, with samples and environment, to this .csv or .parquet."),
    ] = None,
    form: FormatOption = Format.table,
) -> None:
    """The newest measurements of a study's models.

    Example: effbench study show paper --format csv
    """
    from effbench.results.store import Store
    from effbench.study.definition import load_study

    specs = load_study(study).specs()
    with Store(store) as results:
        if out is not None:
            note(f"{results.export(out, specs=specs)} rows written to {out}")
            return
        frame = results.latest(specs=specs)
    columns = ("spec", "quantity", "value", "low", "high", "unit", "provenance", "device")
    conditions = ("precision", "batch_size", "part", "threads")
    records = frame[[*columns, *conditions]].to_dict("records")
    write([{str(k): None if v != v else v for k, v in record.items()} for record in records], form)
