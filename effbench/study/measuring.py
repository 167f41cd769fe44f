"""Jobs that measure a model: its parameters and MACs, and its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effbench.spec import ModelSpec
from effbench.study.definition import ComplexityTask, Precision, ThroughputTask
from effbench.study.follower import Follower
from effbench.study.job import Job
from effbench.version import source

if TYPE_CHECKING:
    import pandas as pd


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
        found = profile(self.spec, counters=options.counters, clip_seconds=options.seconds, throughput=False)
        self.place.keep(found.measurements())


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
        from effbench.machine.environment import device_name

        options, rows = self.options, rows_of(measured, self.spec)
        rates = rows[
            (rows["quantity"] == "throughput")
            & (rows["device"] == device_name(options.device))
            & (rows["precision"] == self.precision)
            & (rows["compiled"] == options.compiled)
            & (rows["seconds"] == options.seconds)
        ]
        if options.threads is not None:
            rates = rates[rates["threads"] == options.threads]
        return set(options.parts) <= set(rates["part"]) and (
            options.batch_sizes is None or set(options.batch_sizes) <= set(rates["batch_size"])
        )

    def run(self, follower: Follower) -> None:
        from effbench.measure.profile import profile

        options = self.options
        found = profile(
            self.spec,
            device=options.device,
            precision=self.precision,
            parts=options.parts,
            batch_sizes=options.batch_sizes,
            compiled=options.compiled,
            threads=options.threads,
            clip_seconds=options.seconds,
            progress=follower.line,
        )
        self.place.keep(found.timings())


def rows_of(measured: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """What this version of effbench has measured of a model."""
    return measured[(measured["spec"] == str(spec)) & (measured["source"] == source())]
