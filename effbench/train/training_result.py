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
from effbench.train.fit import Fit


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """The scores of a training's best weights, and where everything of it lies.

    Attributes:
        spec: canonical model spec.
        recipe: its name.
        folder: of the run.
        epochs: that were trained.
        metric: the highest value of it decided which weights are the best.
        best_epoch: after which they were kept; ``None`` where the metric never had a value.
        scores: of these weights by quantity, in the unit of the quantity, with 95 % intervals.
        measurements: the same as rows of a results store, with where they come from.
    """

    spec: str
    recipe: str
    folder: Path
    epochs: int
    metric: str
    best_epoch: int | None
    scores: dict[str, Estimate]
    measurements: tuple[Measurement, ...]

    @classmethod
    def of(cls, fit: Fit) -> TrainingResult:
        """Result of a training that is at its end."""
        run, plan = fit.run, fit.run.plan
        best = next((row for row in run.rows() if row["epoch"] == fit.position.best_epoch), {})
        scores = {
            name: Estimate(value, *(_number(best.get(f"{name}_{end}")) for end in ("low", "high")))
            for name, value in best.items()
            if name in UNITS and value is not None
        }
        recipe = plan.recipe
        return cls(
            plan.spec,
            plan.recipe_name,
            run.folder,
            recipe.epochs,
            recipe.validation.metric,
            fit.position.best_epoch,
            scores,
            tuple(_measurements(fit, scores)),
        )

    @property
    def weights(self) -> Path | None:
        """File of the best weights."""
        return None if self.best_epoch is None else self.folder / "best.pt"

    def __repr__(self) -> str:
        value = self.scores.get(self.metric)
        text = "no value" if value is None else f"{value.value:.2f} {UNITS[self.metric]}"
        return f"<TrainingResult {self.spec}: {self.metric} {text}, {self.folder}>"

    def sections(self) -> Iterable[Table | str]:
        if not self.scores:
            yield f"{self.metric} has no value on these clips: there are no best weights"
            return
        rows = [
            {
                "score": name,
                "value": score.value,
                "low": _finite(score.low),
                "high": _finite(score.high),
                "unit": UNITS[name],
                "epoch": self.best_epoch,
            }
            for name, score in self.scores.items()
        ]
        yield Table(rows, f"{self.spec}, best of {self.epochs} epochs")
        yield f"weights in {self.weights}; curves in {self.folder / 'curves.png'}"

    def rows(self) -> Sequence[Row]:
        return [
            {
                "spec": self.spec,
                "recipe": self.recipe,
                "run": str(self.folder),
                "epoch": self.best_epoch,
                "quantity": name,
                **_described(score, name),
            }
            for name, score in self.scores.items()
        ]

    def to_dict(self) -> dict[str, object]:
        return {
            "spec": self.spec,
            "recipe": self.recipe,
            "run": str(self.folder),
            "weights": None if self.weights is None else str(self.weights),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "scores": {name: _described(score, name) for name, score in self.scores.items()},
        }


def _measurements(fit: Fit, scores: dict[str, Estimate]) -> Iterable[Measurement]:
    run, plan = fit.run, fit.run.plan
    if not scores:
        return
    origin, validation = run.origin(), fit.data.validation
    conditions = {
        **fit.conditions,
        "data": validation.path.resolve().name,
        "split": validation.split,
        "checkpoint": stamped(run.best),
        "run": run.folder.name,
        "recipe": plan.recipe_name,
        "epoch": fit.position.best_epoch,
        "seed": plan.recipe.seed,
    }
    # When the weights were scored: a finished run that is asked for again adds nothing.
    scored = datetime.fromtimestamp(run.best.stat().st_mtime, UTC).isoformat(timespec="seconds")
    for name, score in scores.items():
        row = Measurement.here(plan.spec, name, score, conditions=conditions, environment=origin.environment)
        yield replace(row, commit=origin.commit, created=scored)


def _described(score: Estimate, name: str) -> dict[str, object]:
    return {
        "value": score.value,
        "low": _finite(score.low),
        "high": _finite(score.high),
        "unit": UNITS[name],
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
