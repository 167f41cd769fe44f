"""What is known of the models that one chooses among: comparable values of each quantity, and their origin.

Values are chosen as figures choose them: one data set and protocol, one device and setting, and times that
were measured never beside published ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from effbench.errors import UsageError
from effbench.models import zoo
from effbench.plots.quantities import ON_A_DEVICE, SCORE_UNITS
from effbench.plots.scored import SCORED_ON, IncomparableScores, require_comparable, with_measured
from effbench.plots.timings import timed_devices
from effbench.plots.values import MissingResults, Value, untimed
from effbench.reports.fair_times import fair_times
from effbench.reports.known_values import Known, KnownValues, known_of
from effbench.results.declared import check_condition, check_quantity, depends_on
from effbench.results.measurement import UNITS
from effbench.results.selection import matching_names

#: What cards know, and under which name rows have it.
_ON_CARDS = ("parameters", "macs_exact")


class Candidates:
    """The models that one chooses among, and how their values are chosen from rows.

    Args:
        rows: newest rows of a store, with what ships.
        models: specs, names and globs; all models that rows or cards know by default.
        device: what timings are of (a part of its name), or ``published``; by default the device that covers
            most models.
        precision: of timings.
        conditions: that scores have (``data``, ``protocol``, …) or timings (``part``, ``batch_size``, …).
        scores: ``published`` or ``measured``; by default published ones, and measured ones of models that
            nobody published on the same data, or measured ones alone where none are published.

    Raises:
        UsageError: a model that is not known, or no such choice or condition.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        models: Iterable[str] | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        conditions: Mapping[str, object] | None = None,
        scores: str | None = None,
    ) -> None:
        if scores not in (None, "published", "measured"):
            raise UsageError(f"scores are published or measured, not '{scores}'")
        names = list(dict.fromkeys([*map(str, zoo.summaries()), *rows["spec"]]))
        self.specs = names if models is None else matching_names(models, names)
        self.rows = rows
        self._device, self._scores = device, scores
        asked = dict(conditions or {})
        self._timing = {name: value for name, value in asked.items() if _is_of_timings(name)}
        self._scoring = {name: value for name, value in asked.items() if name not in self._timing}
        if precision is not None:
            self._timing["precision"] = precision

    def metrics(self, quantities: Iterable[str], also: Iterable[str] = ()) -> dict[str, KnownValues]:
        """Values of the quantities, in their order, and of others as far as something is known of them.

        Models without a value are absent from a metric.

        Raises:
            UsageError: an unknown quantity, or no timings of the device.
            MissingResults: nothing comparable is known of a quantity.
        """
        needed = set(quantities := list(quantities))
        wanted = list(dict.fromkeys([*quantities, *also]))
        for quantity in wanted:
            check_quantity(quantity)
        of_device = [quantity for quantity in wanted if quantity in ON_A_DEVICE]
        timings = fair_times(self.rows, self.specs, of_device, self._device, self._timing)
        found = {quantity: timings.get(quantity) or self._score_or_count(quantity) for quantity in wanted}
        for metric in found.values():
            if not metric.known and metric.quantity in needed:
                raise MissingResults(self._nothing_known(metric))
        return {name: metric for name, metric in found.items() if metric.known}

    def _nothing_known(self, metric: KnownValues) -> str:
        of_timings = metric.quantity in ON_A_DEVICE
        conditions = self._timing if of_timings else self._scoring
        under = ", ".join(f"{name} {value}" for name, value in conditions.items())
        device = metric.device or "the device of published times"
        where = f" on {device}" if of_timings else ""
        measured = timed_devices(self.rows, metric.quantity, self.specs) if of_timings else ()
        known = f"\nIt is on {', '.join(measured)}." if measured else ""
        return (
            f"no {metric.quantity} of these models is known{where}{f' with {under}' if under else ''}{known}"
        )

    def _score_or_count(self, quantity: str) -> KnownValues:
        return self._score(quantity) if UNITS[quantity] in SCORE_UNITS else self._count(quantity)

    def _score(self, quantity: str) -> KnownValues:
        chosen = untimed(self.rows, quantity, self.specs, "published", conditions=self._scoring)
        if self._scores != "published" and (self._scores == "measured" or not chosen.values):
            chosen = untimed(self.rows, quantity, self.specs, "measured", conditions=self._scoring)
        elif self._scores is None:
            chosen = with_measured(self.rows, chosen, self.specs)
        try:
            require_comparable([chosen])
        except IncomparableScores as error:
            wanted = ", ".join(f"{name}={value}" for name, value in error.choice.items())
            raise MissingResults(f"{error}\nChoose one by its conditions: {wanted}") from None
        return KnownValues(quantity, known_of(chosen))

    def _count(self, quantity: str) -> KnownValues:
        """Counts: those of rows, else those of cards, else published or declared ones."""
        published = untimed(self.rows, quantity, self.specs, "published")
        counted = known_of(untimed(self.rows, quantity, self.specs, "measured"))
        found = known_of(published) | self._on_cards(quantity)
        found |= {spec: replace(known, origin="counted") for spec, known in counted.items()}
        return KnownValues(quantity, {spec: found[spec] for spec in self.specs if spec in found})

    def _on_cards(self, quantity: str) -> dict[str, Known]:
        cards = zoo.summaries().items() if quantity in _ON_CARDS else ()
        counts = {str(spec): card[quantity] for spec, card in cards}
        return {
            spec: Known(Value(float(count)), "counted", source="the model's card")
            for spec, count in counts.items()
            if isinstance(count, int)
        }


def _is_of_timings(condition: str) -> bool:
    """Whether a condition is one of timings; ``UsageError`` if there is no such condition."""
    if any(condition in names for names in SCORED_ON):
        return False
    check_condition(condition)
    return any(depends_on(quantity, condition) for quantity in ON_A_DEVICE)
