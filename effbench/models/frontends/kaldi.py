"""Kaldi filter banks: the front-ends of BEATs and ASiT."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from effbench.models.frontends.filters import kaldi_filterbank
from effbench.models.frontends.frontend import Frontend

FLOAT32_EPSILON = 1.1920929e-7

#: Samples of a frame.
_LENGTH = 400


class KaldiFrontend(Frontend):
    """Log energies of Kaldi's 128 mel filters, 20 to 8000 Hz, of frames wholly inside the audio; no dither.

    Args:
        window: ``povey`` (a symmetric Hann window to the power 0.85) or ``hann`` (symmetric).
        scale: factor on the waveform; Kaldi's own audio has the range of 16-bit integers.
        centre: subtract each clip's mean first.
        mean: of the log energies, subtracted.
        deviation: standard deviation of the log energies; twice this divides them.
        min_frames: fewest feature frames that the backbone can take.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, 128, frames), 998 frames for 10 s

    Source: Povey et al. 2011 (Kaldi), ``compute-fbank-feats``.
    """

    centred = False

    def __init__(
        self,
        *,
        window: Literal["povey", "hann"],
        mean: float,
        deviation: float,
        scale: float = 1.0,
        centre: bool = False,
        min_frames: int = 1,
    ) -> None:
        # One sample more than the hops before the last one that the shortest input needs.
        hops = -(-(_LENGTH + (min_frames - 1) * self.hop) // self.hop)
        hann = torch.hann_window(_LENGTH, periodic=False)
        super().__init__(
            hann**0.85 if window == "povey" else hann,
            kaldi_filterbank(128, 512, fmin=20.0, fmax=8000.0),
            min_samples=(hops - 1) * self.hop + 1,
            log_scale=2.0 * deviation,
        )
        self.scale, self.centre, self.mean = scale, centre, mean

    def frames(self, samples: int) -> int:
        return (self.hops(samples) * self.hop - _LENGTH) // self.hop + 1

    def features(self, x: Tensor) -> Tensor:
        x = x * self.scale
        if self.centre:
            x = x - x.mean(1, keepdim=True)
        power = self.power(self.whole_hops(x)).transpose(1, 2)
        log_mel = torch.matmul(power, self.mel.float().T).clamp(min=FLOAT32_EPSILON).log()
        return ((log_mel - self.mean) / self.log_scale).transpose(1, 2)

    def power(self, x: Tensor) -> Tensor:
        spectrum = self.spectra(x.unfold(1, _LENGTH, self.hop))
        return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)

    def spectra(self, frames: Tensor) -> Tensor:
        frames = frames - frames.mean(-1, keepdim=True)
        # Pre-emphasis inside the frame; the first sample stands for the one before it.
        before = torch.cat((frames[..., :1], frames[..., :-1]), -1)
        return super().spectra(frames - 0.97 * before)


def beats_frontend(min_frames: int) -> KaldiFrontend:
    """Front-end of BEATs."""
    return KaldiFrontend(
        window="povey", scale=32768.0, mean=15.41663, deviation=6.55582, min_frames=min_frames
    )


def asit_frontend(min_frames: int) -> KaldiFrontend:
    """Front-end of ASiT."""
    return KaldiFrontend(
        window="hann", centre=True, mean=-4.2677393, deviation=4.5689974, min_frames=min_frames
    )
