"""Recipes by name: reads ``train/*.yaml``, applies the model's card and overrides, reports every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.models import zoo
from effbench.resources import share
from effbench.spec import ModelSpec
from effbench.train.recipe.recipe import Recipe


def recipe_names() -> list[str]:
    """Names of the recipes that ship with effbench."""
    return sorted(path.stem for path in share("train").glob("*.yaml"))


def load_recipe(name: str, spec: ModelSpec | None = None, overrides: Iterable[str] = ()) -> Recipe:
    """A shipped recipe by name, or a YAML file by path, as it is for a model.

    Args:
        name: of the recipe; one that ``extends`` another says only what differs.
        spec: the model, whose card may know its learning rates (``optimizer.card``).
        overrides: ``section.key=value`` each, in YAML; they go before everything else.

    Raises:
        UsageError: no such recipe, or an override that is none or that the recipe refuses.
        EffbenchError: the file can't be read, or has problems; all of them are listed.
    """
    content = _read(name, ())
    given = list(overrides)
    changes = _parse(given)
    content = _merge(content, changes)
    if spec is not None:
        content = _merge(_with_card_rates(content, spec), changes)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {_reason(e)}" for e in error.errors()]
        count = f"{len(problems)} problem" + "s" * (len(problems) != 1)
        kind = UsageError if given else EffbenchError
        given_too = f" (with --set {' '.join(given)})" if given else ""
        raise kind("\n".join([f"recipe {name} has {count}{given_too}", *problems])) from None


def _reason(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = [*Recipe.model_fields, *_section_fields(error["loc"])]
        return f"unknown key{nearest(str(error['loc'][-1]), known)}"
    value = error.get("input")
    plain = isinstance(value, str | int | float | bool) and error["type"] != "value_error"
    return f"{value!r}: {message[0].lower()}{message[1:]}" if plain else message


def _section_fields(location: tuple[Any, ...]) -> list[str]:
    """Keys of the section that a problem lies in."""
    section: Any = Recipe
    for name in location[:-1]:
        field = section.model_fields.get(name)
        kinds = getattr(field.annotation, "__args__", (field.annotation,)) if field else ()
        section = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)
        if section is None:
            return []
    return list(section.model_fields)


def _read(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    """Content of a recipe over that of the recipe which it extends."""
    names = recipe_names()
    path = share("train") / f"{name}.yaml" if name in names else Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        known = ", ".join(names)
        raise UsageError(
            f"no recipe '{name}'{nearest(name, names)}\nRecipes: {known}, or the path of a YAML file."
        )
    if name in seen:
        raise EffbenchError(f"recipe {path} extends itself: {' -> '.join([*seen, name])}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise EffbenchError(f"recipe {path} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise EffbenchError(f"recipe {path} holds no keys and values")
    base = content.pop("extends", None)
    return content if base is None else _merge(_read(str(base), (*seen, name)), content)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _merge(below, value)
        merged[key] = value
    return merged


def _parse(overrides: Iterable[str]) -> dict[str, Any]:
    """Nested keys and values of ``section.key=value`` texts."""
    content: dict[str, Any] = {}
    for text in overrides:
        path, equals, value = text.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise UsageError(f"--set {text}: expected section.key=value, e.g. optimizer.lr=3e-3")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UsageError(f"--set {text}: '{value}' is no YAML value") from None
        nested: Any = _number(parsed)
        for key in reversed(keys):
            nested = {key: nested}
        content = _merge(content, nested)
    return content


def _number(value: Any) -> Any:
    """YAML takes 3e-3 for text: a number without a point."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _with_card_rates(content: dict[str, Any], spec: ModelSpec) -> dict[str, Any]:
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
                found = {"lr": published[kind].lr, "sequence_lr": published[kind].sequence_lr}
                rates |= {key: rate for key, rate in found.items() if rate is not None}
    return _merge(content, {"optimizer": rates})
