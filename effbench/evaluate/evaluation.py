"""An evaluation's outcome: values with intervals, which show and store themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from effbench.evaluate.scoring import MetricResult
from effbench.results.intervals import Estimate
from effbench.results.measurement import PER_CLASS, UNITS, Measurement, in_unit
from effbench.shown import Row, Shown, Table, cell, number_of


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """Scores of one detector on one data set.

    Attributes:
        protocol: that was followed.
        engine: that computed the scores.
        clips, classes: how many were scored.
        events: number of ground-truth events, after merging.
        values: quantity -> value and 95 % bootstrap interval (NaN where none was asked for), as fractions.
        results: metric -> its result in full, PSD-ROC curves and all.
        conditions: what the values depend on.
        notes: what a reader of the values should know.
        followed: what the protocol says, with what was given instead.
        clip_names: the clips that were scored.
        origin: what was scored, as far as it is known: model, checkpoint, data, split.
    """

    protocol: str
    engine: str
    clips: int
    classes: int
    events: int
    values: Mapping[str, Estimate]
    results: Mapping[str, MetricResult]
    conditions: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    followed: Mapping[str, Any] = field(default_factory=dict)
    clip_names: Sequence[str] = ()
    origin: Mapping[str, str | int | None] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = [f"{row['score']} {cell(row['value']) or 'undefined'} {row['unit']}" for row in self.rows()]
        values = ", ".join([*shown[:3], *(["…"] if len(shown) > 3 else [])])
        subject = " on ".join(str(self.origin[key]) for key in ("model", "data") if key in self.origin)
        return f"{subject + ': ' if subject else ''}{values}; {number_of(self.clips, 'clip')}"

    @property
    def per_class(self) -> Mapping[str, Mapping[str, float]]:
        """Metric -> class -> value, a fraction; NaN where it is not defined."""
        return {name: result.per_class for name, result in self.results.items()}

    @property
    def by_class(self) -> ClassValues:
        """The values of every class, as a table."""
        return ClassValues(self.per_class)

    def sections(self) -> Iterator[Table | str]:
        """The values, in their units, and the notes."""
        yield self.table()
        yield from (f"note: {note}" for note in self.notes)

    def table(self) -> Table:
        """The values, in their units."""
        title = f"{self.counted}; protocol {self.protocol}"
        return Table(self.rows(), title, shared=tuple(self.setting))

    @property
    def counted(self) -> str:
        """How many clips, classes and events."""
        counts = {"clip": self.clips, "class": self.classes, "event": self.events}
        return ", ".join(number_of(count, noun) for noun, count in counts.items())

    @property
    def setting(self) -> dict[str, object]:
        """What the values are of, and what they depend on."""
        origin = {name: value for name, value in self.origin.items() if name != "scores"}
        return {**origin, **self.conditions}

    def rows(self) -> list[Row]:
        """Every value with its interval, in its unit, to four decimals, and ``setting``."""
        return [
            {
                "score": name,
                **{key: None if x is None else round(x, 4) for key, x in _in_unit(name, estimate).items()},
                "unit": UNITS[name],
                **self.setting,
            }
            for name, estimate in self.values.items()
        ]

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON; values are in their units, and ``None`` where they are not defined."""
        return {
            "protocol": self.protocol,
            "followed": dict(self.followed),
            "engine": self.engine,
            "clips": self.clips,
            "classes": self.classes,
            "events": self.events,
            "setting": self.setting,
            "values": {
                name: {**_in_unit(name, estimate), "unit": UNITS[name]}
                for name, estimate in self.values.items()
            },
            "per_class": self.by_class.to_dict(),
            "per_class_unit": "%",
            "notes": list(self.notes),
        }

    def measurements(
        self,
        spec: str,
        *,
        conditions: Mapping[str, object] | None = None,
        environment: Mapping[str, object] | None = None,
    ) -> list[Measurement]:
        """The values that are defined as rows of the results store; fractions as percentages.

        ``conditions`` are what the values depend on besides the protocol: data set, checkpoint, …
        The row of a metric's own quantity also keeps the value of every class.
        """
        by_class = self.by_class.to_dict()
        return [
            Measurement.here(
                spec,
                quantity,
                in_unit(quantity, estimate),
                conditions={**self.conditions, **(conditions or {})},
                environment={
                    **(environment or {}),
                    "protocol": dict(self.followed),
                    **({PER_CLASS: by_class[quantity]} if quantity in by_class else {}),
                },
            )
            for quantity, estimate in self.values.items()
            if not math.isnan(estimate.value)
        ]


@dataclass(frozen=True, repr=False)
class ClassValues(Shown):
    """Values of every class: metric -> class -> value, a fraction; NaN where it is not defined."""

    by_metric: Mapping[str, Mapping[str, float]]

    def __str__(self) -> str:
        return f"{', '.join(self.by_metric)} by class"

    def sections(self) -> Iterator[Table | str]:
        """One row a class, one column a metric."""
        yield Table(self.rows(), "By class, %")

    def rows(self) -> list[Row]:
        """One row a class, percentages to four decimals."""
        metrics = self.by_metric.items()
        names = dict.fromkeys(name for _, values in metrics for name in values)
        return [
            {"class": name}
            | {metric: _plain(round(100 * values.get(name, math.nan), 4)) for metric, values in metrics}
            for name in names
        ]

    def to_dict(self) -> dict[str, object]:
        """Metric -> class -> value, in per cent; ``None`` where it is not defined."""
        return {
            metric: {name: _plain(100 * value) for name, value in values.items()}
            for metric, values in self.by_metric.items()
        }


def _in_unit(name: str, estimate: Estimate) -> dict[str, float | None]:
    shown = in_unit(name, estimate)
    return {"value": _plain(shown.value), "low": _plain(shown.low), "high": _plain(shown.high)}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
