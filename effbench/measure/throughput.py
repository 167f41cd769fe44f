"""Offline throughput: clips per second over a sweep of batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from effbench.grid import CLIP_SECONDS
from effbench.machine.description import Environment
from effbench.measure.conditions import Setting, is_out_of_memory, make_call, prepared
from effbench.measure.sweep import MemoryGuard, sweep
from effbench.measure.timing import Budget, Timing, time_calls
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement

if TYPE_CHECKING:
    from effbench.models.detector import SoundEventDetector

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Throughput:
    """Clips per second of one part of a model at one batch size.

    Attributes:
        median: clips per second.
        low: lower end of the bootstrap 95 % interval.
        high: upper end.
        batch_size: clips per call.
        setting: device, precision, part, threads, …
        timing: every sample, seconds per batch, and how they were taken.
        compile_seconds: the first run, compilation included; None where nothing was compiled.
        best: whether no other batch size of the same sweep was faster.
    """

    median: float
    low: float
    high: float
    batch_size: int
    setting: Setting
    timing: Timing
    compile_seconds: float | None = None
    best: bool = False

    def __str__(self) -> str:
        return f"{_clips(self.median)} clips/s [{_clips(self.low)}, {_clips(self.high)}], {self.what}"

    @property
    def what(self) -> str:
        """The conditions in words, e.g. ``batch 8, fp32, 1 thread``."""
        return f"batch {self.batch_size}, {self.setting}"

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp16."""
        return self.setting.precision

    @property
    def part(self) -> str:
        """network, frontend or both."""
        return self.setting.part

    @property
    def samples(self) -> tuple[float, ...]:
        """Seconds of every batch."""
        return self.timing.samples

    @property
    def audio_seconds_per_second(self) -> float:
        """How many times faster than real time."""
        return self.median * self.setting.clip_seconds

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "quantity": "throughput",
            "unit": "clips/s",
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "batch_size": self.batch_size,
            "best": self.best,
            **asdict(self.setting),
            "compile_seconds": self.compile_seconds,
            "timing": self.timing.to_dict(),
            "samples": list(self.samples),
        }

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """The row for the results store."""
        return [
            Measurement.here(
                spec,
                "throughput",
                Estimate(self.median, self.low, self.high),
                device=self.setting.device_name,
                conditions=self.setting.conditions(self.batch_size),
                samples=self.samples,
                environment=environment,
                details={"timing": timing_record(self.timing, self.compile_seconds)},
            )
        ]


def measure_throughput(
    detector: SoundEventDetector,
    *,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    batch_sizes: Sequence[int] | None = None,
    part: str = "network",
    compiled: bool = False,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> list[Throughput]:
    """Throughput at each batch size that was measured, in rising order; the best one is marked.

    Inputs are seeded noise that lies on the device already; results stay there. The detector is put in
    eval mode on the device for the time, and put back after, as is torch's number of threads.

    Args:
        detector: any module with the contract of ``SoundEventDetector``.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: fp32, bf16 or fp16, by autocast; the front-end stays in float32.
        batch_sizes: clips per call; by default powers of two, up to what memory allows and for as long as
            throughput rises.
        part: ``network`` (features to logits), ``frontend`` (waveform to features) or ``both``.
        compiled: use ``torch.compile``; its time is kept apart.
        threads: of torch on the CPU; as they are set by default.
        clip_seconds: length of a clip.
        budget: how long to warm up and to measure.
        progress: gets a line for each batch size.

    Raises:
        DeviceError: no such device or precision here.
        UsageError: an impossible part, batch size, number of threads or clip length.
        EffbenchError: not even one clip fits into memory, or ``torch.compile`` failed.
    """
    setting = Setting.resolve(
        device=device,
        precision=precision,
        part=part,
        compiled=compiled,
        threads=threads,
        clip_seconds=clip_seconds,
    )
    with prepared(detector, setting):
        guard = MemoryGuard() if setting.torch_device.type == "cpu" else None

        def measure(batch_size: int) -> Throughput | None:
            result = _measure_batch(detector, setting, batch_size, budget or Budget(), guard)
            if progress is not None:
                progress(str(result or f"batch {batch_size} does not fit into memory"))
            return result

        results = list(sweep(batch_sizes, measure).values())
    best = max(results, key=lambda result: result.median)
    return [replace(result, best=result is best) for result in results]


def timing_record(timing: Timing, compile_seconds: float | None) -> dict[str, Any]:
    """How the samples were taken, as it goes into a stored measurement's environment."""
    return {**timing.to_dict(), "compile_seconds": compile_seconds}


def _measure_batch(
    detector: SoundEventDetector, setting: Setting, batch_size: int, budget: Budget, guard: MemoryGuard | None
) -> Throughput | None:
    """Throughput at one batch size, or None where the memory is too small for it."""
    if guard is not None:
        if guard.bytes_per_clip is None and batch_size > 1:
            _learn_from_one_clip(detector, setting, guard)
        if not guard.fits(batch_size):
            return None
    try:
        with guard.watch(batch_size) if guard is not None else nullcontext():
            return _time_batch(detector, setting, batch_size, budget)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Only here, after the error and its traceback are gone, are the failed call's tensors free.
    if setting.torch_device.type == "cuda":
        torch.cuda.empty_cache()
    return None


def _time_batch(
    detector: SoundEventDetector, setting: Setting, batch_size: int, budget: Budget
) -> Throughput:
    call, compile_seconds = make_call(detector, setting, batch_size)
    timing = time_calls(call, setting.torch_device, budget)
    rate = bootstrap(timing.samples).map(lambda seconds: batch_size / seconds)
    return Throughput(rate.value, rate.low, rate.high, batch_size, setting, timing, compile_seconds)


def _learn_from_one_clip(detector: SoundEventDetector, setting: Setting, guard: MemoryGuard) -> None:
    with guard.watch(1):
        call, _ = make_call(detector, replace(setting, compiled=False), 1)
        call()


def _clips(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
