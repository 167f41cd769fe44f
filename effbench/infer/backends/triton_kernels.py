"""Channels last on NVIDIA GPUs, with kernels for the layers that cuDNN is slow at in that layout."""

from __future__ import annotations

from copy import deepcopy
from subprocess import CalledProcessError

import torch
from torch import nn
from torch.nn import functional as F

from effbench.infer.backends.backend import BackendUnavailable, Network, Placement, in_precision
from effbench.infer.backends.eager import arranged
from effbench.machine.devices import Precision
from effbench.models.detector import SoundEventDetector


def triton_kernels(detector: SoundEventDetector, place: Placement) -> Network:
    """The folded network, channels last, depthwise convolutions and their activations in one kernel each."""
    return _on_kernels(detector, place, pointwise=False)


def triton_blocks(detector: SoundEventDetector, place: Placement) -> Network:
    """The same, with pointwise convolutions, the scale of their channels and the skip in one kernel each."""
    return _on_kernels(detector, place, pointwise=True)


def _on_kernels(detector: SoundEventDetector, place: Placement, *, pointwise: bool) -> Network:
    name = "triton-blocks" if pointwise else "triton"
    if place.on_cpu:
        raise BackendUnavailable(f"the backend {name} needs an NVIDIA GPU")
    check_triton(place, pointwise=pointwise)
    from effbench.infer.backends.with_kernels import Kernels, use_kernels

    network = arranged(detector, place)
    if network is detector:
        network = deepcopy(detector)
    tf32 = place.precision is Precision.tf32
    if not use_kernels(network, Kernels(place.precision.dtype, pointwise=pointwise, tf32=tf32)):
        raise BackendUnavailable(f"the backend {name} is for depthwise convolutions, and the model has none")
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return in_precision(network, place)


def check_triton(place: Placement, *, pointwise: bool = False) -> None:
    """Raises ``BackendUnavailable`` where Triton is missing, can't compile, or differs from torch."""
    try:
        from triton.errors import TritonError
    except ImportError:
        raise BackendUnavailable(
            "kernels need the package triton, which torch's builds for NVIDIA GPUs on Linux bring"
        ) from None
    try:
        error = _error_of_kernels(place, pointwise=pointwise)
    except (CalledProcessError, OSError, RuntimeError, TritonError) as failed:
        why = next(iter(str(failed).splitlines()), type(failed).__name__)
        raise BackendUnavailable(f"Triton can't compile for {place.device}: {why}") from failed
    # Products of TF32 have the ten bits of float16.
    coarse = pointwise and place.precision is Precision.tf32
    eps = torch.finfo(torch.float16 if coarse else place.precision.dtype).eps
    if not error <= 20 * eps:  # nor where it is no number
        raise BackendUnavailable(f"Triton's results on {place.device} are up to {error:.2g} from torch's")


def _error_of_kernels(place: Placement, *, pointwise: bool) -> float:
    """Largest difference of layers' outputs, which are of the order of 1, from torch's on the CPU."""
    from effbench.infer.backends.with_kernels import Kernels

    kernels = Kernels(place.precision.dtype, pointwise=True, tf32=place.precision is Precision.tf32)
    errors = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        layers = [nn.Conv2d(8, 8, 3, (2, 1), 1, groups=8), *[nn.Conv2d(8, 24, 1)] * pointwise]
        x = torch.randn(2, 8, 9, 40)
        for layer in layers:
            kernel = kernels.of(layer, "hardswish")
            assert kernel is not None
            found = kernel.to(place.device)(x.to(place.device)).float().cpu()
            errors.append(float((found - F.hardswish(layer(x))).abs().max()))
    return max(errors)
