"""Time and memory that a training would take, from two steps and a little validation."""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.fabric import Fabric

from effbench.train.feed.training_data import open_data
from effbench.train.fit import Fit
from effbench.train.plan import Hardware, Plan
from effbench.train.progress import Progress
from effbench.train.runs import Run
from effbench.train.start import build_training, make_fabric

STEPS, VALIDATION_BATCHES = 2, 2


def estimate(plan: Plan, hardware: Hardware) -> list[dict[str, Any]]:
    """Quantities of a training for a table; leaves nothing behind.

    Raises:
        EffbenchError: whatever would stop the training itself.
    """
    data = open_data(plan)
    fabric = make_fabric(replace(hardware, loggers=()), plan, None)
    fabric.launch()
    module = build_training(plan, data)
    with TemporaryDirectory(prefix="effbench-") as folder:
        fit = Fit(data, module, fabric, Run(Path(folder), plan), Progress(), workers=hardware.workers)
        load, step = _time_steps(fit)
        memory = _peak_memory(fabric)
        validation = _time_validation(fit)
    steps_per_epoch = fit.total_steps // plan.recipe.epochs
    # Workers load while the device computes; without them one waits for the other.
    each = max(load, step) if hardware.workers else load + step
    epochs, every = plan.recipe.epochs, plan.recipe.validation.every
    validations = epochs // every + (epochs % every != 0)
    total = epochs * steps_per_epoch * each + validations * validation
    return [
        {"quantity": "training items per epoch", "value": f"{data.sampler().epoch_items:,}"},
        {"quantity": "optimiser steps", "value": f"{fit.total_steps:,} ({steps_per_epoch:,} an epoch)"},
        {"quantity": "loading, per step", "value": f"{load:.3f} s"},
        {"quantity": "front-end, network and optimiser, per step", "value": f"{step:.3f} s"},
        {"quantity": "one validation, without scoring", "value": _duration(validation)},
        {"quantity": f"{epochs} epochs and {validations} validations", "value": _duration(total)},
        {"quantity": f"peak memory ({fabric.device.type})", "value": f"{memory / 2**20:,.0f} MiB"},
    ]


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
        _synchronise(fit.fabric)
        load, step = loaded - began, time.perf_counter() - loaded
    return load, step


def _time_validation(fit: Fit) -> float:
    """Seconds of all batches, from those of the first ones."""
    fit.module.detector.eval()
    loader = fit.validator.loader
    began, done = time.perf_counter(), 0
    with torch.inference_mode():
        for packed in loader:
            fit.model(fit.module.detector.frontend(packed.to(fit.fabric.device).waveform))
            done += 1
            if done == VALIDATION_BATCHES:
                break
    _synchronise(fit.fabric)
    return (time.perf_counter() - began) * len(loader) / max(1, done)


def _synchronise(fabric: Fabric) -> None:
    if fabric.device.type == "cuda":
        torch.cuda.synchronize(fabric.device)


def _peak_memory(fabric: Fabric) -> int:
    """Bytes: what the allocator held on a GPU, or what the process has had resident."""
    if fabric.device.type == "cuda":
        return torch.cuda.max_memory_allocated(fabric.device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
