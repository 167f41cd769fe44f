"""What the page's script is given: values of all models as compact JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import get_args

from effbench.plots.families import families
from effbench.plots.quantities import ON_A_DEVICE
from effbench.reports.explorer.explored import Explored, ExploredMetric, ExploredSetting, SweepPoint
from effbench.reports.known_values import Known, Origin
from effbench.reports.published_trainings import published_weights
from effbench.results.declared import in_reading_unit
from effbench.results.measurement import more_is_better

#: Colours that the page's style has for families.
COLOURS = 8

#: Only recommendations extrapolate.
ORIGINS: tuple[Origin, ...] = tuple(name for name in get_args(Origin) if name != "extrapolated")

_LABELS = {
    "parameters": "Parameters",
    "macs_exact": "MACs",
    "macs_paper": "MACs, published convention",
    "macs_training": "MACs of a training step",
    "traffic": "Memory traffic",
    "throughput": "Throughput",
    "latency_p50": "Latency, median",
    "latency_p90": "Latency, p90",
    "latency_p99": "Latency, p99",
    "memory_peak": "Peak memory",
    "energy": "Energy",
    "logit_error": "Logit error",
    "roof_share": "Share of the roof",
}

#: What can be limited, besides the score that models are ranked by.
_LIMITED = ("parameters", "macs_exact", "throughput", "latency_p50", "latency_p99", "memory_peak", "energy")

#: What the page's table shows; the file that it gives has all.
_SHOWN = ("parameters", "macs_exact", "throughput", "latency_p50", "memory_peak", "energy")

Cell = list[float | int | None]


def payload(found: Explored) -> dict[str, object]:
    """Everything that the script needs, as plain data.

    A value is ``[value, low, high, origin, source, batch size, seeds]``, in the unit of the store; origin and
    source are numbers in their lists. What is not known is ``null``.
    """
    sources: dict[str, int] = {}

    def cell(known: Known | None) -> Cell | None:
        if known is None:
            return None
        value = known.value
        source = sources.setdefault(known.source, len(sources))
        return [
            *(value.value, value.low, value.high, ORIGINS.index(known.origin), source),
            *(known.batch_size, known.seeds),
        ]

    def column(values: Mapping[str, Known]) -> list[Cell | None]:
        return [cell(values.get(spec)) for spec in found.specs]

    def sweep(batches: Iterable[SweepPoint]) -> list[list[object]]:
        return [[batch.size, cell(batch.throughput), cell(batch.memory)] for batch in batches]

    scored = Counter(metric.quantity for metric in found.metrics if metric.is_score)
    beside = {name for name, count in scored.items() if count > 1}
    groups = families(found.specs, COLOURS)
    group_of = {spec: number for number, specs in enumerate(groups.values()) for spec in specs}
    return {
        "groups": list(groups),
        "origins": list(ORIGINS),
        "models": [
            {"name": spec, "group": group_of[spec], "weights": published_weights(spec)}
            for spec in found.specs
        ],
        "metrics": [_described(metric, beside) for metric in found.metrics],
        "values": {metric.name: column(metric.values) for metric in found.metrics if not _is_timed(metric)},
        "settings": [
            {
                **_told(setting),
                "values": {name: column(metric.known) for name, metric in setting.metrics.items()},
                "sweeps": [sweep(setting.sweeps.get(spec, ())) for spec in found.specs],
            }
            for setting in found.settings
        ],
        "sources": list(sources),
    }


def as_script(data: object) -> str:
    """JSON that may stand in a ``script`` element, whatever texts it holds."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _is_timed(metric: ExploredMetric) -> bool:
    return metric.quantity in ON_A_DEVICE


def _told(setting: ExploredSetting) -> dict[str, str]:
    return {name: getattr(setting, name) for name in ("device", "precision", "rest", "label")}


def _described(metric: ExploredMetric, beside: Collection[str]) -> dict[str, object]:
    """A metric; published scores are marked if their quantity (in ``beside``) was measured as well."""
    quantity, published = metric.quantity, metric.name in beside
    one, unit = in_reading_unit(quantity, 1.0)
    if quantity == "traffic":
        one, unit = 1e-6, "MB"
    return {
        "name": metric.name,
        "label": _label(metric) + (", published" if published else ""),
        "unit": "clips/s" if unit == "clips/s" else unit.removesuffix("/clip"),
        "scale": 1 / one if one > 1 else round(1 / one),
        "more": more_is_better(quantity),
        "score": metric.is_score,
        "timed": _is_timed(metric),
        "limited": metric.is_score or quantity in _LIMITED,
        "shown": quantity in _SHOWN or published,
    }


def _label(metric: ExploredMetric) -> str:
    quantity = metric.quantity
    if quantity in _LABELS:
        return _LABELS[quantity]
    words = quantity.upper() if quantity.startswith(("psds", "pipsds")) else quantity
    return metric.name.replace(quantity, words.replace("_", " ").replace("PENALISED", "penalised"), 1)
