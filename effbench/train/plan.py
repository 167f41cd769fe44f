"""What a training is to compute, and on what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from effbench.errors import EffbenchError, UsageError
from effbench.models import zoo
from effbench.models.own_model import find_model
from effbench.spec import ModelSpec
from effbench.train.recipe.library import changes_of, load_recipe
from effbench.train.recipe.recipe import Recipe


@dataclass(frozen=True)
class Sources:
    """Absolute paths of a training's data; ``weak_data`` is for the task ``advanced``.

    ``layout`` is that of ``data``, which is recognised without.
    """

    data: str
    audio: str | None = None
    pseudo_labels: str | None = None
    weak_data: str | None = None
    layout: str | None = None


@dataclass(frozen=True)
class Plan:
    """What decides the result of a training; ``recipe`` has the model card's rates and all changes.

    ``spec`` is the model's reference: where it is of one's own, the text that finds its code.
    """

    spec: str
    recipe_name: str
    recipe: Recipe
    sources: Sources

    @property
    def model(self) -> ModelSpec:
        """What is trained."""
        return find_model(self.spec)

    @property
    def code(self) -> dict[str, str]:
        """Of a model of one's own, the code that builds it, as rows and runs note it."""
        code = zoo.model_code(self.model)
        return {} if code is None else {"code": code}

    @property
    def name(self) -> str:
        """Name that a run has unless it is given one."""
        return f"{Path(self.recipe_name).stem}_{self.model}_seed{self.recipe.seed}"

    @property
    def conditions(self) -> dict[str, str | int]:
        """What rows of the weights' scores note of it: which trainings are seeds of one another."""
        try:
            changes = " ".join(changes_of(self.recipe, self.recipe_name, self.model))
        except EffbenchError:  # a file of one's own that is gone, or has problems now
            changes = "unknown: the recipe of this name can't be read any more"
        noted: dict[str, str | int] = {"recipe": self.recipe_name, "seed": self.recipe.seed}
        return {**noted, "changes": changes} if changes else noted

    @property
    def missing_sources(self) -> tuple[str, ...]:
        """Names of the ``Sources`` that the recipe needs and that are not given."""
        needed = {
            "pseudo_labels": self.recipe.distillation > 0,
            "weak_data": self.recipe.task == "advanced",
        }
        return tuple(name for name in needed if needed[name] and getattr(self.sources, name) is None)


@dataclass(frozen=True)
class Hardware:
    """What a training runs on, as ``train`` describes it; none of it changes the result, up to rounding."""

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    workers: int = 0
    threads: int | None = None
    loggers: tuple[str, ...] = ("tensorboard",)


def plan_training(
    model: str,
    recipe: str,
    data: str | Path,
    *,
    layout: str | None = None,
    audio: str | Path | None = None,
    pseudo_labels: str | Path | None = None,
    weak_data: str | Path | None = None,
    changes: Iterable[str] = (),
) -> Plan:
    """A training, checked without reading data or weights; the arguments are those of ``train``.

    Raises:
        UsageError: several models, an unknown recipe, a change that it refuses, a path that does not exist.
        UnknownModel: no such model.
        EffbenchError: a recipe with problems.
    """
    specs = zoo.resolve([model])
    if len(specs) > 1:
        raise UsageError(f"'{model}' means {len(specs)} models: train one at a time")
    given = {"data": data, "audio": audio, "pseudo_labels": pseudo_labels, "weak_data": weak_data}
    paths = {name: Path(path) for name, path in given.items() if path is not None}
    missing = [path for path in paths.values() if not path.exists()]
    if missing:
        raise UsageError("\n".join(f"{path}: no such file or folder" for path in missing))
    sources = Sources(**{name: str(path.resolve()) for name, path in paths.items()}, layout=layout)
    return Plan(specs[0].reference, recipe, load_recipe(recipe, specs[0], changes), sources)
