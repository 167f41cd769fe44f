"""Channels last on NVIDIA GPUs, with a kernel for the layers that cuDNN is slow at in that layout."""

from __future__ import annotations

from copy import deepcopy
from subprocess import CalledProcessError

import torch
from torch import nn

from effbench.infer.backends.backend import BackendUnavailable, Network, Placement, in_precision
from effbench.infer.backends.eager import arranged
from effbench.models.detector import SoundEventDetector


def triton_kernels(detector: SoundEventDetector, place: Placement) -> Network:
    """The folded network, channels last, depthwise convolutions and their activations in one kernel each."""
    if place.on_cpu:
        raise BackendUnavailable("the backend triton needs an NVIDIA GPU")
    check_triton(place.device)
    from effbench.infer.backends.depthwise import use_kernels

    network = arranged(detector, place)
    if network is detector:
        network = deepcopy(detector)
    if not use_kernels(network, place.precision.dtype):
        raise BackendUnavailable("the backend triton is for depthwise convolutions, and the model has none")
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return in_precision(network, place)


def check_triton(device: torch.device) -> None:
    """Raises ``BackendUnavailable`` where Triton is missing or can't compile a kernel for a device."""
    try:
        from triton.errors import TritonError
    except ImportError:
        raise BackendUnavailable(
            "the backend triton needs the package triton, which torch's builds for NVIDIA GPUs on Linux bring"
        ) from None
    from effbench.infer.backends.depthwise import DepthwiseConvolution

    layer = DepthwiseConvolution(nn.Conv2d(8, 8, 3, groups=8)).to(device)
    try:
        layer(torch.zeros(1, 8, 3, 3, device=device))
    except (CalledProcessError, OSError, RuntimeError, TritonError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise BackendUnavailable(f"Triton can't compile for {device}: {why}") from error
