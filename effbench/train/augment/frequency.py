"""Augmentations along frequency: filters and warping."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.train.augment.draws import happens, integer, uniform
from effbench.train.augment.views import Views


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


@dataclass(frozen=True)
class FilterAugment:
    """Filters every clip: random gains at the edges of random bands, interpolated in dB.

    The bands are those of the whole batch, the gains those of a clip; the teacher's features get the same
    filter, with edges scaled to its number of mels.

    Args:
        rate: probability of every batch.
        bands: smallest and largest number of bands.
        min_width: smallest width of a band in mels of the student; less where the mels do not suffice.
        gain_db: gains are uniform in ±gain_db.

    Source: Nam et al. 2022 (FilterAugment, linear type).
    """

    rate: float
    bands: tuple[int, int] = (3, 5)
    min_width: int = 6
    gain_db: float = 6.0

    def __call__(self, views: Views, generator: torch.Generator) -> Views:
        if not happens(self.rate, generator):
            return views
        if len(views.log_scales) != len(views.features):
            raise ValueError(
                f"{len(views.features)} features need as many log_scales, got {views.log_scales}"
            )
        mels = views.features[0].shape[2]
        edges = self._edges(mels, generator)
        gains = torch.rand(views.batch, len(edges), generator=generator) * 2 * self.gain_db - self.gain_db

        def filtered(x: Tensor, log_scale: float) -> Tensor:
            scaled = (edges * (x.shape[2] / mels)).round().long()
            return amplify(x, filter_response(scaled, gains), log_scale=log_scale)

        pairs = zip(views.features, views.log_scales, strict=True)
        return replace(views, features=tuple(filtered(x, log_scale) for x, log_scale in pairs))

    def _edges(self, mels: int, generator: torch.Generator) -> Tensor:
        bands = integer(self.bands[0], self.bands[1] + 1, generator)
        width = min(self.min_width, mels // bands)
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


@dataclass(frozen=True)
class FrequencyWarp:
    """Stretches a random part of the mel axis over the whole of it, the same for the batch.

    Args:
        rate: probability of every batch.
        min_ratio: the part is uniform in [min_ratio, 1).

    Source: Niizumi et al. 2021 (random resized crop of BYOL-A), along frequency only.
    """

    rate: float
    min_ratio: float = 0.6

    def __call__(self, views: Views, generator: torch.Generator) -> Views:
        if not happens(self.rate, generator):
            return views
        ratio = self.min_ratio + (1 - self.min_ratio) * uniform(generator)
        position = uniform(generator)

        def warped(x: Tensor) -> Tensor:
            height = max(1, int(ratio * x.shape[2]))
            return warp(x, int(position * (x.shape[2] - height)), height)

        return replace(views, features=tuple(warped(x) for x in views.features))
