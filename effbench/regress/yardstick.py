"""A fixed piece of work, and how many times faster or slower than it a model is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.measure.timing import Call, no_garbage_collection, synchronise, timed
from effbench.results.intervals import Estimate, bootstrap

#: Names the reference workload. Ratios against another one mean something else.
REFERENCE = "reference-1"

_WARMUP = 1


class Yardstick(nn.Module):
    """A small network of the kinds of layers that detectors are made of.

    It must never change: baselines hold ratios against it. Another one gets another name.

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
    """How many times as fast as the reference a piece of work is: 2 takes half its time.

    Attributes:
        samples: one ratio for each call that stood between two calls of the reference.
        seconds: what each of the calls took.
    """

    samples: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        """Median ratio with its bootstrap 95 % interval."""
        return bootstrap(self.samples)

    @property
    def pairs(self) -> int:
        """Number of ratios."""
        return len(self.samples)

    def __add__(self, other: Ratio) -> Ratio:
        return replace(self, samples=self.samples + other.samples, seconds=self.seconds + other.seconds)

    def __str__(self) -> str:
        ratio = self.estimate
        return f"{ratio.value:.3g} × the reference [{ratio.low:.3g}, {ratio.high:.3g}], {self.pairs} pairs"


def measure_ratio(call: Call, reference: Call, device: torch.device, pairs: int) -> Ratio:
    """Times a call in turn with the reference, so that what slows the machine slows both.

    Each call is compared with the mean of the two reference calls right before and right after it, in
    which a steady drift of the machine's speed cancels.

    Args:
        call: the work.
        reference: what it is compared with, about as long.
        device: the device that both run on.
        pairs: how often.
    """
    for _ in range(_WARMUP):
        call()
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
