"""Content of YAML files as checked objects, with one form of errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import InitErrorDetails

from effbench.errors import EffbenchError, nearest
from effbench.shown import number_of
from effbench.yaml_files import read

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")


class Strict(BaseModel):
    """A section of a file: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def one_or_more(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Validator of a tuple that may be written as its one item, whose problems have no index then."""
    if value is None or isinstance(value, list | tuple):
        return validate(value or ())
    try:
        return validate((value,))
    except ValidationError as error:
        problems = [
            InitErrorDetails(
                type=found["type"], loc=found["loc"][1:], input=found["input"], ctx=found.get("ctx", {})
            )
            for found in error.errors()
        ]
        raise ValidationError.from_exception_data(error.title, problems) from None


def check(content: object, model: type[T], what: str, error: type[EffbenchError] = EffbenchError) -> T:
    """Keys and values as the object that a model describes: a ``Strict``, or ``dict[str, Card]`` of them.

    Raises:
        EffbenchError: ``error``; a line for each problem, with its dotted key, under what has them
            (``what``: ``recipe train/mine.yaml``).
    """
    try:
        return TypeAdapter(model).validate_python(content)
    except ValidationError as failed:
        lines = list(_problems(failed, model))
        raise error("\n".join([f"{what} has {number_of(len(lines), 'problem')}", *lines])) from None


def load(path: Path, model: type[T], kind: str, error: type[EffbenchError] = EffbenchError) -> T:
    """The object that a YAML file describes; raises as ``read`` and ``check`` do."""
    return check(read(path, kind, error), model, f"{kind} {path}", error)


def _problems(failed: ValidationError, model: object) -> Iterator[str]:
    """``section.key: what is wrong`` of every problem."""
    found = failed.errors()
    for problem in found:
        place = problem["loc"]
        if any(other["loc"][: len(place)] == place != other["loc"] for other in found):
            continue  # a part of it is listed
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
