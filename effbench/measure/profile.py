"""Everything that effbench measures of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from effbench.errors import UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.machine.description import Environment
from effbench.machine.environment import environment
from effbench.measure.conditions import Setting
from effbench.measure.latency import Latency, measure_latency
from effbench.measure.macs import MacReport, count_macs
from effbench.measure.macs.crosscheck import COUNTERS, CrossCheck, cross_check
from effbench.measure.memory import Memory, peak_memory
from effbench.measure.parameters import Parameters, count_parameters
from effbench.measure.throughput import Progress, Throughput, measure_throughput
from effbench.measure.timing import Budget
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.results.measurement import UNITS, Measurement
from effbench.spec import ModelSpec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Complexity:
    """What a model costs whatever it runs on.

    Attributes:
        parameters: counts by part, and the size of the weights.
        macs: of the network, for one clip.
        frontend: MACs of the front-end, which the network's do not include.
        counters: third-party figures, by name of the counter.
        clip_seconds: length of the clip, seconds.
    """

    parameters: Parameters
    macs: MacReport
    frontend: MacReport
    counters: Mapping[str, CrossCheck]
    clip_seconds: float

    def macs_by_counter(self) -> dict[str, int | None]:
        """MACs per clip by counter; ``None`` where one was not asked or failed."""
        third_party = {name: self.counters[name].macs if name in self.counters else None for name in COUNTERS}
        return {"exact": self.macs.exact, "paper": self.macs.paper, **third_party}


@dataclass(frozen=True)
class Profile:
    """All measurements of one model.

    Attributes:
        spec: canonical spec, or the class name of a module that was passed in.
        complexity: parameters and MACs.
        throughput: one entry for each part and batch size that was timed.
        latency: of single clips, if timed.
        memory: at the fastest batch size, if timed; ``None`` for a module passed in.
        environment: where it was measured.
    """

    spec: str
    complexity: Complexity
    environment: Environment
    throughput: tuple[Throughput, ...] = ()
    latency: Latency | None = None
    memory: Memory | None = None

    @property
    def best_throughput(self) -> Throughput | None:
        """The network's fastest batch size."""
        return next((rate for rate in self.throughput if rate.best and rate.part == "network"), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: counts in parameters and MACs per clip, times in seconds, sizes in bytes."""
        complexity = self.complexity
        return {
            "spec": self.spec,
            "clip_seconds": complexity.clip_seconds,
            "parameters": complexity.parameters.to_dict(),
            "macs": complexity.macs_by_counter(),
            "macs_detail": {
                **complexity.macs.to_dict(),
                "frontend": complexity.frontend.exact,
                "causes": {name: list(check.causes) for name, check in complexity.counters.items()},
            },
            "throughput": [entry.to_dict() for entry in self.throughput],
            "latency": self.latency.to_dict() if self.latency else None,
            "memory": self.memory.to_dict() if self.memory else None,
            "environment": self.environment.to_dict(),
        }

    def measurements(self) -> list[Measurement]:
        """All rows for the results store."""
        return self._complexity_rows() + self.timings()

    def timings(self) -> list[Measurement]:
        """Rows of throughput, latency and memory."""
        entries = [entry for entry in (*self.throughput, self.latency, self.memory) if entry is not None]
        return [row for entry in entries for row in entry.measurements(self.spec, self.environment)]

    def _complexity_rows(self) -> list[Measurement]:
        complexity = self.complexity
        values: dict[str, tuple[float, dict[str, Any]]] = {}
        for name, count in complexity.parameters.to_dict().items():
            quantity = "parameters" if name == "total" else f"parameters_{name}"
            values[quantity] = (count, {})
        for name, macs in complexity.macs_by_counter().items():
            if macs is not None:
                checked = complexity.counters.get(name)
                explanation = {"explanation": list(checked.causes)} if checked else {}
                values[f"macs_{name}"] = (macs, {"seconds": complexity.clip_seconds, **explanation})
        return [
            Measurement.here(
                self.spec,
                quantity,
                value,
                conditions=conditions,
                environment={"software": asdict(self.environment.software)},
            )
            for quantity, (value, conditions) in values.items()
            if quantity in UNITS
        ]


def clip_features(detector: SoundEventDetector, clip_seconds: float) -> Tensor:
    """Features of one silent clip, on the detector's device (``meta`` included).

    Shape:
        (1, 1, mels, feature frames)
    """
    samples = round(clip_seconds * detector.sample_rate)
    device = next(detector.parameters()).device
    with torch.no_grad():
        features: Tensor = detector.frontend(torch.zeros(1, samples, device=device))
    return features


def measure_complexity(
    model: str | ModelSpec | SoundEventDetector,
    *,
    counters: Sequence[str] = (),
    clip_seconds: float = CLIP_SECONDS,
    strict: bool = True,
) -> Complexity:
    """Parameters and MACs of a spec (on the ``meta`` device: no weights) or of a detector.

    Args:
        model: a spec, or a detector.
        counters: third-party counters to run as well, of ``fvcore``, ``thop`` and ``torch``; they need
            the weights.
        clip_seconds: length of the clip.
        strict: refuse to count a network with an operator that has no rule.

    Raises:
        UnknownModel: no such model.
        UsageError: an unknown counter, or a clip that is too short for the model.
        UncountedOperator: in strict mode.
    """
    for counter in counters:
        if counter not in COUNTERS:
            raise UsageError(
                f"unknown counter '{counter}'{nearest(counter, COUNTERS)}\nKnown: {', '.join(COUNTERS)}, all."
            )
    if isinstance(model, SoundEventDetector):
        detector = weighted = model
    else:
        with torch.device("meta"):
            detector = build_model(model)
        weighted = build_model(model) if counters else detector
    try:
        features = clip_features(detector, clip_seconds)
    except ValueError as error:
        raise UsageError(f"a clip of {clip_seconds:g} s can't be counted: {error}") from None
    report = count_macs(detector, features, strict=strict)
    waveform = torch.zeros(1, round(clip_seconds * detector.sample_rate), device=features.device)
    return Complexity(
        parameters=count_parameters(detector),
        macs=report,
        frontend=count_macs(detector.frontend, waveform, strict=strict),
        counters={
            name: cross_check(weighted, torch.zeros(features.shape), report, name) for name in counters
        },
        clip_seconds=clip_seconds,
    )


@cache
def _unhurried_environment() -> Environment:
    """The environment of counts, which do not depend on the load: looked at once."""
    return environment("cpu")


def profile(
    model: str | ModelSpec | SoundEventDetector,
    *,
    counters: Sequence[str] = (),
    throughput: bool = True,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    parts: Sequence[str] = ("network", "frontend", "both"),
    batch_sizes: Sequence[int] | None = None,
    compiled: bool = False,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    checkpoint: str | Path | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Parameters, MACs, throughput, latency and memory of one model.

    Args:
        model: a spec, or a detector.
        counters: third-party MAC counters to run as well: ``fvcore``, ``thop``, ``torch``.
        throughput: also measure throughput, latency and memory; otherwise parameters and MACs alone.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        parts: what to time: ``network`` (features to logits), ``frontend``, ``both``.
        batch_sizes: clips per call; by default a sweep up to what memory allows and helps.
        compiled: use ``torch.compile``.
        threads: of torch on the CPU.
        clip_seconds: length of a clip.
        checkpoint: weights for a spec (``strong``, ``weak`` or a path); times do not depend on it.
        budget: how long to warm up and to measure.
        progress: gets a line for each measurement.

    Raises:
        EffbenchError: as the measurements that this calls.
    """
    spec = type(model).__name__ if isinstance(model, SoundEventDetector) else str(ModelSpec.parse(model))
    here = environment(device) if throughput else _unhurried_environment()
    counted = model
    if checkpoint is not None and not isinstance(model, SoundEventDetector):
        counted = build_model(model, checkpoint=checkpoint)
    complexity = measure_complexity(counted, counters=counters, clip_seconds=clip_seconds)
    if not throughput:
        return Profile(spec=spec, complexity=complexity, environment=here)
    detector = counted if isinstance(counted, SoundEventDetector) else build_model(counted, seed=0)
    common: dict[str, Any] = {
        "device": device,
        "precision": precision,
        "compiled": compiled,
        "threads": threads,
        "clip_seconds": clip_seconds,
    }
    timed: dict[str, Any] = {**common, "budget": budget, "progress": progress}
    rates = [
        rate
        for part in parts
        for rate in measure_throughput(detector, part=part, batch_sizes=batch_sizes, **timed)
    ]
    latency = measure_latency(detector, **timed)
    memory = None
    if not isinstance(model, SoundEventDetector):  # a child process must be able to build it
        memory = peak_memory(model, batch_size=_best_batch_size(rates), **common)
        if progress is not None:
            progress(str(memory))
    return Profile(spec, complexity, here, tuple(rates), latency, memory)


def check_settings(options: Mapping[str, Any]) -> None:
    """Refuse timing options that can't work here, before any work is done.

    Args:
        options: arguments of ``profile``.

    Raises:
        DeviceError, UsageError: as ``profile`` would, later.
    """
    names = ("device", "precision", "compiled", "threads", "clip_seconds")
    for part in options["parts"]:
        Setting.resolve(part=part, **{name: options[name] for name in names})


def _best_batch_size(rates: Sequence[Throughput]) -> int:
    """Fastest batch size of the network, or of what was timed instead."""
    best = [rate for rate in rates if rate.best]
    return next((rate for rate in best if rate.part != "frontend"), best[0]).batch_size
