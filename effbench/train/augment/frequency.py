"""Augmentations along frequency: filters and warping."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.train.augment.views import Views, happens, integer, uniform
from effbench.train.recipe.recipe import FilterAugmentOptions, FrequencyWarpOptions

#: Smallest and largest number of a filter's bands, and the smallest width of one in mels of the student.
BANDS, MIN_WIDTH = (3, 5), 6

#: Smallest part of the mel axis that a warp stretches.
MIN_RATIO = 0.6


def filter_response(edges: Tensor, gains: Tensor) -> Tensor:
    """Gain of every mel band, linear in dB from the first to the last mel band between two edges.

    Shape:
        edges: (bands + 1,) increasing, from 0 to mels; gains: (batch, bands + 1) dB -> (batch, mels) dB
    """
    return torch.cat(
        [
            torch.lerp(gains[:, band, None], gains[:, band + 1, None], torch.linspace(0, 1, width)[None])
            for band, width in enumerate(edges.diff().tolist())
        ],
        dim=1,
    )


def amplify(features: Tensor, decibels: Tensor, *, log_scale: float) -> Tensor:
    """Log-mel features after a filter: g dB add ``g · ln(10) / 10 / log_scale``.

    Args:
        features: (batch, 1, mels, frames), logarithms of power.
        decibels: (batch, mels).
        log_scale: natural-logarithm units per unit of the features.
    """
    return features + (decibels * (math.log(10) / 10 / log_scale)).to(features.device)[:, None, :, None]


def filter_augment(views: Views, options: FilterAugmentOptions, generator: torch.Generator) -> Views:
    """Filters every clip: random gains at the edges of random bands, interpolated in dB.

    The bands are those of the whole batch, the gains those of a clip, uniform in ±``gain_db``; the teacher's
    features get the same filter, with edges scaled to its number of mels.

    Source: Nam et al. 2022 (FilterAugment, linear type).
    """
    if not happens(options.rate, generator):
        return views
    if len(views.log_scales) != len(views.features):
        raise ValueError(f"{len(views.features)} features need as many log_scales, got {views.log_scales}")
    mels = views.features[0].shape[2]
    edges = band_edges(mels, generator)
    limit = options.gain_db
    gains = torch.rand(views.batch, len(edges), generator=generator) * 2 * limit - limit

    def filtered(x: Tensor, log_scale: float) -> Tensor:
        scaled = (edges * (x.shape[2] / mels)).round().long()
        return amplify(x, filter_response(scaled, gains), log_scale=log_scale)

    pairs = zip(views.features, views.log_scales, strict=True)
    return replace(views, features=tuple(filtered(x, log_scale) for x, log_scale in pairs))


def band_edges(mels: int, generator: torch.Generator) -> Tensor:
    """(bands + 1,) edges from 0 to ``mels``; bands are below ``MIN_WIDTH`` only where mels do not suffice."""
    bands = integer(BANDS[0], BANDS[1] + 1, generator)
    width = min(MIN_WIDTH, mels // bands)
    free = torch.randint(mels - bands * width + 1, (bands - 1,), generator=generator).sort().values
    inner = free + torch.arange(1, bands) * width
    return torch.cat([torch.tensor([0]), inner, torch.tensor([mels])])


def warp(features: Tensor, start: int, height: int) -> Tensor:
    """Mel bands from ``start`` to before ``start + height``, stretched over all (bicubic, corners aligned).

    Shape:
        (batch, 1, mels, frames) -> (batch, 1, mels, frames)
    """
    crop = features[:, :, start : start + height]
    return F.interpolate(crop, features.shape[2:], mode="bicubic", align_corners=True)


def frequency_warp(views: Views, options: FrequencyWarpOptions, generator: torch.Generator) -> Views:
    """Stretches a random part, uniform in [0.6, 1), of the mel axis over all of it; the same for the batch.

    Source: Niizumi et al. 2021 (random resized crop of BYOL-A), along frequency only.
    """
    if not happens(options.rate, generator):
        return views
    ratio = MIN_RATIO + (1 - MIN_RATIO) * uniform(generator)
    position = uniform(generator)

    def warped(x: Tensor) -> Tensor:
        height = max(1, int(ratio * x.shape[2]))
        return warp(x, int(position * (x.shape[2] - height)), height)

    return replace(views, features=tuple(warped(x) for x in views.features))
