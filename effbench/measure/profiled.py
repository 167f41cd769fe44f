"""What was measured of one model, and of several side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from effbench.machine.description import Environment
from effbench.measure.complexity import Complexity
from effbench.measure.memory import Memory
from effbench.measure.timed import Latency, Throughput
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table

_MILLION, _BILLION, _MIB = 1e6, 1e9, 2**20


@dataclass(frozen=True, repr=False)
class Profile(Shown):
    """All measurements of one model.

    Attributes:
        complexity: parameters and MACs.
        environment: where it was measured.
        throughput: one entry for each part and batch size that was timed.
        latency: of single clips, if timed.
        memory: at the fastest batch size, if timed; ``None`` for a module passed in.
    """

    complexity: Complexity
    environment: Environment
    throughput: tuple[Throughput, ...] = ()
    latency: Latency | None = None
    memory: Memory | None = None

    @property
    def spec(self) -> str:
        """Canonical spec, or the class name of a module that was passed in."""
        return self.complexity.spec

    @property
    def best_throughput(self) -> Throughput | None:
        """The network's fastest batch size."""
        return next((run for run in self.throughput if run.best and run.conditions.part == "network"), None)

    def __str__(self) -> str:
        return ", ".join(map(str, filter(None, (self.complexity, self.best_throughput))))

    def sections(self) -> Iterator[Table | str]:
        yield from self.complexity.sections()
        if self.throughput:
            yield Table([_throughput_row(run) for run in self.throughput], "Throughput")
        if self.latency:
            yield f"Latency, one {'clip' if self.latency.batch_size == 1 else 'call'}: {self.latency}"
        if self.memory:
            yield f"Memory: {self.memory}"
        if self.throughput:
            here = self.environment
            yield (
                f"Measured on {here.device_name}, torch {here.software.torch}, effbench"
                f" {here.software.effbench}, load average {here.load.average_1m}."
            )

    def rows(self) -> list[Row]:
        (row,) = self.complexity.rows()
        figures: dict[str, object] = dict(row)
        best = self.best_throughput
        if best:
            rate = best.rate
            figures |= {"throughput": rate.value, "throughput_low": rate.low, "throughput_high": rate.high}
            figures |= {"batch_size": best.batch_size, "precision": best.conditions.precision}
        if self.latency:
            figures |= {quantity: estimate.value for quantity, estimate in self.latency.values().items()}
        if self.memory:
            figures["memory_peak"] = self.memory.peak_bytes
        return [figures]

    def compared(self) -> Row:
        """The model's line in a comparison, in units for reading."""
        complexity, best = self.complexity, self.best_throughput
        row: dict[str, object] = {
            "model": self.spec,
            "parameters (M)": f"{complexity.parameters.total / _MILLION:.4f}",
            "MACs exact (G)": f"{complexity.macs.exact / _BILLION:.4f}",
            "MACs paper (G)": f"{complexity.macs.paper / _BILLION:.4f}",
        }
        for name, check in complexity.counters.items():
            row[f"{name} (G)"] = "failed" if check.macs is None else f"{check.macs / _BILLION:.4f}"
        if best:
            row["clips/s"] = f"{best.rate.value:,.1f} [{best.rate.low:,.1f}, {best.rate.high:,.1f}]"
            row["batch"] = best.batch_size
        if self.latency:
            row["latency p50 (ms)"] = f"{1000 * self.latency.percentile(50).value:.1f}"
        if self.memory:
            row["memory (MiB)"] = f"{self.memory.peak_bytes / _MIB:,.0f}"
        return row

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: counts in parameters and MACs per clip, times in seconds, sizes in bytes."""
        return {
            **self.complexity.to_dict(),
            "throughput": [run.to_dict() for run in self.throughput],
            "latency": self.latency.to_dict() if self.latency else None,
            "memory": self.memory.to_dict() if self.memory else None,
            "environment": self.environment.to_dict(),
        }

    def measurements(self) -> list[Measurement]:
        """All rows for the results store."""
        return self.complexity.measurements(self.environment) + self.timings()

    def timings(self) -> list[Measurement]:
        """Rows of throughput, latency and memory."""
        results = [result for result in (*self.throughput, self.latency, self.memory) if result is not None]
        return [row for result in results for row in result.measurements(self.spec, self.environment)]


@dataclass(frozen=True, repr=False)
class Profiles(Shown):
    """Several models, one line each."""

    profiles: tuple[Profile, ...]

    def __str__(self) -> str:
        return ", ".join(profile.spec for profile in self.profiles)

    def sections(self) -> list[Table | str]:
        return [Table([profile.compared() for profile in self.profiles])]

    def rows(self) -> list[Row]:
        return [row for profile in self.profiles for row in profile.rows()]

    def to_dict(self) -> dict[str, object]:
        return {profile.spec: profile.to_dict() for profile in self.profiles}


def _throughput_row(run: Throughput) -> Row:
    return {
        "part": run.conditions.part,
        "precision": run.conditions.precision,
        "batch": run.batch_size,
        "clips/s": f"{run.rate.value:,.1f}",
        "95 % interval": f"{run.rate.low:,.1f} – {run.rate.high:,.1f}",
        "× real time": f"{run.audio_seconds_per_second:,.0f}",
        "": "best" if run.best else "",
    }
