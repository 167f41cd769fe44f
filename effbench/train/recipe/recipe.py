"""Training recipes: what a YAML file under ``train/`` may say, section by section."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from effbench.config import Strict
from effbench.errors import EffbenchError
from effbench.evaluate.protocol_files import Protocol, load_protocol
from effbench.grid import CLIP_SECONDS
from effbench.yaml_files import PROTOCOLS, shipped

Fraction = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(gt=0, le=1)]

#: How clip labels are scored.
_WEAK = "weak"


class DataOptions(Strict):
    """Which clips, and how they become items.

    Attributes:
        train_split: name of the training split; several joined by ``+``.
        validation_split: name of the split that is scored.
        crop_seconds: length of a training item; longer clips give random crops.
        labels: ``cover`` marks every frame that an event touches, ``centre`` those whose centre it covers.
        float32_times: round event times to single precision first, which moves boundaries on the grid.
        classes: ``audioset`` for the 447 AudioSet-strong classes; ``data`` for the data set's own, of which
            AudioSet-strong sets have those that occur.
        sampling: ``uniform``, or ``balanced`` to draw rare classes more often.
        weak_split: split of the weak batches, for the task ``advanced``.
        weak_sampling: as ``sampling``, of the weak batches.
        epoch_items: items of one epoch; all by default.
        limit: use only so many clips, drawn with the seed.
    """

    train_split: str = "train"
    validation_split: str = "eval"
    crop_seconds: PositiveFloat = CLIP_SECONDS
    labels: Literal["cover", "centre"] = "cover"
    float32_times: bool = False
    classes: Literal["audioset", "data"] = "audioset"
    sampling: Literal["uniform", "balanced"] = "uniform"
    weak_split: str = "train"
    weak_sampling: Literal["uniform", "balanced"] = "uniform"
    epoch_items: PositiveInt | None = None
    limit: PositiveInt | None = None


class BatchOptions(Strict):
    """Items per optimiser step and per forward pass.

    Attributes:
        size: items per forward pass on each device.
        effective: items per optimiser step over all devices; gradients accumulate up to it.
    """

    size: PositiveInt = 64
    effective: PositiveInt = 256

    @model_validator(mode="after")
    def _divides(self) -> BatchOptions:
        if self.effective % self.size:
            raise ValueError(f"effective {self.effective} is not a multiple of size {self.size}")
        return self


class OptimizerOptions(Strict):
    """Optimiser and learning rates.

    Attributes:
        name: ``adam`` or ``adamw``; weight decay needs ``adamw``.
        lr: peak rate of the backbone's top layer.
        sequence_lr: peak rate of sequence model and heads; ``lr`` by default.
        card: take both rates from this training of the model's card, where it has them.
        weight_decay: of tensors with two dimensions or more.
        layer_decay: rate of each backbone layer as a fraction of the next higher one's.
    """

    name: Literal["adam", "adamw"] = "adam"
    lr: PositiveFloat
    sequence_lr: PositiveFloat | None = None
    card: Literal["strong", "advanced-kd"] | None = None
    weight_decay: NonNegativeFloat = 0.0
    layer_decay: Ratio = 1.0

    @model_validator(mode="after")
    def _decays(self) -> OptimizerOptions:
        if self.weight_decay and self.name == "adam":
            raise ValueError(f"weight_decay {self.weight_decay} needs the optimiser adamw")
        return self


class ScheduleOptions(Strict):
    """Learning rate over the optimiser steps, as a factor of the peak rates.

    Attributes:
        shape: after the warm-up.
        warmup_steps: linear from zero.
        end: factor at the last step.
    """

    shape: Literal["cosine", "linear", "exponential", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    end: Fraction = 0.0

    @model_validator(mode="after")
    def _ends(self) -> ScheduleOptions:
        if self.shape == "exponential" and self.end == 0:
            raise ValueError("an exponential schedule needs an end above 0")
        return self


class WaveformMixupOptions(Strict):
    """Clips added to others as waveforms.

    Attributes:
        rate: probability of each clip.
        alpha: of the distribution Beta(alpha, alpha), whose larger part is a clip's own share.
    """

    rate: Fraction
    alpha: PositiveFloat = 2.0


class MixupOptions(Strict):
    """Features mixed with those of other clips.

    Attributes:
        rate: share of the batches.
        alpha: first parameter of the beta distribution of a clip's own share.
        beta: second parameter; ``alpha`` by default.
    """

    rate: Fraction
    alpha: PositiveFloat = 0.2
    beta: PositiveFloat | None = None


class MixStyleOptions(Strict):
    """Statistics of mel bands mixed with those of other clips.

    Attributes:
        rate: share of the batches.
        alpha: of the distribution Beta(alpha, alpha), whose larger part is a clip's own share.
    """

    rate: Fraction
    alpha: PositiveFloat = 0.4


class FilterAugmentOptions(Strict):
    """A random equaliser.

    Attributes:
        rate: share of the batches.
        gain_db: largest gain, up or down.
    """

    rate: Fraction
    gain_db: PositiveFloat = 6.0


class FrequencyWarpOptions(Strict):
    """A random crop of the mel axis, stretched back.

    Attributes:
        rate: share of the batches.
    """

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


class TeacherOptions(Strict):
    """An online teacher, of the task ``advanced``: it labels every batch, augmented as for the student.

    Attributes:
        model: spec of the teacher.
        checkpoint: its weights: ``strong``, a file or a run.
        weight: of the teacher's part of the loss.
        supervised_weight: of the labels' part.
        strong_share: share of the strong batch in the teacher's part; the rest is the weak batch's.
        weak_mixup: parameter of the mixup of weak batches.
    """

    model: str
    checkpoint: str
    weight: NonNegativeFloat = 0.9
    supervised_weight: NonNegativeFloat = 0.1
    strong_share: Fraction = 0.5
    weak_mixup: PositiveFloat = 0.3


class ValidationOptions(Strict):
    """When and how the model is scored.

    Attributes:
        every: epochs between two validations; the last epoch is always followed by one.
        protocol: of ``effbench evaluate``: a name, the path of a YAML file from the recipe's folder, or what
            that says, as runs keep it; ``weak`` for clip labels.
        metric: the highest decides which weights are the best.
        batch_size: windows of 10 s per forward pass.
    """

    every: PositiveInt = 5
    protocol: str | dict[str, Any] = "paper"
    metric: str = "psds1"
    batch_size: PositiveInt = 32

    @field_validator("protocol", mode="before")
    @classmethod
    def _whole(cls, given: object) -> object:
        if not isinstance(given, str | dict) or given in (_WEAK, *shipped(PROTOCOLS)):
            return given
        try:
            return load_protocol(given).kept
        except EffbenchError as error:
            raise ValueError("; ".join(str(error).splitlines())) from error

    @model_validator(mode="after")
    def _has_metric(self) -> ValidationOptions:
        known = ("map",) if self.plan is None else self.plan.percentages
        if self.metric not in known:
            name = _WEAK if self.plan is None else self.plan.name
            raise ValueError(f"metric {self.metric}: {name} has {', '.join(known)}")
        return self

    @cached_property
    def plan(self) -> Protocol | None:
        """The protocol that is followed; clip labels are scored by none."""
        return None if self.protocol == _WEAK else load_protocol(self.protocol)


class Recipe(Strict):
    """One training, apart from the model and the place of the data.

    Attributes:
        description: one line for people.
        task: ``strong`` trains the frame-wise head, ``weak`` the clip-wise one, ``advanced`` the frame-wise
            one with an online teacher on weak and strong clips in equal parts.
        initialise: ``scratch``; ``weak``, ``strong``, …: the published weights; a file; or a run's folder.
        epochs: passes over the training items (or over ``data.epoch_items``).
        seed: of everything random.
        precision: of the network; front-end, scans and losses stay in float32.
        distillation: weight of pseudo labels against labels; 0 for none.
        frozen: train the heads alone.
        clip_norm: largest norm of the gradients.
        ema: decay of the moving average of the weights that is validated and kept, per optimiser step.
        batch_norm_momentum: how fast the statistics of batch norms follow the batches; by default the
            architecture's own, which suits long trainings.
        gradient_checkpointing: less memory for more time, where the backbone has it.
    """

    description: str
    task: Literal["strong", "weak", "advanced"]
    initialise: str = "scratch"
    epochs: PositiveInt
    seed: int = Field(default=0, ge=0, lt=2**31)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    data: DataOptions = DataOptions()
    batch: BatchOptions = BatchOptions()
    optimizer: OptimizerOptions
    schedule: ScheduleOptions = ScheduleOptions()
    augment: AugmentOptions = AugmentOptions()
    distillation: Fraction = 0.0
    teacher: TeacherOptions | None = None
    frozen: bool = False
    clip_norm: PositiveFloat | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    batch_norm_momentum: Ratio | None = None
    gradient_checkpointing: bool = False
    validation: ValidationOptions = ValidationOptions()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        advanced, weak = self.task == "advanced", self.task == "weak"
        mismatched = weak != (self.validation.plan is None)
        untrained = self.frozen and self.initialise == "scratch"
        problems = {
            "the task advanced needs a teacher": advanced and self.teacher is None,
            "a teacher needs the task advanced": not advanced and self.teacher is not None,
            "distillation needs frame-wise labels: task strong": weak and self.distillation > 0,
            "the task weak is validated by the protocol weak, and only it": mismatched,
            "frozen and initialise: scratch leave an untrained backbone": untrained,
        }
        if any(problems.values()):
            raise ValueError("; ".join(problem for problem, holds in problems.items() if holds))
        return self
