"""What a finished training leaves: its best scores, for people and for the results store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from effbench.models.chosen import stamped
from effbench.results.intervals import Estimate
from effbench.results.measurement import UNITS, Measurement
from effbench.shown import Row, Shown, Table
from effbench.train.fingerprints import VALIDATION
from effbench.train.fit import Fit


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """The scores of a training's best weights, and where everything of it lies.

    Attributes:
        spec: canonical model spec.
        recipe: its name.
        folder: of the run.
        epochs: that were trained.
        metric: its highest value decided which weights are the best.
        best_epoch: after which they were kept; ``None`` where the metric never had a value.
        measurements: their scores, as rows of a results store.
    """

    spec: str
    recipe: str
    folder: Path
    epochs: int
    metric: str
    best_epoch: int | None
    measurements: tuple[Measurement, ...]

    @property
    def weights(self) -> Path | None:
        """File of the best weights."""
        return None if self.best_epoch is None else self.folder / "best.pt"

    @property
    def scores(self) -> dict[str, float]:
        """Scores of the best weights by quantity, in the unit of the quantity."""
        return {row.quantity: row.value for row in self.measurements}

    def __str__(self) -> str:
        value = f"{self.scores[self.metric]:.2f} {UNITS[self.metric]}" if self.scores else "no value"
        return f"{self.spec}: {self.metric} {value}, {self.folder}"

    def sections(self) -> Iterable[Table | str]:
        if not self.measurements:
            yield f"{self.metric} has no value on these clips: there are no best weights"
            return
        columns = ("value", "low", "high", "unit", "epoch")
        rows = [{"score": row["quantity"], **{key: row[key] for key in columns}} for row in self.rows()]
        yield Table(rows, f"{self.spec}, best of {self.epochs} epochs")
        yield f"weights in {self.weights}; curves in {self.folder / 'curves.png'}"

    def rows(self) -> Sequence[Row]:
        about = self._about() | {"epoch": self.best_epoch}
        return [{**about, "quantity": row.quantity, **_value(row)} for row in self.measurements]

    def to_dict(self) -> dict[str, object]:
        return {
            **self._about(),
            "weights": None if self.weights is None else str(self.weights),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "scores": {row.quantity: _value(row) for row in self.measurements},
        }

    def _about(self) -> dict[str, object]:
        return {"spec": self.spec, "recipe": self.recipe, "run": str(self.folder)}


def result_of(fit: Fit) -> TrainingResult:
    """Result of a training that is at its end."""
    plan, epoch = fit.run.plan, fit.position.best_epoch
    recipe = plan.recipe
    return TrainingResult(
        str(plan.model),
        plan.recipe_name,
        fit.run.folder,
        recipe.epochs,
        recipe.validation.metric,
        epoch,
        () if epoch is None else tuple(_measurements(fit, epoch)),
    )


def _measurements(fit: Fit, epoch: int) -> Iterable[Measurement]:
    run, plan, validation = fit.run, fit.run.plan, fit.data.validation
    origin = run.origin()
    (best,) = (row for row in run.rows() if row["epoch"] == epoch)
    conditions = {
        **fit.conditions,
        **plan.code,
        "data": validation.path.resolve().name,
        "split": validation.split,
        **({"fingerprint": origin.fingerprints[VALIDATION]} if VALIDATION in origin.fingerprints else {}),
        "precision": plan.recipe.precision,
        "checkpoint": stamped(run.best),
        **plan.conditions,
        "run": run.folder.name,
        "epoch": epoch,
    }
    protocol = plan.recipe.validation.plan
    environment = {**origin.environment, **({"protocol": protocol.content()} if protocol else {})}
    # When the weights were scored: a finished run that is asked for again adds nothing.
    scored = datetime.fromtimestamp(run.best.stat().st_mtime, UTC).isoformat(timespec="seconds")
    for name, value in best.items():
        if name in UNITS and value is not None:
            ends = [best.get(f"{name}_{end}") for end in ("low", "high")]
            estimate = Estimate(value, *(math.nan if end is None else end for end in ends))
            row = Measurement.here(
                str(plan.model), name, estimate, conditions=conditions, environment=environment
            )
            yield replace(row, commit=origin.commit, created=scored)


def _value(row: Measurement) -> dict[str, object]:
    return {"value": row.value, "low": row.low, "high": row.high, "unit": row.unit}
