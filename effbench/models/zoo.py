"""The model zoo: cards (``models/*.yaml``) with checkpoints, published scores and options. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.errors import UnknownModel
from effbench.models.own_model import OwnModel, find_model
from effbench.resources import share
from effbench.spec import ModelSpec
from effbench.yaml_files import read

if TYPE_CHECKING:
    from effbench.models.cards import Model, SequenceCard
    from effbench.shown import Row


@cache
def summaries() -> dict[ModelSpec, Row]:
    """Counts, figures of the strong training, and checkpoints of every card, in the files' order.

    So that a list comes at once, the cards are taken as they are written; where that fails, they are checked.

    Raises:
        EffbenchError: a file of cards can't be read, or has problems.
    """
    found: dict[ModelSpec, Row] = {}
    try:
        for path in _files():
            cards: Any = read(path, "model card")["cards"]
            for name, card in cards.items():
                strong = card.get("published", {}).get("strong", {})
                counts = card.get("counts", {})
                row = {"parameters": counts.get("parameters"), "macs_exact": counts.get("macs")}
                row |= {key: strong.get(key) for key in ("psds1", "lr", "sequence_lr")}
                checkpoints = " ".join(card.get("checkpoint", ())) or None
                found[ModelSpec.parse(name)] = {**row, "checkpoints": checkpoints}
    except (AttributeError, KeyError, TypeError):
        models()
        raise
    return found


def _files() -> list[Path]:
    return [path for path in sorted(share("models").glob("*.yaml")) if path.stem != "sequences"]


@cache
def sequence_cards() -> dict[str, SequenceCard]:
    """The sequence models, in the publication's order."""
    from effbench.config import load
    from effbench.models.cards import SequenceCard

    return load(share("models") / "sequences.yaml", dict[str, SequenceCard], "model card")


@cache
def models() -> dict[ModelSpec, Model]:
    """Every card, by its spec, in the order of the files."""
    from effbench.config import load
    from effbench.models.cards import CardFile, Model

    found: dict[ModelSpec, Model] = {}
    for path in _files():
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
    legal = [d for d in range(max(1, dim - 64), dim + 65) if card.options(d) is not None]
    near = [d for d in legal if d < dim][-1:] + [d for d in legal if d > dim][:1]
    suggestion = " or ".join(str(ModelSpec(spec.backbone, sequence, d)) for d in near)
    return (
        f"impossible dimension {dim} in '{spec}': try {suggestion}\n"
        f"Legal dimensions of {sequence}: {card.legal}."
    )


def resolve(patterns: Iterable[str]) -> list[ModelSpec]:
    """Models of specs, references and globs, without repetition; ``fmn10+*-256`` selects among the cards.

    Raises:
        UnknownModel: a name that is none, an impossible dimension, or a glob that matches nothing.
    """
    found: dict[ModelSpec, None] = {}
    for pattern in patterns:
        matches: list[ModelSpec]
        own = _own(pattern)
        if own is not None:
            matches = [own]
        elif any(mark in pattern for mark in "*?["):
            matches = [spec for spec in models() if fnmatchcase(str(spec).lower(), pattern.strip().lower())]
            if not matches:
                raise UnknownModel(f"no known model matches '{pattern}': see 'effbench models list'")
        else:
            matches = [find_model(pattern)]
        for spec in matches:
            sequence_options(spec)
            found[spec] = None
    return list(found)


def _own(text: str) -> OwnModel | None:
    """The model of one's own that a text refers to; a glob such as ``fmn10+*-256`` is none."""
    try:
        found = find_model(text)
    except UnknownModel:
        return None
    return found if isinstance(found, OwnModel) else None
