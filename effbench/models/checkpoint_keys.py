"""Keys of checkpoints in all layouts, and what their tensors tell about the model that they belong to.

Our own modules keep the published names inside each part, so that a published layout differs by prefixes
alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from effbench.models import zoo
from effbench.models.backbones.fmn import FrameMobileNet
from effbench.spec import ModelSpec

#: Applied in this order, each where it matches; a key in our own layout passes unchanged.
_PREFIXES = (
    ("net.", "model."),
    ("model.seq_model.", "seq_model."),
    ("model.strong_head.", "strong_head."),
    ("model.weak_head.", "weak_head."),
    ("model.m2d.", "model."),
    ("model.model.", "backbone."),
    ("model.fmn.", "backbone."),
    ("model.beats.", "backbone."),
    ("model.atst.", "backbone."),
    ("model.fpasst.", "backbone."),
    ("model.asit.", "backbone."),
    ("model.backbone.", "backbone."),
    ("model.", "backbone."),
    ("seq_model.", "sequence."),
)

#: A TCN's convolutions stand twice in published files, BEATs' position bias in every layer; weight
#: normalisation has an old and a new spelling.
_RENAMES = (
    (re.compile(r"(\.network\.\d+\.)net\.0\."), r"\1conv1."),
    (re.compile(r"(\.network\.\d+\.)net\.4\."), r"\1conv2."),
    (re.compile(r"(\.encoder)\.layers\.\d+\.self_attn(\.relative_attention_bias\.)"), r"\1\2"),
    (re.compile(r"\.parametrizations\.weight\.original0$"), ".weight_g"),
    (re.compile(r"\.parametrizations\.weight\.original1$"), ".weight_v"),
)

#: Counters and constants (rotary frequencies, filters of front-ends): a file may have them or not.
OPTIONAL = re.compile(
    r"(\.num_batches_tracked|\.pos_encoding\.freqs|^backbone\.norm_stats)$"
    r"|^backbone\.(to_spec|atst_mel\.mel_transform)\."
)


def own_key(key: str) -> str:
    """Our name of a key in the raw published, the renamed published, or our own layout."""
    for prefix, replacement in _PREFIXES:
        if key.startswith(prefix):
            key = replacement + key.removeprefix(prefix)
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


def _fmn_names(bias: Tensor) -> list[str]:
    """Every width whose embeddings are as wide; published ones first."""
    specs = [ModelSpec(f"fmn{width:02d}") for width in range(1, 100)]
    fitting = [spec for spec in specs if FrameMobileNet.embed_dim_of(spec.width_multiplier) == len(bias)]
    return [spec.backbone for spec in sorted(fitting, key=lambda spec: spec not in zoo.models())]


def _by_positions(table: Tensor) -> list[str]:
    """M2D and ASiT have the same keys; their tables of positions differ in length."""
    return {311: ["M2D"], 297: ["ASIT"]}.get(table.shape[1], []) if table.ndim == 3 else []


#: How a backbone shows: a telling key, and the backbones that its tensor fits.
BACKBONE_SIGNATURES: Mapping[str, Callable[[Tensor], list[str]]] = {
    "backbone.features.16.1.bias": _fmn_names,
    "backbone.encoder.layers.0.self_attn.grep_a": lambda _: ["BEATs"],
    "backbone.mask_embed": lambda _: ["ATST-F"],
    "backbone.time_new_pos_embed": lambda _: ["fpasst"],
    "backbone.pos_embed": _by_positions,
}


def backbone_names(state: Mapping[str, Tensor]) -> list[str]:
    """Backbones whose weights these may be, the likeliest first; none if no known one shows."""
    return next((names(state[key]) for key, names in BACKBONE_SIGNATURES.items() if key in state), [])


class SequencePart(NamedTuple):
    """A sequence model in a state dict; the options are those that only its tensors' shapes tell."""

    name: str
    dim: int
    options: dict[str, int]


_Options = Callable[[Tensor, Mapping[str, Tensor]], dict[str, int]]


def _no_options(_: Tensor, state: Mapping[str, Tensor]) -> dict[str, int]:
    return {}


def _gates(to_gates: Tensor, _: Mapping[str, Tensor]) -> dict[str, int]:
    return {"heads": to_gates.shape[0]}


def _hybrid_heads(qkv: Tensor, state: Mapping[str, Tensor]) -> dict[str, int]:
    gamma = state.get("sequence.1.layers.0.1.rnn_out_norm.gamma")
    return {} if gamma is None else {"heads": qkv.shape[1] // len(gamma)}


def _mamba_head_dim(out_proj: Tensor, state: Mapping[str, Tensor]) -> dict[str, int]:
    decay = state.get("sequence.2.layers.0.0.A_log")
    return {} if decay is None else {"head_dim": out_proj.shape[1] // len(decay)}


#: How a sequence model shows: a telling key, the axis of its tensor that has the dimension, and its options.
SEQUENCE_SIGNATURES: Mapping[str, tuple[str, int, _Options]] = {
    "tf": ("sequence.1.layers.0.0.to_gates.weight", 1, _gates),
    "attn": ("sequence.1.layers.0.to_gates.weight", 1, _gates),
    "gru": ("sequence.0.gru.weight_hh_l0", 1, _no_options),
    "tcn": ("sequence.1.layers.0.network.0.conv1.bias", 0, _no_options),
    "mamba": ("sequence.2.layers.0.0.out_proj.weight", 0, _mamba_head_dim),
    "hybrid": ("sequence.1.layers.0.1.to_qkv.weight", 1, _hybrid_heads),
}


def sequence_part(state: Mapping[str, Tensor]) -> SequencePart | None:
    """The sequence model whose weights these are; ``None`` if no known one shows."""
    for name, (key, axis, options) in SEQUENCE_SIGNATURES.items():
        if key in state:
            return SequencePart(name, state[key].shape[axis], options(state[key], state))
    return None
