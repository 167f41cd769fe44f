"""Scores that are a mean over the classes for which they are defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from effbench.evaluate.bootstrap import score_interval
from effbench.results.intervals import Estimate
from effbench.shown import Row, Shown, Table, number_of


@dataclass(frozen=True, repr=False)
class ClassMean(Shown):
    """A mean over classes, 0 to 1.

    Attributes:
        name: of the quantity, such as ``pauroc``.
        macro: mean over the classes for which it is defined; NaN if it is for none.
        per_class: of each class; NaN where it is not defined.
        intervals: 95 % bootstrap interval over clips of ``macro``; empty if not asked for.
        class_intervals: the same of each class.
        thresholds: of each class, where the value is that of the best threshold; else empty.
    """

    name: str
    macro: float
    per_class: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)
    class_intervals: Mapping[str, Estimate] = field(default_factory=dict, repr=False)
    thresholds: Mapping[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        classes: Sequence[str],
        values: np.ndarray,
        thresholds: Mapping[str, float] | None = None,
    ) -> ClassMean:
        """From values (classes, 1 + resamples): those of the clips as they are come first."""
        macro = mean_of_defined(values)
        per_class = dict(zip(classes, values[:, 0].tolist(), strict=True))
        result = cls(name, float(macro[0]), per_class, thresholds=thresholds or {})
        if len(macro) == 1:
            return result
        return cls(
            name,
            result.macro,
            per_class,
            {"macro": score_interval(result.macro, macro[1:])},
            {
                label: score_interval(value, mine[1:])
                for (label, value), mine in zip(per_class.items(), values, strict=True)
                if not np.isnan(value)
            },
            result.thresholds,
        )

    def __str__(self) -> str:
        return f"{self.name} {100 * self.macro:.2f} %, {number_of(len(self.per_class), 'class')}"

    def sections(self) -> list[Table | str]:
        return [Table(self.rows(), f"{self}; by class, %")]

    def rows(self) -> list[Row]:
        """One row a class, in per cent; NaN where the value is not defined."""
        return [
            {"class": label, self.name: 100 * value}
            | ({"threshold": self.thresholds[label]} if label in self.thresholds else {})
            for label, value in self.per_class.items()
        ]

    def to_dict(self) -> dict[str, object]:
        """Values and those of the classes in per cent, ``None`` where they are not defined."""
        by_class = {label: None if value != value else 100 * value for label, value in self.per_class.items()}
        values = {name: 100 * estimate.value for name, estimate in self.values().items()}
        return {"unit": "%", "values": values, "per_class": by_class}

    def values(self) -> dict[str, Estimate]:
        """``macro`` under the name of the quantity."""
        return {self.name: self.intervals.get("macro", Estimate(self.macro))}


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the classes (classes, resamples) that have a value; NaN if none has."""
    defined = ~np.isnan(values)
    number = defined.sum(axis=0)
    mean: np.ndarray = np.where(defined, values, 0.0).sum(axis=0) / np.where(number, number, np.nan)
    return mean
