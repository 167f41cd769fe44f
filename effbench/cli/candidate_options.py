"""Options that say which models are compared, and which of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated

import typer

from effbench.cli.options import pairs
from effbench.errors import UsageError

Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="Compare only these: a spec, a name or a glob. Repeatable."),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Times and memory of this device (part of its name), or published for the publication's "
        "throughput. By default, the most complete."
    ),
]
Precision = Annotated[
    str | None, typer.Option(help="Times in this precision, e.g. fp16. By default, the most complete.")
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--condition",
        metavar="KEY=VALUE",
        help="Only scores (data=desed) or times (batch_size=1, part=both) under this condition. Repeatable.",
    ),
]


class ScoreOrigin(StrEnum):
    """Which scores are compared."""

    published = "published"
    measured = "measured"


Scores = Annotated[
    ScoreOrigin | None,
    typer.Option(
        help="published or measured. By default, published ones, and measured ones of models that nobody "
        "published, on the same data."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Show all models, also those that others beat.")]


def read_conditions(texts: Iterable[str] | None) -> dict[str, object]:
    """What ``Conditions`` says: each value as rows have it."""
    from effbench.results.declared import KNOWN_CONDITIONS, read_condition
    from effbench.yaml_files import parse

    return {
        key: read_condition(key, text) if key in KNOWN_CONDITIONS else parse(text)
        for key, text in pairs(texts or (), "--condition")
    }


def in_unit(quantity: str) -> Callable[[str], float]:
    """Reads a value with its unit: ``5ms``, ``500MB``."""

    def value(text: str) -> float:
        from effbench.results.declared import split_unit

        try:
            return split_unit(quantity, text)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None

    return value
