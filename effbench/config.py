"""YAML that people write, read into checked objects: one way to find it, one voice for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.resources import share

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")


class Strict(BaseModel):
    """A section of a file: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Takes 3e-3 for the number that it is in YAML 1.2; in YAML 1.1 it is text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def shipped(folder: str) -> list[str]:
    """Names of the YAML files that ship in a folder, e.g. ``train``."""
    return sorted(path.stem for path in share(folder).glob("*.yaml"))


def find(name: str, folder: str, kind: str) -> Path:
    """The file of a shipped name, or of a path that ends in ``.yaml`` or ``.yml``.

    Args:
        name: as it was asked for.
        folder: where the shipped ones are.
        kind: what it is, for the message: ``recipe``.

    Raises:
        UsageError: there is none; names the nearest.
    """
    names = shipped(folder)
    if name in names:
        return share(folder) / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    known = ", ".join(names)
    raise UsageError(f"unknown {kind} '{name}'{nearest(name, names)}\nKnown: {known}; or give a YAML file.")


def parse(text: str) -> object:
    """A value written in YAML.

    Raises:
        ValueError: it is not YAML, or repeats keys of a mapping; a line for each.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if repeated := list(_repeated(node)):
            raise ValueError("\n".join(["it repeats keys", *repeated]))
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{error.problem}{line}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _repeated(node: yaml.Node, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Keys that a mapping has twice, of which YAML's readers silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            here = (*place, str(key.value))
            if here in seen:
                yield f"{'.'.join(here)}: again in line {key.start_mark.line + 1}"
            seen.add(here)
            yield from _repeated(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*place, str(index)))


def read(path: Path, kind: str, error: type[EffbenchError] = EffbenchError) -> dict[str, object]:
    """Keys and values of a YAML file, unchecked.

    Raises:
        EffbenchError: of the given kind; it can't be read, is not YAML, repeats a key, or is not a mapping.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(f"{kind} {path} can't be read: {reason.strerror or reason}") from reason
    except ValueError as reason:
        raise error(f"{kind} {path} can't be read: {reason}") from reason
    if not isinstance(content, dict):
        raise error(f"{kind} {path} is not a mapping of keys to values")
    return content


def check(content: object, model: type[T], what: str, error: type[EffbenchError] = EffbenchError) -> T:
    """Content as the object that a model describes.

    Args:
        content: keys and values.
        model: a ``Strict``, or e.g. ``dict[str, Card]`` of them.
        what: names the content in messages: ``recipe train/mine.yaml``.
        error: what is raised.

    Raises:
        EffbenchError: of the given kind; the content has problems: a line for each, with its dotted key.
    """
    try:
        return TypeAdapter(model).validate_python(content)
    except ValidationError as failed:
        lines = list(_problems(failed, model))
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise error("\n".join([f"{what} has {count}", *lines])) from None


def load(path: Path, model: type[T], kind: str, error: type[EffbenchError] = EffbenchError) -> T:
    """The object that a YAML file describes; raises as ``read`` and ``check`` do."""
    return check(read(path, kind, error), model, f"{kind} {path}", error)


def _problems(failed: ValidationError, model: object) -> Iterator[str]:
    """``section.key: what is wrong`` of every problem; a key that is unknown is told with the nearest."""
    found = failed.errors()
    for problem in found:
        place = problem["loc"]
        if any(other["loc"][: len(place)] == place != other["loc"] for other in found):
            continue  # a part is wrong already, and said to be
        reason = _reason(problem, model)
        yield f"{'.'.join(map(str, place))}: {reason}" if place else reason


def _reason(problem: ErrorDetails, model: object) -> str:
    if problem["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(problem['loc'][-1]), _keys(model, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    value = problem["input"]
    return f"{value!r}: {message}" if isinstance(value, str | int | float) else message


def _keys(model: object, place: tuple[str | int, ...]) -> list[str]:
    """Keys that the section at a place may have."""
    sections = list(_sections(model))
    for part in place:
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        if fields:  # else an index, or a key of a dict
            sections = [inner for field in fields for inner in _sections(field.annotation)]
    return [name for section in sections for name in section.model_fields]


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    """Models that an annotation such as ``tuple[Panel, ...] | None`` admits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
