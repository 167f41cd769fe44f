"""Recipes by name: reads ``train/*.yaml``, applies the model's card and changes, reports every problem."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from effbench.config import check
from effbench.errors import EffbenchError, UsageError
from effbench.models import zoo
from effbench.spec import ModelSpec
from effbench.train.recipe.recipe import Recipe
from effbench.yaml_files import beside, find, parse, read, shipped

_FOLDER = "train"


def recipe_names() -> list[str]:
    """Names of the recipes that ship with effbench."""
    return shipped(_FOLDER)


def load_recipe(name: str, spec: ModelSpec | None = None, overrides: Iterable[str] = ()) -> Recipe:
    """A shipped recipe by name, or a YAML file by path, as it is for a model.

    Args:
        name: of the recipe; one that ``extends`` another says only what differs.
        spec: the model, whose card may know its learning rates (``optimizer.card``).
        overrides: ``section.key=value`` each, in YAML; they go before everything else.

    Raises:
        UsageError: no such recipe, or an override that can't be read or that the recipe refuses.
        EffbenchError: the file can't be read, or has problems; all of them are listed.
    """
    given = list(overrides)
    changes = _changes(given)
    content = _merge(_read(name, ()), changes)
    if spec is not None:
        content = _merge(_with_card_rates(content, spec), changes)
    if given:
        return check(content, Recipe, f"recipe {name} with {' '.join(given)}", UsageError)
    return check(content, Recipe, f"recipe {name}")


def changes_of(recipe: Recipe, name: str, spec: ModelSpec) -> list[str]:
    """Where a model's recipe differs from that of a name: ``section.key=value`` each; the seed is none of it.

    Raises:
        UsageError, EffbenchError: as ``load_recipe``.
    """
    usual = _flat(load_recipe(name, spec).model_dump(mode="json", exclude={"seed"}))
    here = _flat(recipe.model_dump(mode="json", exclude={"seed"}))
    names = sorted(key for key in {*usual, *here} if usual.get(key) != here.get(key))
    return [f"{key}={json.dumps(here.get(key))}" for key in names]


def _flat(content: Mapping[str, object], above: str = "") -> dict[str, object]:
    """Values by ``section.key``."""
    found: dict[str, object] = {}
    for key, value in content.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _read(name: str, seen: tuple[str, ...]) -> dict[str, object]:
    """Content of a recipe over that of the recipe which it extends."""
    if name in seen:
        raise EffbenchError(f"recipe {name} extends itself: {' -> '.join([*seen, name])}")
    path = find(name, _FOLDER, "recipe")
    content = read(path, "recipe")
    validation = content.get("validation")
    if isinstance(validation, dict) and isinstance(protocol := validation.get("protocol"), str):
        validation["protocol"] = beside(protocol, path)
    base = content.pop("extends", None)
    return content if base is None else _merge(_read(str(base), (*seen, name)), content)


def _merge(base: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _merge(below, value)
        merged[key] = value
    return merged


def _changes(overrides: Iterable[str]) -> dict[str, object]:
    """Nested keys and values of ``section.key=value`` texts."""
    content: dict[str, object] = {}
    for text in overrides:
        path, equals, value = text.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise UsageError(f"{text}: expected section.key=value, e.g. optimizer.lr=3e-3")
        try:
            nested = parse(value)
        except ValueError:
            raise UsageError(f"{text}: '{value}' is not a YAML value") from None
        for key in reversed(keys):
            nested = {key: nested}
        assert isinstance(nested, dict)
        content = _merge(content, nested)
    return content


def _with_card_rates(content: dict[str, object], spec: ModelSpec) -> dict[str, object]:
    """The learning rates of the publication: the model's own, else those of its backbone."""
    optimizer = content.get("optimizer")
    training = optimizer.get("card") if isinstance(optimizer, dict) else None
    if training is None:
        return content
    rates: dict[str, float] = {}
    for known in (ModelSpec(spec.backbone), spec):
        model = zoo.models().get(known)
        for kind in ("strong", training):
            published = {} if model is None else {str(k): v for k, v in model.card.published.items()}
            if kind in published:
                own = {"lr": published[kind].lr, "sequence_lr": published[kind].sequence_lr}
                rates |= {key: rate for key, rate in own.items() if rate is not None}
    return _merge(content, {"optimizer": rates})
