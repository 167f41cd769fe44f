"""Jobs that measure a model: its parameters and MACs, and its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effbench.models import zoo
from effbench.spec import ModelSpec
from effbench.study.definition import ComplexityTask, Precision, ThroughputTask
from effbench.study.job import Follower, Job
from effbench.version import source

if TYPE_CHECKING:
    import pandas as pd

    from effbench.measure.conditions import Conditions


@dataclass(frozen=True)
class ComplexityJob(Job):
    """Parameters and MACs."""

    spec: ModelSpec
    options: ComplexityTask

    task = "complexity"

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
        return {"precision": self.precision}

    def is_done(self, measured: pd.DataFrame) -> bool:
        options, rows = self.options, rows_of(measured, self.spec)
        timed = rows[rows["quantity"] == "throughput"]
        for part in options.parts:
            asked = self._conditions(part)
            wanted = asked.stored(batch_size=0)
            del wanted["batch_size"]
            if options.threads is None:
                del wanted["threads"]
            sizes = {
                conditions["batch_size"]
                for conditions in timed[timed["device"] == asked.device_name]["conditions"]
                if wanted.items() <= conditions.items()
                and conditions.get("kernels", "torch") == wanted.get("kernels", "torch")
                and "tf32" not in conditions  # TF32 of only a part of the operations
            }
            if not sizes or not sizes.issuperset(options.batch_sizes or ()):
                return False
        return True

    def run(self, follower: Follower) -> None:
        from effbench.measure.profile import profile

        options = self.options
        profiled = profile(
            self.spec,
            device=options.device,
            precision=self.precision,
            parts=options.parts,
            batch_sizes=options.batch_sizes,
            compiled=options.compiled,
            threads=options.threads,
            clip_seconds=options.seconds,
            kernels=options.kernels,
            progress=follower.line,
        )
        self.place.keep(profiled.timings())

    def _conditions(self, part: str) -> Conditions:
        from effbench.measure.conditions import Conditions

        options = self.options
        threads = {} if options.threads is None else {"threads": options.threads}
        return Conditions(
            options.device,
            self.precision,
            part,
            options.compiled,
            clip_seconds=options.seconds,
            kernels=options.kernels,
            **threads,
        )


def rows_of(measured: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """What this version of effbench has measured of a model."""
    found = measured[(measured["spec"] == str(spec)) & (measured["source"] == source())]
    if (code := zoo.model_code(spec)) is not None:  # by the code that it has now
        found = found[found["conditions"].map(lambda conditions: conditions.get("code") == code).astype(bool)]
    return found
