"""``effbench.recommend``: which model to take, within limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS
from effbench.plots.quantities import SCORE_UNITS
from effbench.reports.candidates import Candidates
from effbench.reports.fair_times import fitting_memory
from effbench.reports.known_values import KnownValues, values_of
from effbench.reports.limits import Limit, Values, broken
from effbench.reports.live_streams import of_such_streams, streams_carried, streams_limit
from effbench.reports.published_trainings import published_weights
from effbench.reports.recommendation import WEIGHED_COUNTS, Recommendation
from effbench.results.declared import check_quantity, in_stored_unit
from effbench.results.measurement import UNITS
from effbench.results.shipped import newest_rows


def recommend(
    models: Iterable[str] | None = None,
    *,
    max_params: float | None = None,
    max_macs: float | None = None,
    min_throughput: float | None = None,
    max_latency: float | None = None,
    max_memory: float | None = None,
    max_energy: float | None = None,
    min_score: float | None = None,
    real_time: float | None = None,
    hop: float = CLIP_SECONDS,
    within: float = 1.0,
    percentile: int = 99,
    score: str = "psds1",
    with_weights: bool = False,
    device: str | None = None,
    precision: str | None = None,
    conditions: Mapping[str, object] | None = None,
    scores: str | None = None,
    store: str | Path | None = None,
) -> Recommendation:
    """The model with the best score within limits, the next ones, and what dropping a limit would allow.

    A model of which a limited quantity is not known is never within. Times and memory are those of one device
    in one setting, throughput and memory at one batch size.

    Args:
        models: specs, names and globs; all known models by default.
        max_params, max_macs: counts; MACs are the exact ones of a clip of 10 s.
        min_throughput: clips per second, each model at its best batch size within ``max_memory``.
        max_latency: seconds for one clip; ``percentile`` of all calls.
        max_memory: bytes, at the batch size of the throughput.
        max_energy: joules for one clip.
        min_score: at least so good, in the unit of the score, mostly %.
        real_time: live streams at once, as measured on the device with this ``hop`` and ``within``. Of models
            without such rows they are extrapolated, and marked so: one clip at a time, each of which
            may take ``hop / real_time`` seconds (``percentile`` of all calls).
        hop: seconds from the start of one clip of a stream to the next; the whole clip by default.
        within: seconds to a hop's events, which 99 % of measured hops keep.
        percentile: of the latency: 50, 90 or 99.
        score: what the best model is best in.
        with_weights: only models of which weights are published.
        device, precision, conditions, scores, store: as ``effbench.pareto`` takes them.

    Raises:
        UsageError: an impossible limit, or an unknown model, quantity, device or condition.
        MissingResults: nothing is known of a limited quantity, or scores can't be compared.
    """
    check_quantity(score)
    if UNITS[score] not in SCORE_UNITS:
        raise UsageError(f"models are ranked by a score, such as psds1; {score} is none")
    latency = f"latency_p{percentile}"
    if latency not in UNITS:
        raise UsageError(f"latency is known at percentiles 50, 90 and 99, not {percentile}")
    limits = [
        Limit(name, float(bound))
        for name, bound in (
            ("parameters", max_params),
            ("macs_exact", max_macs),
            ("throughput", min_throughput),
            (latency, max_latency),
            ("memory_peak", max_memory),
            ("energy", max_energy),
            (score, None if min_score is None else in_stored_unit(score, min_score)),
        )
        if bound is not None
    ]
    if real_time is not None:
        limits.append(streams_limit(real_time, hop, within))
    if odd := next((limit for limit in limits if not 0 < limit.bound < math.inf), None):
        raise UsageError(f"a limit is above 0, and finite: {odd} can't be")
    rows = newest_rows(store)
    if max_memory is not None:
        rows = fitting_memory(rows, max_memory)
    if real_time is not None:
        rows = of_such_streams(rows, hop, within)
    candidates = Candidates(
        rows, models, device=device, precision=precision, conditions=conditions, scores=scores
    )
    weighed = [score, *WEIGHED_COUNTS, *(limit.quantity for limit in limits)]
    also = ["throughput"] if max_memory is not None or device is not None or precision is not None else []
    specs = [spec for spec in candidates.specs if not with_weights or published_weights(spec)]
    if real_time is None:
        return choose(specs, candidates.metrics(weighed, also), limits, score)
    needed = [name for name in weighed if name != "streams"]
    metrics = candidates.metrics(needed, [latency, "streams", *also])
    if metrics.keys().isdisjoint((latency, "streams")):
        candidates.metrics([latency])  # says what is lacking
    return choose(specs, metrics | {"streams": streams_carried(metrics, latency, hop)}, limits, score)


def choose(
    specs: Sequence[str], metrics: Mapping[str, KnownValues], limits: Sequence[Limit], score: str
) -> Recommendation:
    """The recommendation among models; ``metrics`` has the score and all that is limited."""
    values = {spec: values_of(metrics, spec) for spec in specs}
    in_the_way = {spec: broken(values[spec], limits) for spec in specs}
    scored = [spec for spec in specs if spec in metrics[score].known]
    ordered = sorted(scored, key=lambda spec: _rank(values[spec], metrics[score]))
    return Recommendation(
        score=metrics[score],
        metrics=metrics,
        limits=tuple(limits),
        ranked=tuple(spec for spec in ordered if not in_the_way[spec]),
        in_the_way={spec: in_the_way[spec] for spec in ordered if in_the_way[spec]},
        unscored=tuple(
            spec
            for spec in specs
            if spec not in scored and all(limit.quantity == score for limit in in_the_way[spec])
        ),
    )


def _rank(values: Values, score: KnownValues) -> tuple[float, float, float]:
    costs = [values.get(name) for name in ("macs_exact", "parameters")]
    macs, parameters = (float("inf") if cost is None else cost for cost in costs)
    return -score.gain(values[score.quantity] or 0.0), macs, parameters
