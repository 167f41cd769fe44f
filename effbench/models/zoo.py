"""The model zoo: cards (``models/*.yaml``) with checkpoints, published scores and options. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError, UnknownModel
from effbench.models.own_model import OwnModel, code_beside, find_model
from effbench.own_cards import Files, card_files
from effbench.resources import share
from effbench.spec import ALIASES, BACKBONES, SEQUENCES, ModelSpec
from effbench.yaml_files import read

if TYPE_CHECKING:
    from effbench.models.cards import Model, OwnCardFile, SequenceCard
    from effbench.shown import Row


def summaries() -> dict[ModelSpec, Row]:
    """Counts, figures of the strong training, and checkpoints of every card, in the files' order.

    So that a list comes at once, the cards that ship are taken as they are written; where that fails, they
    are checked.

    Raises:
        EffbenchError: a file of cards can't be read, or has problems.
    """
    shipped = _shipped_summaries()
    if not card_files():
        return shipped
    own = {spec: model.card.model_dump() for spec, model in models().items() if spec not in shipped}
    return shipped | {spec: _summary(card) for spec, card in own.items()}


@cache
def _shipped_summaries() -> dict[ModelSpec, Row]:
    found: dict[ModelSpec, Row] = {}
    try:
        for path in _files():
            cards: Any = read(path, "model card")["cards"]
            for name, card in cards.items():
                found[ModelSpec.parse(name)] = _summary(card)
    except (AttributeError, KeyError, TypeError):
        models()
        raise
    return found


def _summary(card: Mapping[str, Any]) -> Row:
    strong = card.get("published", {}).get("strong", {})
    counts = card.get("counts") or {}
    row = {"parameters": counts.get("parameters"), "macs_exact": counts.get("macs")}
    row |= {key: strong.get(key) for key in ("psds1", "lr", "sequence_lr")}
    return {**row, "checkpoints": " ".join(card.get("checkpoint", ())) or None}


def _files() -> list[Path]:
    return [path for path in sorted(share("models").glob("*.yaml")) if path.stem != "sequences"]


def sequence_cards() -> dict[str, SequenceCard]:
    """The sequence models, in the publication's order, then those of one's own."""
    own = {name: card for _, file in own_files() for name, card in file.sequences.items()}
    return {**_shipped_sequences(), **own}


@cache
def _shipped_sequences() -> dict[str, SequenceCard]:
    from effbench.config import load
    from effbench.models.cards import SequenceCard

    return load(share("models") / "sequences.yaml", dict[str, SequenceCard], "model card")


def models() -> dict[ModelSpec, Model]:
    """Every card, by its spec, in the order of the files; those of one's own come last.

    Raises:
        EffbenchError: a file of cards can't be read, or has problems.
    """
    return _models(card_files())


@cache
def _models(own: Files) -> dict[ModelSpec, Model]:
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
    for path, file in _own_files(own):
        release = file.release if "://" in file.release else str((path.parent / file.release).absolute())
        for name, card in file.cards.items():
            try:
                spec = ModelSpec.parse(name)
            except UnknownModel as error:
                raise EffbenchError(f"model card {path} has 1 problem\ncards.{name}: {error}") from None
            if spec in found:
                raise EffbenchError(
                    f"model card {path} has 1 problem\ncards.{name}: {spec} has a card already"
                )
            found[spec] = Model(spec=spec, card=card, release=release, source=file.source, month=file.month)
    return found


def own_files() -> list[tuple[Path, OwnCardFile]]:
    """Files of cards of one's own, checked.

    Raises:
        EffbenchError: one can't be read, has problems, or registers a name that is taken.
    """
    return _own_files(card_files())


@cache
def _own_files(files: Files) -> list[tuple[Path, OwnCardFile]]:
    if not files:
        return []
    from effbench.config import load
    from effbench.models.cards import OwnCardFile

    found = []
    taken = {name.lower() for name in (*BACKBONES, *SEQUENCES, *ALIASES)}
    for path, _ in files:
        file = load(path, OwnCardFile, "model card")
        for kind, names in (("backbones", file.backbones), ("sequences", file.sequences)):
            for name in names:
                if name.lower() in taken or name.lower().startswith("fmn"):
                    raise EffbenchError(f"model card {path} has 1 problem\n{kind}.{name}: the name is taken")
                taken.add(name.lower())
        found.append((path, file))
    return found


def own_backbone(name: str) -> tuple[OwnModel, OwnModel | None] | None:
    """What builds a backbone of one's own, and its front-end if it is another than the MobileNets'."""
    for path, file in own_files():
        if name in file.backbones:
            card = file.backbones[name]
            frontend = card.frontend and code_beside(path, name, card.frontend)
            return code_beside(path, name, card.build), frontend or None
    return None


def own_sequence(name: str | None) -> OwnModel | None:
    """What builds a sequence model of one's own."""
    for path, file in own_files():
        if name in file.sequences:
            return code_beside(path, name, file.sequences[name].build)
    return None


def model_code(spec: ModelSpec) -> str | None:
    """What rows keep of the code that builds a model, or parts of it, where that is of one's own.

    Raises:
        UsageError: there is no such code.
    """
    if isinstance(spec, OwnModel):
        return spec.code
    backbone, frontend = own_backbone(spec.backbone) or (None, None)
    parts = [part.code for part in (backbone, frontend, own_sequence(spec.sequence)) if part is not None]
    return "; ".join(parts) or None


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
