"""Audio on which backends and precisions are compared, the same on every machine."""

from __future__ import annotations

import torch
from torch import Tensor

_TONES = (220.0, 1000.0, 3500.0)  # Hz
_NOISE_LEVELS = (0.2, 0.02, 0.002)  # the lower ones leave the tones alone with a front-end's floor


def probe_clips(sample_rate: int, seconds: float) -> Tensor:
    """Seeded noise of falling level over tones that swell and fade, the same on every machine.

    Shape:
        (clips, samples)
    """
    samples = max(1, round(seconds * sample_rate))
    time = torch.arange(samples, dtype=torch.float64) / sample_rate
    swell = torch.sin(torch.pi * time / seconds) ** 2
    tones = sum(torch.sin(2 * torch.pi * hertz * time) for hertz in _TONES) * swell / (4 * len(_TONES))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(_NOISE_LEVELS), samples, generator=generator)
    return (noise * torch.tensor(_NOISE_LEVELS)[:, None] + tones).float()
