"""Augmentations that mix the clips of a batch: waveforms, features, statistics of features."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from effbench.train.augment.views import Views, beta, happens
from effbench.train.recipe.recipe import MixStyleOptions, MixupOptions, WaveformMixupOptions


def mix(x: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """``share · x + (1 - share) · x[partner]``.

    Shape:
        x: (batch, …); partner: (batch,) positions in the batch; share: (batch,)
    """
    share = share.to(x.device).view(-1, *[1] * (x.ndim - 1))
    return torch.lerp(x[partner.to(x.device)], x, share)


def mix_waveforms(waveform: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """(batch, samples) mixed without their means, so the result has none; as it is for a share of 1."""
    mixed = mix(waveform - waveform.mean(1, keepdim=True), partner, share)
    return torch.where((share < 1).to(waveform.device)[:, None], mixed, waveform)


def waveform_mixup(
    waveform: Tensor,
    labels: Tensor,
    pseudo: Tensor | None,
    options: WaveformMixupOptions,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Mixes waveforms (batch, samples), labels (batch, classes[, frames]) and pseudo labels alike.

    Every clip is mixed with a random partner with a probability of ``rate``; its share is the larger part of
    a Beta(alpha, alpha) variate. A clip can be its own partner.

    Source: Zhang et al. 2018 (mixup); Tokozume et al. 2018 (between-class learning).
    """
    if options.rate == 0:
        return waveform, labels, pseudo
    chosen = torch.rand(len(waveform), generator=generator) < options.rate
    partner = torch.randperm(len(waveform), generator=generator)
    share = beta(options.alpha, options.alpha, len(waveform), generator, maxed=True)
    share = torch.where(chosen, share, 1.0)
    mixed = None if pseudo is None else mix(pseudo, partner, share)
    return mix_waveforms(waveform, partner, share), mix(labels, partner, share), mixed


def mixup(views: Views, options: MixupOptions, generator: torch.Generator, *, maxed: bool = False) -> Views:
    """Mixes features and labels of all clips of a batch with those of random partners.

    A clip's own share is a Beta(alpha, beta) variate or, if ``maxed``, the larger part of one.

    Source: Zhang et al. 2018 (mixup).
    """
    if not happens(options.rate, generator):
        return views
    second = options.alpha if options.beta is None else options.beta
    share = beta(options.alpha, second, views.batch, generator, maxed=maxed)
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


def mixstyle(views: Views, options: MixStyleOptions, generator: torch.Generator) -> Views:
    """Gives clips a part of the spectral colour of random partners in the batch.

    A clip's own share is the larger part of a Beta(alpha, alpha) variate. Student and teacher have statistics
    of their own, and the same partners and shares; no gradient flows through the statistics.

    Source: Zhou et al. 2021 (MixStyle); Schmid et al. 2022 (frequency-wise).
    """
    if not happens(options.rate, generator):
        return views
    share = beta(options.alpha, options.alpha, views.batch, generator, maxed=True)
    partner = torch.randperm(views.batch, generator=generator)
    return replace(views, features=tuple(mix_style(x, partner, share) for x in views.features))
