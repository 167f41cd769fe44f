"""``effbench study``: grids of models and tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_stored
from effbench.cli.progress import status as running_status
from effbench.errors import EffbenchError, Stopped, UsageError
from effbench.shown import number_of

if TYPE_CHECKING:
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


def _planned(study: str, store: Path | None, work: Path | None) -> tuple[Workplace, list[Job]]:
    """Where a study works, and its jobs."""
    from effbench.results.database import default_store
    from effbench.study.definition import load_study
    from effbench.study.graph import jobs
    from effbench.study.job import Workplace

    definition = load_study(study)
    folder = work or Path("results/studies") / Path(study).stem
    place = Workplace(folder.absolute(), store or default_store())
    return place, jobs(definition, place)


class Where(StrEnum):
    """What runs jobs."""

    local = "local"
    ray = "ray"


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
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; 'auto' for the one that this machine belongs to.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option(help="Repeat measurements and scores that the store holds; trainings stay.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only list what would run, with what it demands and took before."),
    ] = False,
) -> None:
    """Run what is missing of a study; an interrupted run is resumed.

    Example: effbench study run paper
    """
    from effbench.results.shipped import import_shipped
    from effbench.results.store import Store
    from effbench.study.job import pending, run_in_order
    from effbench.study.scheduling import run_jobs

    if executor is Where.ray and workers > 1:
        raise UsageError("--workers is of this machine; Ray runs as many jobs as the cluster has room for")
    if address is not None and executor is not Where.ray:
        raise UsageError("--address is of a Ray cluster: give --executor ray")
    place, jobs = _planned(study, store, work)
    with Store(place.store, create=True) as results:
        import_shipped(results)
    todo = jobs if fresh else pending(jobs, place.measured())
    if dry_run:
        _list(todo, place.seconds())
        return
    note(f"{study}: {number_of(len(jobs), 'job')}, {len(jobs) - len(todo)} of them done before")
    try:
        with running_status(len(todo)) as progress:
            if executor is Where.local and workers == 1:
                errors = run_in_order(todo, progress)
            else:
                with _executor(workers, address, ray=executor is Where.ray) as elsewhere:
                    errors = run_jobs(todo, progress, elsewhere)
    except (Stopped, KeyboardInterrupt) as error:
        raise Stopped(f"{str(error) or 'interrupted'}\nThe same command resumes it.") from None
    note(f"kept in {place.store}")
    failed = [f"{key}: {error.splitlines()[0]}" for key, error in errors.items() if error is not None]
    if failed:
        raise EffbenchError("\n".join([f"{len(failed)} of {len(todo)} jobs failed", *failed]))


def _list(todo: list[Job], seconds: Mapping[str, float]) -> None:
    """The jobs that would run, in order; how long they will take by how long they took before."""
    rows = [
        {
            "job": job.key,
            "needs": ", ".join(job.needs),
            "processors": "all" if job.demand.alone and not job.demand.gpus else job.demand.cpus,
            "GPUs": job.demand.gpus,
            "alone": job.demand.alone,
            "took (s)": f"{seconds[job.key]:,.0f}" if job.key in seconds else None,
        }
        for job in todo
    ]
    write(rows, Format.table)
    known = [seconds[job.key] for job in todo if job.key in seconds]
    text = f", {sum(known) / 3600:.2g} h one after the other for those that ran before" if known else ""
    note(f"{number_of(len(todo), 'job')} to run{text}; {len(todo) - len(known)} never ran here")


@contextmanager
def _executor(workers: int, address: str | None, *, ray: bool) -> Iterator[Executor]:
    if ray:
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
    form: options.OutputFormat = Format.table,
) -> None:
    """Which jobs of a study are done.

    Example: effbench study status paper
    """
    from effbench.results.store import Store
    from effbench.study.job import pending

    place, jobs = _planned(study, store, work)
    with Store(place.store) as results:
        missing = {job.key for job in pending(jobs, results.read(provenance="measured", imported=False))}
    failures = place.failures()
    rows: list[dict[str, object]] = [
        {
            "model": None if job.spec is None else str(job.spec),
            "task": job.task,
            "precision": job.variant.get("precision"),
            "seed": job.variant.get("seed"),
            "set": job.variant.get("set"),
            "done": job.key not in missing,
            "failed": failures[job.key].splitlines()[0] if job.key in missing & failures.keys() else None,
        }
        for job in jobs
    ]
    write([{name: row[name] for name in _columns(rows)} for row in rows], form)
    note(f"{len(rows) - len(missing)} of {len(rows)} jobs done")


def _columns(rows: list[dict[str, object]]) -> list[str]:
    """Those of every study, and those that this one has a value for."""
    always = ("model", "task", "precision", "done")
    return [name for name in rows[0] if name in always or any(row[name] is not None for row in rows)]


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
