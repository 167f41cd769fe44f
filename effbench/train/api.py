"""Training from Python: ``train`` makes or resumes a run and returns its best scores."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.errors import EffbenchError, UsageError
from effbench.train.plan import Hardware, Plan, plan_training
from effbench.train.progress import Progress
from effbench.train.runs import Run, resumed_plan

if TYPE_CHECKING:
    from effbench.train.training_result import TrainingResult


def train(
    model: str | None = None,
    recipe: str | None = None,
    data: str | Path | None = None,
    *,
    layout: str | None = None,
    audio: str | Path | None = None,
    pseudo_labels: str | Path | None = None,
    weak_data: str | Path | None = None,
    changes: Iterable[str] = (),
    name: str | None = None,
    runs: str | Path = "runs",
    resume: str | Path | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    workers: int = 0,
    threads: int | None = None,
    loggers: Iterable[str] = ("tensorboard",),
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a model by a recipe, or resume a run that was stopped, to the end.

    An interrupt (Ctrl-C, SIGTERM) finishes the step, saves and raises ``Stopped``; a second one ends at once.
    With several ``devices`` every process runs the script that calls this, and all get the same result.

    Args:
        model: spec, e.g. ``fmn10+tf-256``, or a reference to a detector of one's own.
        recipe: name of a shipped recipe, or a YAML file.
        data: folder of the data set, or its table.
        layout: of the data set; recognised by default.
        audio: folder of its audio, where that lies elsewhere.
        pseudo_labels: HDF5 file, for recipes that distil.
        weak_data: clips of the weak batches, for recipes with an online teacher.
        changes: of the recipe, ``section.key=value`` each.
        name: of the run's folder under ``runs``; made from recipe, model and seed by default.
        runs: where runs are kept.
        resume: folder of a run, which knows all of the above; a model of one's own is named again.
        device: ``cpu``, ``cuda`` or ``auto``.
        devices: processes on each node, a GPU each.
        nodes: on each of which this is called.
        strategy: ``auto``, ``ddp`` or ``fsdp``.
        workers: loading processes of each process.
        threads: of torch on the CPU, while it trains.
        loggers: ``tensorboard``, ``wandb``, both or none.
        store: results store that keeps the best scores, if any.
        progress: its methods are called as the training goes.

    Raises:
        UsageError: what can't work as it was asked for; there is no new run then.
        TrainingError: a loss or weights are not finite.
        Stopped: it was interrupted, and can be resumed.
        EffbenchError: data, weights or files that can't be read or written.
    """
    changes = tuple(changes)
    if resume is not None:
        if any((recipe, data, layout, audio, pseudo_labels, weak_data, *changes, name)):
            raise UsageError("a run that is resumed has its model, recipe, data and name already")
        folder, plan = Path(resume), resumed_plan(Path(resume), model)
    elif model is None or recipe is None or data is None:
        raise UsageError("a training needs a model, a recipe and data, or a run to resume")
    else:
        sources = {"audio": audio, "pseudo_labels": pseudo_labels, "weak_data": weak_data}
        plan = plan_training(model, recipe, data, layout=layout, changes=changes, **sources)
        folder = Path(runs) / (name or plan.name)
    hardware = Hardware(device, devices, nodes, strategy, workers, threads, tuple(loggers))
    return follow_plan(plan, folder, hardware, resume=resume is not None, store=store, progress=progress)


def follow_plan(
    plan: Plan,
    folder: Path,
    hardware: Hardware,
    *,
    resume: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """``train`` for a plan and its run's folder, which exists already if ``resume``; raises as it does."""
    check_installed()
    from effbench.results.store import Store
    from effbench.train.feed.training_data import open_data
    from effbench.train.fingerprints import require_same_data
    from effbench.train.processes import ending_together, first_process, follow
    from effbench.train.start import build_training, fit_run, make_fabric, origin_here, threads
    from effbench.train.training_result import result_of

    first = first_process()
    if not first:
        follow()
    kept = Store(store, create=True) if store is not None and first else nullcontext()
    with kept as results, threads(hardware.threads):
        data = open_data(plan)
        run = Run(folder, plan)
        module = build_training(plan, data, run.last if resume and run.last.is_file() else None)
        fabric = make_fabric(hardware, plan, folder)
        if first and resume:
            run.require_same_code()
            require_same_data(run.origin().fingerprints, data)
        elif first:
            Run.create(folder, plan, origin_here(hardware, data))
        with run.owned() if first else nullcontext(), ending_together(fabric):
            fabric.launch()
            follower = progress if first and progress is not None else Progress()
            fit = fit_run(run, data, module, fabric, follower, workers=hardware.workers)
        result = result_of(fit)
        if results is not None:
            results.add(result.measurements)
    return result


def check_installed() -> None:
    """Raise ``EffbenchError`` if a package that only training needs is missing; imports none of them."""
    missing = [name for name in ("lightning", "h5py") if find_spec(name) is None]
    if missing:
        raise EffbenchError(f"training needs {' and '.join(missing)}: pip install 'effbench[train]'")
