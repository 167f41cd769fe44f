"""Relative speed of several models, measured in turns so that each sees the same machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from effbench.measure.conditions import Conditions
from effbench.measure.timing import Progress
from effbench.measure.workload import make_call, prepared
from effbench.models.detector import SoundEventDetector
from effbench.regress.baseline import Setup, Speed
from effbench.regress.yardstick import Ratio, measure_ratio, yardstick_call


@dataclass(frozen=True)
class Effort:
    """How long speeds are measured.

    All models have their turn in each round, so that a short disturbance hits a few pairs of each rather
    than all pairs of one. Rounds go on until a model's interval is narrow, within bounds.

    Attributes:
        pairs: ratios per model and round.
        min_rounds: fewest rounds.
        max_rounds: most rounds.
        spread: width of the interval, relative to the ratio, that is narrow enough.
        attempts: how often a model that seems slower is measured before it is called slower.
    """

    pairs: int = 8
    min_rounds: int = 3
    max_rounds: int = 8
    spread: float = 0.05
    attempts: int = 3

    def times(self, factor: int) -> Effort:
        """The same with so many times the rounds."""
        return replace(self, min_rounds=factor * self.min_rounds, max_rounds=factor * self.max_rounds)


def measure_speeds(
    detectors: Mapping[str, SoundEventDetector],
    setup: Setup,
    effort: Effort,
    progress: Progress | None = None,
) -> dict[str, Speed]:
    """Speed of each detector's network relative to the reference workload, one clip at a time, in float32.

    Args:
        detectors: by spec.
        setup: device, threads and clip length.
        effort: how long to measure.
        progress: gets a line for each model when it is done.
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
    estimate = ratio.estimate
    return Speed(
        ratio=_rounded(estimate.value),
        low=_rounded(estimate.low),
        high=_rounded(estimate.high),
        pairs=ratio.pairs,
        seconds=_rounded(statistics.median(ratio.seconds)),
    )


def _rounded(value: float) -> float:
    """To the digits that a file should hold."""
    return float(f"{value:.5g}")
