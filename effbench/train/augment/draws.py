"""Random numbers from a CPU generator, and from nothing else."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def happens(rate: float, generator: torch.Generator) -> bool:
    """True with probability ``rate``; a rate of 0 draws nothing."""
    return rate > 0 and torch.rand((), generator=generator).item() < rate


def uniform(generator: torch.Generator) -> float:
    """One number in [0, 1)."""
    return torch.rand((), generator=generator, dtype=torch.float64).item()


def integer(low: int, high: int, generator: torch.Generator) -> int:
    """One of ``low``, …, ``high - 1``; ``low`` if there is no choice."""
    return int(torch.randint(low, max(high, low + 1), (), generator=generator))


def beta(a: float, b: float, size: int, generator: torch.Generator, *, maxed: bool = False) -> Tensor:
    """Beta(a, b) variates x, or ``max(x, 1 - x)``.

    Shape:
        (size,) float32
    """
    # torch offers beta variates from its global generator only.
    variates = np.random.default_rng(integer(0, 2**63 - 1, generator)).beta(a, b, size)
    if maxed:
        variates = np.maximum(variates, 1 - variates)
    return torch.from_numpy(variates.astype(np.float32))
