"""Jobs that measure a model: its parameters and MACs, and its times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from effbench.models import zoo
from effbench.spec import ModelSpec
from effbench.study.definition import ComplexityTask, Precision, Task, ThroughputTask
from effbench.study.job import Demand, Follower, Job
from effbench.version import source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComplexityJob(Job):
    """Parameters and MACs."""

    spec: ModelSpec
    options: ComplexityTask

    task = "complexity"

    @property
    def variant(self) -> dict[str, str | int]:
        return named(self.options)

    @property
    def likeness(self) -> dict[str, object]:
        return conditions_of(self.options)

    def is_done(self, measured: pd.DataFrame) -> bool:
        rows = rows_of(measured, self.spec)
        counted = rows[rows["seconds"] == self.options.seconds]
        wanted = {"macs_exact", *(f"macs_{name}" for name in self.options.counters)}
        return wanted <= set(counted["quantity"])

    def run(self, follower: Follower) -> None:
        from effbench.measure.profile import profile

        options = self.options
        counts = profile(self.spec, counters=options.counters, clip_seconds=options.seconds, throughput=False)
        self.place.keep(counts.measurements())


@dataclass(frozen=True)
class ThroughputJob(Job):
    """Throughput, latency and memory in one precision."""

    spec: ModelSpec
    options: ThroughputTask
    precision: Precision

    task = "throughput"

    @property
    def variant(self) -> dict[str, str | int]:
        return {"precision": self.precision, **named(self.options)}

    @property
    def likeness(self) -> dict[str, object]:
        return {**conditions_of(self.options), "precisions": self.precision}

    @property
    def device(self) -> str:
        return self.options.device

    @property
    def demand(self) -> Demand:
        return Demand(
            gpus=int(self.options.device.startswith("cuda")), alone=True, hardware=self.options.hardware
        )

    def is_done(self, measured: pd.DataFrame) -> bool:
        rows = rows_of(measured, self.spec)
        timed = rows[rows["quantity"] == "throughput"]
        here = timed[timed["device"].map(self._is_device).astype(bool)]
        for part in self.options.parts:
            wanted, kernels = self._stored(part)
            sizes = {
                conditions["batch_size"]
                for conditions in here["conditions"]
                if wanted.items() <= conditions.items()
                and conditions.get("kernels", "torch") == kernels
                and "tf32" not in conditions  # TF32 of only a part of the operations
            }
            if not sizes or not sizes.issuperset(self.options.batch_sizes or ()):
                return False
        return True

    def _is_device(self, name: str) -> bool:
        """Whether a row is of the device that is to be timed: this machine's, or by name a cluster's."""
        from effbench.machine.devices import resolve_device
        from effbench.machine.environment import device_name

        if self.options.hardware is not None:
            return self.options.hardware.lower() in name.lower()
        return name == device_name(str(resolve_device(self.options.device)))

    def _stored(self, part: str) -> tuple[dict[str, object], str]:
        """The conditions under which a part's rows are stored, but for the batch size; and the kernels."""
        options = self.options
        wanted: dict[str, object] = {
            "part": part,
            "precision": "fp32" if part == "frontend" else self.precision,
            "compiled": options.backend == "compiled",
            "seconds": options.seconds,
        }
        if options.backend not in ("eager", "compiled") and part != "frontend":
            wanted["backend"] = options.backend
        if (threads := self._threads()) is not None:
            wanted["threads"] = threads
        return wanted, "torch" if part == "frontend" else options.kernels

    def _threads(self) -> int | None:
        """Threads of torch, where they are given or, for this machine's processor, as they are set here."""
        options = self.options
        if options.threads is not None or options.hardware is not None or options.device.startswith("cuda"):
            return options.threads
        import torch

        return torch.get_num_threads()

    def settled(self) -> Self:
        return replace(self, options=self.options.model_copy(update={"threads": self._threads()}))

    def run(self, follower: Follower) -> None:
        from effbench.measure.profile import profile

        options = self.options
        profiled = profile(
            self.spec,
            device=options.device,
            precision=self.precision,
            parts=options.parts,
            batch_sizes=options.batch_sizes,
            backend=options.backend,
            threads=options.threads,
            clip_seconds=options.seconds,
            kernels=options.kernels,
            thorough=True,
            progress=follower.line,
        )
        self.place.keep(profiled.timings())


def named(task: Task) -> dict[str, str | int]:
    """The task's name, where it has one, as a part of a job's variant."""
    return {} if task.name is None else {"name": task.name}


def conditions_of(task: Task) -> dict[str, object]:
    """What a task says of the work itself."""
    return task.model_dump(mode="json", exclude={"name", "models"})


def rows_of(measured: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """What this version of effbench has measured of a model."""
    found = measured[(measured["spec"] == str(spec)) & (measured["source"] == source())]
    if (code := zoo.model_code(spec)) is not None:  # by the code that it has now
        found = found[found["conditions"].map(lambda conditions: conditions.get("code") == code).astype(bool)]
    return found
