"""Augmentations that mix the clips of a batch: waveforms, features, statistics of features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from effbench.train.augment.draws import beta, happens
from effbench.train.augment.views import Views


def mix(x: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """``share · x + (1 - share) · x[partner]``.

    Shape:
        x: (batch, …); partner: (batch,) positions in the batch; share: (batch,)
    """
    share = share.to(x.device).view(-1, *[1] * (x.ndim - 1))
    return torch.lerp(x[partner.to(x.device)], x, share)


def mix_waveforms(waveform: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Mixed without their means, so that the result has none; clips with a share of 1 stay as they are.

    Shape:
        (batch, samples) -> (batch, samples)
    """
    mixed = mix(waveform - waveform.mean(1, keepdim=True), partner, share)
    return torch.where((share < 1).to(waveform.device)[:, None], mixed, waveform)


@dataclass(frozen=True)
class WaveformMixup:
    """Mixes audio and labels of clips with those of random partners in the batch.

    The share of the clip itself is the larger part of a Beta(alpha, alpha) variate. A clip can be its own
    partner.

    Args:
        rate: probability of every clip to be mixed.
        alpha: both parameters of the beta distribution.

    Source: Zhang et al. 2018 (mixup); Tokozume et al. 2018 (between-class learning).
    """

    rate: float
    alpha: float = 2.0

    def __call__(
        self, waveform: Tensor, labels: Tensor, pseudo: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Mixed waveforms (batch, samples), labels (batch, classes[, frames]) and pseudo labels."""
        if self.rate == 0:
            return waveform, labels, pseudo
        chosen = torch.rand(len(waveform), generator=generator) < self.rate
        partner = torch.randperm(len(waveform), generator=generator)
        share = beta(self.alpha, self.alpha, len(waveform), generator, maxed=True)
        share = torch.where(chosen, share, 1.0)
        return (
            mix_waveforms(waveform, partner, share),
            mix(labels, partner, share),
            None if pseudo is None else mix(pseudo, partner, share),
        )


@dataclass(frozen=True)
class Mixup:
    """Mixes features and labels of all clips with those of random partners in the batch.

    Args:
        rate: probability of every batch to be mixed.
        alpha: first parameter of the beta distribution that a clip's own share has.
        beta: second parameter; ``alpha`` by default.
        maxed: the clip's own share is the larger one.

    Source: Zhang et al. 2018 (mixup).
    """

    rate: float
    alpha: float = 0.2
    beta: float | None = None
    maxed: bool = False

    def __call__(self, views: Views, generator: torch.Generator) -> Views:
        if not happens(self.rate, generator):
            return views
        second = self.alpha if self.beta is None else self.beta
        share = beta(self.alpha, second, views.batch, generator, maxed=self.maxed)
        partner = torch.randperm(views.batch, generator=generator)
        return replace(
            views,
            features=tuple(mix(x, partner, share) for x in views.features),
            labels=mix(views.labels, partner, share).clamp(0, 1),
            pseudo=None if views.pseudo is None else mix(views.pseudo, partner, share),
        )


def mix_style(features: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Each mel band's mean and deviation over time, mixed with the partner's.

    ``σ² = var + 1e-6`` with the unbiased variance.

    Shape:
        (batch, 1, mels, frames) -> (batch, 1, mels, frames)
    """
    variance, mean = torch.var_mean(features, dim=3, keepdim=True)
    deviation = (variance + 1e-6).sqrt()
    return (features - mean) / deviation * mix(deviation, partner, share) + mix(mean, partner, share)


@dataclass(frozen=True)
class MixStyle:
    """Gives clips a part of the spectral colour of random partners in the batch.

    Student and teacher have statistics of their own, and the same partners and shares; features carry no
    gradient, so neither do their statistics.

    Args:
        rate: probability of every batch.
        alpha: both parameters of the beta distribution, of which the clip has the larger part.

    Source: Zhou et al. 2021 (MixStyle); Schmid et al. 2022 (frequency-wise).
    """

    rate: float
    alpha: float = 0.4

    def __call__(self, views: Views, generator: torch.Generator) -> Views:
        if not happens(self.rate, generator):
            return views
        share = beta(self.alpha, self.alpha, views.batch, generator, maxed=True)
        partner = torch.randperm(views.batch, generator=generator)
        return replace(views, features=tuple(mix_style(x, partner, share) for x in views.features))
