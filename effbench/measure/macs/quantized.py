"""Rules of quantised operators, whose weights are packed in objects of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from effbench.measure.macs.rules import Rule


def _linear(out: Tensor, x: Tensor, *_: object) -> int:
    """Outputs x length of the summed axis."""
    return out.numel() * x.shape[-1]


def _convolution(out: Tensor, _: Tensor, packed: Any, *__: object) -> int:
    """Output elements x channels per group x kernel taps."""
    return out.numel() * math.prod(packed.unpack()[0].shape[1:])


def _added_convolution(out: Tensor, x: Tensor, _: Tensor, packed: Any, *__: object) -> int:
    return _convolution(out, x, packed)


def _transposed(_: Tensor, x: Tensor, packed: Any, *__: object) -> int:
    return x.numel() * math.prod(packed.unpack()[0].shape[1:])


def _recurrent_net(_: object, x: Tensor, *arguments: Any) -> int:
    """Steps x elements of every weight matrix, of the cells that hold them packed."""
    cells = next(a for a in arguments if isinstance(a, list) and a and isinstance(a[0], torch.ScriptObject))
    packed = (weights for cell in cells for weights in cell.__getstate__()[0][4])
    return x.numel() // x.shape[-1] * sum(weights.unpack()[0].numel() for weights in packed)


def _none(*_: object) -> int:
    """Element operations of quantised numbers, and packing."""
    return 0


_RULES: Mapping[Callable[..., int], str] = {
    _linear: """linear linear_relu linear_leaky_relu linear_tanh linear_dynamic linear_relu_dynamic
        linear_dynamic_fp16 linear_relu_dynamic_fp16 linear_unpacked_dynamic_fp16
        linear_with_input_q_dq_qweight_dq_output_fp32
        linear_with_input_q_dq_qweight_dq_relu_output_fp32 matmul""",
    _convolution: """conv1d conv1d_relu conv1d_dynamic conv2d conv2d_relu conv2d_dynamic conv3d conv3d_relu
        conv3d_dynamic""",
    _added_convolution: "conv2d_add conv2d_add_relu",
    _transposed: """conv_transpose1d conv_transpose1d_dynamic conv_transpose2d conv_transpose2d_dynamic
        conv_transpose3d conv_transpose3d_dynamic""",
    _none: """add add_relu add_scalar add_scalar_relu mul mul_relu mul_scalar mul_scalar_relu cat cat_relu
        batch_norm batch_norm_relu batch_norm1d batch_norm1d_relu batch_norm2d batch_norm2d_relu batch_norm3d
        batch_norm3d_relu clamp threshold instance_norm layer_norm group_norm hardswish elu celu leaky_relu
        relu6 prelu sigmoid tanh softmax dropout max_pool2d embedding_byte embedding_4bit linear_prepack
        linear_prepack_fp16 linear_prepack_legacy linear_unpack linear_unpack_fp16 conv1d_prepack
        conv2d_prepack conv3d_prepack conv1d_unpack conv2d_unpack conv3d_unpack conv_transpose1d_prepack
        conv_transpose2d_prepack conv_transpose3d_prepack embedding_bag_prepack embedding_bag_unpack""",
}


def _rules() -> Iterator[tuple[str, Rule]]:
    for net in ("lstm", "gru"):
        yield f"aten::quantized_{net}", Rule("recurrent", _recurrent_net)
    for macs, names in _RULES.items():
        for name in names.split():
            yield f"quantized::{name}", Rule("quantised product", macs)


#: By qualified name.
QUANTISED: Mapping[str, Rule] = dict(_rules())
