"""A detector small enough to be timed and compiled in a test."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from effbench.models.detector import SoundEventDetector


class TinyFrontend(nn.Module):
    """(batch, samples) -> (batch, 1, 16, frames): the waveform cut into frames, without a transform."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.full((16, 1), 2.0))

    def forward(self, waveform: Tensor) -> Tensor:
        frames = waveform.shape[1] // 160
        return (waveform[:, : 160 * frames].unflatten(1, (frames, 160))[..., :16].mT * self.gain)[:, None]


class TinyBackbone(nn.Module):
    """(batch, 1, 16, frames) -> (batch, frames, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(16, 8, 3, padding=1)
        self.dropout = nn.Dropout(0.5)

    def frames(self, feature_frames: int) -> int:
        return feature_frames

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.conv(features[:, 0])).mT


def tiny_detector() -> SoundEventDetector:
    torch.manual_seed(0)
    return SoundEventDetector(
        TinyFrontend(), TinyBackbone(), nn.Identity(), width=8, n_classes=5, n_weak_classes=5
    )
