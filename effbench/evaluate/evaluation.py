"""What an evaluation found: values with intervals, ready to be printed and to be stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from effbench.evaluate.events import FScore, SegmentScore
from effbench.evaluate.pauroc import PaurocResult
from effbench.evaluate.psds.metric import PsdsResult
from effbench.results.intervals import Estimate
from effbench.results.measurement import Described, Measurement, in_unit


@dataclass(frozen=True)
class Evaluation:
    """Scores of one detector on one data set.

    Attributes:
        protocol: that was followed.
        engine: that computed PSDS and pAUROC.
        clips: number that was scored.
        classes: number that was scored.
        events: number of ground-truth events, after merging.
        values: quantity -> value and 95 % bootstrap interval (NaN where none was asked for), as fractions.
        results: metric -> its result in full, PSD-ROC curves and all.
        conditions: what the values depend on.
        notes: what a reader of the values should know.
    """

    protocol: str
    engine: str
    clips: int
    classes: int
    events: int
    values: Mapping[str, Estimate]
    results: Mapping[str, Any] = field(repr=False)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def per_class(self) -> Mapping[str, Mapping[str, float]]:
        """Metric -> class -> value; NaN where it is not defined."""
        return {name: getattr(result, "f1", result).per_class for name, result in self.results.items()}

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; what is not defined is ``None``."""
        return {
            "protocol": self.protocol,
            "engine": self.engine,
            "clips": self.clips,
            "classes": self.classes,
            "events": self.events,
            "values": {
                name: {
                    "value": _plain(estimate.value),
                    "low": _plain(estimate.low),
                    "high": _plain(estimate.high),
                }
                for name, estimate in self.values.items()
            },
            "per_class": {
                metric: {name: _plain(value) for name, value in values.items()}
                for metric, values in self.per_class.items()
            },
            "notes": list(self.notes),
        }

    def measurements(
        self,
        spec: str,
        *,
        conditions: Mapping[str, Any] | None = None,
        environment: Described | Mapping[str, object] | None = None,
    ) -> list[Measurement]:
        """The values as rows of the results store; fractions as percentages.

        Args:
            spec: canonical model spec.
            conditions: what the values depend on besides the protocol: data set, checkpoint, …
            environment: the machine and software.
        """
        return [
            Measurement.here(
                spec,
                quantity,
                in_unit(quantity, estimate),
                conditions={**self.conditions, **(conditions or {})},
                environment=environment,
            )
            for quantity, estimate in self.values.items()
            if not math.isnan(estimate.value)
        ]


def values_of(results: Mapping[str, Any]) -> dict[str, Estimate]:
    """Quantity -> value with its interval, of all metrics' results."""
    return {
        name: estimate for metric, result in results.items() for name, estimate in _values(metric, result)
    }


def _values(metric: str, result: Any) -> Iterable[tuple[str, Estimate]]:
    if isinstance(result, PsdsResult):
        yield metric, _estimate(result, "macro")
        yield f"{metric}_penalised", _estimate(result, "penalised")
    elif isinstance(result, PaurocResult):
        yield metric, _estimate(result, "macro")
    elif isinstance(result, SegmentScore):
        yield from _values("segment_f1", result.f1)
        yield "segment_error_rate", _estimate(result, "error_rate")
    elif isinstance(result, FScore):
        yield metric, _estimate(result, "micro")
        yield f"{metric}_macro", _estimate(result, "macro")
        if not math.isnan(result.error_rate):
            yield f"{metric.replace('_f1', '')}_error_rate", _estimate(result, "error_rate")


def _estimate(result: Any, name: str) -> Estimate:
    value: float = getattr(result, name)
    return result.intervals.get(name) or Estimate(value, math.nan, math.nan)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
