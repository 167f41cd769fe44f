"""Comparable values of models: what is known of a quantity, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from effbench.plots.caption import setting as setting_in_words
from effbench.plots.select import TIMED
from effbench.plots.values import Chosen, Value
from effbench.results.declared import DECLARED
from effbench.results.measurement import more_is_better

#: Where a value comes from: timed or scored by effbench, counted by it, declared by the user with a source,
#: or published.
Origin = Literal["measured", "counted", "declared", "published"]

#: Quantities of one device in one setting.
ON_A_DEVICE = (*TIMED, "logit_error")


@dataclass(frozen=True)
class Known:
    """A value of a model with its origin, and of how many seeds it is the mean; timings have a batch size."""

    value: Value
    origin: Origin
    batch_size: int | None = None
    seeds: int = 1


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
    rows = chosen.rows.to_dict("records")
    return {
        str(row["spec"]): Known(chosen.values[row["spec"]], origin_of(row), row["batch_size"]) for row in rows
    }


def origin_of(row: Mapping[Any, Any]) -> Origin:
    """Where the value of a row comes from."""
    if row["provenance"] == "measured":
        return "measured"
    return "declared" if row["conditions"].items() >= DECLARED.items() else "published"
