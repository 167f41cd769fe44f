"""Networks whose convolutions Triton's kernels compute."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from effbench.infer.backends.depthwise import ACTIVATIONS, DepthwiseConvolution, is_depthwise
from effbench.infer.backends.pointwise import PointwiseConvolution, is_pointwise
from effbench.models.backbones.fmn import InvertedResidual, SqueezeExcitation


@dataclass(frozen=True)
class Kernels:
    """Which layers kernels compute.

    Attributes:
        dtype: of the network.
        pointwise: whether pointwise convolutions are among them, beside depthwise ones.
        tf32: whether products of float32 are of TF32.
    """

    dtype: torch.dtype = torch.float32
    pointwise: bool = False
    tf32: bool = False

    def of(self, layer: nn.Module, activation: str = "") -> nn.Module | None:
        """A layer and its activation as a kernel, if there is one."""
        if is_depthwise(layer):
            return DepthwiseConvolution(layer, activation, self.dtype)
        if self.pointwise and is_pointwise(layer):
            return PointwiseConvolution(layer, activation, self.dtype, tf32=self.tf32)
        return None


class FusedResidual(nn.Module):
    """An inverted residual block without batch norms as three kernels, and the gate of its channels.

    Shape:
        as ``InvertedResidual``, channels last
    """

    def __init__(self, block: InvertedResidual, kernels: Kernels) -> None:
        super().__init__()
        *before, projection = block.block
        last = before[-1]
        self.gate = last.conc_se_layers if isinstance(last, SqueezeExcitation) else None
        if self.gate is not None:
            before.pop()
        self.before = nn.Sequential(*before)
        use_kernels(self.before, kernels)
        convolution = _convolution(projection)
        assert convolution is not None
        self.projection = PointwiseConvolution(convolution, "", kernels.dtype, tf32=kernels.tf32)
        self.skip = block.skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.before(x)
        scale = None if self.gate is None else self.gate(y.mean((2, 3)))
        out: Tensor = self.projection(y, scale, x if self.skip else None)
        return out


def use_kernels(network: nn.Module, kernels: Kernels) -> bool:
    """Replaces convolutions, and the activation after each, in place; whether there were any."""
    if kernels.pointwise:
        for module in list(network.modules()):
            for name, child in list(module.named_children()):
                if type(child) is InvertedResidual and _convolution(child.block[-1]) is not None:
                    setattr(module, name, FusedResidual(child, kernels))
    for module in list(network.modules()):
        if type(module).forward is nn.Sequential.forward:
            assert isinstance(module, nn.Sequential)
            _fuse_activations(module, kernels)
        for name, child in list(module.named_children()):
            if (kernel := kernels.of(child)) is not None:
                setattr(module, name, kernel)
    return any(isinstance(module, DepthwiseConvolution) for module in network.modules())


def _convolution(layers: nn.Module) -> nn.Conv2d | None:
    """The one layer that is left of a projection without batch norm, if it can be a kernel."""
    left = [layer for layer in layers.children() if not isinstance(layer, nn.Identity)]
    return left[0] if len(left) == 1 and is_pointwise(left[0]) else None


def _fuse_activations(layers: nn.Sequential, kernels: Kernels) -> None:
    steps = [index for index, layer in enumerate(layers) if not isinstance(layer, nn.Identity)]
    for first, second in pairwise(steps):
        activation = ACTIVATIONS.get(type(layers[second]))
        kernel = None if activation is None else kernels.of(layers[first], activation)
        if kernel is not None:
            layers[first], layers[second] = kernel, nn.Identity()
