"""Augmentations along time: moving and hiding parts of a clip."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from effbench.train.augment.views import Views, integer

#: Lower limit of a time mask's width, as a fraction of the clip.
MIN_MASK = 0.05


def roll(x: Tensor, shifts: Tensor) -> Tensor:
    """Each item moved to the right along its last axis, around the end.

    Shape:
        x: (batch, …, frames); shifts: (batch,) integers
    """
    frames = x.shape[-1]
    source = (torch.arange(frames) - shifts[:, None]) % frames
    source = source.view(len(x), *[1] * (x.ndim - 2), frames).to(x.device)
    return x.gather(-1, source.expand(x.shape))


def frame_shift(views: Views, spread: float, generator: torch.Generator) -> Views:
    """Moves every clip in time by a number of its own, around the end.

    The student's features move by ``trunc(N(0, σ))`` frames with ``σ = trunc(spread · frames)``, everything
    else by that scaled to its number of frames and rounded, halves to even. A ``spread`` of 0.125 is 1.25 s
    of 10 s; 0 is off.
    """
    if spread == 0:
        return views
    frames = views.features[0].shape[3]
    normal = torch.randn(views.batch, generator=generator, dtype=torch.float64)
    shifts = (normal * int(spread * frames)).trunc()

    def moved(x: Tensor) -> Tensor:
        return roll(x, (shifts * x.shape[-1] / frames).round().long())

    return replace(
        views,
        features=tuple(moved(x) for x in views.features),
        labels=moved(views.labels) if views.has_frame_labels else views.labels,
        pseudo=None if views.pseudo is None else moved(views.pseudo),
    )


def silence(features: Tensor, start: int, end: int) -> Tensor:
    """Frames from ``start`` to before ``end`` at the level of the clip's quietest point.

    Shape:
        (batch, 1, mels, frames) -> (batch, 1, mels, frames)
    """
    quietest = features.amin((1, 2, 3), keepdim=True)
    return torch.where(_inside(features, start, end), quietest, features)


def _inside(x: Tensor, start: int, end: int) -> Tensor:
    frame = torch.arange(x.shape[-1], device=x.device)
    return (frame >= start) & (frame < end)


def time_mask(views: Views, max_ratio: float, generator: torch.Generator) -> Views:
    """Silences one part of the batch, in features, labels and pseudo labels.

    On the grid of the labels (of the features, if labels are of clips) the width is one of
    ``trunc(0.05 · frames)``, …, ``trunc(max_ratio · frames) - 1``, and the start is any that leaves it
    inside. A ``max_ratio`` of 0 is off.

    Source: Park et al. 2019 (SpecAugment).
    """
    if max_ratio == 0:
        return views
    grid = views.labels.shape[2] if views.has_frame_labels else views.features[0].shape[3]
    width = integer(int(MIN_MASK * grid), int(max_ratio * grid), generator)
    start = integer(0, grid - width, generator)

    def bounds(x: Tensor) -> tuple[int, int]:
        scale = x.shape[-1] / grid
        return round(start * scale), round((start + width) * scale)

    def without(targets: Tensor) -> Tensor:
        return targets.masked_fill(_inside(targets, *bounds(targets)), 0)

    return replace(
        views,
        features=tuple(silence(x, *bounds(x)) for x in views.features),
        labels=without(views.labels) if views.has_frame_labels else views.labels,
        pseudo=None if views.pseudo is None else without(views.pseudo),
    )
