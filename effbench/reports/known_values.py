"""Comparable values of models: what is known of a quantity, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from effbench.plots.caption import setting as setting_in_words
from effbench.plots.caption import short_commit
from effbench.plots.quantities import ON_A_DEVICE
from effbench.plots.values import Chosen, Value
from effbench.results.declared import DECLARED
from effbench.results.measurement import more_is_better

#: Where a value comes from: timed or scored by effbench, counted by it, declared by the user with a source,
#: published, or extrapolated from another quantity.
Origin = Literal["measured", "counted", "declared", "published", "extrapolated"]


@dataclass(frozen=True)
class Known:
    """A value of a model with its origin, and of how many seeds it is the mean; timings have a batch size.

    ``source`` is the publication, or the program with its version, commit and day.
    """

    value: Value
    origin: Origin
    batch_size: int | None = None
    seeds: int = 1
    source: str = ""


@dataclass(frozen=True)
class KnownValues:
    """Comparable values of one quantity by model; timings are of one device and setting."""

    quantity: str
    known: Mapping[str, Known]
    device: str | None = None
    setting: Mapping[str, object] = field(default_factory=dict)

    @property
    def more_is_better(self) -> bool:
        """Whether high values are good ones."""
        return more_is_better(self.quantity)

    def gain(self, value: float) -> float:
        """A value as a gain: what is better is more."""
        return value if self.more_is_better else -value

    @property
    def where(self) -> str:
        """Device and setting of timings in words; empty for all else."""
        if self.quantity not in ON_A_DEVICE:
            return ""
        if self.device is None:
            return "the unknown device of published times"
        return ", ".join([self.device, *setting_in_words(self.setting)])

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The origins that occur, the most frequent first."""
        found = [known.origin for known in self.known.values()]
        return tuple(sorted(dict.fromkeys(found), key=lambda origin: -found.count(origin)))


def values_of(metrics: Mapping[str, KnownValues], spec: str) -> dict[str, float | None]:
    """What is known of a model, by quantity; ``None`` where nothing is."""
    return {
        name: metric.known[spec].value.value if spec in metric.known else None
        for name, metric in metrics.items()
    }


def known_of(chosen: Chosen) -> dict[str, Known]:
    """The values that were chosen, with their origins."""
    found = {str(row["spec"]): known_from(row) for row in chosen.rows.to_dict("records")}
    return {
        spec: replace(known, value=chosen.values[spec], seeds=chosen.seeds.get(spec, 1))
        for spec, known in found.items()
    }


def known_from(row: Mapping[Any, Any]) -> Known:
    """What a row says."""
    low, high = (None if row[end] is None or math.isnan(row[end]) else row[end] for end in ("low", "high"))
    value = Value(row["value"], low, high)
    return Known(value, origin_of(row), row["batch_size"], source=source_of(row))


def origin_of(row: Mapping[Any, Any]) -> Origin:
    """Where the value of a row comes from."""
    if row["provenance"] == "measured":
        return "measured"
    return "declared" if row["conditions"].items() >= DECLARED.items() else "published"


def source_of(row: Mapping[Any, Any]) -> str:
    """The publication that a row is from, or the program with its version, commit and day."""
    if row["provenance"] != "measured":
        return str(row["source"])
    commit = f" ({short_commit(str(row['commit']))})" if row["commit"] else ""
    return f"{row['source']}{commit}, {row['created'][:10]}"
