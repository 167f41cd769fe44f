"""Augmentation of whole batches, on the device of the batch.

Every draw comes from a CPU generator that the caller gives, so a batch is augmented alike on any device, and
a run that is resumed can go on with the draws it would have had. A rate of 0 draws nothing.
"""

from effbench.train.augment.frequency import FilterAugment, FrequencyWarp
from effbench.train.augment.mixing import MixStyle, Mixup, WaveformMixup
from effbench.train.augment.pipeline import Augmentation
from effbench.train.augment.time import FrameShift, TimeMask
from effbench.train.augment.views import Views

__all__ = [
    "Augmentation",
    "FilterAugment",
    "FrameShift",
    "FrequencyWarp",
    "MixStyle",
    "Mixup",
    "TimeMask",
    "Views",
    "WaveformMixup",
]
