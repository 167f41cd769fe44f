"""Limits on what a model costs and achieves: which models keep them, and what stands in the way of others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from effbench.reports.metric_cells import read
from effbench.results.dominance import Name
from effbench.results.measurement import more_is_better


@dataclass(frozen=True)
class Limit:
    """A bound on a quantity, in its unit: at least for scores and throughput, at most for all else.

    ``why`` says what the bound is for, where it was not given itself.
    """

    quantity: str
    bound: float
    why: str = ""

    def allows(self, value: float) -> bool:
        """Whether a value is within; NaN never is."""
        return value >= self.bound if more_is_better(self.quantity) else value <= self.bound

    def excess(self, value: float) -> float:
        """By which factor a value breaks the bound; 1 or less where it does not."""
        above, below = (self.bound, value) if more_is_better(self.quantity) else (value, self.bound)
        return above / below if below else math.inf if above else 1.0

    def __str__(self) -> str:
        sign = "≥" if more_is_better(self.quantity) else "≤"
        why = f" ({self.why})" if self.why else ""
        return f"{self.quantity} {sign} {read(self.quantity, self.bound)}{why}"


#: Values of one model by quantity; ``None`` or absent where not known.
Values = Mapping[str, float | None]


def broken(values: Values, limits: Iterable[Limit]) -> frozenset[Limit]:
    """The limits that a model is not known to keep: those it breaks, and those of what is not known of it."""
    return frozenset(
        limit for limit in limits if (value := values.get(limit.quantity)) is None or not limit.allows(value)
    )


def relaxations(in_the_way: Mapping[Name, frozenset[Limit]]) -> dict[frozenset[Limit], list[Name]]:
    """Smallest sets of limits without which some model is allowed, and all models that are allowed then.

    No set holds another; small sets come first. The models are in the order in which they are given.
    """
    smallest = [
        limits
        for limits in dict.fromkeys(in_the_way.values())
        if not any(other < limits for other in in_the_way.values())
    ]
    return {
        limits: [name for name, others in in_the_way.items() if others <= limits]
        for limits in sorted(smallest, key=len)
    }


def nearest_miss(names: Sequence[Name], table: Mapping[Name, Values], limits: Iterable[Limit]) -> Name:
    """Of at least one model the one whose worst excess over the limits is smallest; the first of equals."""

    def worst(name: Name) -> float:
        values = [(limit, table[name].get(limit.quantity)) for limit in limits]
        return max((math.inf if v is None else limit.excess(v) for limit, v in values), default=1.0)

    return min(names, key=worst)
