"""One small rule per operator: how many multiply-accumulates it executes.

Operators that do none are sorted into element operations (counted apart) and data movement (free). What
is in no table is unknown, never a silent zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.models.sequence.mamba import FusedStateSpaceScan
from effbench.models.sequence.scans import GatedScan, StateSpaceScan

aten = torch.ops.aten


class Rule(NamedTuple):
    """Kind of an operator, and its MACs from its output and arguments."""

    kind: str
    macs: Callable[..., int]


def _convolution(out: Tensor, x: Tensor, weight: Tensor, *arguments: object) -> int:
    """Output elements (input elements where transposed) x channels per group x kernel taps."""
    transposed = arguments[4]
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def _product(out: Tensor, left: Tensor, right: Tensor, *_: object, **__: object) -> int:
    """Output elements x length of the summed axis."""
    return out.numel() * left.shape[-1]


def _added_product(out: Tensor, _: Tensor, left: Tensor, right: Tensor, *__: object, **___: object) -> int:
    """The product's MACs; adding the first argument is not a MAC."""
    return left.numel() * (right.shape[-1] if right.ndim > 1 else 1)


def _linear(out: Tensor, x: Tensor, weight: Tensor, *_: object, **__: object) -> int:
    """Rows x inputs x outputs."""
    return x.numel() * weight.shape[0]


def _attention(out: object, q: Tensor, k: Tensor, v: Tensor, *_: object, **__: object) -> int:
    """Every query-key pair once per channel of q (QK'), and once per channel of v (AV); no mask saves any."""
    return math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])


def _recurrent_net(out: object, x: Tensor, *arguments: object) -> int:
    """Steps x elements of every weight matrix; padded (3-D) and packed (2-D) inputs alike."""
    weights = [t for group in arguments if isinstance(group, (list, tuple)) for t in group]
    return x.numel() // x.shape[-1] * sum(w.numel() for w in weights if isinstance(w, Tensor) and w.ndim == 2)


def _recurrent_cell(
    out: object, x: Tensor, _: object, weight_x: Tensor, weight_h: Tensor, *__: object
) -> int:
    """Rows x elements of both weight matrices."""
    return x.numel() // x.shape[-1] * (weight_x.numel() + weight_h.numel())


def _onednn_recurrent(out: object, x: Tensor, weight_x: Tensor, weight_h: Tensor, *_: object) -> int:
    """Steps x elements of both weight matrices: one layer in one direction."""
    return _recurrent_cell(out, x, None, weight_x, weight_h)


def _fft(out: Tensor, x: Tensor, axes: Sequence[int], *_: object) -> int:
    """``n log2 n`` for a real transform of n points, twice that for a complex one (radix-2 butterflies)."""
    real = out if x.is_complex() else x
    points = math.prod(real.shape[axis] for axis in axes)
    is_complex = x.is_complex() and out.is_complex()
    return round(real.numel() * math.log2(points)) * (2 if is_complex else 1)


#: Counted as a whole where a network calls them, whatever a device makes of them inside.
FUNCTIONS: Mapping[object, Rule] = {
    F.linear: Rule("linear", _linear),
    F.scaled_dot_product_attention: Rule("attention", _attention),
    **{f: Rule("recurrent", _recurrent_net) for f in (torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu)},
    **{
        f: Rule("recurrent", _recurrent_cell)
        for f in (torch.gru_cell, torch.lstm_cell, torch.rnn_tanh_cell, torch.rnn_relu_cell)
    },
}

#: Element operations whose output is like their input; the meta device is slow to find that out.
SHAPE_KEEPING: Mapping[object, str] = {F.batch_norm: "normalisation", F.hardswish: "element-wise"}

#: Counted when they reach the dispatcher.
OPERATORS: Mapping[object, Rule] = {
    aten.convolution: Rule("convolution", _convolution),
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), Rule("matrix product", _product)),
    **dict.fromkeys((aten.dot, aten.vdot), Rule("matrix product", lambda out, left, *_: left.numel())),
    **dict.fromkeys(
        (aten.addmm, aten.addmv, aten.baddbmm, aten.addbmm), Rule("matrix product", _added_product)
    ),
    aten._scaled_dot_product_flash_attention_for_cpu: Rule("attention", _attention),
    aten._scaled_dot_product_flash_attention: Rule("attention", _attention),
    aten._scaled_dot_product_efficient_attention: Rule("attention", _attention),
    aten._scaled_dot_product_cudnn_attention: Rule("attention", _attention),
    aten._scaled_dot_product_fused_attention_overrideable: Rule("attention", _attention),
    **dict.fromkeys((aten._cudnn_rnn, aten.miopen_rnn), Rule("recurrent", _recurrent_net)),
    aten.mkldnn_rnn_layer: Rule("recurrent", _onednn_recurrent),
    **dict.fromkeys((aten._fft_r2c, aten._fft_c2r, aten._fft_c2c), Rule("fourier transform", _fft)),
}


def _state_space_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[int, int]:
    """Recurrent form: per step and head P x S for the state's update and P x S for its read-out.

    A chunked algorithm spends more. The decay of the state (P x S) is an element operation.
    """
    return 2 * x.numel() * B.shape[-1], x.numel() * B.shape[-1]


def _gated_scan(decay: Tensor, value: Tensor) -> tuple[int, int]:
    """Recurrent form: one multiplication and one addition per element, both element operations."""
    return 0, 2 * value.numel()


#: Modules counted as a whole: (MACs, element operations) from their inputs.
SCANS: Mapping[type[torch.nn.Module], Callable[..., tuple[int, int]]] = {
    StateSpaceScan: _state_space_scan,
    FusedStateSpaceScan: _state_space_scan,
    GatedScan: _gated_scan,
}

_NORMALISATION = """native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    cudnn_batch_norm miopen_batch_norm batch_norm _batch_norm_with_update native_layer_norm native_group_norm
    _weight_norm_interface _fused_rms_norm"""
_SOFTMAX = "_softmax _log_softmax _safe_softmax logsumexp logcumsumexp _logcumsumexp"
_ACTIVATIONS = """hardswish hardswish_ hardtanh hardtanh_ prelu _prelu_kernel rrelu_with_noise celu selu
    glu native_dropout _thnn_fused_gru_cell _thnn_fused_lstm_cell"""
_REDUCTIONS = """sum mean var std var_mean std_mean amax amin max min argmax argmin prod any all norm
    linalg_vector_norm cumsum cumprod cummax cummin aminmax median nansum topk sort count_nonzero
    _adaptive_avg_pool2d _adaptive_avg_pool3d _adaptive_avg_pool1d adaptive_max_pool2d adaptive_max_pool3d
    avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices"""
_RESAMPLING = """upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_nearest1d
    upsample_nearest2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d"""
_MOVEMENT = """clone copy copy_ _to_copy contiguous cat stack hstack vstack empty empty_like empty_strided
    new_empty new_empty_strided new_zeros new_ones new_full zeros zeros_like ones ones_like full
    full_like scalar_tensor arange linspace eye tril triu tril_indices triu_indices tril_ triu_ fill
    fill_ zero_ flip roll repeat repeat_interleave gather index index_select index_put index_put_
    scatter scatter_ select_scatter slice_scatter embedding one_hot constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d _unsafe_view _reshape_copy
    view_copy unfold_copy im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle masked_select
    nonzero _local_scalar_dense lift_fresh lift_fresh_copy detach _pin_memory resize_ set_ transpose_
    squeeze_ unsqueeze_ t_ unsafe_split unsafe_split_with_sizes split_with_sizes_copy bernoulli
    bernoulli_ rand randn rand_like randn_like uniform_ normal_ randint randperm bincount unique_dim
    _unique2 is_same_size sym_size sym_numel sym_stride _assert_async _assert_tensor_metadata
    _nested_tensor_from_mask _pack_padded_sequence _pad_packed_sequence
    _fft_fill_with_conjugate_symmetry"""

#: Kinds of element operations, and the operators in them (beside all that torch tags as pointwise).
ELEMENT_KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "normalisation": _NORMALISATION,
        "softmax": _SOFTMAX,
        "element-wise": _ACTIVATIONS,
        "reduction and pooling": _REDUCTIONS,
        "resampling": _RESAMPLING,
    }.items()
    for name in names.split()
}
_FREE = frozenset(_MOVEMENT.split())


def element_kind(operator: torch._ops.OpOverload) -> str | None:
    """Kind of an operator without MACs, an empty string for mere data movement, ``None`` if unknown."""
    name = operator.overloadpacket.__name__
    if operator.is_view or name in _FREE:
        return ""
    if name in ELEMENT_KINDS:
        return ELEMENT_KINDS[name]
    return "element-wise" if torch.Tag.pointwise in operator.tags else None
