"""A training from a plan: its devices, its network, and the loop over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.fsdp import FSDPStrategy
from lightning.fabric.strategies.strategy import Strategy

from effbench.errors import UsageError
from effbench.machine.devices import resolve_device
from effbench.machine.environment import environment
from effbench.models.build import build_model
from effbench.models.chosen import choose_model
from effbench.models.detector import SoundEventDetector
from effbench.train.feed.training_data import TrainingData
from effbench.train.fingerprints import fingerprints
from effbench.train.fit import Fit
from effbench.train.module import DetectorTraining
from effbench.train.plan import Hardware, Plan
from effbench.train.processes import stop_requests
from effbench.train.progress import Progress
from effbench.train.runs import Origin, Run

#: What Lightning calls the precisions of recipes.
_PRECISIONS: Mapping[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def make_fabric(hardware: Hardware, plan: Plan, folder: Path | None) -> Fabric:
    """Processes of a training, not launched yet; without a run's ``folder`` there are no loggers.

    Raises:
        UsageError: an unknown strategy or logger, or one or a precision that does not suit the device.
        DeviceError: there is no such device.
    """
    kind = resolve_device(hardware.device).type
    spread = hardware.devices * hardware.nodes > 1
    strategies: dict[str, Callable[[], Strategy | str]] = {
        # Heads that a task does not train, and tables that no input reaches, have no gradient.
        "ddp": lambda: DDPStrategy(find_unused_parameters=True),
        "fsdp": lambda: FSDPStrategy(state_dict_type="full"),
        "auto": lambda: DDPStrategy(find_unused_parameters=True) if spread else "auto",
    }
    if hardware.strategy not in strategies:
        raise UsageError(f"unknown strategy '{hardware.strategy}'\nStrategies: {', '.join(strategies)}.")
    world, batch = hardware.devices * hardware.nodes, plan.recipe.batch
    if batch.effective % (batch.size * world):
        raise UsageError(
            f"{world} processes with batches of {batch.size} can't make optimiser steps of {batch.effective} "
            "items: choose another batch.size, or another number of devices"
        )
    if hardware.strategy == "fsdp" and kind != "cuda":
        raise UsageError("the strategy fsdp needs GPUs")
    if plan.recipe.precision == "fp16" and kind == "cpu":
        raise UsageError("fp16 needs a GPU: choose precision=fp32, or bf16")
    return Fabric(
        accelerator=kind,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=strategies[hardware.strategy](),
        precision=_PRECISIONS[plan.recipe.precision],
        loggers=[] if folder is None else [_logger(name, plan, folder) for name in hardware.loggers],
    )


def _logger(name: str, plan: Plan, folder: Path) -> Logger:
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="tensorboard", version="")
    if name == "wandb":
        try:
            from lightning.pytorch.loggers import WandbLogger

            return WandbLogger(name=folder.name, save_dir=folder, project="effbench", id=folder.name)
        except ModuleNotFoundError:
            raise UsageError("the logger wandb is not installed: pip install 'effbench[wandb]'") from None
    raise UsageError(f"unknown logger '{name}'\nLoggers: tensorboard, wandb, or none.")


def build_detector(plan: Plan, data: TrainingData, begin: Path | None = None) -> SoundEventDetector:
    """The student, with the weights of the file ``begin``, or as the recipe says."""
    start = begin or plan.recipe.initialise
    detector = build_model(
        plan.spec,
        n_classes=len(data.classes),
        n_weak_classes=len(data.weak_classes),
        checkpoint=None if start == "scratch" else start,
        seed=plan.recipe.seed,
    )
    detector.classes = data.classes
    return detector


def build_teacher(plan: Plan, data: TrainingData) -> SoundEventDetector | None:
    """The online teacher of the task ``advanced``.

    Raises:
        UsageError: its classes are not the student's.
    """
    teacher = plan.recipe.teacher
    if teacher is None:
        return None
    chosen = choose_model(teacher.model, teacher.checkpoint)
    outputs = chosen.detector.strong_head.out_features
    if outputs != len(data.classes):
        raise UsageError(f"the teacher has {outputs} classes, the student {len(data.classes)}")
    if chosen.classes and chosen.classes != data.classes:
        own, other = next(pair for pair in zip(data.classes, chosen.classes, strict=True) if len({*pair}) > 1)
        raise UsageError(f"the teacher's classes are not the student's: '{other}' is where '{own}' should be")
    return chosen.detector


def build_training(plan: Plan, data: TrainingData, begin: Path | None = None) -> DetectorTraining:
    """What a plan trains; ``begin`` is the last checkpoint of a run that is resumed.

    Raises:
        CheckpointError: weights can't be found, or do not fit.
        UsageError: a recipe that the model can't follow.
    """
    return DetectorTraining(build_detector(plan, data, begin), plan.recipe, build_teacher(plan, data))


def origin_here(hardware: Hardware, data: TrainingData) -> Origin:
    """Origin of a run that starts now."""
    here = environment(resolve_device(hardware.device))
    return Origin(here.commit, here.to_dict(), fingerprints(data))


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Set torch's number of CPU threads, if one is given, and restore it at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit_run(
    run: Run,
    data: TrainingData,
    module: DetectorTraining,
    fabric: Fabric,
    progress: Progress,
    *,
    workers: int = 0,
) -> Fit:
    """Train a run from where it stands to its end, on a launched fabric; raises as ``Fit.fit`` does."""
    if fabric.is_global_zero:
        run.tidy()
    with stop_requests(progress.stopping) as stop:
        fit = Fit(data, module, fabric, run, progress, workers=workers, stop=stop)
        fit.resume()
        fit.fit()
    return fit
