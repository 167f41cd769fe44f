"""What is trained: a detector and its loss on one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from effbench.errors import UsageError
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.frontends.mel import LogMelFrontend
from effbench.train.augment.mixing import mixup, waveform_mixup
from effbench.train.augment.pipeline import augment
from effbench.train.augment.views import Views
from effbench.train.feed.loader import Batch
from effbench.train.losses import advanced_loss, bce, distillation_loss
from effbench.train.recipe.recipe import MixupOptions, Recipe

FMIN_JITTER, FMAX_JITTER = 10, 2000

Tensors = dict[str, Tensor]


class DetectorTraining(nn.Module):
    """A detector with the loss of a recipe.

    ``prepare`` makes examples of clips (front-end, augmentation, the teacher's labels; no gradient), and
    ``training_step`` the loss of examples. They are apart because only the second is the network's work, in
    the recipe's precision and, on several devices, synchronised.

    The ``teacher`` of the task ``advanced`` is not part of this module: its weights and mode do not follow.
    """

    def __init__(
        self, detector: SoundEventDetector, recipe: Recipe, teacher: SoundEventDetector | None = None
    ) -> None:
        super().__init__()
        # Convolutions train faster with channels last; what is computed stays the same.
        self.detector = detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self._teacher: tuple[SoundEventDetector, ...] = ()
        if teacher is not None:
            self._teacher = (teacher.eval().requires_grad_(False),)
        unused = detector.strong_head if recipe.task == "weak" else detector.weak_head
        unused.requires_grad_(False)
        if recipe.frozen:
            detector.backbone.requires_grad_(False)
            detector.sequence.requires_grad_(False)
        if recipe.augment.mel_jitter and isinstance(detector.frontend, LogMelFrontend):
            detector.frontend.fmin_jitter, detector.frontend.fmax_jitter = FMIN_JITTER, FMAX_JITTER
        for norm in detector.modules():
            if isinstance(norm, nn.BatchNorm2d) and recipe.batch_norm_momentum is not None:
                norm.momentum = recipe.batch_norm_momentum
        if recipe.gradient_checkpointing:
            if not hasattr(detector.backbone, "gradient_checkpointing"):
                raise UsageError("gradient_checkpointing is for transformers: this backbone has none")
            setattr(detector.backbone, "gradient_checkpointing", True)  # noqa: B010  # of any class

    def forward(self, features: Tensor) -> Predictions:
        """Logits, in eval mode for validation."""
        return self.detector(features)

    def set_mode(self) -> None:
        """Train mode; what is frozen stays in eval mode, statistics of batch norms and jitter included."""
        self.train()
        if self.recipe.frozen:
            for part in (self.detector.frontend, self.detector.backbone, self.detector.sequence):
                part.eval()

    def move_teacher(self, device: torch.device) -> None:
        """Bring the teacher to where the batches are."""
        for teacher in self._teacher:
            teacher.to(device)

    @torch.no_grad()
    def prepare(self, batch: Batch, generator: torch.Generator, weak: Batch | None = None) -> Tensors:
        """Features and targets of one batch, augmented; a weak batch beside it for the task ``advanced``.

        Shape:
            ``features`` (batch, 1, mels, feature frames); ``labels`` and ``pseudo`` (batch, classes, frames),
            ``labels`` (batch, classes) for the task ``weak``; ``teacher`` as ``pseudo``; ``weak_…`` likewise
        """
        labels = cast(Tensor, batch.weak if self.recipe.task == "weak" else batch.labels)
        waveform, pseudo, options = batch.waveform, batch.pseudo, self.recipe.augment
        if options.waveform_mixup is not None:
            waveform, labels, pseudo = waveform_mixup(
                waveform, labels, pseudo, options.waveform_mixup, generator
            )
        views = augment(self._views(waveform, labels, pseudo), options, generator)
        tensors = {"features": views.features[0], "labels": views.labels}
        if views.pseudo is not None:
            tensors["pseudo"] = views.pseudo
        if weak is not None and self.recipe.teacher is not None:
            tensors["teacher"] = self._taught(views)
            mixing = MixupOptions(rate=1.0, alpha=self.recipe.teacher.weak_mixup)
            unlabelled = torch.zeros(len(weak.waveform), 1)
            other = mixup(self._views(weak.waveform, unlabelled, None), mixing, generator, maxed=True)
            tensors["weak_features"], tensors["weak_teacher"] = other.features[0], self._taught(other)
        return tensors

    def training_step(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Loss of what ``prepare`` made."""
        recipe, pseudo = self.recipe, tensors.get("pseudo")
        predictions = self.detector(tensors["features"])
        if recipe.task == "weak":
            return bce(predictions.weak, tensors["labels"])
        if recipe.teacher is None:
            return distillation_loss(predictions.strong, tensors["labels"], pseudo, recipe.distillation)
        return advanced_loss(
            predictions.strong,
            tensors["labels"],
            tensors["teacher"],
            self.detector(tensors["weak_features"]).strong,
            tensors["weak_teacher"],
            pseudo=pseudo,
            pseudo_weight=recipe.distillation,
            label_weight=recipe.teacher.supervised_weight,
            teacher_weight=recipe.teacher.weight,
            strong_share=recipe.teacher.strong_share,
        )

    def _views(self, waveform: Tensor, labels: Tensor, pseudo: Tensor | None) -> Views:
        frontends: list[nn.Module] = [self.detector.frontend, *(t.frontend for t in self._teacher)]
        return Views(
            tuple(frontend(waveform) for frontend in frontends),
            labels.to(waveform.device),
            pseudo,
            log_scales=tuple(cast(float, frontend.log_scale) for frontend in frontends),
        )

    def _taught(self, views: Views) -> Tensor:
        """Probabilities of the teacher for its own features of a batch."""
        teacher = self._teacher[0]
        dtype = Precision(self.recipe.precision).dtype
        with torch.autocast(views.labels.device.type, dtype=dtype, enabled=dtype != torch.float32):
            logits = teacher(views.features[1]).strong
        return logits.float().sigmoid()
