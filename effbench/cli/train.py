"""``effbench train``: trains a model by a recipe."""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from effbench.cli.output import Format, note, write, write_table
from effbench.cli.progress import TrainingProgress
from effbench.errors import CheckpointError, EffbenchError, UsageError

if TYPE_CHECKING:
    from effbench.train.fit import Fit
    from effbench.train.runs import Plan, Run
    from effbench.train.start import Hardware


def train(
    model: Annotated[str | None, typer.Option(help="Model spec, e.g. fmn10+tf-256.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe under train/, or a YAML file.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The data set.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of its audio, where it lies elsewhere.")] = None,
    pseudo_labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HDF5 file of pseudo labels, for distillation.")
    ] = None,
    weak_data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Clips of the weak batches, for online teachers.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: optimizer.lr=3e-3. Repeatable."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; made from recipe, model and seed.")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs are kept.")] = Path("runs"),
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a stopped run; all else is known.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe as it would be followed.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Two steps, then the estimated time and memory.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes on each node, a GPU each.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes; start the same command on each.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp or fsdp.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Loading processes of each process.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch on the CPU.")] = None,
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard (default), wandb or none. Repeatable.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Results store; results/effbench.sqlite by default.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-store", help="Keep the best scores in the store.")
    ] = True,
    form: Annotated[Format, typer.Option("--format", help="Of --list: table, json or csv.")] = Format.table,
) -> None:
    """Train a model, with everything in one run folder; a stopped run goes on where it was.

    Example: effbench train --model fmn04 --recipe synthetic-cpu --data data/synthetic
    """
    if list_recipes:
        write(_recipe_rows(), form)
        return
    if resume is not None:
        if any(value is not None for value in (model, recipe, data, audio, pseudo_labels, weak_data, change)):
            raise UsageError("--resume knows model, recipe and data: give only what the machine needs")
        from effbench.train.runs import Run

        folder, plan = resume, Run.open(resume).plan
    else:
        if model is None or recipe is None:
            from effbench.train.recipe.library import recipe_names

            known = ", ".join(recipe_names())
            raise UsageError(f"give --model, --recipe and --data, or --resume RUN\nRecipes: {known}.")
        plan = _plan(model, recipe, change or [], _sources(data, audio, pseudo_labels, weak_data, show=show))
        folder = runs / (name or plan.name)
    if show:
        from effbench.train.runs import recipe_text

        print(recipe_text(plan.recipe), end="")
        return
    _check_installed(devices * nodes > 1)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from effbench.train.start import Hardware

    loggers = tuple(name for name in logger or ["tensorboard"] if name != "none")
    hardware = Hardware(device, devices, nodes, strategy, workers, loggers)
    if dry_run:
        _estimate(plan, hardware)
        return
    _train(plan, folder, hardware, resume=resume is not None, store=store, keep=keep)


def _check_installed(spread: bool) -> None:
    """Before anything heavy starts; the packages are not needed to list and show recipes."""
    if spread:
        # Every process would warn that no parameter was unused; read when torch is loaded.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    missing = [name for name in ("lightning", "h5py") if find_spec(name) is None]
    if missing:
        raise EffbenchError(f"training needs {' and '.join(missing)}: pip install 'effbench[train]'")


def _recipe_rows() -> list[dict[str, Any]]:
    from effbench.train.recipe.library import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        recipe = load_recipe(name)
        rows.append({"recipe": name, "task": recipe.task, "description": recipe.description})
    return rows


def _sources(
    data: Path | None, audio: Path | None, pseudo_labels: Path | None, weak_data: Path | None, *, show: bool
) -> dict[str, str | None]:
    if data is None and not show:
        raise UsageError("give --data FOLDER; 'effbench data synth FOLDER' makes one to try")
    given = {"data": data or Path(), "audio": audio, "pseudo_labels": pseudo_labels, "weak_data": weak_data}
    missing = [path for path in given.values() if path is not None and not path.exists()]
    if missing:
        raise UsageError("\n".join(f"{path}: no such file or folder" for path in missing))
    return {key: None if path is None else str(path.resolve()) for key, path in given.items()}


def _plan(model: str, recipe: str, change: list[str], sources: dict[str, str | None]) -> Plan:
    from effbench.models import zoo
    from effbench.train.recipe.library import load_recipe
    from effbench.train.runs import Plan, Sources

    specs = zoo.resolve([model])
    if len(specs) > 1:
        raise UsageError(f"'{model}' means {len(specs)} models: train one at a time")
    spec = specs[0]
    return Plan(str(spec), recipe, load_recipe(recipe, spec, change), Sources(**sources))  # type: ignore[arg-type]


def _train(
    plan: Plan, folder: Path, hardware: Hardware, *, resume: bool, store: Path | None, keep: bool
) -> None:
    from effbench.results.store import Store
    from effbench.train.feed.training_data import open_data
    from effbench.train.health import Stopped, TrainingError
    from effbench.train.processes import ending_together, first_process, follow
    from effbench.train.runs import Run
    from effbench.train.start import about, build_training, make_fabric, train

    first = first_process()
    if not first:
        follow()
    results = Store(store, create=True) if keep and first else None
    data = open_data(plan)
    module = build_training(plan, data)
    fabric = make_fabric(hardware, plan, folder)
    run = Run.create(folder, plan, about(plan, hardware)) if first and not resume else Run(folder, plan)
    progress = TrainingProgress(run, quiet=not first)
    try:
        with run.owned() if first else nullcontext(), ending_together(fabric), progress:
            fabric.launch()
            fit = train(run, data, fabric, progress, workers=hardware.workers, module=module)
    except (Stopped, TrainingError) as error:
        # All processes raise it, and the first one tells.
        if not first:
            raise typer.Exit from None
        raise _resumable(error, run) from None
    except EffbenchError as error:
        raise _resumable(error, run) from None
    if first:
        _finish(fit, run, results)


def _resumable(error: EffbenchError, run: Run) -> EffbenchError:
    """The error with what to do next, if there is something to go on from."""
    damaged = (
        isinstance(error, CheckpointError)
        and str(run.last) in str(error)
        and "can't be written" not in str(error)
    )
    if damaged:
        return CheckpointError(
            f"{error}\nWithout it the run begins again: delete it, and --resume {run.folder}"
        )
    if not run.last.is_file():
        return error
    return type(error)(f"{error}\nGo on with: effbench train --resume {run.folder}")


def _finish(fit: Fit, run: Run, results: Any) -> None:
    from effbench.train.outcome import best_rows, store_rows

    rows = best_rows(run, fit)
    if not rows:
        note(f"{run.plan.recipe.validation.metric} has no value on these clips: there are no best weights")
    else:
        write_table(rows, title=f"{run.plan.spec}, best of {run.plan.recipe.epochs} epochs")
        note(f"weights in {run.best}; curves in {run.folder / 'curves.png'}")
    if results is not None:
        with results:
            results.add(store_rows(run, fit))
        note(f"kept in {results.path}")


def _estimate(plan: Plan, hardware: Hardware) -> None:
    from effbench.train.estimate import estimate
    from effbench.train.processes import first_process, follow

    if not first_process():
        follow()
    rows = estimate(plan, hardware)
    if first_process():
        write_table(rows, title=f"{plan.spec} by {plan.recipe_name}, estimated")
