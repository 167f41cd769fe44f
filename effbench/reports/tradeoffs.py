"""``effbench.pareto``: trade-offs between models as numbers, from the rows of a store or those that ship."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from effbench.errors import UsageError
from effbench.plots.quantities import MACS, SCORE_UNITS
from effbench.plots.values import MissingResults, Value
from effbench.reports.candidates import Candidates
from effbench.reports.front_shape import hypervolume, knee, probability_on_front
from effbench.reports.known_values import KnownValues
from effbench.reports.pareto_front import ParetoFront
from effbench.reports.words import listed
from effbench.results.dominance import Gains, dominates, undominated
from effbench.results.measurement import UNITS
from effbench.results.shipped import newest_rows

#: Draws of every value for the probabilities.
DRAWS = 2000

#: Standard deviations from the middle of a normal distribution to the ends of its 95 % interval.
_REACH = 1.959964


def pareto(
    models: Iterable[str] | None = None,
    *,
    metrics: Sequence[str] = ("psds1", MACS),
    device: str | None = None,
    precision: str | None = None,
    conditions: Mapping[str, object] | None = None,
    scores: str | None = None,
    reference: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    store: str | Path | None = None,
) -> ParetoFront:
    """The Pareto front of models in any set of metrics, its knee and hypervolume, and how sure it is.

    Scores and throughput are better the higher they are, all else the lower.

    Args:
        models: specs, names and globs; all known models by default.
        metrics: quantities of the store, at least two; ``macs`` are the exact ones.
        device, precision: of timings; a part of the device's name, or ``published`` for the publication's
            throughput.
        conditions: that scores or timings have: ``{"data": "desed", "batch_size": 1}``.
        scores: ``published`` or ``measured``; by default published ones, and beside them measured ones of
            models that nobody published, on the same data.
        reference: values to measure the hypervolume from, in the units of the store.
        draws, seed: of the probabilities.
        store: a results store; by default ``results/effbench.sqlite``, or what ships where there is none.

    Raises:
        UsageError: an unknown model, metric, device or condition.
        MissingResults: nothing is known of a metric, or no model has them all, or scores can't be compared.
    """
    names = list(dict.fromkeys("macs_exact" if name == MACS else name for name in metrics))
    if len(names) < 2:
        raise UsageError("a trade-off is one of at least two metrics, e.g. psds1 and parameters")
    if draws < 1:
        raise UsageError(f"probabilities take at least 1 draw, not {draws}")
    candidates = Candidates(
        newest_rows(store), models, device=device, precision=precision, conditions=conditions, scores=scores
    )
    return front_of(candidates.specs, candidates.metrics(names), reference or {}, draws=draws, seed=seed)


def front_of(
    specs: Sequence[str],
    metrics: Mapping[str, KnownValues],
    reference: Mapping[str, float],
    draws: int = DRAWS,
    seed: int = 0,
) -> ParetoFront:
    """The front of those of the models of which every metric is known; the options are those of ``pareto``.

    Raises:
        UsageError: a reference for another quantity.
        MissingResults: no model has all metrics.
    """
    lacking = {spec: tuple(name for name in metrics if spec not in metrics[name].known) for spec in specs}
    compared = [spec for spec in specs if not lacking[spec]]
    if not compared:
        raise MissingResults(f"no model has {listed(metrics)}, all of them: compare fewer metrics")
    if odd := next((name for name in reference if name not in metrics), None):
        raise UsageError(f"a reference for '{odd}', which is none of the metrics: {', '.join(metrics)}")
    if not all(map(math.isfinite, reference.values())):
        raise UsageError("a hypervolume begins at a reference of finite numbers")
    gains = {
        spec: tuple(metric.gain(metric.known[spec].value.value) for metric in metrics.values())
        for spec in compared
    }
    front = undominated(gains)
    worst = (min(several) for several in zip(*gains.values(), strict=True))
    # A gain of a gain is the value again.
    start = {
        name: float(reference.get(name, metric.gain(gain)))
        for (name, metric), gain in zip(metrics.items(), worst, strict=True)
    }
    axes = [_axis(metric, [start[name], *_values(metric, compared)]) for name, metric in metrics.items()]
    on_axes = [_on(axes, gains[spec]) for spec in front]
    corner = tuple(metric.gain(start[name]) for name, metric in metrics.items())
    return ParetoFront(
        metrics=metrics,
        front=front,
        probability=_probabilities(metrics, compared, draws, seed),
        beaten_by={
            spec: next(name for name in front if dominates(gains[name], gains[spec]))
            for spec in compared
            if spec not in front
        },
        knee=knee(dict(zip(front, on_axes, strict=True))),
        reference=start,
        volume=hypervolume([gains[spec] for spec in front], corner),
        hypervolume=_share_of_box(on_axes, _on(axes, corner)),
        missing={spec: names for spec, names in lacking.items() if names},
        draws=draws,
        seed=seed,
    )


def _values(metric: KnownValues, specs: Iterable[str]) -> list[float]:
    return [metric.known[spec].value.value for spec in specs]


def _axis(metric: KnownValues, values: Sequence[float]) -> Callable[[float], float]:
    """Where a gain stands on the axis of a figure: costs and rates above 0 are on a logarithmic one."""
    if UNITS[metric.quantity] in SCORE_UNITS or min(values) <= 0:
        return float
    return lambda gain: metric.gain(math.log10(abs(gain)))


def _on(axes: Sequence[Callable[[float], float]], gains: Gains) -> Gains:
    return tuple(axis(gain) for axis, gain in zip(axes, gains, strict=True))


def _share_of_box(front: Sequence[Gains], reference: Gains) -> float | None:
    """Hypervolume of a front as a share of the box from the reference to the best in each metric."""
    best = [max(several) for several in zip(*front, strict=True)]
    box = math.prod(max(0.0, high - low) for high, low in zip(best, reference, strict=True))
    return hypervolume(front, reference) / box if box > 0 else None


def _probabilities(
    metrics: Mapping[str, KnownValues], specs: Sequence[str], draws: int, seed: int
) -> dict[str, float]:
    """For each model the share of draws in which it is on the front."""
    generator = np.random.default_rng(seed)
    samples = np.empty((len(specs), len(metrics), draws))
    for column, metric in enumerate(metrics.values()):
        for row, spec in enumerate(specs):
            samples[row, column] = metric.gain(1.0) * _drawn(metric.known[spec].value, generator, draws)
    found = probability_on_front(samples)
    return dict(zip(specs, found.tolist(), strict=True))


def _drawn(value: Value, generator: np.random.Generator, draws: int) -> np.ndarray:
    """Values (draws,) as likely as an interval says: the median is the value, 95 % are between the ends."""
    if value.low is None or value.high is None:
        return np.full(draws, value.value)
    normal = generator.standard_normal(draws) / _REACH
    return value.value + normal * np.where(normal > 0, value.high - value.value, value.value - value.low)
