"""Everything that effbench measures of one model, and of several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import nn

from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS
from effbench.machine.description import Environment
from effbench.machine.environment import environment
from effbench.measure.complexity import Complexity, measure_complexity
from effbench.measure.conditions import PARTS, TORCH_KERNELS, Conditions
from effbench.measure.memory import PeakMemory, peak_memory
from effbench.measure.speed import Latency, Throughput, measure_latency, measure_module, measure_throughput
from effbench.measure.timing import Budget, Progress
from effbench.measure.workload import Inputs
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table
from effbench.spec import ModelSpec

_MILLION, _BILLION, _MIB = 1e6, 1e9, 2**20


@dataclass(frozen=True, repr=False)
class Profile(Shown):
    """All measurements of one model.

    Attributes:
        complexity: parameters and MACs.
        environment: where it was measured.
        throughput: one entry for each part and batch size that was timed.
        latency: of single clips, if timed.
        memory: at the fastest batch size, if timed; ``None`` for a module passed in.
    """

    complexity: Complexity
    environment: Environment
    throughput: tuple[Throughput, ...] = ()
    latency: Latency | None = None
    memory: PeakMemory | None = None

    @property
    def spec(self) -> str:
        """Canonical spec, or the class name of a module that was passed in."""
        return self.complexity.spec

    @property
    def best_throughput(self) -> Throughput | None:
        """The network's fastest batch size."""
        return next((run for run in self.throughput if run.best and run.conditions.part == "network"), None)

    def __str__(self) -> str:
        return ", ".join(map(str, filter(None, (self.complexity, self.best_throughput))))

    def sections(self) -> Iterator[Table | str]:
        yield from self.complexity.sections()
        if self.throughput:
            yield Table([_throughput_row(run) for run in self.throughput], "Throughput")
        if self.latency:
            yield f"Latency, one {'clip' if self.latency.batch_size == 1 else 'call'}: {self.latency}"
        if self.memory:
            yield f"Memory: {self.memory}"
        if self.throughput:
            here = self.environment
            yield (
                f"Measured on {here.device_name}, torch {here.software.torch}, effbench"
                f" {here.software.effbench}, load average {here.load.average_1m}."
            )

    def rows(self) -> list[Row]:
        (row,) = self.complexity.rows()
        figures: dict[str, object] = dict(row)
        best = self.best_throughput
        if best:
            rate = best.rate
            figures |= {"throughput": rate.value, "throughput_low": rate.low, "throughput_high": rate.high}
            figures |= {"batch_size": best.batch_size, "precision": best.conditions.precision}
        if self.latency:
            figures |= {quantity: estimate.value for quantity, estimate in self.latency.values().items()}
        if self.memory:
            figures["memory_peak"] = self.memory.peak_bytes
        return [figures]

    def compared(self) -> Row:
        """The model's line in a comparison, in units for reading."""
        complexity, best = self.complexity, self.best_throughput
        row: dict[str, object] = {
            "model": self.spec,
            "parameters (M)": f"{complexity.parameters.total / _MILLION:.4f}",
            "MACs exact (G)": f"{complexity.macs.exact / _BILLION:.4f}",
            "MACs paper (G)": f"{complexity.macs.paper / _BILLION:.4f}",
        }
        for name, check in complexity.counters.items():
            row[f"{name} (G)"] = "failed" if check.macs is None else f"{check.macs / _BILLION:.4f}"
        if best:
            row["clips/s"] = f"{best.rate.value:,.1f} [{best.rate.low:,.1f}, {best.rate.high:,.1f}]"
            row["batch"] = best.batch_size
        if self.latency:
            row["latency p50 (ms)"] = f"{1000 * self.latency.percentile(50).value:.1f}"
        if self.memory:
            row["memory (MiB)"] = f"{self.memory.peak_bytes / _MIB:,.0f}"
        return row

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: counts in parameters and MACs per clip, times in seconds, sizes in bytes."""
        return {
            **self.complexity.to_dict(),
            "throughput": [run.to_dict() for run in self.throughput],
            "latency": self.latency.to_dict() if self.latency else None,
            "memory": self.memory.to_dict() if self.memory else None,
            "environment": self.environment.to_dict(),
        }

    def measurements(self) -> list[Measurement]:
        """All rows for the results store."""
        return self.complexity.measurements(self.environment) + self.timings()

    def timings(self) -> list[Measurement]:
        """Rows of throughput, latency and memory."""
        results = [result for result in (*self.throughput, self.latency, self.memory) if result is not None]
        return [row for result in results for row in result.measurements(self.spec, self.environment)]


@dataclass(frozen=True, repr=False)
class Profiles(Shown):
    """Several models, one line each."""

    profiles: tuple[Profile, ...]

    def __str__(self) -> str:
        return ", ".join(profile.spec for profile in self.profiles)

    def sections(self) -> list[Table | str]:
        return [Table([profile.compared() for profile in self.profiles])]

    def rows(self) -> list[Row]:
        return [row for profile in self.profiles for row in profile.rows()]

    def to_dict(self) -> dict[str, object]:
        return {profile.spec: profile.to_dict() for profile in self.profiles}


def profile(
    model: str | ModelSpec | nn.Module,
    *,
    inputs: Inputs | None = None,
    counters: Sequence[str] = (),
    throughput: bool = True,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    parts: Sequence[str] = PARTS,
    batch_sizes: Sequence[int] | None = None,
    compiled: bool = False,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    kernels: str = TORCH_KERNELS,
    checkpoint: str | Path | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Parameters, MACs, throughput, latency and memory of one model.

    Args:
        model: a spec, a detector, or any other module, which needs ``inputs``.
        inputs: of one call of a module that is not a detector: one tensor, or the positional
            arguments; the first dimension of the first tensor counts clips. That call is what is counted
            and timed; memory is not measured.
        counters: third-party MAC counters to run as well: ``fvcore``, ``thop``, ``torch``.
        throughput: also measure throughput, latency and memory; otherwise only parameters and MACs.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        parts: what to time: ``network`` (features to logits), ``frontend``, ``both``.
        batch_sizes: clips per call; by default a sweep up to what memory allows and helps.
        compiled: use ``torch.compile``.
        threads: of torch on the CPU.
        clip_seconds: length of a clip.
        kernels: what computes the scan of Mamba2 layers: ``torch``, or ``mamba-ssm`` (CUDA).
        checkpoint: weights for a spec (``strong``, ``weak`` or a path); times do not depend on it.
        budget: how long to warm up and to measure.
        progress: gets a line for each measurement.

    Raises:
        UsageError: what does not go with a module that is not a detector.
        EffbenchError: what ``Conditions`` and the measurements that this calls raise.
    """
    if throughput:
        count = torch.get_num_threads() if threads is None else threads
        conditions = Conditions(
            str(device),
            precision,
            compiled=compiled,
            threads=count,
            clip_seconds=clip_seconds,
            kernels=kernels,
        )
    else:
        conditions = Conditions(clip_seconds=clip_seconds)
    timed = [replace(conditions, part=part) for part in parts] if throughput else []
    here = environment(conditions.device) if timed else _unhurried_environment()
    spec = type(model).__name__ if isinstance(model, nn.Module) else str(ModelSpec.parse(model))
    weighted = model
    if checkpoint is not None and not isinstance(model, nn.Module):
        weighted = build_model(model, checkpoint=checkpoint)
    complexity = measure_complexity(
        weighted, inputs=inputs, counters=counters, clip_seconds=clip_seconds, strict=inputs is None
    )
    complexity = replace(complexity, spec=spec)
    if not timed:
        return Profile(complexity, here)
    if inputs is not None and isinstance(model, nn.Module):
        if "network" not in parts or batch_sizes is not None:
            raise UsageError("of a module with inputs of its own, only the call on them is timed")
        rate, latency = measure_module(model, inputs, conditions, budget=budget, progress=progress)
        return Profile(complexity, here, (rate,), latency)
    detector = weighted if isinstance(weighted, SoundEventDetector) else build_model(spec, seed=0)
    rates = [
        rate
        for each in timed
        for rate in measure_throughput(
            detector, each, batch_sizes=batch_sizes, budget=budget, progress=progress
        )
    ]
    latency = measure_latency(detector, conditions, budget=budget, progress=progress)
    memory = None
    if not isinstance(model, nn.Module):  # a child process must be able to build it
        memory = peak_memory(model, conditions, batch_size=_best_batch_size(rates))
        if progress is not None:
            progress(str(memory))
    return Profile(complexity, here, tuple(rates), latency, memory)


@cache
def _unhurried_environment() -> Environment:
    """The environment of counts, which do not depend on the load: looked at once."""
    return environment("cpu")


def _best_batch_size(rates: Sequence[Throughput]) -> int:
    """Fastest batch size of the network, or of what was timed instead."""
    best = [rate for rate in rates if rate.best]
    return next((rate for rate in best if rate.conditions.part != "frontend"), best[0]).batch_size


def _throughput_row(run: Throughput) -> Row:
    return {
        "part": run.conditions.part,
        "precision": run.conditions.precision,
        "batch": run.batch_size,
        "clips/s": f"{run.rate.value:,.1f}",
        "95 % interval": f"{run.rate.low:,.1f} – {run.rate.high:,.1f}",
        "× real time": f"{run.audio_seconds_per_second:,.0f}",
        "": "best" if run.best else "",
    }
