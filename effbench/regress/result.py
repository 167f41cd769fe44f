"""Results of a check: one verdict for each model, and one for all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from effbench.regress.baseline import COUNTS, OF_TORCH, Entry
from effbench.regress.interleaved import PairedTime
from effbench.shown import Row, Shown, Table, number_of

Status = Literal["missing", "changed", "heavier", "slower", "undecided", "faster", "lighter", "new", "same"]
_FAILED = ("missing", "changed", "heavier", "slower")

#: Of one version, executed instructions differ by so much from run to run.
INSTRUCTIONS_TOLERANCE = 0.005


def is_same_torch(one: str, other: str) -> bool:
    """Whether two versions of torch are the same, whatever they were built for."""
    return one.partition("+")[0] == other.partition("+")[0]


@dataclass(frozen=True)
class ModelCheck:
    """One model, before and now.

    Attributes:
        before: its counts in the baseline, or the other version; None for a new model.
        now: its counts here; None for a model that can't be built, or one that the baseline does not have.
        error: why it can't be built, here or there.
        torch: versions of torch, before and now.
        exact: whether counts must be equal; otherwise they must not grow.
        threshold: fraction of its time by which it may become slower.
        timed: its time, where it was measured.
    """

    spec: str
    before: Entry | None
    now: Entry | None = None
    error: str | None = None
    torch: tuple[str, str] = ("", "")
    exact: bool = True
    threshold: float = 0.0
    timed: PairedTime | None = None

    @property
    def compared(self) -> list[str]:
        """The counts that can be compared."""
        if self.before is None or self.now is None:
            return []
        return [name for name in COUNTS if name not in OF_TORCH or is_same_torch(*self.torch)]

    @property
    def changed(self) -> list[str]:
        """The counts that are no longer equal."""
        return [name for name in self.compared if getattr(self.before, name) != getattr(self.now, name)]

    @property
    def grown(self) -> list[str]:
        """The counts that are larger than before."""
        return [name for name in self.compared if getattr(self.before, name) < getattr(self.now, name)]

    @property
    def executes_more(self) -> bool:
        """Whether a call executes more instructions than before."""
        executed = self.timed.instructions if self.timed else None
        return executed is not None and executed > 1 + INSTRUCTIONS_TOLERANCE

    @property
    def status(self) -> Status:
        """The verdict: the worst that applies."""
        if self.now is None and (self.before is not None or self.error is not None):
            return "missing"
        if self.before is None:
            return "new"
        if self.exact and self.changed:
            return "changed"
        if self.grown or self.executes_more:
            return "heavier"
        verdict = self.timed.decision.verdict if self.timed else "same"
        return "lighter" if verdict == "same" and self.changed else verdict

    @property
    def passed(self) -> bool:
        """Whether the model needs no attention."""
        return self.status not in _FAILED

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty where the check is passed."""
        if self.status == "missing":
            return [f"can't be built any more: {self.error}"]
        problems = [
            f"{COUNTS[name]} {getattr(self.before, name):,} -> {getattr(self.now, name):,}"
            for name in (self.changed if self.exact else self.grown)
        ]
        if self.timed and self.timed.instructions is not None and self.executes_more:
            problems.append(f"{100 * (self.timed.instructions - 1):.1f} % more instructions")
        if self.timed and self.timed.decision.verdict == "slower":
            problems.append(str(self.timed.decision))
        return problems

    def to_dict(self) -> dict[str, object]:
        timed = self.timed
        return {
            "spec": self.spec,
            "status": self.status,
            "problems": self.problems,
            "error": self.error,
            **{
                name: {"before": getattr(self.before, name, None), "now": getattr(self.now, name, None)}
                for name in COUNTS
            },
            "time": None
            if timed is None
            else {
                "verdict": timed.decision.verdict,
                "ratio": {name: _finite(value) for name, value in asdict(timed.decision.ratio).items()},
                "launches": timed.decision.launches,
                "threshold": self.threshold,
                "clock": timed.clock,
                "seconds": timed.seconds,
                "instructions": timed.instructions,
            },
        }

    def row(self) -> Row:
        """The model's line in a table."""
        entry = self.now or self.before
        counts = {name: getattr(entry, name, None) for name in COUNTS}
        row: dict[str, object] = {"model": self.spec}
        row |= {label: counts[name] for name, label in COUNTS.items()}
        if self.timed:
            decision = self.timed.decision
            change, low, high = (100 * (x - 1) for x in asdict(decision.ratio).values())
            row |= {"time %": f"{change:+.1f}", "interval": f"[{low:+.1f}, {high:+.1f}]"}
            row |= {"launches": decision.launches}
        return row | {"verdict": self.status}


@dataclass(frozen=True, repr=False)
class Check(Shown):
    """A whole check: a verdict for every model.

    Attributes:
        against: the baseline's file, or the label of the other version.
        models: those that were asked for, and standard ones that the baseline does not have.
        counts_only: whether times were left out of a comparison of versions.
    """

    against: str
    models: tuple[ModelCheck, ...]
    counts_only: bool = True

    @property
    def passed(self) -> bool:
        """Whether no model failed."""
        return all(model.passed for model in self.models)

    def __str__(self) -> str:
        count = number_of(len(self.models), "model")
        return f"{count} against {self.against}: {'passed' if self.passed else 'failed'}"

    @property
    def notes(self) -> list[str]:
        """What a reader should know besides the verdict."""
        notes = []
        versions = {model.torch for model in self.models}
        if versions and not all(is_same_torch(*pair) for pair in versions):
            before, now = next(iter(versions))
            counts = ", ".join(COUNTS[name] for name in OF_TORCH)
            notes.append(f"not compared, since torch {before} became {now}: {counts}")
        notes += [
            f"{model.spec} is new: {model.error}"
            for model in self.models
            if model.status == "new" and model.error
        ]
        if any(model.timed and model.timed.instructions is None for model in self.models):
            notes.append("instructions are not counted here: this machine does not let programs count them")
        waiting = [model.spec for model in self.models if model.timed and model.timed.clock == "wall"]
        if waiting:
            notes.append(
                f"by the clock on the wall, since processor time is not all of it: {', '.join(waiting)}"
            )
        undecided = [model.spec for model in self.models if model.status == "undecided"]
        if undecided:
            notes.append(f"undecided within the time given: {', '.join(undecided)}")
        return notes

    @property
    def verdict(self) -> str:
        """What a reader must know: passed, or each model that failed with its problems."""
        compared = sum(model.status != "new" for model in self.models)
        if self.passed:
            what = "counts equal" if all(model.exact for model in self.models) else "no count grew"
            times = "" if self.counts_only else ", none slower"
            return f"passed ({compared} checked against {self.against}): {what}{times}"
        failed = [f"{model.spec}: {'; '.join(model.problems)}" for model in self.models if not model.passed]
        return "\n".join((f"failed ({len(failed)} of {compared} checked against {self.against})", *failed))

    def table(self) -> Table:
        """A line for each model."""
        return Table(self.rows(), minor=[COUNTS[name] for name in (*OF_TORCH, "macs_paper")])

    def sections(self) -> list[Table | str]:
        return [self.table(), *self.notes, self.verdict]

    def rows(self) -> list[Row]:
        return [model.row() for model in self.models]

    def to_dict(self) -> dict[str, object]:
        return {
            "passed": self.passed,
            "against": self.against,
            "counts_only": self.counts_only,
            "notes": self.notes,
            "models": [model.to_dict() for model in self.models],
        }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
