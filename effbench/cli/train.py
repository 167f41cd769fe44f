"""``effbench train``: trains a model by a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_sections
from effbench.cli.progress import TrainingProgress
from effbench.errors import CheckpointError, EffbenchError, Stopped, TrainingError, UsageError

if TYPE_CHECKING:
    from effbench.shown import Row
    from effbench.train.plan import Hardware, Plan

#: What to do about a source that a recipe needs and that is not given.
_NEEDED = {
    "pseudo_labels": "distils: give --pseudo-labels FILE (made by 'effbench pseudo-labels'), "
    "or --set distillation=0",
    "weak_data": "has weak batches: give --weak-data FOLDER",
}
#: Keys that errors advise to change.
_RECIPE_KEYS = ("optimizer.lr", "batch.size", "data.sampling", "data.classes", "_split=", "precision=")


def train(
    model: Annotated[
        str | None,
        typer.Option(help="Model spec, e.g. fmn10+tf-256, or a detector of your own: ./file.py:factory."),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe under train/, or a YAML file.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The data set.")] = None,
    layout: options.Layout = None,
    audio: options.Audio = None,
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
    name: Annotated[str | None, typer.Option(help="Name of the run; by default recipe, model, seed.")] = None,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs are kept.")] = Path("runs"),
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Resume a stopped run, which knows everything else.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe as it would be followed.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="KEY", help="Explain a key of recipes, a section, or all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Two steps, then the estimated time and memory.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes on each node, a GPU each.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes; start the same command on each.")] = 1,
    strategy: Annotated[str, typer.Option(help="auto, ddp or fsdp.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Loading processes of each process.")] = 0,
    threads: options.Threads = None,
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard (default), wandb or none. Repeatable.")
    ] = None,
    store: options.Store = None,
    keep: options.Keep = True,
    form: Annotated[
        Format, typer.Option("--format", help="Of --list and --explain: table, markdown, json or csv.")
    ] = Format.table,
) -> None:
    """Train a model, with everything in one run folder; a stopped run resumes where it was.

    Example: effbench train --model fmn04 --recipe synthetic-cpu --data data/synthetic
    """
    if list_recipes:
        write(_recipe_rows(), form)
        return
    if explain is not None:
        _explain(explain, form)
        return
    from effbench.train.plan import plan_training
    from effbench.train.recipe.library import recipe_names
    from effbench.train.runs import recipe_text, resumed_plan

    if resume is not None:
        if any((recipe, data, layout, audio, pseudo_labels, weak_data, change)):
            raise UsageError("--resume knows model, recipe and data: give only what the machine needs")
        folder, plan = resume, resumed_plan(resume, model)
    elif model is None or recipe is None:
        known = ", ".join(recipe_names())
        raise UsageError(f"give --model, --recipe and --data, or --resume RUN\nRecipes: {known}.")
    elif data is None and not show:
        raise UsageError("give --data FOLDER; 'effbench data synth FOLDER' makes one to try")
    else:
        sources = {"audio": audio, "pseudo_labels": pseudo_labels, "weak_data": weak_data}
        plan = plan_training(model, recipe, data or Path(), layout=layout, changes=change or (), **sources)
        folder = runs / (name or plan.name)
    if show:
        print(recipe_text(plan.recipe), end="")
        return
    for source in plan.missing_sources:
        raise UsageError(f"recipe {plan.recipe_name} {_NEEDED[source]}")
    if devices * nodes > 1:
        # Every process would warn that no parameter was unused; read when torch is loaded.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from effbench.results.database import default_store
    from effbench.train.api import check_installed
    from effbench.train.plan import Hardware

    check_installed()
    loggers = tuple(name for name in logger or ["tensorboard"] if name != "none")
    hardware = Hardware(device, devices, nodes, strategy, workers, threads, loggers)
    if dry_run:
        _estimate(plan, hardware)
    else:
        kept = (store or default_store()) if keep else None
        _train(plan, folder, hardware, resume=resume is not None, store=kept)


def _recipe_rows() -> list[Row]:
    from effbench.train.recipe.library import load_recipe, recipe_names

    recipes = [(name, load_recipe(name)) for name in recipe_names()]
    return [{"recipe": name, "task": r.task, "description": r.description} for name, r in recipes]


def _explain(name: str, form: Format) -> None:
    from effbench.train.recipe.explain import explained, explanation

    keys = explained(name)
    if form in (Format.table, Format.markdown):
        write_sections(explanation(keys), form)
    elif form is Format.json:
        write([{**key.row(), "recipes": key.values()} for key in keys], form)
    else:
        write([key.row() for key in keys], form)


def _train(plan: Plan, folder: Path, hardware: Hardware, *, resume: bool, store: Path | None) -> None:
    from effbench.train.api import follow_plan
    from effbench.train.processes import first_process

    try:
        with TrainingProgress() as progress:
            result = follow_plan(plan, folder, hardware, resume=resume, store=store, progress=progress)
    except EffbenchError as error:
        # All processes raise the same of these, and the first one prints it.
        if isinstance(error, (Stopped, TrainingError)) and not first_process():
            raise typer.Exit from None
        raise _with_options(error, folder) from None
    if not first_process():
        return
    write_sections(result.sections())
    if store is not None:
        note(f"kept in {store}")


def _with_options(error: EffbenchError, folder: Path) -> EffbenchError:
    """The error with the options that help: to change the recipe, and to resume the run."""
    text, last = str(error), folder / "last.pt"
    damaged = isinstance(error, CheckpointError) and str(last) in text and "can't be written" not in text
    lines = [text]
    if any(key in text for key in _RECIPE_KEYS):
        lines.append("Change the recipe with --set KEY=VALUE.")
    if damaged:
        lines.append(f"Without it the run begins again: delete it, and --resume {folder}")
    elif last.is_file():
        lines.append(f"Resume with: effbench train --resume {folder}")
    return type(error)("\n".join(lines))


def _estimate(plan: Plan, hardware: Hardware) -> None:
    from effbench.train.estimate import estimate
    from effbench.train.processes import first_process, follow

    if not first_process():
        follow()
    result = estimate(plan, hardware)
    if first_process():
        write_sections(result.sections())
