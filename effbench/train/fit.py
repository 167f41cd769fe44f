"""The training loop: from a position to the last step, on any number of devices, saved as it goes.

Everything random about a step follows from the seed and the step's number, so a run that is stopped and
resumed computes what it would have computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import cast

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.wrappers import _FabricOptimizer
from torch import Tensor

from effbench.errors import Stopped
from effbench.models.checkpoints import save_checkpoint
from effbench.train.feed.training_data import Batches, StepBatches, TrainingData
from effbench.train.health import Recent, any_process, check_weights
from effbench.train.module import DetectorTraining
from effbench.train.optimizer import ScheduledRates, WeightAverage, make_optimizer
from effbench.train.progress import Progress
from effbench.train.runs import Run
from effbench.train.state import FurtherState, Position, detector_state, load_state, training_state
from effbench.train.validation import Scored, Validator

#: Optimiser steps between two looks at the losses (a look waits for the GPU), and between two saves.
LOOK_EVERY, SAVE_EVERY = 20, 500


class Fit:
    """One training: data, module and a launched fabric, with the run that keeps its results.

    ``workers`` are the loading processes of each training process; ``stop`` is called after every step.
    """

    def __init__(
        self,
        data: TrainingData,
        module: DetectorTraining,
        fabric: Fabric,
        run: Run,
        progress: Progress,
        *,
        workers: int = 0,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data, self.recipe, self.fabric = data, data.recipe, fabric
        self.run, self.progress, self.stop = run, progress, stop
        rank, world, pinned = fabric.global_rank, fabric.world_size, fabric.device.type == "cuda"
        self.steps = StepBatches(data, rank=rank, world=world, workers=workers, pinned=pinned)
        validation = data.validation_loader(rank=rank, world=world, workers=workers, pinned=pinned)
        self.validator = Validator(data, fabric, run.folder, validation)
        module.move_teacher(fabric.device)
        self.module = module
        self.model = fabric.setup_module(module)
        self.model.mark_forward_method("training_step")
        self.optimizer = make_optimizer(module.detector, self.recipe)
        self._stepper = cast(_FabricOptimizer, fabric.setup_optimizers(self.optimizer))
        self.average = WeightAverage(module.detector, self.recipe.ema) if self.recipe.ema else None
        self.position = Position(batches=self.steps.epoch_batches)
        self.total_steps = self.recipe.epochs * self.steps.epoch_steps
        self.rates = ScheduledRates(self.optimizer, self.recipe.schedule, self.total_steps)
        self.conditions: Mapping[str, object] = {}
        """What the scores depend on besides the weights, from the last validation."""
        self._recent = Recent(fabric)

    def resume(self) -> None:
        """Go back to where the run was saved last, if it was."""
        if not self.run.last.is_file():
            return
        self.position, further = load_state(self.run.last, self.module, self.optimizer)
        self.position.place(self.steps.epoch_batches, self.steps.accumulate)
        self.conditions = further.conditions
        if self.average is not None and further.average is not None:
            self.average.load_state_dict(further.average)
        self.fabric.strategy.precision.load_state_dict(dict(further.precision))

    def fit(self) -> None:
        """Train to the end.

        Raises:
            TrainingError: a loss or weights are not finite.
            Stopped: ``stop`` said so.
            EffbenchError: a clip can't be decoded, or the disk is full.
        """
        self.progress.began(self.run, self.position, self.total_steps)
        try:
            self._fit()
        finally:
            self.steps.close()
            self.validator.loader.close()

    def _fit(self) -> None:
        while self.position.epoch < self.recipe.epochs:
            self.module.set_mode()
            self._recent.restart()
            for window in self.windows():
                self.take_step(window)
                if any_process(self.fabric, self.stop()):
                    self._look()
                    self._save()
                    raise Stopped(f"stopped after step {self.position.step:,} of {self.total_steps:,}")
            self._look()
            self._check_weights()
            self.position.epoch, self.position.batch = self.position.epoch + 1, 0
            self._end_epoch()
            self._save()

    def windows(self) -> Iterator[list[Batches]]:
        """The batches of each optimiser step that is left of this epoch."""
        return self.steps.epoch(self.position.epoch, self.position.batch)

    def take_step(self, window: list[Batches]) -> None:
        """One optimiser step."""
        generator = self._seeded()
        self.rates.set(self.position.step)
        for number, batches in enumerate(window):
            moved = [batch.to(self.fabric.device, non_blocking=True) for batch in batches]
            tensors = self.module.prepare(moved[0], generator, *moved[1:])
            last = number + 1 == len(window)
            with nullcontext() if last else self.fabric.no_backward_sync(self.model):
                loss: Tensor = self.model.training_step(tensors)
                self.fabric.backward(loss / len(window))
            self._recent.add(self.position.step + 1, loss, moved[0].clips)
        if self.recipe.clip_norm is not None:
            self.fabric.clip_gradients(
                self.model, self._stepper, max_norm=self.recipe.clip_norm, error_if_nonfinite=False
            )
        self._stepper.step()
        self._stepper.zero_grad()
        if self.average is not None:
            self.average.update(self.module.detector)
        self.position.step += 1
        self.position.batch += len(window)
        if self.fabric.device.type == "cpu" or self.position.step % LOOK_EVERY == 0:
            self._look()
        if self.position.step % SAVE_EVERY == 0 and self.position.batch < self.steps.epoch_batches:
            self._look()
            self._save()

    def _seeded(self) -> torch.Generator:
        """Dropout and augmentation of this step; different on every process."""
        key = (self.position.step, self.fabric.global_rank)
        seeds = np.random.SeedSequence(self.recipe.seed, spawn_key=key).generate_state(2)
        torch.manual_seed(int(seeds[0]))
        return torch.Generator().manual_seed(int(seeds[1]))

    def _look(self) -> None:
        """Check the losses since the last look, and report progress."""
        if self._recent.batches:
            loss, speed = self._recent.look(self.position, self.run.kept)
            self.progress.step(self.position, loss, speed, self.total_steps)

    def _check_weights(self) -> None:
        check_weights(self.fabric, self.module.detector, self.position, self.run.kept)

    def _end_epoch(self) -> None:
        """Validate where it is time to, and keep the metrics."""
        position = self.position
        row: dict[str, float | None] = {
            "epoch": position.epoch,
            "step": position.step,
            "loss": position.loss_sum / max(1, position.loss_count),
            **self.rates.logged(position.step),
            "seconds": position.seconds,
        }
        position.loss_sum, position.loss_count, position.seconds = 0.0, 0, 0.0
        validated = position.epoch % self.recipe.validation.every == 0 or position.epoch == self.recipe.epochs
        if validated:
            row |= self._validate().row()
        self.fabric.log_dict({k: v for k, v in row.items() if v is not None and v == v}, step=position.step)
        if self.fabric.is_global_zero:
            self.run.add_row(row)
            if validated:
                self.run.draw_curves()

    def _validate(self) -> Scored:
        """Score the weights, or their average, and keep them if they are the best."""
        with nullcontext() if self.average is None else self.average.swapped(self.module.detector):
            scored = self.validator(self.model, self.module.detector)
            self.conditions = dict(scored.evaluation.conditions)
            value = scored.value(self.recipe.validation.metric)
            best = value == value and (self.position.best is None or value > self.position.best)
            if best:
                self.position.best, self.position.best_epoch = value, self.position.epoch
                weights = detector_state(self.module)
                if self.recipe.task == "weak":
                    # Whoever loads these is told that the other head is not trained.
                    weights = {key: w for key, w in weights.items() if not key.startswith("strong_head.")}
                if self.fabric.is_global_zero:
                    save_checkpoint(weights, self.run.best, self.run.plan.spec, classes=self.data.classes)
        self.progress.validated(self.position, scored, best=best)
        return scored

    def _save(self) -> None:
        """Keep everything that the next step depends on."""
        self._check_weights()
        further = FurtherState(
            self.fabric.strategy.precision.state_dict(),
            dict(self.conditions),
            None if self.average is None else self.average.state_dict(),
        )
        weights = detector_state(self.module)
        training = training_state(self.module, self.optimizer, self.position, further)
        if self.fabric.is_global_zero:
            save_checkpoint(
                weights, self.run.last, self.run.plan.spec, classes=self.data.classes, training=training
            )
        self.fabric.barrier()
