"""Model cards (``models/*.yaml``): what may stand in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from effbench.config import Strict
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


class CardCounts(Strict):
    """What effbench counts of a model: parameters, and exact MACs of one clip of 10 s."""

    parameters: int
    macs: int


class Card(Strict):
    """One combination: counts, options, and for each training its file, the hash of that, and figures."""

    counts: CardCounts | None = None
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


class OwnBackbone(Strict):
    """A backbone of one's own: what builds it (``./net.py:Backbone``), and its front-end."""

    build: str
    frontend: str | None = None


class OwnSequence(SequenceCard):
    """A sequence model of one's own: what builds it, called with the widths of its input and of the model."""

    build: str
    label: str = ""
    description: str = ""


class OwnCardFile(Strict):
    """One YAML file of one's own: backbones and sequence models by their names, and cards of combinations.

    Weights are in the folder ``release``, by default that of the file; published scores need a source.
    """

    backbones: dict[Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$")], OwnBackbone] = Field(
        default_factory=dict
    )
    sequences: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")], OwnSequence] = Field(
        default_factory=dict
    )
    release: str = "."
    source: str = ""
    month: str = Field("", pattern=r"^(\d{4}-\d{2})?$")
    cards: dict[str, Card] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _scores_have_a_source(self) -> OwnCardFile:
        if any(card.published for card in self.cards.values()) and not (self.source and self.month):
            raise ValueError("published scores need a source and its month: source: …, month: '2026-01'")
        return self


class Model(Strict):
    """A card together with its spec and where its files lie."""

    spec: ModelSpec
    card: Card
    release: str
    source: str
    month: str
