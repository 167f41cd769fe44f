"""What third-party counters say of the same models, and why they differ from the exact count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.plots.values import untimed

COUNTER_NAMES = {"macs_fvcore": "fvcore", "macs_thop": "thop", "macs_torch": "torch"}


@dataclass(frozen=True)
class Count:
    """One counter's figure for one model.

    Attributes:
        spec: canonical model spec.
        counter: its name.
        macs: what it counts, MACs per clip.
        exact: our exact count.
        causes: why the two differ, one line each.
    """

    spec: str
    counter: str
    macs: float
    exact: float
    causes: tuple[str, ...]

    @property
    def difference(self) -> float:
        """Against the exact count, as a fraction of that."""
        return self.macs / self.exact - 1


def counts(rows: pd.DataFrame, specs: Sequence[str]) -> list[Count]:
    """Figures of all counters that ran, model by model."""
    exact = untimed(rows, "macs_exact", specs, "measured").values
    found: dict[tuple[str, str], Count] = {}
    for quantity, name in COUNTER_NAMES.items():
        chosen = untimed(rows, quantity, specs, "measured")
        for spec, value, conditions in zip(
            chosen.rows["spec"], chosen.rows["value"], chosen.rows["conditions"], strict=True
        ):
            causes = tuple(str(cause) for cause in conditions.get("explanation", ()))
            found[spec, name] = Count(spec, name, value, exact[spec].value, causes)
    return [found[spec, name] for spec in specs for name in COUNTER_NAMES.values() if (spec, name) in found]


@dataclass(frozen=True)
class Spread:
    """How far one counter is from the exact count, over all models.

    Attributes:
        counter: its name.
        lowest: its count that falls shortest.
        highest: its count that is most above, or falls least short.
        equal: how many of its counts are the exact ones.
        models: how many models it counted.
    """

    counter: str
    lowest: Count
    highest: Count
    equal: int
    models: int


def spreads(found: Sequence[Count]) -> list[Spread]:
    """One entry for each counter that ran."""
    by_counter: dict[str, list[Count]] = {}
    for count in found:
        by_counter.setdefault(count.counter, []).append(count)
    return [
        Spread(
            counter=counter,
            lowest=min(group, key=lambda count: count.difference),
            highest=max(group, key=lambda count: count.difference),
            equal=sum(count.macs == count.exact for count in group),
            models=len(group),
        )
        for counter, group in by_counter.items()
    ]
