"""``torch.compile``: fused kernels, made when a network is first called."""

from __future__ import annotations

from copy import deepcopy
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.infer.backends.backend import BackendUnavailable, Network, Placement, in_precision
from effbench.infer.backends.eager import arranged
from effbench.models.detector import Predictions, SoundEventDetector


def compiled(detector: SoundEventDetector, place: Placement) -> Network:
    """The folded network compiled: on a CPU for all sizes at once, with weights laid out for its kernels."""
    network = arranged(detector, place)
    if network is detector:
        network = deepcopy(detector)
    if place.on_cpu:
        _hide_first_convolutions(network)
    run = torch.compile(network.eval(), dynamic=True if place.on_cpu else None)
    return _Serialised(in_precision(run, place), freeze=place.on_cpu)


class _Serialised:
    """Calls one at a time: torch's compiler is not safe for threads, and any size may be a new one to it."""

    def __init__(self, network: Network, *, freeze: bool) -> None:
        self.network, self.freeze, self.lock = network, freeze, Lock()

    def __call__(self, features: Tensor) -> Predictions:
        from torch._inductor import config

        # Weights become constants, in the layout that suits the kernels; other strides would compile anew.
        with self.lock, torch.inference_mode(), config.patch(freezing=self.freeze):
            try:
                return self.network(features.contiguous())
            except Exception as error:
                if not is_compiler_error(error):
                    raise
                raise BackendUnavailable(f"torch.compile failed: {_first_line(error)}") from error


def is_compiler_error(error: Exception) -> bool:
    """Whether an error is of the compiler, not of what was compiled."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class _HiddenConvolution(nn.Module):
    """A convolution of one channel that the compiler doesn't look into.

    The strides of one channel tell nothing of its layout, and torch 2.13 then mistakes that of the output
    where sizes are not fixed.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        assert not isinstance(layer.padding, str)
        out: Tensor = _convolve(x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation)
        return out


@torch.library.custom_op("effbench::one_channel_convolution", mutates_args=())
def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    out: Tensor = F.conv2d(x, weight, bias, stride, padding, dilation)
    return out.contiguous(memory_format=torch.channels_last)


@_convolve.register_fake
def _(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int]
) -> Tensor:
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(x.shape[2:], padding, dilation, weight.shape[2:], stride, strict=True)
    ]
    return x.new_empty((x.shape[0], weight.shape[0], *size)).contiguous(memory_format=torch.channels_last)


def _hide_first_convolutions(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if (
                isinstance(child, nn.Conv2d)
                and child.in_channels == 1
                and not isinstance(module, _HiddenConvolution)
            ):
                setattr(module, name, _HiddenConvolution(child))
