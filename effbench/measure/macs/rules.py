"""One small rule per operator: how many multiply-accumulates it executes, from its output and its arguments.

A rule that can't tell, because values decide, says ``None``: the operator is unknown then. Operators that do
none are in ``operators``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.measure.macs.attention_rules import (
    attention,
    attention_backward,
    frames_first,
    native_attention,
    native_encoder_layer,
)
from effbench.models.sequence.mamba import FusedStateSpaceScan
from effbench.models.sequence.scans import GatedScan, StateSpaceScan

aten = torch.ops.aten


class Rule(NamedTuple):
    """Kind of an operator, and its MACs from its output and arguments."""

    kind: str
    macs: Callable[..., int | None]


def _convolution(out: Tensor, x: Tensor, weight: Tensor, *arguments: object) -> int:
    """Output elements (input elements where transposed) x channels per group x kernel taps."""
    transposed = arguments[4]
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def is_depthwise(x: Tensor, weight: Tensor, out: Tensor) -> bool:
    """Whether each channel of a convolution's input goes into outputs of its own."""
    return weight.shape[1] == 1 < x.shape[1] and out.shape[1] % x.shape[1] == 0


def _plain_convolution(out: Tensor, _: Tensor, weight: Tensor, *__: object) -> int:
    """As ``_convolution``, of operators that are never transposed."""
    return out.numel() * math.prod(weight.shape[1:])


def _transposed_convolution(_: Tensor, x: Tensor, weight: Tensor, *__: object) -> int:
    return x.numel() * math.prod(weight.shape[1:])


def _convolution_backward(_: object, grad: Tensor, x: Tensor, weight: Tensor, *arguments: Any) -> int:
    """As many as forward for the gradient of the input, and as many for that of the weight."""
    transposed, mask = arguments[4], arguments[7]
    return (x if transposed else grad).numel() * math.prod(weight.shape[1:]) * (mask[0] + mask[1])


def _time_first_convolution(out: Tensor, _: Tensor, weight: Tensor, *__: object) -> int:
    """Output elements x kernel taps x input channels."""
    return out.numel() * math.prod(weight.shape[:2])


def _product(out: Tensor, left: Tensor, right: Tensor, *_: object) -> int:
    """Output elements x length of the summed axis."""
    return out.numel() * left.shape[-1]


def _added_product(out: Tensor, _: Tensor, left: Tensor, right: Tensor, *__: object) -> int:
    """The product's MACs; adding the first argument is not a MAC."""
    return left.numel() * (right.shape[-1] if right.ndim > 1 else 1)


def _sampled_product(_: object, sparse: Tensor, left: Tensor, *__: object) -> int:
    """Stored elements x length of the summed axis."""
    return stored(sparse) * left.shape[-1]


def stored(sparse: Tensor) -> int:
    """Elements that a sparse tensor keeps, zeros among them included."""
    return (sparse._values() if sparse.layout == torch.sparse_coo else sparse.values()).numel()


def sparse_product(left: Tensor, right: Tensor) -> int | None:
    """MACs of a product with one sparse operand: its stored elements x rows or columns of the other.

    ``None`` if both are sparse: how many elements meet is not known from their numbers.
    """
    if right.layout == torch.strided:
        return stored(left) * (right.shape[-1] if right.ndim > 1 else 1)
    return stored(right) * left.shape[-2] if left.layout == torch.strided else None


def _outer_product(out: Tensor, *_: object) -> int:
    """One per element, which is added to."""
    return out.numel()


def _products(outs: Iterable[Tensor], lefts: Iterable[Tensor], *_: object) -> int:
    return sum(out.numel() * left.shape[-1] for out, left in zip(outs, lefts, strict=True))


def _grouped_product(out: Tensor, left: Tensor, right: Tensor, *_: object) -> int:
    """Every row with its own group's matrix; rows, columns or the summed axis belong to groups."""
    if left.ndim == 2:
        return left.numel() * right.shape[-1]
    return out.numel() * left.shape[-1]


def _linear(out: Tensor, x: Tensor, weight: Tensor, *_: object) -> int:
    """Outputs x length of the summed axis."""
    return out.numel() * weight.shape[-1]


def _linear_backward(_: object, x: Tensor, grad: Tensor, weight: Tensor, mask: Sequence[bool]) -> int:
    return grad.numel() * weight.shape[-1] * (mask[0] + mask[1])


def _packed_linear(out: Tensor, x: Tensor, *_: object) -> int:
    """As ``_linear``, where the weight is packed."""
    return out.numel() * x.shape[-1]


def _trilinear(_: object, *arguments: Any) -> int:
    """Elements of the product of all three before the sum (rows x outputs x inputs x other inputs)."""
    tensors, expanded = arguments[:3], arguments[3:6]
    shapes = []
    for tensor, axes in zip(tensors, expanded, strict=True):
        shape = list(tensor.shape)
        for axis in sorted(axes):
            shape.insert(axis, 1)
        shapes.append(shape)
    return math.prod(torch.broadcast_shapes(*shapes))


def _substitution(out: Tensor, triangular: Tensor) -> int:
    """Every unknown with all that are solved before it: n (n - 1) / 2 for each right-hand side."""
    return out.numel() * (triangular.shape[-1] - 1) // 2


def _distances(out: Tensor, left: Tensor, _: Tensor, p: float = 2, *__: object) -> int:
    """Euclidean: a square is added for every pair and feature; other norms multiply nothing."""
    return out.numel() * left.shape[-1] if p == 2 else 0


def _own_distances(out: Tensor, points: Tensor, p: float = 2) -> int:
    return out.numel() * points.shape[-1] if p == 2 else 0


def _affine_grid(out: Tensor, theta: Tensor, *_: object) -> int:
    """Coordinates x elements of a matrix' row."""
    return out.numel() * theta.shape[-1]


def _weighted_bag(_: object, weight: Tensor, indices: Tensor, *arguments: Any) -> int:
    """Looked-up elements, where each has a weight; without one they are only added."""
    weighted = len(arguments) > 4 and arguments[4] is not None
    return indices.numel() * weight.shape[-1] if weighted else 0


def _weighted_bag_backward(_: object, grad: Tensor, indices: Tensor, *arguments: Any) -> int:
    """For the gradient of what is looked up: as ``_weighted_bag``."""
    return indices.numel() * grad.shape[-1] if arguments[8] is not None else 0


def _bag_weights_backward(_: object, grad: Tensor, __: Tensor, indices: Tensor, *___: object) -> int:
    """A dot product for the gradient of each weight."""
    return indices.numel() * grad.shape[-1]


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


def _twice(macs: Callable[..., int]) -> Callable[..., int]:
    """Backward: a product for the gradient of each operand."""
    return lambda *arguments: 2 * macs(*arguments)


def _fft(out: Tensor, x: Tensor, axes: Sequence[int], *_: object) -> int:
    """``n log2 n`` for a real transform of n points, twice that for a complex one (radix-2 butterflies)."""
    real = out if x.is_complex() else x
    points = math.prod(real.shape[axis] for axis in axes)
    is_complex = x.is_complex() and out.is_complex()
    return round(real.numel() * math.log2(points)) * (2 if is_complex else 1)


#: Counted as a whole where a network calls them, whatever a device makes of them inside.
FUNCTIONS: Mapping[object, Rule] = {
    F.linear: Rule("linear", _linear),
    F.scaled_dot_product_attention: Rule("attention", attention),
    **{f: Rule("recurrent", _recurrent_net) for f in (torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu)},
    **{
        f: Rule("recurrent", _recurrent_cell)
        for f in (torch.gru_cell, torch.lstm_cell, torch.rnn_tanh_cell, torch.rnn_relu_cell)
    },
}


def _table(kind: str, rules: Mapping[str, Callable[..., int | None]]) -> dict[object, Rule]:
    """Rules of ATen's operators by their names, some in one string."""
    return {getattr(aten, name): Rule(kind, macs) for names, macs in rules.items() for name in names.split()}


#: Counted when they reach the dispatcher.
OPERATORS: Mapping[object, Rule] = {
    **_table(
        "convolution",
        {
            "convolution _convolution convolution_overrideable": _convolution,
            """cudnn_convolution cudnn_convolution_relu cudnn_convolution_add_relu miopen_convolution
            miopen_convolution_relu miopen_convolution_add_relu miopen_depthwise_convolution
            mkldnn_convolution _conv_depthwise2d conv_depthwise3d _slow_conv2d_forward
            slow_conv3d_forward
            slow_conv_dilated2d slow_conv_dilated3d
            _nnpack_spatial_convolution _mps_convolution""": _plain_convolution,
            """cudnn_convolution_transpose miopen_convolution_transpose slow_conv_transpose2d
            slow_conv_transpose3d _mps_convolution_transpose""": _transposed_convolution,
            "convolution_backward": _convolution_backward,
            "conv_tbc": _time_first_convolution,
        },
    ),
    **_table("linear", {"linear mkldnn_linear": _linear, "linear_backward": _linear_backward}),
    **_table(
        "quantised product",
        {
            """_weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu
            _weight_int4pack_mm_with_scales_and_zeros _dyn_quant_matmul_4bit
            _mixed_dtypes_linear""": _packed_linear,
            "_int_mm _scaled_mm _scaled_mm_v2": _product,
            "_scaled_grouped_mm _scaled_grouped_mm_v2": _grouped_product,
        },
    ),
    **_table(
        "matrix product",
        {
            "mm bmm mv matmul": _product,
            "dot vdot": lambda out, left, *_: left.numel(),
            "addmm addmv baddbmm addbmm _addmm_activation _sparse_addmm": _added_product,
            "sparse_sampled_addmm": _sampled_product,
            "addr": _outer_product,
            "_foreach_mm": _products,
            "_grouped_mm": _grouped_product,
            "_trilinear": _trilinear,
            "linalg_solve_triangular": lambda out, triangular, *_: _substitution(out, triangular),
            "triangular_solve": lambda out, _, triangular, *__: _substitution(out[0], triangular),
            "affine_grid_generator": _affine_grid,
            "_embedding_bag _embedding_bag_forward_only": _weighted_bag,
            "_embedding_bag_backward": _weighted_bag_backward,
            "_embedding_bag_per_sample_weights_backward": _bag_weights_backward,
        },
    ),
    **_table("distance", {"_cdist_forward _euclidean_dist": _distances, "_pdist_forward": _own_distances}),
    **_table(
        "attention",
        {
            """_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
            _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
            _scaled_dot_product_fused_attention_overrideable _scaled_dot_product_attention_math_for_mps
            _triton_scaled_dot_attention""": attention,
            """_scaled_dot_product_flash_attention_for_cpu_backward
            _scaled_dot_product_flash_attention_backward
            _scaled_dot_product_efficient_attention_backward _scaled_dot_product_cudnn_attention_backward
            _scaled_dot_product_fused_attention_overrideable_backward""": attention_backward,
            "_flash_attention_forward": frames_first(3),
            "_flash_attention_forward_no_dropout_inplace": frames_first(4, first=1),
            "_efficient_attention_forward": frames_first(4),
            "_flash_attention_backward": frames_first(6, products=2, first=1),
            "_efficient_attention_backward": frames_first(6, products=2, first=1),
            "_native_multi_head_attention _triton_multi_head_attention": native_attention,
            "_transformer_encoder_layer_fwd": native_encoder_layer,
        },
    ),
    **_table(
        "recurrent",
        {
            "_cudnn_rnn miopen_rnn": _recurrent_net,
            "_cudnn_rnn_backward miopen_rnn_backward": _twice(_recurrent_net),
            "mkldnn_rnn_layer": _onednn_recurrent,
            "mkldnn_rnn_layer_backward": _twice(_onednn_recurrent),
        },
    ),
    **_table("fourier transform", {"_fft_r2c _fft_c2r _fft_c2c": _fft}),
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

#: Where the two operands of a product stand among its arguments, for those that may be sparse.
SPARSE_PRODUCTS: Mapping[object, int] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), 0),
    **dict.fromkeys((aten.addmm, aten.addmv, aten.baddbmm, aten._sparse_addmm), 1),
}
