"""The augmentations of a recipe, in their order."""

from __future__ import annotations

import torch

from effbench.train.augment.frequency import filter_augment, frequency_warp
from effbench.train.augment.mixing import mixstyle, mixup
from effbench.train.augment.time import frame_shift, time_mask
from effbench.train.augment.views import Views
from effbench.train.recipe.recipe import AugmentOptions


def augment(views: Views, options: AugmentOptions, generator: torch.Generator) -> Views:
    """The batch after frame shift, mixup, mixstyle, time mask, filter and warp, in this order."""
    views = frame_shift(views, options.frame_shift, generator)
    if options.mixup is not None:
        views = mixup(views, options.mixup, generator)
    if options.mixstyle is not None:
        views = mixstyle(views, options.mixstyle, generator)
    views = time_mask(views, options.time_mask, generator)
    if options.filter_augment is not None:
        views = filter_augment(views, options.filter_augment, generator)
    if options.frequency_warp is not None:
        views = frequency_warp(views, options.frequency_warp, generator)
    return views
