"""Sequence models: one embedding per frame in, one per frame out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from effbench.errors import UnknownModel, nearest
from effbench.models.sequence.attention import build_attention, build_transformer
from effbench.models.sequence.gru import build_bigru
from effbench.models.sequence.hybrid import build_hybrid
from effbench.models.sequence.mamba import build_mamba2
from effbench.models.sequence.tcn import build_tcn

SEQUENCE_BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "tf": build_transformer,
    "gru": build_bigru,
    "attn": build_attention,
    "tcn": build_tcn,
    "mamba": build_mamba2,
    "hybrid": build_hybrid,
}

#: Sequence models whose output is wider than their dimension, and by how much.
WIDENING: Mapping[str, int] = {"gru": 2}


def build_sequence(name: str, in_dim: int, dim: int, **options: int) -> tuple[nn.Module, int]:
    """Sequence model, (batch, frames, in_dim) -> (batch, frames, width), and its width.

    Raises:
        UnknownModel: no such sequence model; names the nearest.
    """
    if name not in SEQUENCE_BUILDERS:
        choices = ", ".join(SEQUENCE_BUILDERS)
        raise UnknownModel(
            f"unknown sequence model '{name}'{nearest(name, SEQUENCE_BUILDERS)}\nKnown: {choices}"
        )
    return SEQUENCE_BUILDERS[name](in_dim, dim, **options), WIDENING.get(name, 1) * dim
