"""Jobs that score models on data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.errors import EffbenchError
from effbench.spec import ModelSpec
from effbench.study.definition import EvaluateTask
from effbench.study.job import Demand, Follower, Job
from effbench.study.learning import TrainJob
from effbench.study.measuring import conditions_of, named, rows_of

if TYPE_CHECKING:
    import pandas as pd

    from effbench.evaluate.evaluation import Evaluation

#: A condition of scores: the kind of device, where it is not the CPU.
_SCORED_ON = "scored_on"


@dataclass(frozen=True)
class EvaluateJob(Job):
    """Scores of one model on one data set: of a training's weights, or of those that the options name."""

    spec: ModelSpec
    options: EvaluateTask
    data: Path
    training: TrainJob | None = None

    task = "evaluate"

    @property
    def variant(self) -> dict[str, str | int]:
        trained = {} if self.training is None else self.training.variant
        if "name" in trained:
            trained["training"] = trained.pop("name")
        return {**trained, **named(self.options)}

    @property
    def likeness(self) -> dict[str, object]:
        return {**conditions_of(self.options), "data": str(self.data)}

    @property
    def device(self) -> str:
        return self.options.device

    @property
    def is_begun(self) -> bool:
        return self._frame_scores().exists()

    @property
    def demand(self) -> Demand:
        return Demand(gpus=int(self.options.device.startswith("cuda")))

    @cached_property
    def protocol(self) -> str:
        """What rows call the protocol: of one's own, with a digest of its content."""
        from effbench.evaluate.protocol_files import load_protocol, protocol_name

        return protocol_name(load_protocol(self.options.protocol))

    @property
    def checkpoint(self) -> str | None:
        """Weights that are scored; untrained ones without."""
        return self.options.checkpoint if self.training is None else str(self.training.weights)

    def is_done(self, measured: pd.DataFrame) -> bool:
        from effbench.data.datasets import open_dataset

        options = self.options
        # A set that was made from a seed may be gone; its name is all that is left to tell it by.
        wanted: dict[str, object] = {"data": self.data.name}
        if self.data.exists():
            try:
                dataset = open_dataset(self.data, options.layout, split=options.split, audio=options.audio)
                wanted = {"fingerprint": dataset.fingerprint()}
            except EffbenchError:
                return False
        wanted |= {"protocol": self.protocol, "precision": options.precision}
        newest = self._newest(measured)
        scored = [
            quantity
            for quantity, conditions in newest.items()
            if wanted.items() <= conditions.items() and self._is_scored(conditions)
        ]
        asked = options.metrics or newest
        return bool(scored) and all(any(f"{name}_".startswith(f"{it}_") for name in scored) for it in asked)

    def _newest(self, measured: pd.DataFrame) -> dict[str, Mapping[str, object]]:
        """Conditions of the last score of every quantity: of a training, or of these weights."""
        from effbench.infer.backends.known import find_backend

        place = {"data": self.data.name, "protocol": self.protocol, "precision": self.options.precision}
        if self.options.split is not None:
            place["split"] = self.options.split
        rows = rows_of(measured, self.spec)
        # Scores say the backend where it changes them.
        backend = None if find_backend(self.options.backend).exact else self.options.backend
        run = None if self.training is None else self.training.folder.name
        return {
            quantity: conditions
            for quantity, conditions in zip(rows["quantity"], rows["conditions"], strict=True)
            # What a training noted while it validated says at what epoch.
            if place.items() <= conditions.items()
            and conditions.get("backend") == backend
            and conditions.get("run") == run
            and "epoch" not in conditions
            and (run is not None or self._is_scored(conditions))
            and self.options.device.split(":")[0] in ("auto", conditions.get(_SCORED_ON, "cpu"))
        }

    def _is_scored(self, conditions: Mapping[str, object]) -> bool:
        """Whether a score is of these weights."""
        return _is_of(self.checkpoint, conditions.get("checkpoint"))

    def run(self, follower: Follower) -> None:
        from effbench.infer.score_folder import OtherScores
        from effbench.machine.devices import resolve_device
        from effbench.machine.environment import environment

        folder = self._frame_scores()
        try:
            evaluation = self._evaluate(folder, follower)
        except OtherScores:  # of weights before a new training, or of an earlier effbench
            shutil.rmtree(folder)
            evaluation = self._evaluate(folder, follower)
        for score in evaluation.rows():
            follower.line(f"{score['score']} {score['value']} {score['unit']}")
        conditions = {
            name: value for name, value in evaluation.origin.items() if name not in ("model", "scores")
        }
        if self.training is not None:
            conditions |= {**self.training.plan.conditions, "run": self.training.folder.name}
        if (device := resolve_device(self.device)).type != "cpu":
            conditions[_SCORED_ON] = device.type
        here = environment().to_dict()
        rows = evaluation.measurements(str(self.spec), conditions=conditions, environment=here)
        self.place.keep(rows)

    def _evaluate(self, folder: Path, follower: Follower) -> Evaluation:
        from effbench.evaluate.api import evaluate

        options = self.options
        return evaluate(
            self.spec,
            data=self.data,
            layout=options.layout,
            audio=options.audio,
            split=options.split,
            checkpoint=self.checkpoint,
            protocol=options.protocol,
            metrics=options.metrics,
            device=options.device,
            precision=options.precision,
            backend=options.backend,
            batch_size=options.batch_size,
            work=folder,
            progress=lambda done, total: follower.part(done, total, "clips"),
        )

    def _frame_scores(self) -> Path:
        """Folder of the frame scores; other weights, data or windows have another one."""
        if self.training is None:
            folder = self.place.folder / "scores" / f"{self.spec}_{Path(self.checkpoint or 'untrained').stem}"
        else:
            folder = self.training.folder / "scores"
        name = "" if self.options.name is None else f"_{self.options.name}"  # others may run meanwhile
        return folder / f"{self.data.name}_{self.options.split}_{self.protocol}{name}"


def _is_of(checkpoint: str | None, noted: object) -> bool:
    """Whether a row is of these weights, as it notes its own; a file is the same while its content is."""
    from effbench.models.chosen import stamped

    if checkpoint is None:
        return noted is None
    if Path(checkpoint).is_file():
        return noted == stamped(Path(checkpoint))
    return str(noted).startswith(f"{checkpoint} (sha256 ")
