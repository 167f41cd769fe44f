"""Augmentations of a training recipe: what the section ``augment`` may say."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from effbench.config import Strict

Fraction = Annotated[float, Field(ge=0, le=1)]


class WaveformMixupOptions(Strict):
    """Clips added to others as waveforms, each with a probability of ``rate``."""

    rate: Fraction
    alpha: PositiveFloat = 2.0


class MixupOptions(Strict):
    """Features mixed with those of other clips, in a part ``rate`` of the batches.

    Attributes:
        alpha: first parameter of the beta distribution of a clip's own share.
        beta: second parameter; ``alpha`` by default.
    """

    rate: Fraction
    alpha: PositiveFloat = 0.2
    beta: PositiveFloat | None = None


class MixStyleOptions(Strict):
    """Statistics of mel bands mixed with those of other clips, in a part ``rate`` of the batches."""

    rate: Fraction
    alpha: PositiveFloat = 0.4


class FilterAugmentOptions(Strict):
    """A random equaliser, in a part ``rate`` of the batches."""

    rate: Fraction
    gain_db: PositiveFloat = 6.0


class FrequencyWarpOptions(Strict):
    """A random crop of the mel axis, stretched back, in a part ``rate`` of the batches."""

    rate: Fraction


class AugmentOptions(Strict):
    """Augmentations in the order in which they are applied; what is left out is off.

    Attributes:
        mel_jitter: random limits of the mel filters, where the front-end has them.
        frame_shift: standard deviation of the circular shift, as a fraction of the item.
        time_mask: longest mask, as a fraction of the item.
    """

    waveform_mixup: WaveformMixupOptions | None = None
    mel_jitter: bool = False
    frame_shift: Fraction = 0.0
    mixup: MixupOptions | None = None
    mixstyle: MixStyleOptions | None = None
    time_mask: Fraction = 0.0
    filter_augment: FilterAugmentOptions | None = None
    frequency_warp: FrequencyWarpOptions | None = None
