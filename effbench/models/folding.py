"""Batch norms folded into the convolutions before them: the same function with fewer steps."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effbench.models.detector import SoundEventDetector


def fold_batch_norms(detector: SoundEventDetector) -> SoundEventDetector:
    """A copy in eval mode that computes the same; without batch norms, the detector."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules()):
        return detector
    copy = deepcopy(detector).eval()
    for module in list(copy.modules()):
        # A subclass with steps of its own may do other things between two layers.
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            _fold(module)
    return copy


def _fold(layers: nn.Sequential) -> None:
    """Each convolution that a batch norm follows takes it over; in eval mode both are linear."""
    for index in range(len(layers) - 1):
        first, second = layers[index], layers[index + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            layers[index], layers[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
