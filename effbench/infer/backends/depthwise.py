"""Depthwise convolution, bias and activation in one Triton kernel, channels last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

_BLOCK = 1024  # outputs of one program


@triton.jit  # type: ignore[untyped-decorator]
def activated(total, activation: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sums after one of ``ACTIVATIONS``, or as they are."""
    if activation == "relu":
        total = tl.where(total < 0, 0.0, total)  # unlike a maximum, keeps what is no number
    if activation == "hardswish":
        total *= tl.minimum(tl.maximum(total + 3, 0), 6) * (1 / 6)
    return total


@triton.jit  # type: ignore[untyped-decorator]
def _depthwise(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    out,
    height,
    width,
    out_height,
    out_width,
    channels: tl.constexpr,  # constant, so that the compiler knows how many neighbours are loaded at once
    kernel_height: tl.constexpr,
    kernel_width: tl.constexpr,
    stride_height: tl.constexpr,
    stride_width: tl.constexpr,
    padding_height: tl.constexpr,
    padding_width: tl.constexpr,
    activation: tl.constexpr,
    block: tl.constexpr,
):
    """A part of one row of outputs, whose channels lie side by side as in memory."""
    row = tl.program_id(0).to(tl.int64)  # of all clips
    place = tl.program_id(1) * block + tl.arange(0, block)
    in_row = place < out_width * channels
    channel = place % channels
    top = row % out_height * stride_height - padding_height
    left = place // channels * stride_width - padding_width
    total = tl.load(bias + channel).to(tl.float32)
    for i in tl.static_range(kernel_height):
        y = top + i
        line = x + (row // out_height * height + y) * width * channels
        for j in tl.static_range(kernel_width):
            z = left + j
            inside = in_row & (y >= 0) & (y < height) & (z >= 0) & (z < width)
            value = tl.load(line + z * channels + channel, inside, 0.0)
            tap = tl.load(weight + (i * kernel_width + j) * channels + channel)
            total += value.to(tl.float32) * tap.to(tl.float32)
    total = activated(total, activation)
    tl.store(out + row * out_width * channels + place, total.to(out.dtype.element_ty), in_row)


#: What kernels can do to their sums.
ACTIVATIONS: Mapping[type[nn.Module], str] = {nn.ReLU: "relu", nn.Hardswish: "hardswish"}


def is_depthwise(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether ``DepthwiseConvolution`` can take over a layer."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


class DepthwiseConvolution(nn.Module):
    """A depthwise convolution and its activation, summed in float32, for inference.

    Args:
        layer: one that ``is_depthwise``.
        activation: a value of ``ACTIVATIONS``, or nothing.
        dtype: of weights, input and output.

    Shape:
        (batch, channels, height, width) -> (batch, channels, out height, out width), channels last
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Conv2d, activation: str = "", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        assert not isinstance(layer.padding, str)
        weight = layer.weight.detach().to(dtype)[:, 0].permute(1, 2, 0).contiguous()
        bias = weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().to(dtype)
        self.register_buffer("weight", weight)  # (kernel height, kernel width, channels)
        self.register_buffer("bias", bias)
        self.stride, self.padding, self.activation = layer.stride, layer.padding, activation

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype).contiguous(memory_format=torch.channels_last)
        batch, channels, *size = x.shape
        kernel = self.weight.shape[:2]
        out_height, out_width = (
            (n + 2 * p - k) // s + 1
            for n, p, k, s in zip(size, self.padding, kernel, self.stride, strict=True)
        )
        out = x.new_empty((batch, out_height, out_width, channels))
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            _depthwise[batch * out_height, triton.cdiv(out_width * channels, _BLOCK)](
                *(x, self.weight, self.bias, out),
                *(*size, out_height, out_width, channels),
                *(*kernel, *self.stride, *self.padding),
                *(self.activation, _BLOCK),
            )
        return out.permute(0, 3, 1, 2)
