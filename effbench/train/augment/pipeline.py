"""All augmentations of one branch of a training, in their order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.train.augment.frequency import FilterAugment, FrequencyWarp
from effbench.train.augment.mixing import MixStyle, Mixup, WaveformMixup
from effbench.train.augment.time import FrameShift, TimeMask
from effbench.train.augment.views import Views


@dataclass(frozen=True)
class Augmentation:
    """Which augmentations a branch has; those left out are off.

    Audio goes through ``apply_to_audio``, then through the front-ends, and features through ``apply``.
    """

    waveform_mixup: WaveformMixup | None = None
    frame_shift: FrameShift | None = None
    mixup: Mixup | None = None
    mixstyle: MixStyle | None = None
    time_mask: TimeMask | None = None
    filter_augment: FilterAugment | None = None
    frequency_warp: FrequencyWarp | None = None

    def apply_to_audio(
        self, waveform: Tensor, labels: Tensor, pseudo: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Waveforms (batch, samples), labels and pseudo labels after waveform mixup."""
        if self.waveform_mixup is None:
            return waveform, labels, pseudo
        return self.waveform_mixup(waveform, labels, pseudo, generator)

    def apply(self, views: Views, generator: torch.Generator) -> Views:
        """The batch after frame shift, mixup, mixstyle, time mask, filter and warp, in this order."""
        steps = (
            self.frame_shift,
            self.mixup,
            self.mixstyle,
            self.time_mask,
            self.filter_augment,
            self.frequency_warp,
        )
        for step in steps:
            if step is not None:
                views = step(views, generator)
        return views
