"""Triangular mel filters: Kaldi's, which are triangles in mel, and librosa's, which are triangles in Hz."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.grid import SAMPLE_RATE

# The scale is linear up to the break (Hz), then a step (natural logarithm of Hz) per mel.
_SLANEY_BREAK, _SLANEY_STEP = 1000.0, math.log(6.4) / 27.0


def kaldi_mel(hertz: float) -> float:
    """Mel value of a frequency in Hz, ``1127 ln(1 + f / 700)``."""
    return 1127.0 * math.log(1.0 + hertz / 700.0)


def kaldi_filterbank(n_mels: int, n_fft: int, *, fmin: float, fmax: float) -> Tensor:
    """Triangular filters on the Kaldi mel scale, peak 1, without area normalisation.

    The Nyquist bin belongs to no filter. Limits and spacing are computed in double precision and the
    filters in single precision, as Kaldi-compatible libraries do.

    ``fmin`` and ``fmax`` are the outer edges, Hz; ``n_fft`` the length of the Fourier transform, samples.

    Shape:
        (n_mels, n_fft // 2 + 1)
    """
    low, high = kaldi_mel(fmin), kaldi_mel(fmax)
    step = (high - low) / (n_mels + 1)
    index = torch.arange(n_mels)[:, None]
    left, centre, right = low + index * step, low + (index + 1.0) * step, low + (index + 2.0) * step
    hertz = SAMPLE_RATE / n_fft * torch.arange(n_fft // 2)
    mel = 1127.0 * (1.0 + hertz / 700.0).log()[None]
    rising, falling = (mel - left) / (centre - left), (right - mel) / (right - centre)
    return F.pad(torch.minimum(rising, falling).clamp(min=0.0), (0, 1))


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

    ``unit_area`` makes their area 1 over Hz, instead of their peak.

    Shape:
        edges and centres in Hz (n_mels + 2,) -> (n_mels, n_fft // 2 + 1)
    """
    bins = torch.linspace(0.0, SAMPLE_RATE / 2, n_fft // 2 + 1, dtype=torch.float64)
    left, centre, right = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    filters = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0.0)
    return (filters * (2.0 / (right - left)) if unit_area else filters).float()
