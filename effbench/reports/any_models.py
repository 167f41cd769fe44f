"""The report on any models, one's own among them: side by side, drawn, and who of them is worth its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.plots.caption import setting
from effbench.plots.families import series_by
from effbench.plots.figure_data import FigureData
from effbench.plots.figures import FigureDefinition
from effbench.plots.select import select
from effbench.plots.timings import find_device, timed, timed_devices
from effbench.plots.values import Chosen, MissingResults, Value, untimed
from effbench.reports.content import Content
from effbench.reports.distributions import distributions
from effbench.reports.leading_scores import leading_scores
from effbench.reports.pareto import Cost, Tradeoff, pareto_front
from effbench.reports.provenance import environments, origins

SCORE = "psds1"

_COUNTED = ("parameters", "macs_exact", "traffic")
_TIMED = ("latency_p50", "memory_peak")


@dataclass(frozen=True)
class ModelLine:
    """One model: its score, what it costs, and the costs for which it is on the front.

    ``counts`` and ``timings`` are by quantity, ``throughput`` by device; what is not known is absent.
    """

    spec: str
    score: Value | None
    counts: Mapping[str, Value]
    throughput: Mapping[str, Value]
    timings: Mapping[str, Value]
    worth: tuple[str, ...]


def content(
    name: str, title: str, specs: Sequence[str], rows: pd.DataFrame, device: str | None = None
) -> Content:
    """Everything that the report says of these models, from rows of the store, published ones included.

    Its figure has the report's ``name``.

    Models are ranked by the ``leading_scores``. The figure shows timings of the ``device``, by default the
    most complete one.

    Raises:
        MissingResults: nothing is known of any of the models.
        UsageError: no timings of that device.
    """
    known = timed_devices(rows, "throughput", specs)
    if device is not None:
        device = find_device(device, known)
    main = device or next(iter(known), None)
    throughput = {name: chosen for name in known if (chosen := timed(rows, "throughput", specs, name))}
    counts = {name: untimed(rows, name, specs, "measured") for name in _COUNTED}
    timings = {
        name: chosen for name in _TIMED if main and (chosen := timed(rows, name, specs, main)) is not None
    }
    known_scores = leading_scores(rows, specs, SCORE)
    scores, beside = known_scores.leading, known_scores.beside
    if not scores.values and not any(chosen.values for chosen in counts.values()):
        models = ", ".join(specs[:6])
        raise MissingResults(f"the store holds nothing of {models}; 'effbench profile' counts them")
    devices = {name: ", ".join([name, *setting(chosen.setting)]) for name, chosen in throughput.items()}
    costs = list(_costs(scores, counts, throughput, devices))
    lines = [
        ModelLine(
            spec,
            scores.values.get(spec),
            _of(spec, counts),
            _of(spec, throughput),
            _of(spec, timings),
            tuple(cost.label for cost in costs if spec in cost.front),
        )
        for spec in specs
    ]
    drawable = [
        line.spec for line in lines if line.score and {"parameters", "macs_exact"} <= line.counts.keys()
    ]
    used = rows[rows["spec"].isin(specs)]
    distributed, refused = distributions(specs, rows, main, scores.setting)
    statistics = {f"{name}-{kind}": shown for kind, shown in distributed.items()}
    roofline = f"{name}-roofline"
    values = {
        "lines": sorted(lines, key=lambda line: (line.score is None, -(line.score or Value(0)).value)),
        "scored": [line for line in lines if line.score],
        "scores": scores,
        "scored_on": _said(scores),
        "beside": beside,
        "beside_on": _data_of(beside) if beside else "",
        "devices": devices,
        "main": main,
        "timed": sorted(timings),
        "costs": costs,
        "drawn": len(drawable),
        "left_out": [spec for spec in specs if spec not in drawable],
        "distributions": [figure for figure in statistics if figure != roofline],
        "roofline": roofline,
        "under_roof": statistics.get(roofline),
        "refused": refused,
        "figure": name if len(drawable) > 1 else None,
        "origins": origins(used),
        "environments": environments(used),
    }
    figures = {name: _figure(title, drawable, scores, rows, device)} if len(drawable) > 1 else {}
    return Content(title, specs, figures, values, statistics, main)


def _of(spec: str, chosen: Mapping[str, Chosen]) -> dict[str, Value]:
    return {name: values.values[spec] for name, values in chosen.items() if spec in values.values}


def _said(scores: Chosen) -> str:
    if scores.provenance == "measured":
        return f"measured, {_data_of(scores)}"
    own = "" if scores.measured.rows.empty else "; measured on the same data where nobody published any"
    return f"published, or declared by the user{own}"


def _data_of(scores: Chosen) -> str:
    named = {name: scores.setting.get(name) for name in ("data", "split", "protocol")}
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)


def _costs(
    scores: Chosen,
    counts: Mapping[str, Chosen],
    throughput: Mapping[str, Chosen],
    devices: Mapping[str, str],
) -> Iterator[Cost]:
    """Fronts of score and parameters, exact MACs, and time on each device."""
    inverse: Callable[[float], float] = lambda value: 1 / value  # noqa: E731
    known: list[tuple[str, Chosen, Callable[[float], float]]] = [
        ("parameters", counts["parameters"], float),
        ("MACs, exact", counts["macs_exact"], float),
        *((f"time, {devices[name]}", chosen, inverse) for name, chosen in throughput.items()),
    ]
    for label, chosen, cost in known:
        points = {
            spec: Tradeoff(cost(value.value), scores.values[spec].value)
            for spec, value in chosen.values.items()
            if spec in scores.values
        }
        if points:
            yield Cost(label, pareto_front(points), len(points))


def _figure(
    title: str, specs: Sequence[str], scores: Chosen, rows: pd.DataFrame, device: str | None
) -> FigureData:
    panels = [
        {"quantity": "parameters", "label": "Total parameters"},
        {"quantity": "throughput", "label": "Throughput (clips/s)", "reversed": True},
        {"quantity": "macs", "label": "MACs per clip"},
    ]
    if not timed_devices(rows, "throughput", specs):
        del panels[1]
    # Published scores may have measured ones beside them, which an axis has by default.
    origin = "measured" if scores.provenance == "measured" else None
    score = {"quantity": SCORE, "provenance": origin, "label": "PSDS1 (%)"}
    definition = FigureDefinition.model_validate(
        {
            "title": title,
            "y": {**score, "conditions": dict(scores.setting)},
            "panels": panels,
            "series": tuple(series_by("family", specs)),
        }
    )
    return select(rows, definition, device=device)
