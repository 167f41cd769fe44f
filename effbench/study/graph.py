"""The job graph of a study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from effbench.spec import ModelSpec
from effbench.study.definition import EvaluateTask, Study, TrainTask
from effbench.study.evaluating import EvaluateJob
from effbench.study.job import Job, Workplace
from effbench.study.learning import DataJob, TrainJob
from effbench.study.measuring import ComplexityJob, ThroughputJob
from effbench.train.plan import Hardware, Plan, Sources
from effbench.train.recipe.library import load_recipe


def jobs(study: Study, place: Workplace) -> list[Job]:
    """The jobs of a study, each after those that it needs; the quick ones come first.

    Raises ``EffbenchError`` where a recipe is missing, has problems or refuses a change.
    """
    tasks = study.tasks
    found: list[Job] = [
        ComplexityJob(place, spec, task) for task in tasks.complexity for spec in study.specs(task.models)
    ]
    found += [
        ThroughputJob(place, spec, task, how)
        for task in tasks.throughput
        for spec in study.specs(task.models)
        for how in task.precisions
    ]
    data = DataSets(study, place)
    learning = _learning(study, place, data)
    return [*found, *data.needed_by(learning), *learning]


def _learning(study: Study, place: Workplace, data: DataSets) -> list[Job]:
    """Trainings and scores, model by model."""
    tasks = study.tasks
    trained = [(task, study.specs(task.models)) for task in tasks.train]
    scored = [(task, study.specs(task.models)) for task in tasks.evaluate]
    found: list[Job] = []
    for spec in dict.fromkeys(spec for _, specs in (*trained, *scored) for spec in specs):
        runs = [
            _training(task, spec, seed, place, data)
            for task, specs in trained
            if spec in specs
            for seed in task.seeds
        ]
        weights: Sequence[TrainJob | None] = runs or [None]
        found += runs
        found += [
            _evaluation(task, spec, run, place, data)
            for task, specs in scored
            if spec in specs
            for run in weights
        ]
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
    return TrainJob(place, spec, plan, hardware, task.name, needs=data.keys(task.data, task.weak_data))


def _evaluation(
    task: EvaluateTask, spec: ModelSpec, training: TrainJob | None, place: Workplace, data: DataSets
) -> EvaluateJob:
    needs = (*data.keys(task.data), *([] if training is None else [training.key]))
    return EvaluateJob(place, spec, task, data.path(task.data), training, needs=needs)
