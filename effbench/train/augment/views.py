"""A batch as augmentation sees it, and random numbers from a CPU generator and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """One batch: its features, once for every network that processes it, and its targets.

    Attributes:
        features: those of the student and, if there is one, of the online teacher, each
            (batch, 1, mels, feature frames) with its own number of mels and frames.
        labels: (batch, classes, frames) of frames, or (batch, classes) of clips. Clip labels have no time:
            what moves or hides a part of the clip leaves them as they are.
        pseudo: probabilities of a teacher, (batch, classes, frames), or ``None``.
        log_scales: natural logarithms of power per unit of each of ``features``, which says how far a gain in
            decibels moves them. ``(ln mel + 4.5) / 5`` has 5.
    """

    features: tuple[Tensor, ...]
    labels: Tensor
    pseudo: Tensor | None = None
    log_scales: tuple[float, ...] = (5.0,)

    @property
    def batch(self) -> int:
        """Number of clips."""
        return len(self.labels)

    @property
    def has_frame_labels(self) -> bool:
        """Whether the labels are of frames, not of clips."""
        return self.labels.ndim == 3


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
    """(size,) Beta(a, b) variates x as float32, or ``max(x, 1 - x)``."""
    # torch offers beta variates from its global generator only.
    variates = np.random.default_rng(integer(0, 2**63 - 1, generator)).beta(a, b, size)
    if maxed:
        variates = np.maximum(variates, 1 - variates)
    return torch.from_numpy(variates.astype(np.float32))
