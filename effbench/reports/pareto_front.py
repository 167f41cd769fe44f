"""A Pareto front with its shape and how sure it is, as a result that shows itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from effbench.reports.known_values import KnownValues
from effbench.reports.metric_cells import (
    described,
    has_intervals,
    provenance_in_words,
    read,
    reading_cells,
    stored_cells,
)
from effbench.reports.words import listed, some
from effbench.shown import Row, Shown, Table, number_of

#: Models less often on the front than this, and not on it as measured, are left out of a short table.
_SELDOM = 0.05


@dataclass(frozen=True, repr=False)
class ParetoFront(Shown):
    """The Pareto front of some metrics, its shape, and how sure it is.

    Attributes:
        metrics: by quantity, what is known of all models, published values without an interval included.
        front: models that no other one equals in all metrics and betters in one, the best in the first metric
            first; models with equal values stand or fall together.
        probability: for each compared model, to be on the front: the share of ``draws`` in which it was.
            Every value is drawn on its own, from a normal distribution with halves of the widths of its 95 %
            interval; a value without an interval is exact.
        beaten_by: for each other compared model the best model of the front that dominates it.
        knee: models of the front that bulge furthest out, none where no one does (see
            ``effbench.reports.front_shape.knee``), costs and rates on logarithmic axes.
        reference: the point that the hypervolume is measured from; by default the worst value in each metric.
        volume: hypervolume of the front in the product of the units.
        hypervolume: its share of the box from the reference to the best value in each metric, costs and rates
            on logarithmic axes; ``None`` where the box is empty.
        missing: for each model that is left out, the metrics that are not known of it.
        draws, seed: of the probabilities.
    """

    metrics: Mapping[str, KnownValues]
    front: tuple[str, ...]
    probability: Mapping[str, float]
    beaten_by: Mapping[str, str]
    knee: tuple[str, ...]
    reference: Mapping[str, float]
    volume: float
    hypervolume: float | None
    missing: Mapping[str, tuple[str, ...]]
    draws: int
    seed: int

    @property
    def models(self) -> tuple[str, ...]:
        """All that are compared: the front, then the others, those that are most often on it first."""
        others = sorted(self.beaten_by, key=lambda spec: -self.probability[spec])
        return (*self.front, *others)

    def __str__(self) -> str:
        return f"{', '.join(self.metrics)}: {len(self.front)} of {number_of(len(self.models), 'model')}"

    def sections(self) -> list[Table | str]:
        return self.told(every=False)

    def told(self, *, every: bool) -> list[Table | str]:
        """For people: the front and what is often on it, or every model, and what the numbers are."""
        shown = [s for s in self.models if every or s in self.front or self.probability[s] >= _SELDOM]
        aims = [
            f"{name} {'high' if metric.more_is_better else 'low'}" for name, metric in self.metrics.items()
        ]
        count = f"{len(self.front)} of {number_of(len(self.models), 'model')}"
        title = f"Pareto front of {listed(aims)}: {count}"
        lines = [self._line(spec) for spec in shown]
        minor = [name for name in lines[0] if name == "batch" or name.endswith("95 %")]
        return [Table(lines, title, minor=minor), *self._remarks(len(shown))]

    def _line(self, spec: str) -> Row:
        row: dict[str, object] = {"model": spec}
        for metric in self.metrics.values():
            row |= reading_cells(metric, spec)
        if self._uncertain:
            row["on the front"] = self.probability[spec]
        remark = f"beaten by {self.beaten_by[spec]}" if spec in self.beaten_by else None
        return row | {"remark": "knee" if spec in self.knee else remark}

    @property
    def _uncertain(self) -> bool:
        return any(map(has_intervals, self.metrics.values()))

    def _remarks(self, shown: int) -> Iterator[str]:
        if shown < len(self.models):
            yield f"{number_of(len(self.models) - shown, 'model')} that others beat are not shown."
        yield provenance_in_words(self.metrics)
        if self.hypervolume is not None:
            at = ", ".join(f"{name} {read(name, value)}" for name, value in self.reference.items())
            yield (
                f"Hypervolume: {self.hypervolume:.4f} of the box from {at} to the best of each, costs and "
                "rates on logarithmic axes."
            )
        if self._uncertain:
            yield (
                f"On the front: in this share of {self.draws:,} draws (seed {self.seed}). Values are drawn "
                "independently, normal on each side of the value with its 95 % interval; those without an "
                "interval are exact."
            )
        for names in dict.fromkeys(self.missing.values()):
            specs = [spec for spec, lacking in self.missing.items() if lacking == names]
            yield f"Left out, {listed(names)} not known: {some(specs)}."

    def rows(self) -> list[Row]:
        """One row for each compared model, in the units of the store."""
        return [self._row(spec) for spec in self.models]

    def _row(self, spec: str) -> Row:
        row: dict[str, object] = {
            "spec": spec,
            "front": spec in self.front,
            "probability": self.probability[spec],
            "knee": spec in self.knee,
            "beaten_by": self.beaten_by.get(spec),
        }
        for metric in self.metrics.values():
            row |= stored_cells(metric, spec)
        return row

    def to_dict(self) -> dict[str, object]:
        return {
            "metrics": {name: described(metric) for name, metric in self.metrics.items()},
            "front": list(self.front),
            "knee": list(self.knee),
            "hypervolume": self.hypervolume,
            "volume": self.volume,
            "reference": dict(self.reference),
            "draws": self.draws,
            "seed": self.seed,
            "models": self.rows(),
            "missing": {spec: list(names) for spec, names in self.missing.items()},
        }
