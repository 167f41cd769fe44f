"""Relative speed: how many times faster or slower a model is than a fixed reference workload."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.measure.conditions import Conditions
from effbench.measure.timing import Call, Progress, no_garbage_collection, synchronise, timed
from effbench.measure.workload import make_call, prepared
from effbench.models.detector import SoundEventDetector
from effbench.regress.baseline import Setup, Speed
from effbench.results.intervals import Estimate, bootstrap


class Yardstick(nn.Module):
    """A small network of the kinds of layers that detectors are made of.

    It must never change: baselines hold ratios against it. Another one needs another name (``REFERENCE``).

    Shape:
        (1, 1, 64, 512) -> (1, 256, 64)
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 24, 3, stride=2, padding=1, bias=False)
        self.blocks = nn.Sequential(*(_block(24, 72, kernel) for kernel in (3, 5, 3)))
        self.project = nn.Linear(24 * 32, 192)
        self.query_key_value = nn.Linear(192, 3 * 192)
        self.recurrent = nn.GRU(192, 64, batch_first=True)
        self.head = nn.Linear(64, 64)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                fan_in = max(1, parameter[0].numel())
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.hardswish(self.stem(x)))
        x = self.project(x.permute(0, 3, 1, 2).flatten(2))
        q, k, v = self.query_key_value(x).unflatten(2, (3, 4, 48)).permute(2, 0, 3, 1, 4)
        x = x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.head(self.recurrent(x)[0])
        return out


def _block(width: int, hidden: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.Hardswish(),
        nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=False),
        nn.BatchNorm2d(hidden),
        nn.Hardswish(),
        nn.Conv2d(hidden, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


def yardstick_call(device: torch.device) -> Call:
    """The reference workload on a device, as a call without arguments; use in inference mode."""
    network = Yardstick().to(device)
    x = torch.linspace(-1, 1, 64 * 512, device=device).reshape(1, 1, 64, 512)
    return lambda: network(x)


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the reference a call is (2 takes half its time): samples and seconds."""

    samples: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        """Median ratio with its bootstrap 95 % interval."""
        return bootstrap(self.samples)

    def __add__(self, other: Ratio) -> Ratio:
        return replace(self, samples=self.samples + other.samples, seconds=self.seconds + other.seconds)

    def __str__(self) -> str:
        ratio, pairs = self.estimate, len(self.samples)
        return f"{ratio.value:.3g} × the reference [{ratio.low:.3g}, {ratio.high:.3g}], {pairs} pairs"


def measure_ratio(call: Call, reference: Call, device: torch.device, pairs: int) -> Ratio:
    """Time a call ``pairs`` times in turn with the reference, so that what slows the machine slows both.

    Each call is compared with the mean of the two reference calls right before and right after it, in
    which a steady drift of the machine's speed cancels. Both should take about as long.
    """
    call()  # warm up
    reference()
    synchronise(device)
    with no_garbage_collection():
        before = timed(reference, device)
        ratios: list[float] = []
        seconds: list[float] = []
        for _ in range(pairs):
            own = timed(call, device)
            after = timed(reference, device)
            ratios.append((before + after) / (2 * own))
            seconds.append(own)
            before = after
    return Ratio(tuple(ratios), tuple(seconds))


@dataclass(frozen=True)
class Effort:
    """How long speeds are measured.

    All models have their turn in each round, of so many ``pairs``, so that a short disturbance hits a few
    pairs of each rather than all pairs of one. Rounds go on until the interval of a model, relative to its
    ratio, is narrower than ``spread``. A model that seems slower is measured up to ``attempts`` times.
    """

    pairs: int = 8
    min_rounds: int = 3
    max_rounds: int = 8
    spread: float = 0.05
    attempts: int = 3

    def times(self, factor: int) -> Effort:
        return replace(self, min_rounds=factor * self.min_rounds, max_rounds=factor * self.max_rounds)


def measure_speeds(
    detectors: Mapping[str, SoundEventDetector],
    setup: Setup,
    effort: Effort,
    progress: Progress | None = None,
) -> dict[str, Speed]:
    """Speed of each detector's network relative to the reference workload, one clip at a time, in float32.

    ``progress`` gets a line for each model when it is done.
    """
    conditions = Conditions(setup.device, threads=setup.threads, clip_seconds=setup.clip_seconds)
    device = conditions.torch_device
    ratios: dict[str, Ratio] = {}
    with ExitStack() as stack:
        for detector in detectors.values():
            stack.enter_context(prepared(detector, conditions))
        reference = yardstick_call(device)
        calls = {spec: make_call(detector, conditions, 1)[0] for spec, detector in detectors.items()}
        pending: Sequence[str] = list(calls)
        for done in range(1, effort.max_rounds + 1):
            for spec in pending:
                ratio = measure_ratio(calls[spec], reference, device, effort.pairs)
                ratios[spec] = ratios[spec] + ratio if spec in ratios else ratio
            if done < effort.min_rounds:
                continue
            narrow = [spec for spec in pending if ratios[spec].estimate.relative_width <= effort.spread]
            pending = [spec for spec in pending if spec not in narrow]
            for spec in narrow if done < effort.max_rounds else [*narrow, *pending]:
                if progress is not None:
                    progress(f"{spec}: {ratios[spec]}")
            if not pending:
                break
    return {spec: _speed(ratios[spec]) for spec in detectors}


def _speed(ratio: Ratio) -> Speed:
    """A ratio with the digits that a file should hold."""
    estimate, seconds = ratio.estimate, statistics.median(ratio.seconds)
    value, low, high, seconds = (
        float(f"{x:.5g}") for x in (estimate.value, estimate.low, estimate.high, seconds)
    )
    return Speed(ratio=value, low=low, high=high, pairs=len(ratio.samples), seconds=seconds)
