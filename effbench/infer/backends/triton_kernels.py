"""Channels last on NVIDIA GPUs, with a kernel for the layers that cuDNN is slow at in that layout."""

from __future__ import annotations

from copy import deepcopy
from subprocess import CalledProcessError

import torch
from torch import nn
from torch.nn import functional as F

from effbench.infer.backends.backend import BackendUnavailable, Network, Placement, in_precision
from effbench.infer.backends.eager import arranged
from effbench.models.detector import SoundEventDetector


def triton_kernels(detector: SoundEventDetector, place: Placement) -> Network:
    """The folded network, channels last, depthwise convolutions and their activations in one kernel each."""
    if place.on_cpu:
        raise BackendUnavailable("the backend triton needs an NVIDIA GPU")
    check_triton(place)
    from effbench.infer.backends.depthwise import use_kernels

    network = arranged(detector, place)
    if network is detector:
        network = deepcopy(detector)
    if not use_kernels(network, place.precision.dtype):
        raise BackendUnavailable("the backend triton is for depthwise convolutions, and the model has none")
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return in_precision(network, place)


def check_triton(place: Placement) -> None:
    """Raises ``BackendUnavailable`` where Triton is missing, can't compile, or differs from torch."""
    try:
        from triton.errors import TritonError
    except ImportError:
        raise BackendUnavailable(
            "the backend triton needs the package triton, which torch's builds for NVIDIA GPUs on Linux bring"
        ) from None
    try:
        error = _error_of_kernel(place)
    except (CalledProcessError, OSError, RuntimeError, TritonError) as failed:
        why = next(iter(str(failed).splitlines()), type(failed).__name__)
        raise BackendUnavailable(f"Triton can't compile for {place.device}: {why}") from failed
    if not error <= 20 * torch.finfo(place.precision.dtype).eps:  # nor where it is no number
        raise BackendUnavailable(f"Triton's results on {place.device} are up to {error:.2g} from torch's")


def _error_of_kernel(place: Placement) -> float:
    """Largest difference of a layer's outputs, which are of the order of 1, from torch's on the CPU."""
    from effbench.infer.backends.depthwise import DepthwiseConvolution

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        layer, x = nn.Conv2d(8, 8, 3, (2, 1), 1, groups=8), torch.randn(2, 8, 9, 40)
        kernel = DepthwiseConvolution(layer, "hardswish", place.precision.dtype).to(place.device)
        return float((kernel(x.to(place.device)).float().cpu() - F.hardswish(layer(x))).abs().max())
