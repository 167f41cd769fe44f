"""What every key of a recipe means: from the docstrings, types and defaults of its sections."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from effbench.errors import UsageError, nearest
from effbench.shown import Row, Table
from effbench.train.recipe.library import load_recipe, recipe_names
from effbench.train.recipe.recipe import Recipe

_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_KINDS = {int: "integer", float: "number", str: "text", bool: "true or false", dict[str, Any]: "mapping"}


@dataclass(frozen=True)
class RecipeKey:
    """A key of recipes, with what it means, what it may be, and what it is by default."""

    name: str
    meaning: str
    allowed: str
    default: str

    def row(self) -> dict[str, object]:
        """Its line in a table."""
        return {"key": self.name, "allowed": self.allowed, "default": self.default, "meaning": self.meaning}

    def values(self) -> dict[str, object]:
        """Its value in each recipe that ships."""
        found: dict[str, object] = {}
        for recipe in recipe_names():
            value: object = load_recipe(recipe).model_dump()
            for part in self.name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            found[recipe] = value
        return found


def recipe_keys() -> dict[str, RecipeKey]:
    """All keys by name, a section before its own."""
    return {key.name: key for key in _keys(Recipe, "")}


def explained(name: str) -> list[RecipeKey]:
    """A key, a section with all of its own, or ``all``.

    Raises:
        UsageError: there is no such key; the message has the nearest.
    """
    keys = recipe_keys()
    found = [key for key in keys.values() if name == "all" or f"{key.name}.".startswith(f"{name}.")]
    if found:
        return found
    of_this_name = [key for key in keys if key.rpartition(".")[2] == name]
    near = f"; did you mean '{of_this_name[0]}'?" if of_this_name else nearest(name, keys)
    sections = ", ".join(dict.fromkeys(key.partition(".")[0] for key in keys))
    raise UsageError(f"unknown key '{name}'{near}\nKeys and sections: {sections}; or all.")


def explanation(keys: Iterable[RecipeKey]) -> list[Table]:
    """Tables for people: the keys, and of a single one its values in recipes."""
    listed = list(keys)
    rows: list[Row] = [key.row() for key in listed]
    tables = [Table(rows)]
    if len(listed) == 1:
        values = [{"recipe": recipe, "value": _text(value)} for recipe, value in listed[0].values().items()]
        tables.append(Table(values))
    return tables


def _keys(section: type[BaseModel], prefix: str) -> Iterator[RecipeKey]:
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        inner = next(filter(None, map(_section, _parts(field.annotation))), None)
        meaning = meanings.get(name) or (_summary(inner) if inner else "")
        default = "–" if field.is_required() else _text(field.default)
        if inner is not None and field.default is not None:
            default = ""
        yield RecipeKey(prefix + name, meaning, _allowed(field), default)
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}.")


def _section(part: object) -> type[BaseModel] | None:
    return part if isinstance(part, type) and issubclass(part, BaseModel) else None


def _parts(annotation: object) -> tuple[object, ...]:
    """The types of a union, or the one that there is."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _allowed(field: FieldInfo) -> str:
    """Values that a key may have, in words."""
    return " or ".join(_words(part, field.metadata) for part in _parts(field.annotation))


def _words(part: object, metadata: Iterable[object]) -> str:
    if part is types.NoneType:
        return "null"
    if get_origin(part) is Literal:
        return ", ".join(map(str, get_args(part)))
    if get_origin(part) is Annotated:
        part, *own = get_args(part)
        metadata = [bound for one in own for bound in (one.metadata if isinstance(one, FieldInfo) else [one])]
    if _section(part) is not None:
        return "section"
    bounds = [
        f"{sign} {getattr(bound, kind):,}"
        for kind, sign in _BOUNDS.items()
        for bound in metadata
        if getattr(bound, kind, None) is not None
    ]
    return " ".join([_KINDS[part], ", ".join(bounds)]).strip()  # type: ignore[index]


def _text(value: object) -> str:
    """A value as YAML has it, a section in short."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    words = {None: "null", True: "true", False: "false"}
    return words.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)


def _summary(section: type[BaseModel]) -> str:
    """The first paragraph of a docstring, without its full stop."""
    return _plain(inspect.getdoc(section).split("\n\n")[0])  # type: ignore[union-attr]


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """What a docstring says under ``Attributes``, by name."""
    _, _, listed = (inspect.getdoc(section) or "").partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, re.M)
    return {name: _plain(text) for name, text in entries}


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").removesuffix(".")
