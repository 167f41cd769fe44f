"""Time and memory that a training would take, from two steps and a little validation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from effbench.machine.resident import ResidentPeak
from effbench.measure.timing import synchronise
from effbench.shown import Row, Shown, Table
from effbench.train.feed.training_data import open_data
from effbench.train.fit import Fit
from effbench.train.plan import Hardware, Plan
from effbench.train.progress import Progress
from effbench.train.runs import Run
from effbench.train.start import build_training, make_fabric, threads

STEPS, VALIDATION_BATCHES = 2, 2


@dataclass(frozen=True, repr=False)
class TrainingEstimate(Shown):
    """What a training would take.

    Attributes:
        device: kind of the device, whose memory ``peak_bytes`` is.
        epoch_items: training items per epoch.
        epoch_steps: optimiser steps per epoch.
        load_seconds: of loading the batches of a step.
        step_seconds: of front-end, network and optimiser in a step.
        validation_seconds: of one of the ``validations``, without the scoring.
        total_seconds: of the whole training. Workers load while the device computes; without them one waits
            for the other.
    """

    spec: str
    recipe: str
    device: str
    epochs: int
    epoch_items: int
    epoch_steps: int
    load_seconds: float
    step_seconds: float
    validation_seconds: float
    validations: int
    total_seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.spec} by {self.recipe}: {_duration(self.total_seconds)} on {self.device}"

    def sections(self) -> Iterable[Table | str]:
        values = {
            "training items per epoch": f"{self.epoch_items:,}",
            "optimiser steps": f"{self.epochs * self.epoch_steps:,} ({self.epoch_steps:,} an epoch)",
            "loading, per step": f"{self.load_seconds:.3f} s",
            "front-end, network and optimiser, per step": f"{self.step_seconds:.3f} s",
            "one validation, without scoring": _duration(self.validation_seconds),
            f"{self.epochs} epochs and {self.validations} validations": _duration(self.total_seconds),
            f"peak memory ({self.device})": f"{self.peak_bytes / 2**20:,.0f} MiB",
        }
        rows = [{"quantity": name, "value": value} for name, value in values.items()]
        yield Table(rows, f"{self.spec} by {self.recipe}, estimated")

    def rows(self) -> Sequence[Row]:
        return [self.to_dict()]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def estimate(plan: Plan, hardware: Hardware) -> TrainingEstimate:
    """What a training would take; leaves nothing behind. Raises whatever would stop the training itself."""
    data = open_data(plan)
    fabric = make_fabric(replace(hardware, loggers=()), plan, None)
    fabric.launch()
    module = build_training(plan, data)
    kept = TemporaryDirectory(prefix="effbench-")
    with kept as folder, threads(hardware.threads), ResidentPeak() as resident:
        fit = Fit(data, module, fabric, Run(Path(folder), plan), Progress(), workers=hardware.workers)
        load, step = _time_steps(fit)
        validation = _time_validation(fit)
    on_gpu = fabric.device.type == "cuda"
    epochs, every = plan.recipe.epochs, plan.recipe.validation.every
    validations = epochs // every + (epochs % every != 0)
    each = max(load, step) if hardware.workers else load + step
    return TrainingEstimate(
        spec=str(plan.model),
        recipe=plan.recipe_name,
        device=fabric.device.type,
        epochs=epochs,
        epoch_items=data.sampler().epoch_items,
        epoch_steps=fit.total_steps // epochs,
        load_seconds=load,
        step_seconds=step,
        validation_seconds=validation,
        validations=validations,
        total_seconds=fit.total_steps * each + validations * validation,
        peak_bytes=torch.cuda.max_memory_allocated(fabric.device) if on_gpu else resident.peak,
    )


def _time_steps(fit: Fit) -> tuple[float, float]:
    """Seconds of loading and of computing, of the last step: the first warms up."""
    fit.module.set_mode()
    windows = fit.windows()
    load = step = 0.0
    for _ in range(STEPS):
        began = time.perf_counter()
        window = next(windows, None)
        if window is None:
            break
        loaded = time.perf_counter()
        fit.take_step(window)
        synchronise(fit.fabric.device)
        load, step = loaded - began, time.perf_counter() - loaded
    return load, step


def _time_validation(fit: Fit) -> float:
    """Seconds of all batches, from those of the first ones."""
    fit.module.detector.eval()
    loader = fit.validator.loader
    began, done = time.perf_counter(), min(VALIDATION_BATCHES, len(loader))
    with torch.inference_mode():
        for packed in islice(loader, done):
            for waveform in packed.to(fit.fabric.device).waveform.split(fit.recipe.validation.batch_size):
                fit.model(fit.module.detector.frontend(waveform))
    synchronise(fit.fabric.device)
    return (time.perf_counter() - began) * len(loader) / max(1, done)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
