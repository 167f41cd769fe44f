"""What a finished training leaves: its best scores, for people and for the results store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from effbench.models.chosen import digest
from effbench.results.measurement import UNITS, Measurement
from effbench.train.fit import Fit
from effbench.train.runs import Run
from effbench.version import source


def _best(run: Run, fit: Fit) -> dict[str, float | None]:
    """Metrics of the best epoch."""
    rows = [row for row in run.rows() if row["epoch"] == fit.position.best_epoch]
    return rows[0] if rows else {}


def best_rows(run: Run, fit: Fit) -> list[dict[str, Any]]:
    """Scores of the best weights with their 95 % intervals, for a table."""
    best = _best(run, fit)
    return [
        {
            "score": name,
            "value": round(value, 2),
            **{end: _rounded(best.get(f"{name}_{end}")) for end in ("low", "high")},
            "unit": UNITS[name],
            "epoch": fit.position.best_epoch,
        }
        for name, value in best.items()
        if name in UNITS and value is not None
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def store_rows(run: Run, fit: Fit) -> list[Measurement]:
    """The same as rows of the results store, with where they come from."""
    plan, about, best = run.plan, run.about(), _best(run, fit)
    if not best:
        return []
    conditions = {
        **fit.conditions,
        "data": fit.data.validation.path.resolve().name,
        "split": fit.data.validation.split,
        "checkpoint": f"{run.best.name} (sha256 {digest(run.best)})",
        "run": run.folder.name,
        "recipe": plan.recipe_name,
        "epoch": fit.position.best_epoch,
        "seed": plan.recipe.seed,
    }
    # When the weights were scored: a finished run that is asked for again adds nothing.
    scored = datetime.fromtimestamp(run.best.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return [
        Measurement(
            spec=plan.spec,
            quantity=name,
            value=value,
            provenance="measured",
            source=source(),
            low=best.get(f"{name}_low"),
            high=best.get(f"{name}_high"),
            conditions=conditions,
            environment=about["environment"],
            commit=about["commit"],
            created=scored,
        )
        for name, value in best.items()
        if name in UNITS and value is not None
    ]
