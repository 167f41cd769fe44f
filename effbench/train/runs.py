"""The folder of a training: where it stands, and what came of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from effbench.config import load
from effbench.errors import EffbenchError, UsageError
from effbench.files import remove_abandoned, replacing, reporting_write_errors
from effbench.models.own_model import OwnModel, find_model, own_model
from effbench.train.plan import Plan, Sources
from effbench.train.recipe.recipe import Recipe

#: Begins the name of the folder that holds the logits during a validation.
LOGITS = ".validation-"

RECIPE, NOTES = "recipe.yaml", "run.json"
_NOTED = {"spec", "recipe", "sources", "environment", "commit"}


def resumed_plan(folder: Path, model: str | None = None) -> Plan:
    """Plan of a run that is to be resumed; a model of one's own is named again, or its code is not run.

    Raises:
        UsageError: no such run; a model for a run of a spec, none for a model of one's own, or another one.
        EffbenchError: its files are damaged.
    """
    named = None if model is None else find_model(model)
    if named is not None and not isinstance(named, OwnModel):
        raise UsageError("a run that is resumed has its model, recipe, data and name already")
    plan = Run.open(folder).plan
    trained = plan.model
    if not isinstance(trained, OwnModel):
        if named is not None:
            raise UsageError(f"{folder} trains {trained}, not '{named.reference}'")
        return plan
    if named is None:
        raise UsageError(
            f"{folder} trains the model '{trained}', which is somebody's own code: name the model as well, "
            f"so that it may be run\nIt began as '{trained.reference}'."
        )
    if (named.factory, named.options) != (trained.factory, trained.options):
        raise UsageError(f"{folder} trains '{trained.reference}', not '{named.reference}'")
    return replace(plan, spec=own_model(named.reference, name=str(trained)))


@dataclass(frozen=True)
class Origin:
    """Where a run began: commit of the code, the machine and software as plain data, digests of its data.

    Versions before took no digests.
    """

    commit: str | None
    environment: Mapping[str, object]
    fingerprints: Mapping[str, str] = field(default_factory=dict)


class Run:
    """The folder of one training."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.recipe, self.notes, self.lock = folder / RECIPE, folder / NOTES, folder / ".lock"
        self.best, self.last = folder / "best.pt", folder / "last.pt"
        self.metrics, self.curves = folder / "metrics.csv", folder / "curves.png"

    @classmethod
    def create(cls, folder: Path, plan: Plan, origin: Origin) -> Run:
        """A new folder with the plan and the origin in it.

        Raises:
            UsageError: the folder holds something already.
            EffbenchError: it can't be written.
        """
        run = cls(folder, plan)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            hint = "resume that run, or " if run.notes.is_file() else ""
            raise UsageError(f"{folder} exists and is never overwritten: {hint}choose another name")
        about = {"spec": plan.spec, "recipe": plan.recipe_name, "sources": asdict(plan.sources)}
        content = {**about, **plan.code, "seed": plan.recipe.seed, **asdict(origin)}
        with replacing(run.recipe, make_folder=True) as temporary:
            temporary.write_text(recipe_text(plan.recipe), encoding="utf-8")
        with replacing(run.notes) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """An existing run.

        Raises:
            UsageError: there is none.
            EffbenchError: its files are damaged.
        """
        notes = folder / NOTES
        if not notes.is_file():
            near = sorted(path.parent.name for path in folder.parent.glob(f"*/{NOTES}"))
            known = f"\nRuns in {folder.parent}: {', '.join(near)}." if near else ""
            raise UsageError(f"{folder} is not a run{known}")
        try:
            about = json.loads(notes.read_text(encoding="utf-8"))
            lacking = _NOTED - about.keys()
            if lacking:
                raise ValueError(f"{NOTES} lacks {', '.join(sorted(lacking))}")
            recipe = load(folder / RECIPE, Recipe, "recipe")
            plan = Plan(about["spec"], about["recipe"], recipe, Sources(**about["sources"]))
        except (EffbenchError, OSError, ValueError, AttributeError, TypeError) as error:
            raise EffbenchError(f"{folder} is a damaged run: {' '.join(str(error).split())}") from None
        return cls(folder, plan)

    def origin(self) -> Origin:
        """Where the run began."""
        about = json.loads(self.notes.read_text(encoding="utf-8"))
        return Origin(about["commit"], about["environment"], about.get("fingerprints", {}))

    @property
    def code(self) -> str | None:
        """The code of a model of one's own when the run began."""
        noted = json.loads(self.notes.read_text(encoding="utf-8")).get("code")
        return None if noted is None else str(noted)

    def require_same_code(self) -> None:
        """Raise ``UsageError`` if a model of one's own is built by other code than when the run began."""
        now = self.plan.code.get("code")
        if self.code != now:
            raise UsageError(f"{self.folder} trains {self.code}, and its code is now {now}: train a new run")

    def rows(self) -> list[dict[str, float | None]]:
        """The metrics of every epoch that is done, in order."""
        if not self.metrics.is_file():
            return []
        try:
            with self.metrics.open(encoding="utf-8", newline="") as lines:
                return [
                    {key: float(value) if value else None for key, value in row.items()}
                    for row in csv.DictReader(lines)
                ]
        except (OSError, ValueError, TypeError) as error:
            raise EffbenchError(f"{self.metrics} is damaged: {error}") from None

    @property
    def kept(self) -> str:
        """What there is to resume from, as a part of a sentence."""
        return f"{self.last} is as it was saved last" if self.last.is_file() else "nothing was saved yet"

    def add_row(self, row: Mapping[str, float | None]) -> None:
        """Add an epoch's metrics, in place of any of the same or later epochs that a stopped run left."""
        done = [old for old in self.rows() if (old["epoch"] or 0) < (row["epoch"] or 0)]
        self.write_rows([*done, row])

    def write_rows(self, rows: Sequence[Mapping[str, float | None]]) -> None:
        """Replace the metrics; if they can't be written, the earlier ones stay."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with replacing(self.metrics) as path, path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows([{key: _cell(row.get(key)) for key in columns} for row in rows])

    def draw_curves(self) -> None:
        """Draw the metrics anew."""
        from effbench.plots.training import save_curves

        save_curves(self.rows(), self.curves, title=self.folder.name)

    def tidy(self) -> None:
        """Delete what a process that was killed has left half written."""
        for folder in self.folder.glob(f"{LOGITS}*"):
            shutil.rmtree(folder, ignore_errors=True)
        remove_abandoned(self.folder)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep other processes of this machine from training this run.

        Raises:
            UsageError: one does already.
        """
        lock = FileLock(self.lock)
        with reporting_write_errors(self.lock):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise UsageError(f"{self.folder} is being trained by another process") from None
        try:
            yield
        finally:
            lock.release()


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.8g}"


def recipe_text(recipe: Recipe) -> str:
    """A recipe as YAML that gives the same recipe again."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text
