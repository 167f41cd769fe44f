"""The model: probabilities of a batch of windows, on any device and in any precision."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effbench.infer.windows import Floats
from effbench.models.detector import SoundEventDetector


class Scorer:
    """Probabilities of a batch of windows.

    The network is a copy that is rearranged for speed (channels last, batch norms folded into convolutions),
    which moves logits by some 1e-5; so do the batch size and the number of threads, by some 1e-6.

    Args:
        detector: in eval mode; it stays as it is.
        device: where it runs.
        dtype: precision of the network, by autocast; the front-end stays in float32.
        columns: indices of the classes that are wanted, all by default.
    """

    def __init__(
        self,
        detector: SoundEventDetector,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        columns: Sequence[int] | None = None,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.detector = _faster(detector).to(self.device)
        every = columns is None or len(columns) == detector.strong_head.out_features
        self.columns = None if every else torch.tensor(columns, device=self.device)
        self.min_samples = int(getattr(detector.frontend, "min_samples", 1))

    @property
    def default_batch_size(self) -> int:
        """Windows per call near the device's highest throughput."""
        return 2 if self.device.type == "cpu" else 32

    @torch.inference_mode()
    def __call__(self, batch: Sequence[Floats]) -> Floats:
        """Windows of one length, (samples,) each -> (batch, frames, classes)."""
        waveform = torch.from_numpy(np.stack(batch)).to(self.device)
        features = self.detector.frontend(waveform)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.detector(features).strong
        if self.columns is not None:
            logits = logits[:, self.columns]
        scores: Floats = logits.float().sigmoid().transpose(1, 2).contiguous().cpu().numpy()
        return scores


def _faster(detector: SoundEventDetector) -> SoundEventDetector:
    """A copy that computes the same sooner: about 1.5 times on a CPU for frame-wise MobileNets.

    What has no batch norms to fold, a transformer, stays as it is.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules()):
        return detector
    copy = deepcopy(detector)
    for module in list(copy.modules()):
        if isinstance(module, nn.Sequential):
            _fold_norms(module)
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fold_norms(layers: nn.Sequential) -> None:
    """Each convolution that a batch norm follows takes it over; in eval mode both are linear."""
    for index in range(len(layers) - 1):
        first, second = layers[index], layers[index + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and not second.training:
            layers[index], layers[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
