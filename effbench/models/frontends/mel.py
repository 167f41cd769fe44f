"""Mel spectrograms with centred frames: the front-ends of ATST-F and M2D."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from effbench.grid import SAMPLE_RATE
from effbench.models.frontends.frontend import Frontend

#: Range of ATST-F's training data, dB, and the scales of both front-ends.
ATST_LOW, ATST_HIGH = -79.6482, 50.6842
ATST_LOG_SCALE = (ATST_HIGH - ATST_LOW) / 2.0 * math.log(10.0) / 10.0
M2D_LOG_SCALE = 4.2

_SLANEY_BREAK, _SLANEY_STEP = 1000.0, math.log(6.4) / 27.0


def htk_hertz(points: int, fmin: float, fmax: float) -> Tensor:
    """Frequencies at equal distances of ``2595 log10(1 + f / 700)``, Hz: (points,) in double precision."""
    low, high = (2595.0 * math.log10(1.0 + f / 700.0) for f in (fmin, fmax))
    return 700.0 * (10.0 ** (torch.linspace(low, high, points, dtype=torch.float64) / 2595.0) - 1.0)


def slaney_hertz(points: int, fmin: float, fmax: float) -> Tensor:
    """Frequencies at equal distances of Slaney's scale, linear up to 1 kHz: (points,) in double precision."""
    low, high = (_slaney(f) for f in (fmin, fmax))
    mel = torch.linspace(low, high, points, dtype=torch.float64)
    above = _SLANEY_BREAK * torch.exp(_SLANEY_STEP * (mel - _slaney(_SLANEY_BREAK)))
    return torch.where(mel < _slaney(_SLANEY_BREAK), mel * 200.0 / 3.0, above)


def _slaney(hertz: float) -> float:
    if hertz < _SLANEY_BREAK:
        return 3.0 * hertz / 200.0
    return 15.0 + math.log(hertz / _SLANEY_BREAK) / _SLANEY_STEP


def triangles(hertz: Tensor, n_fft: int, *, unit_area: bool) -> Tensor:
    """Filters that are triangles in Hz, each between the neighbours of its centre.

    Args:
        hertz: (n_mels + 2,) edges and centres.
        n_fft: length of the Fourier transform, samples.
        unit_area: of area 1 over Hz, instead of peak 1.

    Shape:
        (n_mels, n_fft // 2 + 1)
    """
    bins = torch.linspace(0.0, SAMPLE_RATE / 2, n_fft // 2 + 1, dtype=torch.float64)
    left, centre, right = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    filters = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0.0)
    return (filters * (2.0 / (right - left)) if unit_area else filters).float()


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
