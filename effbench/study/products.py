"""Models of a study: names and globs, and products of backbones, sequence models and dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import product
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, PositiveInt, model_validator

from effbench.config import Strict
from effbench.errors import EffbenchError, UnknownModel
from effbench.models import zoo
from effbench.spec import ModelSpec


class Product(Strict):
    """Every backbone with every sequence model in every dimension, ``without`` those that these globs match.

    Without ``sequences`` and ``dims``, the backbones alone.
    """

    backbones: Annotated[tuple[str, ...], Field(min_length=1)]
    sequences: tuple[str, ...] = ()
    dims: tuple[PositiveInt, ...] = ()
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Product:
        if bool(self.sequences) != bool(self.dims):
            raise ValueError("sequences and dims go together: give both, or neither")
        try:
            every = self._every()
        except UnknownModel as error:
            raise ValueError(str(error).splitlines()[0]) from error
        for pattern in self.without:
            if not any(fnmatchcase(name.lower(), pattern.lower()) for name in every):
                raise ValueError(f"without: '{pattern}' is none of the product's models: {', '.join(every)}")
        if not self.names():
            raise ValueError("without leaves no model of the product")
        return self

    def _every(self) -> list[str]:
        names: Iterable[str] = self.backbones
        if self.sequences:
            names = (f"{b}+{s}-{d}" for b, s, d in product(self.backbones, self.sequences, self.dims))
        return [str(ModelSpec.parse(name)) for name in names]

    def names(self) -> list[str]:
        """Specs, the dimension changing fastest."""
        return [
            name
            for name in self._every()
            if not any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.without)
        ]


def _entry(value: object) -> str | Product:
    if isinstance(value, str | Product):
        return value
    if isinstance(value, Mapping):
        return Product.model_validate(value)
    example = "{backbones: [fmn10], sequences: [tf], dims: [64]}"
    raise ValueError(f"a model is a name, a glob, or a product such as {example}")


def specs_of(models: Iterable[str | Product]) -> list[ModelSpec]:
    """The models that the entries mean, each once.

    Raises:
        UnknownModel: a name that is none, an impossible dimension, or a glob that matches nothing.
    """
    names = [[entry] if isinstance(entry, str) else entry.names() for entry in models]
    return zoo.resolve([name for some in names for name in some])


def _known(models: tuple[str | Product, ...]) -> tuple[str | Product, ...]:
    try:
        names = [str(spec) for spec in specs_of(models)]
    except EffbenchError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"two models are called {twice[0]}: give each a name, as NAME=./file.py:factory")
    return models


#: Specs, globs over the model cards, references to models of one's own, and products.
Models = Annotated[
    tuple[Annotated[str | Product, PlainValidator(_entry)], ...],
    Field(min_length=1),
    AfterValidator(_known),
]
