"""Mel spectrograms with centred frames: the front-ends of ATST-F and M2D."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from effbench.models.frontends.filters import htk_hertz, slaney_hertz, triangles
from effbench.models.frontends.frontend import Frontend

#: Range of ATST-F's training data, dB, and the scales of both front-ends.
ATST_LOW, ATST_HIGH = -79.6482, 50.6842
ATST_LOG_SCALE = (ATST_HIGH - ATST_LOW) / 2.0 * math.log(10.0) / 10.0
M2D_LOG_SCALE = 4.2


class MelFrontend(Frontend):
    """Power of mel bands over centred, reflected frames, on a logarithmic scale.

    Args:
        mel: filters, (mels, n_fft // 2 + 1); the frames are ``n_fft`` long, in a periodic Hann window.
        scale: log scale and normalisation, (batch, mels, frames) -> the same shape.
        log_scale: natural logarithms of power per unit of the features.
        hop: distance of two frames, samples.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, mels, frames), 1001 frames for 10 s
    """

    window: Tensor
    mel: Tensor

    def __init__(
        self, mel: Tensor, scale: Callable[[Tensor], Tensor], *, log_scale: float, hop: int = 160
    ) -> None:
        n_fft = 2 * (mel.shape[1] - 1)
        super().__init__(hop=hop, min_samples=n_fft // 2 + 1, log_scale=log_scale)
        self.n_fft, self.scale = n_fft, scale
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("mel", mel, persistent=False)

    def frames(self, samples: int) -> int:
        return self.hops(samples) + 1

    def features(self, x: Tensor) -> Tensor:
        spectrum = torch.stft(
            self.whole_hops(x),
            self.n_fft,
            self.hop,
            window=self.window.float(),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return self.scale(torch.matmul(self.mel.float(), power))


def atst_frontend() -> MelFrontend:
    """Front-end of ATST-F: 64 HTK bands from 60 to 7800 Hz."""
    return MelFrontend(
        triangles(htk_hertz(66, 60.0, 7800.0), 1024, unit_area=False), decibels, log_scale=ATST_LOG_SCALE
    )


def decibels(power: Tensor) -> Tensor:
    """dB of each clip no lower than 80 below its peak, clamped, from ATST-F's range to [-1, 1].

    The published implementation takes the loudest clip of the batch for the peak, which makes a clip's
    features depend on the others; for a batch of one clip both are the same.
    """
    db = 10.0 * power.clamp(min=1e-10).log10()
    db = torch.maximum(db, db.amax((1, 2), keepdim=True) - 80.0).clamp(-50.0, 80.0)
    return (db - ATST_LOW) / (ATST_HIGH - ATST_LOW) * 2.0 - 1.0


def m2d_frontend() -> MelFrontend:
    """Front-end of M2D: 80 Slaney bands from 50 to 8000 Hz."""
    return MelFrontend(
        triangles(slaney_hertz(82, 50.0, 8000.0), 400, unit_area=True), natural_log, log_scale=M2D_LOG_SCALE
    )


def natural_log(power: Tensor) -> Tensor:
    """``ln`` of the power, normalised by M2D's mean and standard deviation."""
    return ((power + 1.1920929e-7).log() + 7.1) / M2D_LOG_SCALE
