"""Jobs that make data, and train models on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.errors import UsageError
from effbench.spec import ModelSpec
from effbench.study.definition import SyntheticSet
from effbench.study.job import Demand, Follower, Job
from effbench.train.plan import Hardware, Plan
from effbench.train.progress import Progress
from effbench.train.runs import Run

if TYPE_CHECKING:
    import pandas as pd

    from effbench.train.state import Position
    from effbench.train.validation import Scored


@dataclass(frozen=True)
class DataJob(Job):
    """A set of synthetic soundscapes, in a folder of its name."""

    spec: None
    folder: Path
    options: SyntheticSet

    task = "data"
    auxiliary = True

    @property
    def variant(self) -> dict[str, str | int]:
        return {"set": self.folder.name}

    @property
    def likeness(self) -> dict[str, object]:
        return self.options.model_dump(mode="json")

    @property
    def is_begun(self) -> bool:
        return self.folder.exists()

    def is_done(self, measured: pd.DataFrame) -> bool:
        from effbench.data.synth.write import is_complete

        return is_complete(self.folder, self.options.options)

    def run(self, follower: Follower) -> None:
        from effbench.data.synth.write import synthesise
        from effbench.machine.cpu import available_cores

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        synthesise(
            self.folder,
            **dict(self.options),
            processes=available_cores(),
            progress=lambda done, total: follower.part(done, total, "clips"),
        )


@dataclass(frozen=True)
class TrainJob(Job):
    """A training of one model with one seed; ``name`` is the task's."""

    spec: ModelSpec
    plan: Plan
    hardware: Hardware
    name: str | None = None

    task = "train"

    @property
    def variant(self) -> dict[str, str | int]:
        return {"seed": self.plan.recipe.seed, **({} if self.name is None else {"name": self.name})}

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.place.folder / "runs" / "_".join(filter(None, (self.plan.name, self.name)))

    @property
    def likeness(self) -> dict[str, object]:
        recipe = self.plan.recipe.model_dump(mode="json", exclude={"seed", "optimizer"})
        return {"recipe": recipe, "data": self.plan.sources.data, "hardware": asdict(self.hardware)}

    @property
    def device(self) -> str:
        return self.hardware.device

    @property
    def is_begun(self) -> bool:
        return self.folder.exists()

    @property
    def weights(self) -> Path:
        """The best weights, which it leaves."""
        return self.folder / "best.pt"

    @property
    def demand(self) -> Demand:
        cpus = (self.hardware.threads or 1) + self.hardware.workers
        return Demand(cpus=cpus, gpus=int(self.hardware.device.startswith("cuda")))

    def is_done(self, measured: pd.DataFrame) -> bool:
        from effbench.models.chosen import stamped

        begun = Run.open(self.folder) if self.weights.is_file() else None
        if begun is None or begun.plan != self.plan or begun.code != self.plan.code.get("code"):
            return False
        # The scores come last. They may be of an older effbench: a newer one does not train again.
        weights = stamped(self.weights)
        return any(conditions.get("checkpoint") == weights for conditions in measured["conditions"])

    def run(self, follower: Follower) -> None:
        from effbench.train.api import follow_plan

        begun = self.is_begun
        if begun and Run.open(self.folder).plan != self.plan:
            raise UsageError(f"{self.folder} is of another recipe, or of other data: move or delete it")
        follow_plan(
            self.plan,
            self.folder,
            self.hardware,
            resume=begun,
            store=self.place.store,
            progress=_Followed(follower, self.plan.recipe.validation.metric),
        )


class _Followed(Progress):
    """A training as a part of a study."""

    def __init__(self, follower: Follower, metric: str) -> None:
        self.follower, self.metric = follower, metric

    def began(self, run: Run, position: Position, total: int) -> None:
        if position.step:
            self.follower.line(f"resuming after step {position.step:,} of {total:,}")

    def stopping(self) -> None:
        self.follower.line("stopping after this step; interrupt once more to end at once")

    def step(self, position: Position, loss: float, clips_per_second: float, total: int) -> None:
        text = f"steps, epoch {position.epoch + 1}, loss {loss:.4f}, {clips_per_second:,.1f} clips/s"
        self.follower.part(position.step, total, text)

    def validated(self, position: Position, scored: Scored, *, best: bool) -> None:
        value = f"epoch {position.epoch}: {self.metric} {scored.value(self.metric):.2f} %"
        self.follower.line(value + (", the best so far" if best else ""))
