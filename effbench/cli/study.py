"""``effbench study``: grids of models and tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.cluster import Address, Where
from effbench.cli.output import Format, note, write_stored
from effbench.cli.progress import status as running_status
from effbench.errors import EffbenchError, Stopped, UsageError
from effbench.shown import number_of

if TYPE_CHECKING:
    from effbench.study.definition import Study
    from effbench.study.job import Job, Workplace
    from effbench.study.scheduling import Executor

app = typer.Typer(
    no_args_is_help=True, help="Measure, train and score a grid of models; resumes after an interruption."
)

StudyArgument = Annotated[
    str, typer.Argument(help="A study under benchmarks/studies/ (paper, quick, …) or a YAML file.")
]
WorkOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Folder of data sets, runs and frame scores; results/studies/STUDY by default."
    ),
]


def _planned(study: str, store: Path | None, work: Path | None) -> tuple[Study, Workplace, list[Job]]:
    """A study, where it works, and its jobs."""
    from effbench.results.database import default_store
    from effbench.study.definition import load_study
    from effbench.study.graph import jobs
    from effbench.study.job import Workplace

    definition = load_study(study)
    folder = work or Path("results/studies") / Path(study).stem
    place = Workplace(folder.absolute(), store or default_store())
    return definition, place, jobs(definition, place)


@app.command()
def run(
    study: StudyArgument,
    store: options.Store = None,
    work: WorkOption = None,
    executor: Annotated[
        Where, typer.Option(help="Where jobs run: this machine, or a Ray cluster (a local one by default).")
    ] = Where.local,
    workers: Annotated[
        int, typer.Option(min=1, help="Jobs at a time on this machine; timings have it to themselves.")
    ] = 1,
    address: Address = None,
    fresh: Annotated[
        bool, typer.Option(help="Repeat measurements and scores that the store holds; trainings stay.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Begin no more jobs after 90s, 30m or 2h; the study's own by default."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would run, and how long it will take.")
    ] = False,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="PRICE",
            help="Of an hour of a machine, e.g. '2.5 EUR'; --dry-run says what jobs will cost.",
        ),
    ] = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Run what is missing of a study; an interrupted run is resumed.

    Example: effbench study run quick
    """
    from effbench.results.shipped import import_shipped
    from effbench.results.store import Store
    from effbench.study.job import pending
    from effbench.study.scheduling import run_jobs

    if executor is Where.ray and workers > 1:
        raise UsageError("--workers is of this machine; Ray runs as many jobs as the cluster has room for")
    if address is not None and executor is not Where.ray:
        raise UsageError("--address is of a Ray cluster: give --executor ray")
    if (price is not None or form is not Format.table) and not dry_run:
        raise UsageError("--price and --format are for --dry-run, which lists what would run")
    definition, place, jobs = _planned(study, store, work)
    seconds = definition.budget if budget is None else _seconds(budget)
    measured = place.measured()
    todo = jobs if fresh else pending(jobs, measured)
    if dry_run:
        from effbench.cli.study_tables import write_plan
        from effbench.study.spending import Price

        cost = definition.price if price is None else Price.parse(price)
        write_plan(
            todo, measured, form, workers=workers, ray=executor is Where.ray, price=cost, budget=seconds
        )
        return
    with Store(place.store, create=True) as results:
        import_shipped(results)
    note(f"{study}: {number_of(len(jobs), 'job')}, {len(jobs) - len(todo)} of them done before")
    try:
        with (
            running_status(len(todo)) as progress,
            _executor(workers, address, ray=executor is Where.ray) as elsewhere,
        ):
            errors = run_jobs(todo, progress, elsewhere, seconds=seconds)
    except (Stopped, KeyboardInterrupt) as error:
        raise Stopped(f"{str(error) or 'interrupted'}\nThe same command resumes it.") from None
    note(f"kept in {place.store}")
    if left := len(todo) - len(errors):
        note(f"the budget is spent: {number_of(left, 'job')} not begun; the same command goes on with them")
    failed = [f"{key}: {error.splitlines()[0]}" for key, error in errors.items() if error is not None]
    if failed:
        raise EffbenchError("\n".join([f"{len(failed)} of {len(todo)} jobs failed", *failed]))


def _seconds(budget: str) -> float:
    from effbench.study.spending import duration

    try:
        return duration(budget)
    except ValueError as error:
        raise UsageError(f"--budget {error}") from None


@contextmanager
def _executor(workers: int, address: str | None, *, ray: bool) -> Iterator[Executor | None]:
    if not ray and workers == 1:
        yield None
    elif ray:
        from effbench.study.ray_cluster import RayCluster

        cluster = RayCluster(address)
        try:
            yield cluster
        finally:
            cluster.close()
    else:
        import torch

        from effbench.study.local_processes import LocalProcesses

        yield LocalProcesses(workers, torch.cuda.device_count())


@app.command()
def status(
    study: StudyArgument,
    store: options.Store = None,
    work: WorkOption = None,
    watch: Annotated[bool, typer.Option(help="Show it again every second, while it runs.")] = False,
    form: options.OutputFormat = Format.table,
) -> None:
    """Which jobs of a study are done, run, failed or wait.

    Example: effbench study status quick --watch
    """
    from effbench.cli.study_tables import watched, write_status
    from effbench.results.store import Store

    _, place, jobs = _planned(study, store, work)
    with Store(place.store):  # that there is none is said
        pass
    if watch and form is Format.table and sys.stdout.isatty():
        watched(place, jobs)
    else:
        write_status(place, jobs, form)


@app.command()
def show(
    study: StudyArgument,
    store: options.Store = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write full rows, with samples and environment, to this .csv or .parquet."),
    ] = None,
    wide: options.Wide = False,
    form: options.OutputFormat = Format.table,
) -> None:
    """The newest measurements of a study's models, in the units of the store.

    Example: effbench study show paper --wide --format csv
    """
    from effbench.results.store import Store
    from effbench.study.definition import load_study

    if wide and out is not None:
        raise UsageError("--out writes full rows: give one of --wide and --out")
    specs = load_study(study).specs()
    with Store(store) as results:
        if out is not None:
            note(f"{number_of(results.export(out, specs=specs), 'row')} written to {out}")
            return
        frame = results.latest(specs=specs)
    if frame.empty:
        raise EffbenchError(f"the store holds nothing of these models; 'effbench study run {study}' fills it")
    write_stored(frame, form, wide=wide)
