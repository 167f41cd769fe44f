"""Pointwise convolution with what comes before and after it, in one Triton kernel, channels last."""

from __future__ import annotations

from typing import TypeGuard

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from effbench.infer.backends.depthwise import activated

_LEAST = 16  # sizes of products below this are filled up
_MOST_ROWS, _MOST_OUTPUTS, _MOST_INPUT_BYTES = 128, 128, 128  # of one program and step


@triton.jit  # type: ignore[untyped-decorator]
def _pointwise(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    scale,
    skip,
    out,
    rows,
    rows_per_clip,
    inputs: tl.constexpr,
    outputs: tl.constexpr,
    scaled: tl.constexpr,
    skipped: tl.constexpr,
    activation: tl.constexpr,
    products: tl.constexpr,
    block_rows: tl.constexpr,
    block_outputs: tl.constexpr,
    block_inputs: tl.constexpr,
):
    """Some outputs of some rows, which are places of the picture, one after the other."""
    blocks: tl.constexpr = (outputs + block_outputs - 1) // block_outputs
    program = tl.program_id(0)  # those of the same rows are neighbours, and find them in the cache
    row = (program // blocks).to(tl.int64) * block_rows + tl.arange(0, block_rows)[:, None]
    column = program % blocks * block_outputs + tl.arange(0, block_outputs)[None, :]
    total = tl.full((block_rows, block_outputs), 0.0, tl.float32)
    for start in range(0, inputs, block_inputs):
        channel = start + tl.arange(0, block_inputs)
        inside = (row < rows) & (channel < inputs)[None, :]
        values = tl.load(x + row * inputs + channel[None, :], inside, 0.0)
        if scaled:
            factors = tl.load(scale + row // rows_per_clip * inputs + channel[None, :], inside, 0.0)
            values = (values.to(tl.float32) * factors.to(tl.float32)).to(x.dtype.element_ty)
        known = (channel < inputs)[:, None] & (column < outputs)
        factors = tl.load(weight + channel[:, None] * outputs + column, known, 0.0)
        total = tl.dot(values, factors, total, input_precision=products)
    total += tl.load(bias + column, column < outputs, 0.0).to(tl.float32)
    total = activated(total, activation)
    place, inside = row * outputs + column, (row < rows) & (column < outputs)
    if skipped:
        total += tl.load(skip + place, inside, 0.0).to(tl.float32)
    tl.store(out + place, total.to(out.dtype.element_ty), inside)


def is_pointwise(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether ``PointwiseConvolution`` can take over a layer."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == layer.stride == (1, 1)
        and layer.groups == 1
        and layer.padding in ((0, 0), "valid", "same")
    )


class PointwiseConvolution(nn.Module):
    """A pointwise convolution of scaled channels, its activation and a sum, for inference.

    Args:
        layer: one that ``is_pointwise``.
        activation: a value of ``ACTIVATIONS``, or nothing.
        dtype: of weights, input and output; sums are in float32.
        tf32: whether products of float32 are of TF32.

    Shape:
        x (batch, inputs, height, width), scale of channels (batch, inputs), skip as the result
        -> (batch, outputs, height, width), channels last
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        layer: nn.Conv2d,
        activation: str = "",
        dtype: torch.dtype = torch.float32,
        *,
        tf32: bool = False,
    ) -> None:
        super().__init__()
        weight = layer.weight.detach().to(dtype)[:, :, 0, 0].t().contiguous()
        bias = weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().to(dtype)
        self.register_buffer("weight", weight)  # (inputs, outputs)
        self.register_buffer("bias", bias)
        self.activation, self.products = activation, "tf32" if tf32 else "ieee"

    def forward(self, x: Tensor, scale: Tensor | None = None, skip: Tensor | None = None) -> Tensor:
        x = self._laid_out(x)
        batch, inputs, height, width = x.shape
        outputs, places = len(self.bias), height * width
        out = x.new_empty((batch, height, width, outputs))
        block_inputs = _block(inputs, _MOST_INPUT_BYTES // x.element_size())
        block_rows, block_outputs = _block(batch * places, _MOST_ROWS), _block(outputs, _MOST_OUTPUTS)
        programs = triton.cdiv(batch * places, block_rows) * triton.cdiv(outputs, block_outputs)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            _pointwise[programs,](
                *(x, self.weight, self.bias),
                x if scale is None else scale.contiguous(),
                x if skip is None else self._laid_out(skip),
                *(out, batch * places, places, inputs, outputs),
                *(scale is not None, skip is not None, self.activation, self.products),
                *(block_rows, block_outputs, block_inputs),
                # The sums of a program stay in registers, of which four warps have too few for 128 times 128.
                num_warps=8 if block_outputs == _MOST_OUTPUTS else 4,
            )
        return out.permute(0, 3, 1, 2)

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.to(self.weight.dtype).contiguous(memory_format=torch.channels_last)


def _block(size: int, most: int) -> int:
    return int(min(most, max(_LEAST, triton.next_power_of_2(size))))
