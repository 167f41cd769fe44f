"""Key layouts of checkpoints, and what their tensors tell about the model they belong to.

Our own modules keep the published names inside each part, so that a published layout differs by prefixes
alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

#: Applied in this order, each where it matches; a key in our own layout passes unchanged.
_PREFIXES = (
    ("net.", "model."),
    ("model.model.", "model.fmn."),
    ("model.fmn.", "backbone."),
    ("model.", ""),
    ("seq_model.", "sequence."),
)

#: A TCN's convolutions stand twice in published files; weight normalisation has an old and a new spelling.
_RENAMES = (
    (re.compile(r"(\.network\.\d+\.)net\.0\."), r"\1conv1."),
    (re.compile(r"(\.network\.\d+\.)net\.4\."), r"\1conv2."),
    (re.compile(r"\.parametrizations\.weight\.original0$"), ".weight_g"),
    (re.compile(r"\.parametrizations\.weight\.original1$"), ".weight_v"),
)

#: Counters and constants: a file may have them or not.
OPTIONAL = re.compile(r"(\.num_batches_tracked|\.pos_encoding\.freqs)$")


def own_key(key: str) -> str:
    """Our name of a key in the raw published, the renamed published, or our own layout."""
    for prefix, replacement in _PREFIXES:
        if key.startswith(prefix):
            key = replacement + key.removeprefix(prefix)
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


class Signature(NamedTuple):
    """How a sequence model shows in a state dict: a telling key, its dimension and its options."""

    key: str
    dim: Callable[[Tensor], int]
    options: Callable[[Tensor, Mapping[str, Tensor]], dict[str, int]] = lambda tensor, state: {}


def _hybrid_heads(qkv: Tensor, state: Mapping[str, Tensor]) -> dict[str, int]:
    gamma = state.get("sequence.1.layers.0.1.rnn_out_norm.gamma")
    return {} if gamma is None else {"heads": qkv.shape[1] // len(gamma)}


def _mamba_head_dim(out_proj: Tensor, state: Mapping[str, Tensor]) -> dict[str, int]:
    decay = state.get("sequence.2.layers.0.0.A_log")
    return {} if decay is None else {"head_dim": out_proj.shape[1] // len(decay)}


SIGNATURES: Mapping[str, Signature] = {
    "tf": Signature(
        "sequence.1.layers.0.0.to_gates.weight", lambda t: t.shape[1], lambda t, _: {"heads": t.shape[0]}
    ),
    "attn": Signature(
        "sequence.1.layers.0.to_gates.weight", lambda t: t.shape[1], lambda t, _: {"heads": t.shape[0]}
    ),
    "gru": Signature("sequence.0.gru.weight_hh_l0", lambda t: t.shape[1]),
    "tcn": Signature("sequence.1.layers.0.network.0.conv1.bias", lambda t: t.shape[0]),
    "mamba": Signature("sequence.2.layers.0.0.out_proj.weight", lambda t: t.shape[0], _mamba_head_dim),
    "hybrid": Signature("sequence.1.layers.0.1.to_qkv.weight", lambda t: t.shape[1], _hybrid_heads),
}
