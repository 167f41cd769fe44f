"""Torch's own operators one by one: the network as it is, or with less to do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from effbench.infer.backends.backend import Network, Placement, in_precision
from effbench.models.detector import SoundEventDetector
from effbench.models.folding import fold_batch_norms
from effbench.models.layers import no_autocast


def eager(detector: SoundEventDetector, place: Placement) -> Network:
    """The network as it is built."""
    return in_precision(detector.to(place.device), place)


def folded(detector: SoundEventDetector, place: Placement) -> Network:
    """See ``arranged``."""
    return in_precision(arranged(detector, place), place)


def arranged(detector: SoundEventDetector, place: Placement) -> SoundEventDetector:
    """A copy without batch norms, on a CPU channels last, and with a GRU that runs fast in bf16.

    On NVIDIA GPUs cuDNN's depthwise convolutions are many times slower channels last: the layout stays.
    """
    copy = fold_batch_norms(detector)
    if not place.on_cpu:
        return copy.to(place.device)
    if copy is not detector:
        copy = copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if place.precision.dtype != torch.float32:
        copy = _with_float32_recurrence(copy)
    return copy


class _InFloat32(nn.Module):
    """A recurrent layer that autocast leaves alone: in bf16, torch's on a CPU is slower than in float32."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with no_autocast(x.device):
            out: tuple[Tensor, Tensor] = self.layer(x.float())
            return out


def _with_float32_recurrence(detector: SoundEventDetector) -> SoundEventDetector:
    from copy import deepcopy

    if not any(isinstance(module, nn.RNNBase) for module in detector.modules()):
        return detector
    copy = deepcopy(detector)
    for module in list(copy.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.RNNBase):
                setattr(module, name, _InFloat32(child))
    return copy
