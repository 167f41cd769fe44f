"""Throughput and latency of a detector, or of the call of any module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from torch import nn

from effbench.errors import EffbenchError
from effbench.infer.backends.known import EAGER
from effbench.machine.description import Environment
from effbench.measure.conditions import Conditions
from effbench.measure.sweep import MemoryGuard, sweep
from effbench.measure.timing import Budget, Progress, Timing, time_calls
from effbench.measure.workload import (
    Timeable,
    clips_of,
    is_out_of_memory,
    make_call,
    module_call,
    prepared,
)
from effbench.models.own_inputs import Inputs
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table, significant

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, repr=False)
class Timed(Shown):
    """A timed run of one call.

    Attributes:
        conditions: device, precision, part, threads, …
        batch_size: clips per call.
        timing: every sample, seconds per call, and how they were taken.
        compile_seconds: the first run, compilation included; None where nothing was compiled.
    """

    conditions: Conditions
    batch_size: int
    timing: Timing
    compile_seconds: float | None = None

    quantity: ClassVar[str]
    unit: ClassVar[str]

    @property
    def samples(self) -> tuple[float, ...]:
        """Seconds of every call."""
        return self.timing.samples

    @cached_property
    def rate(self) -> Estimate:
        """Clips per second: the batch over the median call."""
        return self.percentile(50).map(lambda seconds: self.batch_size / seconds)

    def percentile(self, percent: float) -> Estimate:
        """Seconds within which that many per cent of the calls are done; 50 is the median."""
        return bootstrap(self.samples, percent)

    @abstractmethod
    def values(self) -> dict[str, Estimate]:
        """The figures of the run, by quantity of the results store."""

    @abstractmethod
    def _figures(self) -> dict[str, object]:
        """The same for JSON."""

    def sections(self) -> list[Table | str]:
        return [str(self)]

    def rows(self) -> list[Row]:
        conditions = {**self.conditions.stored(self.batch_size), "device": self.conditions.device_name}
        return [
            {"quantity": name, **asdict(estimate), "unit": self.unit, **conditions}
            for name, estimate in self.values().items()
        ]

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            **self._figures(),
            "batch_size": self.batch_size,
            **self.conditions.to_dict(),
            "compile_seconds": self.compile_seconds,
            "timing": self.timing.to_dict(),
            "samples": list(self.samples),
        }

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """Rows for the results store, one for each of ``values``; the samples are kept with the first."""
        timing = {**self.timing.to_dict(), "compile_seconds": self.compile_seconds}
        about = {**environment.to_dict(), "timing": timing}
        return [
            Measurement.here(
                spec,
                quantity,
                estimate,
                device=self.conditions.device_name,
                conditions=self.conditions.stored(self.batch_size),
                samples=() if position else self.samples,
                environment=about,
            )
            for position, (quantity, estimate) in enumerate(self.values().items())
        ]


@dataclass(frozen=True, repr=False)
class Throughput(Timed):
    """A run whose figure is the rate; ``best`` marks the fastest batch size of a sweep."""

    best: bool = False

    quantity, unit = "throughput", "clips/s"

    def __str__(self) -> str:
        rate, low, high = (significant(x, 3) for x in (self.rate.value, self.rate.low, self.rate.high))
        return f"{rate} clips/s [{low}, {high}], batch {self.batch_size}, {self.conditions}"

    @property
    def audio_seconds_per_second(self) -> float:
        """How many times faster than real time."""
        return self.rate.value * self.conditions.clip_seconds

    def values(self) -> dict[str, Estimate]:
        return {"throughput": self.rate}

    def _figures(self) -> dict[str, object]:
        return {"median": self.rate.value, "low": self.rate.low, "high": self.rate.high, "best": self.best}


@dataclass(frozen=True, repr=False)
class Latency(Timed):
    """A run whose figures are percentiles; every call is waited for."""

    quantity, unit = "latency", "s"

    def __str__(self) -> str:
        median, *tails = map(self.percentile, PERCENTILES)
        seconds = (median.value, median.low, median.high, *(tail.value for tail in tails))
        p50, low, high, p90, p99 = (significant(1000 * x, 3) for x in seconds)
        return f"{p50} ms [{low}, {high}], p90 {p90}, p99 {p99}, {self.conditions}"

    def values(self) -> dict[str, Estimate]:
        return {f"latency_p{percent}": self.percentile(percent) for percent in PERCENTILES}

    def _figures(self) -> dict[str, object]:
        figures: dict[str, object] = {}
        for percent in PERCENTILES:
            seconds = self.percentile(percent)
            ends = {f"p{percent}_low": seconds.low, f"p{percent}_high": seconds.high}
            figures |= {f"p{percent}": seconds.value, **ends}
        return figures


def measure_throughput(
    detector: Timeable,
    conditions: Conditions,
    *,
    batch_sizes: Sequence[int] | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
    coarse: bool = False,
) -> list[Throughput]:
    """Throughput at each batch size that was measured, in rising order; the best one is marked.

    Inputs are seeded noise that is on the device already; outputs stay there. The detector is put in
    eval mode on the device for the time, and put back after, as is torch's number of threads. On CUDA, calls
    are queued without waiting.

    Args:
        detector: any module with the contract of ``SoundEventDetector``, or another with its inputs.
        conditions: what to time, where and how.
        batch_sizes: clips per call; by default powers of two, up to what memory allows and for as long as
            throughput rises.
        budget: how long to warm up and to measure.
        progress: gets a line for each batch size.
        coarse: try fewer of the default batch sizes, see ``sweep``.

    Raises:
        UsageError: an impossible batch size, or kernels that the detector has no use for.
        EffbenchError: not even one clip fits into memory, or ``torch.compile`` failed.
    """
    with prepared(detector, conditions):
        guard = MemoryGuard() if conditions.torch_device.type == "cpu" else None

        results: list[Throughput] = []

        def measure(batch_size: int) -> float | None:
            result = _measure_batch(detector, conditions, batch_size, budget or Budget(), guard)
            if progress is not None:
                progress(str(result or f"batch {batch_size} does not fit into memory"))
            if result is None:
                return None
            results.append(result)
            return result.rate.value

        sweep(batch_sizes, measure, coarse=coarse)
    results.sort(key=lambda result: result.batch_size)
    best = max(results, key=lambda result: result.rate.value)
    return [replace(result, best=result is best) for result in results]


def measure_latency(
    detector: Timeable,
    conditions: Conditions,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Latency:
    """Latency of single clips, one after the other, each waited for; otherwise as ``measure_throughput``."""
    with prepared(detector, conditions), _room_for("one clip"):
        call, compile_seconds = make_call(detector, conditions, 1)
        timing = time_calls(call, conditions.torch_device, budget or Budget(), one_by_one=True)
    latency = Latency(conditions, 1, timing, compile_seconds)
    if progress is not None:
        progress(str(latency))
    return latency


def measure_module(
    module: nn.Module,
    inputs: Inputs,
    conditions: Conditions,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> tuple[Throughput, Latency]:
    """Throughput and latency of one call of any module; otherwise as ``measure_throughput``.

    Args:
        module: what is called.
        inputs: one tensor, or the positional arguments; the first dimension of the first tensor counts clips.
        conditions: where and how; the part is ``network``.
        budget: how long to warm up and to measure.
        progress: gets a line for each of the two.

    Raises:
        UsageError: inputs without a tensor.
    """
    batch_size = clips_of(inputs)
    budget, device = budget or Budget(), conditions.torch_device
    with prepared(module, conditions), _room_for("one call"):
        call, compile_seconds = module_call(module, inputs, conditions)
        rate, each = time_calls(call, device, budget), time_calls(call, device, budget, one_by_one=True)
    throughput = Throughput(conditions, batch_size, rate, compile_seconds, best=True)
    latency = Latency(conditions, batch_size, each, compile_seconds)
    if progress is not None:
        progress(str(throughput))
        progress(str(latency))
    return throughput, latency


def _measure_batch(
    detector: Timeable,
    conditions: Conditions,
    batch_size: int,
    budget: Budget,
    guard: MemoryGuard | None,
) -> Throughput | None:
    """Throughput at one batch size, or None where the memory is too small for it."""
    if guard is not None:
        if guard.bytes_per_clip is None and batch_size > 1:
            with guard.watch(1):  # learn from one clip
                make_call(detector, replace(conditions, backend=EAGER), 1)[0]()
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


def _time_batch(detector: Timeable, conditions: Conditions, batch_size: int, budget: Budget) -> Throughput:
    call, compile_seconds = make_call(detector, conditions, batch_size)
    timing = time_calls(call, conditions.torch_device, budget)
    return Throughput(conditions, batch_size, timing, compile_seconds)


@contextmanager
def _room_for(what: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise EffbenchError(f"not even {what} fits into the device's memory") from error
        raise
