"""What the ``meta`` device lets through and no other does: operands of types that no kernel takes.

A module that can't run must not get a count. Where a check fails, the count starts anew on the module's own
device, whose kernels have the last word.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from effbench.measure.macs.operators import OPEN


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_ONE_TYPE = frozenset({"convolution", "linear", "matrix product", "distance", "loss", "normalisation"})

#: Beside the kinds above: their operands have one type.
_ONE_TYPE = _names(
    """complex polar heaviside cross linalg_cross index_add index_copy index_put index_reduce put
    _softmax_backward_data grid_sampler_2d grid_sampler_3d _unsafe_masked_index_put_accumulate
    log_softmax_backward"""
)

#: Not even of integers and floating-point numbers.
_NEVER_PROMOTED = _names(
    """mm bmm mv dot vdot addmm addmv addbmm baddbmm matmul linear convolution _convolution"""
)

#: Beside softmax, normalisation and losses: integers are no input of these.
_NO_INTEGERS = _names(
    """gelu glu hardshrink softshrink hardsigmoid hardswish mish prelu _prelu_kernel rrelu_with_noise silu
    softplus celu elu selu log_sigmoid_forward frac hypot igamma igammac lerp logaddexp logaddexp2
    nextafter round grid_sampler_2d grid_sampler_3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool2d
    max_unpool3d im2col bernoulli multinomial uniform normal std var segment_reduce triangular_solve
    linalg_solve_triangular upsample_linear1d upsample_trilinear3d upsample_bicubic2d
    max_pool2d_with_indices_backward"""
)
_NO_INTEGER_KINDS = frozenset({"softmax", "normalisation", "loss"})
_BYTES_ONLY = _names(
    """upsample_bilinear2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa upsample_nearest1d
    upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d"""
)
_HALVES = {torch.float16, torch.bfloat16}


def require_types(func: Any, kind: str | None, args: Any, out: Any) -> None:
    """Refuse what only the ``meta`` device computes.

    Raises:
        RuntimeError: operands of several types, or integers, that the operator does not take.
    """
    tensors = [t for t in tree_leaves(args) if isinstance(t, Tensor)]
    if not tensors or not any(t.is_meta for t in tree_leaves((tensors, out)) if isinstance(t, Tensor)):
        return
    name, first = func.overloadpacket.__name__.removesuffix("_"), tensors[0]
    dtypes = {t.dtype for t in tensors}
    floats = {dtype for dtype in dtypes if dtype.is_floating_point or dtype.is_complex}
    one = kind in _OF_ONE_TYPE or name in _ONE_TYPE
    mixed = one and len(floats) > 1 and not _is_half_normalisation(kind, first, floats)
    if mixed or (name in _NEVER_PROMOTED and len(dtypes) > 1):
        raise RuntimeError(f"{func} does not take operands of several types: {_said(dtypes)}")
    integers = not (first.is_floating_point() or first.is_complex())
    refused = (
        name in _NO_INTEGERS
        or name in OPEN
        or kind in _NO_INTEGER_KINDS
        or (name in _BYTES_ONLY and first.dtype != torch.uint8)
    )
    if integers and refused:
        raise RuntimeError(f"{func} does not take {first.dtype}")


def _is_half_normalisation(kind: str | None, x: Tensor, floats: set[torch.dtype]) -> bool:
    """Normalisation in half precision keeps its statistics and weights in float32."""
    return kind == "normalisation" and x.dtype in _HALVES and floats == {x.dtype, torch.float32}


def _said(dtypes: set[torch.dtype]) -> str:
    return ", ".join(sorted(map(str, dtypes)))
