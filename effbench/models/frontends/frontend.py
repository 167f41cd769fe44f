"""What the front-ends share: checks, float32, windows and filters, and audio filled up to whole hops."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.grid import SAMPLE_RATE
from effbench.models.layers import no_autocast


class Frontend(nn.Module):
    """Waveform to normalised features, always in float32; contributes no entry to a ``state_dict``.

    Args:
        window: of a frame, (samples,).
        mel: filters, (mels, n_fft // 2 + 1).
        min_samples: shortest input, samples.
        log_scale: natural logarithms of power per unit of the features.

    Shape:
        (batch, samples) at 16 kHz -> (batch, 1, mels, frames)
    """

    window: Tensor
    mel: Tensor
    #: Distance of two feature frames, samples.
    hop = 160
    #: Whether frames have their centres on multiples of the hop, and reach beyond the edges.
    centred = True

    def __init__(self, window: Tensor, mel: Tensor, *, min_samples: int, log_scale: float) -> None:
        super().__init__()
        self.min_samples, self.log_scale = min_samples, log_scale
        self.n_fft = 2 * (mel.shape[1] - 1)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("mel", mel, persistent=False)

    @abstractmethod
    def frames(self, samples: int) -> int:
        """Number of feature frames for a number of samples."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(batch, samples) -> (batch, mels, frames)."""

    def hops(self, samples: int) -> int:
        """Number of hops that audio fills, the last one perhaps in part."""
        return -(-samples // self.hop)

    def whole_hops(self, x: Tensor) -> Tensor:
        """Audio with zeros at its end up to a multiple of the hop, (batch, samples) -> (batch, samples).

        So the number of feature frames tells the length of the audio; 10 s are whole hops already.
        """
        return F.pad(x, (0, -x.shape[1] % self.hop))

    def spectra(self, frames: Tensor) -> Tensor:
        """Of frames one by one, linear in their samples: (..., window samples) -> complex (..., bins)."""
        return torch.fft.rfft(frames * self.window.float(), n=self.n_fft)

    def power(self, x: Tensor) -> Tensor:
        """Power of all frames, reflected at the edges: (batch, samples) -> (batch, bins, frames)."""
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
        return spectrum.real.square() + spectrum.imag.square()

    def forward(self, waveform: Tensor) -> Tensor:
        if waveform.ndim != 2:
            raise ValueError(f"waveform must be (batch, samples), got {tuple(waveform.shape)}")
        if waveform.shape[1] < self.min_samples:
            raise ValueError(
                f"waveform has {waveform.shape[1]} samples; at least {self.min_samples} "
                f"({self.min_samples / SAMPLE_RATE * 1000:.0f} ms) are needed: pad it with zeros"
            )
        with no_autocast(waveform.device):
            return self.features(waveform.float()).unsqueeze(1)
