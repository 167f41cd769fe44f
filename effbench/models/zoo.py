"""The model zoo: cards (``models/*.yaml``) with checkpoints, published scores and options. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from effbench.config import Strict, load
from effbench.errors import UnknownModel
from effbench.resources import share
from effbench.spec import ModelSpec

#: ``ssl``: without labels; ``weak``: on labels of clips; ``strong``, ``advanced-kd``: on events.
Training = Literal["ssl", "weak", "strong", "advanced-kd"]

#: Of a whole file, in hexadecimal digits.
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Published(Strict):
    """What the publication states for one training: PSDS1 in %, learning rates."""

    psds1: float
    lr: float | None = None
    sequence_lr: float | None = None


class Card(Strict):
    """One combination: checkpoint files, their hashes and published figures per training, and options."""

    checkpoint: dict[Training, str] = Field(default_factory=dict)
    sha256: dict[Training, Sha256] = Field(default_factory=dict)
    published: dict[Training, Published] = Field(default_factory=dict)
    options: dict[str, int] = Field(default_factory=dict)


class CardFile(Strict):
    """One YAML file of cards that share a release, a source, and its month (``2025-03``)."""

    release: str
    source: str
    month: str = Field(pattern=r"^\d{4}-\d{2}$")
    cards: dict[str, Card]


class OptionRule(Strict):
    """An option of a sequence model and the dimensions it is for."""

    heads: int | None = None
    head_dim: int | None = None
    below: int | None = None
    dim: int | None = None

    def applies(self, dim: int) -> bool:
        """Whether the rule is meant for ``dim`` and divides it evenly."""
        meant = (self.below is None or dim < self.below) and (self.dim is None or dim == self.dim)
        return (
            meant
            and (self.heads is None or dim % self.heads == 0)
            and (self.head_dim is None or 2 * dim % self.head_dim == 0)
        )

    @property
    def options(self) -> dict[str, int]:
        """Constructor arguments of the sequence model."""
        return self.model_dump(include={"heads", "head_dim"}, exclude_none=True)


class SequenceCard(Strict):
    """A sequence model: its label in figures and how options follow from the dimension."""

    label: str
    description: str
    legal: str = "any"
    rules: list[OptionRule] = Field(default_factory=list)

    def options(self, dim: int) -> dict[str, int] | None:
        """Options for ``dim``, or ``None`` where no rule admits it."""
        if not self.rules:
            return {}
        return next((rule.options for rule in self.rules if rule.applies(dim)), None)


class Model(Strict):
    """A card together with its spec and where its files lie."""

    spec: ModelSpec
    card: Card
    release: str
    source: str
    month: str


@cache
def sequence_cards() -> dict[str, SequenceCard]:
    """The sequence models, in the publication's order."""
    return load(share("models") / "sequences.yaml", dict[str, SequenceCard], "model card")


@cache
def models() -> dict[ModelSpec, Model]:
    """Every card, by its spec, in the order of the files."""
    found: dict[ModelSpec, Model] = {}
    for path in sorted(share("models").glob("*.yaml")):
        if path.name == "sequences.yaml":
            continue
        cards = load(path, CardFile, "model card")
        for name, card in cards.cards.items():
            spec = ModelSpec.parse(name)
            found[spec] = Model(
                spec=spec, card=card, release=cards.release, source=cards.source, month=cards.month
            )
    return found


def sequence_options(spec: ModelSpec) -> dict[str, int]:
    """Options of a spec's sequence model: its card's, else those that follow from the dimension.

    Raises:
        UnknownModel: the dimension is impossible; says which are legal.
    """
    if spec.sequence is None or spec.dim is None:
        return {}
    options = sequence_cards()[spec.sequence].options(spec.dim)
    if options is None:
        raise UnknownModel(_impossible(spec, spec.sequence, spec.dim))
    known = models().get(spec)
    return options | (known.card.options if known else {})


def _impossible(spec: ModelSpec, sequence: str, dim: int) -> str:
    card = sequence_cards()[sequence]
    near = sorted(_legal_near(card, dim), key=lambda d: abs(d - dim))[:2]
    suggestion = " or ".join(str(ModelSpec(spec.backbone, sequence, d)) for d in sorted(near))
    return (
        f"impossible dimension {dim} in '{spec}': try {suggestion}\n"
        f"Legal dimensions of {sequence}: {card.legal}."
    )


def _legal_near(card: SequenceCard, dim: int) -> Iterator[int]:
    for step in (-1, 1):
        candidates = (dim + step * distance for distance in range(1, 65))
        yield from (
            d for d in [next((d for d in candidates if d > 0 and card.options(d) is not None), 0)] if d
        )


def resolve(patterns: Iterable[str]) -> list[ModelSpec]:
    """Specs of names and globs, without repetition; a glob such as ``fmn10+*-256`` selects among the cards.

    Raises:
        UnknownModel: a name that is none, an impossible dimension, or a glob that matches nothing.
    """
    found: dict[ModelSpec, None] = {}
    for pattern in patterns:
        if any(mark in pattern for mark in "*?["):
            matches = [spec for spec in models() if fnmatchcase(str(spec).lower(), pattern.strip().lower())]
            if not matches:
                raise UnknownModel(f"no known model matches '{pattern}': see 'effbench models list'")
        else:
            matches = [ModelSpec.parse(pattern)]
        for spec in matches:
            sequence_options(spec)
            found[spec] = None
    return list(found)
