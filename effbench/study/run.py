"""Runs a study: its jobs one after the other, each kept in the store as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError
from effbench.models import zoo
from effbench.results.store import Store
from effbench.spec import ModelSpec
from effbench.study.definition import ComplexityTask, Study, ThroughputTask
from effbench.version import source

if TYPE_CHECKING:
    import pandas as pd

    from effbench.results.measurement import Measurement


@dataclass(frozen=True)
class Job:
    """One task on one model.

    Attributes:
        spec: the model.
        task: ``complexity`` or ``throughput``.
        options: keyword arguments of the measurement.
    """

    spec: ModelSpec
    task: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        precision = self.options.get("precision")
        return f"{self.spec} {self.task}" + (f" {precision}" if precision else "")


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``error`` is ``None`` if it was measured and kept."""

    job: Job
    error: str | None = None


def jobs(study: Study) -> list[Job]:
    """The jobs of a study, complexity first."""
    found: list[Job] = []
    if study.tasks.complexity is not None:
        found += [_complexity_job(spec, study.tasks.complexity) for spec in study.specs()]
    task = study.tasks.throughput
    if task is not None:
        specs = study.specs() if task.models is None else zoo.resolve(task.models)
        found += [_throughput_job(spec, task, precision) for spec in specs for precision in task.precisions]
    return found


def _complexity_job(spec: ModelSpec, task: ComplexityTask) -> Job:
    return Job(spec, "complexity", {"counters": task.counters, "clip_seconds": task.seconds})


def _throughput_job(spec: ModelSpec, task: ThroughputTask, precision: str) -> Job:
    options = {
        "device": task.device,
        "precision": precision,
        "parts": task.parts,
        "batch_sizes": task.batch_sizes,
        "compiled": task.compiled,
        "threads": task.threads,
        "clip_seconds": task.seconds,
    }
    return Job(spec, "throughput", options)


def pending(study: Study, store: Store) -> list[Job]:
    """Jobs whose measurements, of this version of effbench on this device, are not in the store."""
    kept = store.read(provenance="measured")
    kept = kept[kept["source"] == source()]
    return [job for job in jobs(study) if not _is_done(job, kept)]


def _is_done(job: Job, kept: pd.DataFrame) -> bool:
    rows = kept[kept["spec"] == str(job.spec)]
    options = job.options
    if job.task == "complexity":
        counted = rows[rows["seconds"] == options["clip_seconds"]]
        wanted = {"macs_exact", *(f"macs_{name}" for name in options["counters"])}
        return wanted <= set(counted["quantity"])
    from effbench.machine.environment import device_name

    rows = rows[
        (rows["device"] == device_name(options["device"]))
        & (rows["precision"].isin([options["precision"]]))
        & (rows["compiled"] == options["compiled"])
        & (rows["seconds"] == options["clip_seconds"])
    ]
    if options["threads"] is not None:
        rows = rows[rows["threads"] == options["threads"]]
    rates = rows[rows["quantity"] == "throughput"]
    return set(options["parts"]) <= set(rates["part"]) and (
        options["batch_sizes"] is None or set(options["batch_sizes"]) <= set(rates["batch_size"])
    )


def run(
    todo: list[Job], store: Store, *, start: Callable[[str], None], line: Callable[[str], None]
) -> list[Outcome]:
    """Run jobs in order and keep the measurements of each; a job that fails does not stop the others.

    Args:
        todo: the jobs.
        store: where measurements go, job by job.
        start: told the name of each job as it begins.
        line: told of each measurement and of each failure.
    """
    outcomes = []
    for job in todo:
        start(str(job))
        try:
            store.add(measure(job, line))
        except EffbenchError as error:
            line(f"failed: {error}")
            outcomes.append(Outcome(job, str(error)))
        else:
            outcomes.append(Outcome(job))
    return outcomes


def measure(job: Job, line: Callable[[str], None]) -> list[Measurement]:
    """Measurements of one job; a timing job leaves out the counts."""
    from effbench.measure.profile import profile

    if job.task == "complexity":
        return profile(job.spec, throughput=False, **job.options).measurements()
    return profile(job.spec, progress=line, **job.options).timings()
