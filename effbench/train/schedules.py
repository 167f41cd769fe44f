"""Learning rates over the optimiser steps, as factors of the peak rate.

A schedule is a function of the number of finished optimiser steps, as ``torch.optim.lr_scheduler.LambdaLR``
takes it. All begin with ``s / warmup`` for ``s < warmup``; a run of fewer steps ends within the warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Schedule = Callable[[int], float]


def cosine(total: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """``end + (1 - end) · (1 + cos(π p)) / 2`` with the progress ``p = (s - warmup) / (total - warmup)``.

    Source: Loshchilov and Hutter 2017, one period.
    """
    return _warmed(lambda p: end + (1 - end) * 0.5 * (1 + math.cos(math.pi * p)), total, warmup)


def linear(total: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """``1 + (end - 1) · p`` with the progress ``p = (s - warmup) / (total - warmup)``."""
    return _warmed(lambda p: 1 + (end - 1) * p, total, warmup)


def exponential(total: int, *, warmup: int = 0, end: float = 0.01) -> Schedule:
    """``end ^ p`` with the progress ``p = (s - warmup) / (total - warmup)``; ``end`` is above 0."""
    return _warmed(lambda p: end**p, total, warmup)


def constant(total: int, *, warmup: int = 0, end: float = 1.0) -> Schedule:
    """1 after the warm-up; ``end`` is not used."""
    return _warmed(lambda p: 1.0, total, warmup)


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "constant": constant,
}


def _warmed(after: Callable[[float], float], total: int, warmup: int) -> Schedule:
    """Linear warm-up, then ``after`` of the progress, which stays at 1 beyond the last step."""

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return after(min(1.0, (step - warmup) / max(1, total - warmup)))

    return factor
