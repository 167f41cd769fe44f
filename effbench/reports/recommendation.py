"""The best model within limits, what others would cost or gain, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from effbench.reports.known_values import KnownValues, values_of
from effbench.reports.limits import Limit, Values, nearest_miss, relaxations
from effbench.reports.metric_cells import described, provenance_in_words, read, reading_cells, stored_cells
from effbench.reports.published_trainings import better_trainings, published_weights
from effbench.reports.words import listed, some
from effbench.results.dominance import dominates
from effbench.shown import Row, Shown, Table, number_of, significant

#: Costs that every answer weighs.
WEIGHED_COUNTS = ("parameters", "macs_exact")

_COST_NAMES = {"macs_exact": "MACs", "memory_peak": "memory"} | dict.fromkeys(
    ("latency_p50", "latency_p90", "latency_p99"), "latency"
)

#: The cost that a table's reasons tell; its columns have the others.
_SHORT = ("macs_exact",)

#: So many ways out are told.
_MOST = 4


@dataclass(frozen=True, repr=False)
class Recommendation(Shown):
    """Models within limits, ranked by their score, and what stands in the way of others.

    Attributes:
        score: what models are ranked by.
        metrics: all quantities that are weighed, by name: the score, parameters, MACs, and what is limited.
        limits: what was asked for.
        ranked: the models within all limits, the best first; of equals the one with the fewest MACs.
        in_the_way: for each other model with a score, best first, the limits that it is not known to keep.
        unscored: models within all other limits whose score is not known.
    """

    score: KnownValues
    metrics: Mapping[str, KnownValues]
    limits: tuple[Limit, ...]
    ranked: tuple[str, ...]
    in_the_way: Mapping[str, frozenset[Limit]]
    unscored: tuple[str, ...]

    @property
    def best(self) -> str | None:
        """The recommended model; ``None`` where nothing is within the limits."""
        return self.ranked[0] if self.ranked else None

    @property
    def best_checkpoint(self) -> str | None:
        """The published weights of the recommended model that its score is of, if there are any."""
        if self.best is None or self.score.known[self.best].origin != "published":
            return None
        return "strong" if "strong" in (published_weights(self.best) or "").split() else None

    @cached_property
    def worthwhile(self) -> tuple[str, ...]:
        """Of the ranked models those that no other one equals in all that is weighed and betters in one."""
        gains = {
            spec: [
                metric.gain(value) if (value := self.values[spec][name]) is not None else float("-inf")
                for name, metric in self.metrics.items()
            ]
            for spec in self.ranked
        }
        return tuple(
            spec for spec in self.ranked if not any(dominates(gains[o], gains[spec]) for o in self.ranked)
        )

    @cached_property
    def values(self) -> Mapping[str, Values]:
        """What is known of each model that has a score, by quantity, in the units of the store."""
        return {spec: values_of(self.metrics, spec) for spec in (*self.ranked, *self.in_the_way)}

    @cached_property
    def ways_out(self) -> Mapping[frozenset[Limit], list[str]]:
        """Smallest sets of limits without which there is a (better) model, and those models, best first.

        Models of which a limited quantity is not known are left out.
        """
        best = self.best
        bar = None if best is None else self.score.gain(self.score.known[best].value.value)
        better = {
            spec: limits
            for spec, limits in self.in_the_way.items()
            if (bar is None or self.score.gain(self.score.known[spec].value.value) > bar)
            and all(self.values[spec][limit.quantity] is not None for limit in self.limits)
        }
        return relaxations(better)

    def reason(self, spec: str, costs: Iterable[str] | None = None) -> str:
        """Why a model within the limits is where it is; by default with all costs that are weighed."""
        if spec == self.best:
            within = " within the limits" if self.limits else ""
            return f"best {self.score.quantity}{within}"
        if spec not in self.worthwhile:
            return "another is at least as good in everything"
        return self._against_best(spec, self.metrics if costs is None else costs)

    def _against_best(self, spec: str, costs: Iterable[str]) -> str:
        """What a model gains and costs against the best one: ``+0.30 psds1 for 1.40 × MACs``."""
        mine, theirs = self.values[spec], self.values[self.ranked[0]]
        name = self.score.quantity
        difference = (mine[name] or 0.0) - (theirs[name] or 0.0)
        ratios = [
            f"{_ratio(a / b)} × {_COST_NAMES.get(cost, cost)}"
            for cost in costs
            if cost != name and (a := mine[cost]) is not None and (b := theirs[cost])
        ]
        gained = f"{difference:+.2f}".replace("-", "−") if round(difference, 2) else "equal"
        return f"{gained} {name}{' for ' if ratios else ''}{', '.join(ratios)}"

    def __str__(self) -> str:
        asked = listed(map(str, self.limits)) or "no limits"
        return f"{self.best or 'no model'} ({asked})"

    def sections(self) -> list[Table | str]:
        return self.told(every=False)

    def told(self, *, every: bool) -> list[Table | str]:
        """For people: the ranked models, or what of them is worthwhile, and what is beyond the limits."""
        shown = self.ranked if every else self.worthwhile
        asked = self._asked()
        if not shown:
            head = f"No model of {len(self.in_the_way)} has {asked}."
            return [head, *self._beyond(), *self._remarks(0)]
        title = f"Best {self.score.quantity}{f' with {asked}' if self.limits else ''}: {self.best}"
        rows: list[Row] = [self._line(spec) for spec in shown]
        return [Table(rows, title, minor=("batch",)), *self._beyond(), *self._remarks(len(shown))]

    def _asked(self) -> str:
        """The limits in words; those on times and memory come last, with the device."""
        where = {limit: self.metrics[limit.quantity].where for limit in self.limits}
        said = [str(limit) for limit in sorted(self.limits, key=lambda limit: bool(where[limit]))]
        device = next(filter(None, where.values()), None)
        return listed(said) + (f" on {device}" if device else "")

    def _line(self, spec: str) -> Row:
        cells = {
            name: cell
            for m in self.metrics.values()
            for name, cell in reading_cells(m, spec, intervals=False).items()
        }
        return {"model": spec, **cells, "weights": published_weights(spec), "why": self.reason(spec, _SHORT)}

    def _beyond(self) -> Iterator[str]:
        """What dropping limits would allow."""
        for limits, specs in list(self.ways_out.items())[:_MOST]:
            without = f"Without {listed(sorted(map(str, limits)))}"
            nearest = nearest_miss(specs, self.values, limits)
            found = f"{nearest} ({self._facts(nearest, limits)})"
            if nearest != specs[0]:
                found = f"nearest {found}, best {specs[0]} ({self._facts(specs[0], limits)})"
            yield f"{without}: {found}."

    def _facts(self, spec: str, limits: Iterable[Limit]) -> str:
        """Score of a model, against the best one's if there is one, and what it has of limited quantities."""
        limited = [limit.quantity for limit in sorted(limits, key=str)]
        told = [self._against_best(spec, self.metrics)] if self.best is not None else []
        names = dict.fromkeys([*([] if told else [self.score.quantity]), *limited])
        told += [f"{name} {read(name, self.metrics[name].known[spec].value.value)}" for name in names]
        return "; ".join(told)

    def _remarks(self, shown: int) -> Iterator[str]:
        count = len(self.ranked) + len(self.in_the_way)
        if hidden := len(self.ranked) - shown:
            within = f"{len(self.ranked)} of {number_of(count, 'model')} are within the limits"
            yield f"{within}; not shown, since another is as good in all and better in something: {hidden}."
        for limit in self.limits:
            lacking = [s for s, values in self.values.items() if values[limit.quantity] is None]
            if lacking and limit.quantity != self.score.quantity:
                left_out = number_of(len(lacking), "model")
                yield f"Left out, {limit.quantity} not known: {left_out}."
        if self.unscored:
            yield f"Within the limits, but without {self.score.quantity}: {some(self.unscored)}."
        yield from self._unsure(self.worthwhile[:shown])
        yield from better_trainings(self.ranked, self.score)
        yield from self._large_batches()
        yield provenance_in_words(self.metrics)
        if any(metric.setting.get("part") == "network" for metric in self.metrics.values()):
            yield "Times and memory are those of the network, without its front-end."

    def _unsure(self, specs: Sequence[str]) -> Iterator[str]:
        """Which models keep a limit with their value, but not with all of its 95 % interval."""
        for limit in self.limits:
            known = self.metrics[limit.quantity].known
            ends = {spec: (known[spec].value.low, known[spec].value.high) for spec in specs}
            unsure = [
                s for s, pair in ends.items() if any(e is not None and not limit.allows(e) for e in pair)
            ]
            if unsure:
                yield f"Not sure to have {limit}, by the 95 % interval: {some(unsure)}."

    def _large_batches(self) -> Iterator[str]:
        """Which models need too much memory at the smallest batch size of which it is known."""
        known = self.metrics["memory_peak"].known if "memory_peak" in self.metrics else {}
        over = [
            size
            for spec, limits in self.in_the_way.items()
            if any(limit.quantity == "memory_peak" for limit in limits) and spec in known
            if (size := known[spec].batch_size or 1) > 1
        ]
        if over:
            yield (
                f"{number_of(len(over), 'model')} may fit in smaller batches: their memory is known for "
                f"{min(over)} clips and more."
            )

    def rows(self) -> list[Row]:
        """One row for each model with a score, those within the limits first, in the units of the store."""
        return [self._row(rank, spec) for rank, spec in enumerate((*self.ranked, *self.in_the_way), 1)]

    def _row(self, rank: int, spec: str) -> Row:
        within = spec in self.ranked
        row: dict[str, object] = {
            "spec": spec,
            "rank": rank if within else None,
            "worthwhile": spec in self.worthwhile,
            "reason": self.reason(spec) if within else None,
            "in_the_way": "; ".join(sorted(map(str, self.in_the_way.get(spec, ())))) or None,
            "weights": published_weights(spec),
        }
        for metric in self.metrics.values():
            row |= stored_cells(metric, spec)
        return row

    def to_dict(self) -> dict[str, object]:
        return {
            "best": self.best,
            "score": self.score.quantity,
            "limits": [
                {"quantity": limit.quantity, "bound": limit.bound, "why": limit.why or None}
                for limit in self.limits
            ],
            "metrics": {name: described(metric) for name, metric in self.metrics.items()},
            "beyond": [
                {"without": sorted(map(str, limits)), "models": specs}
                for limits, specs in self.ways_out.items()
            ],
            "models": self.rows(),
            "unscored": list(self.unscored),
        }


def _ratio(number: float) -> str:
    """Two decimals, or two digits where those would say less: ``1.44``, ``0.019``."""
    return f"{number:,.2f}" if number >= 0.1 else significant(number, 2)
