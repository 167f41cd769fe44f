"""Offline throughput: clips per second over a sweep of batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch

from effbench.measure.conditions import Conditions
from effbench.measure.sweep import MemoryGuard, sweep
from effbench.measure.timed import Throughput
from effbench.measure.timing import Budget, Progress, time_calls
from effbench.measure.workload import is_out_of_memory, make_call, prepared
from effbench.models.detector import SoundEventDetector


def measure_throughput(
    detector: SoundEventDetector,
    conditions: Conditions,
    *,
    batch_sizes: Sequence[int] | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> list[Throughput]:
    """Throughput at each batch size that was measured, in rising order; the best one is marked.

    Inputs are seeded noise that lies on the device already; results stay there. The detector is put in
    eval mode on the device for the time, and put back after, as is torch's number of threads.

    Args:
        detector: any module with the contract of ``SoundEventDetector``.
        conditions: what to time, where and how.
        batch_sizes: clips per call; by default powers of two, up to what memory allows and for as long as
            throughput rises.
        budget: how long to warm up and to measure.
        progress: gets a line for each batch size.

    Raises:
        UsageError: an impossible batch size, or kernels that the detector has no use for.
        EffbenchError: not even one clip fits into memory, or ``torch.compile`` failed.
    """
    with prepared(detector, conditions):
        guard = MemoryGuard() if conditions.torch_device.type == "cpu" else None

        def measure(batch_size: int) -> Throughput | None:
            result = _measure_batch(detector, conditions, batch_size, budget or Budget(), guard)
            if progress is not None:
                progress(str(result or f"batch {batch_size} does not fit into memory"))
            return result

        results = list(sweep(batch_sizes, measure).values())
    best = max(results, key=lambda result: result.rate.value)
    return [replace(result, best=result is best) for result in results]


def _measure_batch(
    detector: SoundEventDetector,
    conditions: Conditions,
    batch_size: int,
    budget: Budget,
    guard: MemoryGuard | None,
) -> Throughput | None:
    """Throughput at one batch size, or None where the memory is too small for it."""
    if guard is not None:
        if guard.bytes_per_clip is None and batch_size > 1:
            _learn_from_one_clip(detector, conditions, guard)
        if not guard.fits(batch_size):
            return None
    try:
        with guard.watch(batch_size) if guard is not None else nullcontext():
            return _time_batch(detector, conditions, batch_size, budget)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Only here, after the error and its traceback are gone, are the failed call's tensors free.
    if conditions.torch_device.type == "cuda":
        torch.cuda.empty_cache()
    return None


def _time_batch(
    detector: SoundEventDetector, conditions: Conditions, batch_size: int, budget: Budget
) -> Throughput:
    call, compile_seconds = make_call(detector, conditions, batch_size)
    timing = time_calls(call, conditions.torch_device, budget)
    return Throughput(conditions, batch_size, timing, compile_seconds)


def _learn_from_one_clip(detector: SoundEventDetector, conditions: Conditions, guard: MemoryGuard) -> None:
    with guard.watch(1):
        call, _ = make_call(detector, replace(conditions, compiled=False), 1)
        call()
