"""How values of metrics are shown to people and to programs, and where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from effbench.plots.values import Value
from effbench.reports.known_values import KnownValues, Origin
from effbench.reports.words import listed
from effbench.results.declared import in_reading_unit
from effbench.results.measurement import UNITS
from effbench.shown import Row, significant

_ORIGINS: Mapping[Origin, str] = {
    "measured": "measured",
    "counted": "counted by effbench",
    "declared": "declared by the user",
    "published": "published",
    "extrapolated": "extrapolated from the time of one clip",
}


def has_intervals(metric: KnownValues) -> bool:
    """Whether any value has one."""
    return any(known.value.low is not None for known in metric.known.values())


def read(quantity: str, value: float) -> str:
    """A value with its unit, for people: ``43.5 %``, ``3.83 M``, ``1.21 ms``."""
    number, unit = in_reading_unit(quantity, value)
    return f"{significant(number)} {unit}"


def reading_cells(metric: KnownValues, spec: str, *, intervals: bool = True) -> Row:
    """Cells for people: value in a unit for reading, its interval; batch size, origin where they differ."""
    name, known = metric.quantity, metric.known.get(spec)
    unit = in_reading_unit(name, 0)[1]
    row: dict[str, object] = {f"{name} ({unit})": known and in_reading_unit(name, known.value.value)[0]}
    if intervals and has_intervals(metric):
        row[f"{name} 95 %"] = known and _interval(name, known.value)
    if len({other.batch_size for other in metric.known.values()}) > 1:
        row["batch"] = known and known.batch_size
    if len(metric.origins) > 1:
        row[f"{name} is"] = known and known.origin
    return row


def stored_cells(metric: KnownValues, spec: str) -> Row:
    """Cells for programs: value and interval in the unit of the store, origin, and batch size of timings."""
    name, known = metric.quantity, metric.known.get(spec)
    value = known.value if known else None
    return {
        name: value and value.value,
        f"{name}_low": value and value.low,
        f"{name}_high": value and value.high,
        f"{name}_origin": known and known.origin,
        f"{name}_batch_size": known and known.batch_size,
    }


def described(metric: KnownValues) -> dict[str, object]:
    """What a metric is, for JSON."""
    return {
        "unit": UNITS[metric.quantity],
        "more_is_better": metric.more_is_better,
        "device": metric.device,
        "setting": dict(metric.setting),
        "origins": list(metric.origins),
    }


def provenance_in_words(metrics: Mapping[str, KnownValues]) -> str:
    """One sentence on where the values of each metric come from."""
    by_origin: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        by_origin.setdefault(_came_about(metric), []).append(name)
    return "; ".join(f"{listed(names)}: {how}" for how, names in by_origin.items()) + "."


def _came_about(metric: KnownValues) -> str:
    several = len(metric.origins) > 1
    counts = Counter(known.origin for known in metric.known.values())
    said = listed(f"{_ORIGINS[name]}{f' ({counts[name]})' if several else ''}" for name in metric.origins)
    if metric.quantity == "throughput" and metric.device is None:
        said += ", on a device that nobody knows"
    if metric.device is not None:
        said += f" on {metric.where}"
    seeds = sorted({known.seeds for known in metric.known.values()} - {1})
    if seeds:
        said += f", mean of {' or '.join(map(str, seeds))} seeds where there are several"
    sizes = sorted({known.batch_size for known in metric.known.values() if known.batch_size is not None})
    if len(sizes) > 1:
        return f"{said}, each model at its best batch size ({sizes[0]} to {sizes[-1]})"
    return f"{said}, batch {sizes[0]}" if sizes else said


def _interval(quantity: str, value: Value) -> str | None:
    if value.low is None or value.high is None:
        return None
    return " – ".join(significant(in_reading_unit(quantity, end)[0]) for end in (value.low, value.high))
