"""Log-mel spectrograms: the front-end of frame-wise MobileNets and fPaSST."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.models.frontends.filters import kaldi_filterbank
from effbench.models.frontends.frontend import Frontend


class LogMelFrontend(Frontend):
    """Normalised log-mel spectrogram of pre-emphasised audio.

    Args:
        n_mels: number of mel bands.
        n_fft: length of the Fourier transform, samples.
        window: length of the Hann window, samples.
        hop: distance of two frames, samples.
        fmin: lower edge of the lowest band, Hz.
        fmax: upper edge of the highest band, Hz.
        periodic: take the periodic Hann window, as fPaSST does, instead of the symmetric one.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, n_mels, frames), frames = 1 + (samples - 1) // hop
    """

    window: Tensor
    mel: Tensor

    def __init__(
        self,
        *,
        n_mels: int = 128,
        n_fft: int = 512,
        window: int = 400,
        hop: int = 160,
        fmin: float = 0.0,
        fmax: float = 7000.0,
        periodic: bool = False,
    ) -> None:
        # The spectrum's reflected edges need more than half a transform.
        super().__init__(hop=hop, min_samples=n_fft // 2 + 2, log_scale=5.0)
        self.n_mels, self.n_fft = n_mels, n_fft
        self.fmin, self.fmax = fmin, fmax
        # Hz by which training moves both limits at random: set by what trains, never active in eval mode.
        self.fmin_jitter, self.fmax_jitter = 0, 0
        self.register_buffer("window", torch.hann_window(window, periodic=periodic), persistent=False)
        self.register_buffer("mel", kaldi_filterbank(n_mels, n_fft, fmin=fmin, fmax=fmax), persistent=False)

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
        return kaldi_filterbank(self.n_mels, self.n_fft, fmin=fmin, fmax=fmax).to(self.mel.device)

    def features(self, x: Tensor) -> Tensor:
        x = x[:, 1:] - 0.97 * x[:, :-1]
        spectrum = torch.stft(
            x,
            self.n_fft,
            self.hop,
            win_length=len(self.window),
            window=self.window.float(),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        log_mel = torch.matmul(self._filters().float(), power).clamp(min=1e-7).log()
        return (log_mel + 4.5) / self.log_scale


def _below(limit: int) -> int:
    """A random one of 0, …, ``limit - 1``; 0, and nothing drawn, for a limit of 0."""
    return int(torch.randint(limit, ())) if limit else 0
