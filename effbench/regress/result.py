"""Results of a check: one verdict for each model, and one for all."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from effbench.regress.baseline import Entry, Speed
from effbench.results.intervals import Estimate
from effbench.shown import Row, Shown, Table, number_of

Status = Literal["ok", "new", "missing", "changed", "slower"]

COUNTS = {"parameters": "parameters", "macs_exact": "MACs (exact)", "macs_paper": "MACs (paper)"}


@dataclass(frozen=True)
class ModelCheck:
    """One model, before and now.

    Attributes:
        threshold: fraction of its speed that it may lose.
        baseline: what was saved; None for a new model.
        now: what was measured; None for a model that can't be built, or a new one.
        error: why it can't be built.
        attempts: how often its speed was measured.
    """

    spec: str
    threshold: float
    baseline: Entry | None
    now: Entry | None = None
    error: str | None = None
    attempts: int = 0

    @property
    def status(self) -> Status:
        """The verdict: the worst that applies."""
        if self.baseline is None:
            return "new"
        if self.now is None:
            return "missing"
        if self.changed:
            return "changed"
        return "slower" if self.slower else "ok"

    @property
    def passed(self) -> bool:
        """Whether the model needs no attention."""
        return self.status in ("ok", "new")

    @property
    def changed(self) -> list[str]:
        """The counts that are no longer equal."""
        if self.baseline is None or self.now is None:
            return []
        return [name for name in COUNTS if getattr(self.baseline, name) != getattr(self.now, name)]

    @property
    def change(self) -> Estimate | None:
        """Speed now over speed then, with the interval that both uncertainties give together.

        The intervals are combined as independent ones are, in quadrature, on a logarithmic scale.
        """
        then, now = _speed(self.baseline), _speed(self.now)
        if then is None or now is None:
            return None
        value = now.ratio / then.ratio
        down = math.hypot(math.log(now.ratio / now.low), math.log(then.high / then.ratio))
        up = math.hypot(math.log(now.high / now.ratio), math.log(then.ratio / then.low))
        return Estimate(value, value * math.exp(-down), value * math.exp(up))

    @property
    def seems_slower(self) -> bool:
        """Whether more speed than the threshold allows seems lost, certain or not."""
        return self.change is not None and self.change.value < 1 - self.threshold

    @property
    def slower(self) -> bool:
        """Whether more speed than the threshold allows is lost, even at the upper end of the interval."""
        return self.change is not None and self.change.high < 1 - self.threshold

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty where the check is passed."""
        if self.baseline is not None and self.now is None:
            return [f"in the baseline, but can't be built: {self.error}"]
        problems = [
            f"{COUNTS[name]} {getattr(self.baseline, name):,} -> {getattr(self.now, name):,}"
            for name in self.changed
        ]
        if self.slower and self.change is not None:
            loss, low, high = (100 * (1 - x) for x in (self.change.value, self.change.high, self.change.low))
            problems += [f"{loss:.0f} % less speed [{low:.0f}, {high:.0f}], measured {self.attempts} times"]
        return problems

    def to_dict(self) -> dict[str, object]:
        then, now = _speed(self.baseline), _speed(self.now)
        return {
            "spec": self.spec,
            "status": self.status,
            "problems": self.problems,
            **{
                name: {"baseline": getattr(self.baseline, name, None), "now": getattr(self.now, name, None)}
                for name in COUNTS
            },
            "speed": {
                "baseline": then.model_dump() if then else None,
                "now": now.model_dump() if now else None,
                "change": asdict(self.change) if self.change else None,
                "attempts": self.attempts,
            },
        }

    def row(self) -> Row:
        """The model's line in a table."""
        entry, change = self.now or self.baseline, self.change
        speed = [f"{100 * (x - 1):+.1f}" for x in (change.value, change.low, change.high)] if change else []
        return {
            "model": self.spec,
            "parameters": getattr(entry, "parameters", None),
            "MACs exact": getattr(entry, "macs_exact", None),
            "MACs paper": getattr(entry, "macs_paper", None),
            "speed %": speed[0] if speed else None,
            "interval": f"[{speed[1]}, {speed[2]}]" if speed else None,
            "verdict": self.status,
        }


@dataclass(frozen=True, repr=False)
class Check(Shown):
    """A whole check: every model of the baseline that was asked for and every new one, and remarks."""

    models: tuple[ModelCheck, ...]
    threshold: float
    complexity_only: bool
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no model failed."""
        return all(model.passed for model in self.models)

    def __str__(self) -> str:
        return f"{number_of(len(self.models), 'model')}: {'passed' if self.passed else 'failed'}"

    @property
    def verdict(self) -> str:
        """What a reader must know: passed, or each model that failed with its problems."""
        compared = sum(model.status != "new" for model in self.models)
        speed = "" if self.complexity_only else f", no speed lost beyond {100 * self.threshold:g} %"
        if self.passed:
            return f"passed ({compared} checked): complexity equal{speed}"
        failed = [f"{model.spec}: {'; '.join(model.problems)}" for model in self.models if not model.passed]
        return "\n".join((f"failed ({len(failed)} of {compared} checked)", *failed))

    def sections(self) -> list[Table | str]:
        return [Table(self.rows()), *self.notes, self.verdict]

    def rows(self) -> list[Row]:
        return [model.row() for model in self.models]

    def to_dict(self) -> dict[str, object]:
        return {
            "passed": self.passed,
            "threshold": self.threshold,
            "complexity_only": self.complexity_only,
            "notes": list(self.notes),
            "models": [model.to_dict() for model in self.models],
        }


def _speed(entry: Entry | None) -> Speed | None:
    return entry.speed if entry else None
