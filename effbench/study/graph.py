"""The job graph of a study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from effbench.spec import ModelSpec
from effbench.study.definition import EvaluateTask, Study, TrainTask
from effbench.study.job import Job, Workplace
from effbench.study.learning import DataJob, EvaluateJob, TrainJob
from effbench.study.measuring import ComplexityJob, ThroughputJob
from effbench.train.plan import Hardware, Plan, Sources
from effbench.train.recipe.library import load_recipe


def jobs(study: Study, place: Workplace) -> list[Job]:
    """The jobs of a study, each after those that it needs; the quick ones come first.

    Raises ``EffbenchError`` where a recipe is missing, has problems or refuses a change.
    """
    tasks = study.tasks
    found: list[Job] = []
    if tasks.complexity is not None:
        specs = study.specs(tasks.complexity.models)
        found += [ComplexityJob(place, spec, tasks.complexity) for spec in specs]
    if tasks.throughput is not None:
        specs = study.specs(tasks.throughput.models)
        precisions = tasks.throughput.precisions
        found += [ThroughputJob(place, spec, tasks.throughput, how) for spec in specs for how in precisions]
    data = DataSets(study, place)
    learning = _learning(study, place, data)
    return [*found, *data.needed_by(learning), *learning]


def _learning(study: Study, place: Workplace, data: DataSets) -> list[Job]:
    """Trainings and scores, model by model."""
    training, scoring = study.tasks.train, study.tasks.evaluate
    trained = [] if training is None else study.specs(training.models)
    scored = [] if scoring is None else study.specs(scoring.models)
    found: list[Job] = []
    for spec in dict.fromkeys([*trained, *scored]):
        runs: list[TrainJob] = []
        if training is not None and spec in trained:
            runs = [_training(training, spec, seed, place, data) for seed in training.seeds]
        found += runs
        if scoring is not None and spec in scored:
            weights: Sequence[TrainJob | None] = runs or [None]
            found += [_evaluation(scoring, spec, run, place, data) for run in weights]
    return found


class DataSets:
    """Where the data that tasks name is: sets that the study makes in its workplace, or files and folders."""

    def __init__(self, study: Study, place: Workplace) -> None:
        folder = place.folder / "data"
        self.made = {name: DataJob(place, None, folder / name, made) for name, made in study.data.items()}

    def path(self, name: str) -> Path:
        """Absolute path of a set, file or folder."""
        return (self.made[name].folder if name in self.made else Path(name)).resolve()

    def keys(self, *names: str | None) -> tuple[str, ...]:
        """Keys of the jobs that make some of these."""
        return tuple(self.made[name].key for name in names if name in self.made)

    def needed_by(self, jobs: Iterable[Job]) -> list[DataJob]:
        """The jobs that these jobs need."""
        needed = {key for job in jobs for key in job.needs}
        return [job for job in self.made.values() if job.key in needed]


def _training(task: TrainTask, spec: ModelSpec, seed: int, place: Workplace, data: DataSets) -> TrainJob:
    recipe = load_recipe(task.recipe, spec, [*task.changes, f"seed={seed}"])
    given = {name: getattr(task, name) for name in ("data", "audio", "pseudo_labels", "weak_data")}
    paths = {name: str(data.path(value)) for name, value in given.items() if value is not None}
    sources = Sources(**paths, layout=task.layout)
    plan = Plan(spec.reference, task.recipe, recipe, sources)
    hardware = Hardware(device=task.device, workers=task.workers, threads=task.threads)
    return TrainJob(place, spec, plan, hardware, needs=data.keys(task.data, task.weak_data))


def _evaluation(
    task: EvaluateTask, spec: ModelSpec, training: TrainJob | None, place: Workplace, data: DataSets
) -> EvaluateJob:
    needs = (*data.keys(task.data), *([] if training is None else [training.key]))
    return EvaluateJob(place, spec, task, data.path(task.data), training, needs=needs)
