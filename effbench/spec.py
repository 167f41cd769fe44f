"""Model specs: ``<backbone>[+<sequence>-<dim>]``, e.g. ``fmn10`` or ``fmn10+hybrid-512``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from effbench.errors import UnknownModel, nearest
from effbench.own_cards import Files, card_files, registered

PUBLISHED_FMN = ("fmn04", "fmn06", "fmn10", "fmn20", "fmn30")
TRANSFORMERS = ("BEATs", "ATST-F", "fpasst", "M2D", "ASIT")
BACKBONES = PUBLISHED_FMN + TRANSFORMERS
SEQUENCES = ("tf", "gru", "attn", "tcn", "mamba", "hybrid")
ALIASES = {"bigru": "gru", "att": "attn", "transformer": "tf", "mamba2": "mamba"}
MAX_DIM = 65_536
_LONGEST_NAME = 120
#: Models that others call nearly as specs are called.
_OTHERS = frozenset({"ast", "passt"})

_FMN = re.compile(r"fmn(\d\d)")
_EXAMPLE_DIM = 256


@dataclass(frozen=True, order=True)
class ModelSpec:
    """A backbone, alone or with a sequence model of one width on top.

    Attributes:
        backbone: canonical backbone name, e.g. ``fmn10``.
        sequence: canonical name of the sequence model, or ``None``.
        dim: model width of the sequence model, or ``None``.
    """

    backbone: str
    sequence: str | None = None
    dim: int | None = None

    @classmethod
    def parse(cls, text: str | ModelSpec) -> ModelSpec:
        """Spec of a name in any case, with ``:`` for ``-`` and the aliases of sequence models.

        Raises:
            UnknownModel: with the nearest valid spec, or where it is no text.
        """
        if isinstance(text, ModelSpec):
            return text
        _require_text(text)
        backbone_text, plus, sequence_text = text.strip().partition("+")
        backbone = _canonical_backbone(backbone_text)
        if not plus:
            if backbone is None:
                raise _unknown(text)
            return cls(backbone)
        name, _, dim_text = sequence_text.strip().replace(":", "-").rpartition("-")
        sequence = _canonical_sequence(name)
        if backbone is None or sequence is None or not re.fullmatch(r"[0-9]+", dim_text):
            raise _unknown(text)
        dim = int(dim_text)
        if not 1 <= dim <= MAX_DIM:
            raise UnknownModel(
                f"impossible dimension {dim_text} in '{text}': it must be from 1 to {MAX_DIM:,}"
            )
        return cls(backbone, sequence, dim)

    def __str__(self) -> str:
        return self.backbone if self.sequence is None else f"{self.backbone}+{self.sequence}-{self.dim}"

    @property
    def reference(self) -> str:
        """The text that gives this model again: of a spec, its name."""
        return str(self)

    @property
    def family(self) -> str:
        """``fmn`` for every frame-wise MobileNet, else the backbone's own name."""
        return "fmn" if _FMN.fullmatch(self.backbone) else self.backbone

    @property
    def width_multiplier(self) -> float:
        """Channel multiplier of a frame-wise MobileNet: the two digits of its name over ten.

        Raises:
            ValueError: the backbone is not a frame-wise MobileNet.
        """
        match = _FMN.fullmatch(self.backbone)
        if match is None:
            raise ValueError(f"{self.backbone} has no width multiplier")
        return int(match.group(1)) / 10


def row_name(model: str | ModelSpec) -> str:
    """What rows call a model: its canonical spec, or a name of one's own that can't be meant as a spec.

    Raises:
        UnknownModel: a misspelt spec (with the nearest), or what is no name.
    """
    if isinstance(model, ModelSpec):
        return str(model)
    _require_text(model)
    return _row_name(model, card_files())


@lru_cache(maxsize=1024)
def _row_name(text: str, _cards: Files) -> str:
    try:
        return str(ModelSpec.parse(text))
    except UnknownModel as error:
        if _is_misspelt(text):
            raise UnknownModel(f"{error}\nA name of one's own must be less like a spec.") from None
    if text.strip() != text or not text.isprintable() or not 1 <= len(text) <= _LONGEST_NAME:
        raise UnknownModel(
            f"{text!r} can't name a model: a name has 1 to {_LONGEST_NAME} printable characters, "
            "and no space at its ends"
        )
    return text


def _is_misspelt(text: str) -> bool:
    """Whether a text that is no spec was likely meant as one: all but one, or with a known backbone."""
    given = text.strip()
    if given.lower() in _OTHERS:
        return False
    joined = given if "+" in given else re.sub(r"[-_:/ ]+", "+", given, count=1)
    backbone, plus, _ = joined.partition("+")
    if plus and _canonical_backbone(backbone) and ("+" in _suggestion(joined) or is_spec(joined)):
        return True
    suggested = _suggestion(given).split("'")
    return len(suggested) > 1 and SequenceMatcher(None, given.lower(), suggested[1].lower()).ratio() >= 0.8


def is_spec(text: str) -> bool:
    """Whether a text names a model that effbench builds itself."""
    try:
        ModelSpec.parse(text)
    except UnknownModel:
        return False
    return True


def _require_text(value: object) -> None:
    if not isinstance(value, str):
        given = (
            f"the class {value.__name__}"
            if isinstance(value, type)
            else f"a value of type {type(value).__name__}"
        )
        raise UnknownModel(f"a model is a spec such as 'fmn10+tf-256', or a module of torch, not {given}")


def _canonical_backbone(text: str) -> str | None:
    lowered = text.strip().replace(":", "-").lower()
    for name in (*BACKBONES, *registered("backbones")):
        if name.lower() == lowered:
            return name
    match = _FMN.fullmatch(lowered)
    return lowered if match is not None and int(match.group(1)) > 0 else None


def _canonical_sequence(text: str) -> str | None:
    lowered = text.strip().lower()
    name = ALIASES.get(lowered, lowered)
    return next((known for known in (*SEQUENCES, *registered("sequences")) if known.lower() == name), None)


def _unknown(text: str) -> UnknownModel:
    backbones = " ".join((*BACKBONES, *registered("backbones")))
    sequences = " ".join((*SEQUENCES, *registered("sequences")))
    return UnknownModel(
        f"unknown model '{text}'{_suggestion(text)}\n"
        f"Backbones: {backbones} (and any other width of fmn, e.g. fmn15). "
        f"Sequence models: {sequences}, as in fmn10+tf-256."
    )


def _suggestion(text: str) -> str:
    """The nearest valid spec, found part by part, so that one slip in each part is still understood."""
    backbone_text, plus, sequence_text = text.strip().partition("+")
    backbone = _canonical_backbone(backbone_text) or _closest(
        backbone_text, (*BACKBONES, *registered("backbones"))
    )
    if backbone is None:
        return ""
    if not plus:
        return f"; did you mean '{backbone}'?"
    match = re.fullmatch(r"([A-Za-z0-9]*?[A-Za-z])?[-:_ ]*(\d*)\D*", sequence_text.strip())
    name, dim = (match.group(1) or "", match.group(2)) if match else (sequence_text, "")
    sequence = _canonical_sequence(name) or _closest(name, (*SEQUENCES, *registered("sequences"), *ALIASES))
    if sequence is None:
        return ""
    width = int(dim) if dim and 1 <= int(dim) <= MAX_DIM else _EXAMPLE_DIM
    return f"; did you mean '{ModelSpec(backbone, ALIASES.get(sequence, sequence), width)}'?"


def _closest(text: str, choices: tuple[str, ...]) -> str | None:
    suggestion = nearest(text, choices)
    return suggestion.split("'")[1] if suggestion else None
