"""Mel spectrograms of centred frames: front-ends of the frame-wise MobileNets, fPaSST, ATST-F and M2D."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from effbench.models.frontends.filters import htk_hertz, kaldi_filterbank, slaney_hertz, triangles
from effbench.models.frontends.frontend import Frontend

#: Range of ATST-F's training data, dB, and the scales of both front-ends.
ATST_LOW, ATST_HIGH = -79.6482, 50.6842
ATST_LOG_SCALE = (ATST_HIGH - ATST_LOW) / 2.0 * math.log(10.0) / 10.0
M2D_LOG_SCALE = 4.2


class LogMelFrontend(Frontend):
    """Normalised log-mel spectrogram of pre-emphasised audio.

    Args:
        fmin: lower edge of the lowest band, Hz.
        fmax: upper edge of the highest band, Hz.
        periodic: take the periodic Hann window, as fPaSST does, instead of the symmetric one.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, 128, frames), frames = 1 + (samples - 1) // hop
    """

    def __init__(self, *, fmin: float = 0.0, fmax: float = 7000.0, periodic: bool = False) -> None:
        # The spectrum's reflected edges need more than half a transform.
        super().__init__(
            torch.hann_window(400, periodic=periodic),
            kaldi_filterbank(128, 512, fmin=fmin, fmax=fmax),
            min_samples=512 // 2 + 2,
            log_scale=5.0,
        )
        self.fmin, self.fmax = fmin, fmax
        # Hz by which training moves both limits at random: set by what trains, never active in eval mode.
        self.fmin_jitter, self.fmax_jitter = 0, 0

    def frames(self, samples: int) -> int:
        return 1 + (samples - 1) // self.hop

    def _filters(self) -> Tensor:
        """The filter bank; in training with jitter a new one for every batch.

        Its limits are ``fmin + {0, …, fmin_jitter - 1}`` and
        ``fmax + fmax_jitter / 2 - {0, …, fmax_jitter - 1}``, drawn from torch's global CPU generator.
        """
        if not self.training or not (self.fmin_jitter or self.fmax_jitter):
            return self.mel
        fmin = self.fmin + _below(self.fmin_jitter)
        fmax = self.fmax + self.fmax_jitter // 2 - _below(self.fmax_jitter)
        return kaldi_filterbank(len(self.mel), self.n_fft, fmin=fmin, fmax=fmax).to(self.mel.device)

    def features(self, x: Tensor) -> Tensor:
        power = self.power(x[:, 1:] - 0.97 * x[:, :-1])
        log_mel = torch.matmul(self._filters().float(), power).clamp(min=1e-7).log()
        return (log_mel + 4.5) / self.log_scale


def _below(limit: int) -> int:
    """A random one of 0, …, ``limit - 1``; 0, and nothing drawn, for a limit of 0."""
    return int(torch.randint(limit, ())) if limit else 0


class MelFrontend(Frontend):
    """Power of mel bands over centred, reflected frames, on a logarithmic scale.

    Args:
        mel: filters, (mels, n_fft // 2 + 1); the frames are ``n_fft`` long, in a periodic Hann window.
        scale: log scale and normalisation, (batch, mels, frames) -> the same shape.
        log_scale: natural logarithms of power per unit of the features.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, mels, frames), 1001 frames for 10 s
    """

    def __init__(self, mel: Tensor, scale: Callable[[Tensor], Tensor], *, log_scale: float) -> None:
        half = mel.shape[1] - 1
        super().__init__(torch.hann_window(2 * half), mel, min_samples=half + 1, log_scale=log_scale)
        self.scale = scale

    def frames(self, samples: int) -> int:
        return self.hops(samples) + 1

    def features(self, x: Tensor) -> Tensor:
        return self.scale(torch.matmul(self.mel.float(), self.power(self.whole_hops(x))))


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
