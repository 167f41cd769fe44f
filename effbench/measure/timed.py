"""Results of timed runs: throughput at one batch size, and latency."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from effbench.machine.description import Environment
from effbench.measure.conditions import Conditions
from effbench.measure.timing import Timing
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Timed(ABC):
    """A timed run of one call.

    Attributes:
        conditions: device, precision, part, threads, …
        batch_size: clips per call.
        timing: every sample, seconds per call, and how they were taken.
        compile_seconds: the first run, compilation included; None where nothing was compiled.
    """

    conditions: Conditions
    batch_size: int
    timing: Timing
    compile_seconds: float | None = None

    @property
    def samples(self) -> tuple[float, ...]:
        """Seconds of every call."""
        return self.timing.samples

    @cached_property
    def rate(self) -> Estimate:
        """Clips per second: the batch over the median call."""
        return self.percentile(50).map(lambda seconds: self.batch_size / seconds)

    def percentile(self, percent: float) -> Estimate:
        """Seconds within which that many per cent of the calls are done; 50 is the median."""
        return bootstrap(self.samples, percent)

    @abstractmethod
    def values(self) -> dict[str, Estimate]:
        """The figures of the run, by quantity of the results store."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON."""

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """Rows for the results store, one for each of ``values``; the samples are kept with the first."""
        return [
            Measurement.here(
                spec,
                quantity,
                estimate,
                device=self.conditions.device_name,
                conditions=self.conditions.stored(self.batch_size),
                samples=() if position else self.samples,
                environment=environment,
                details={"timing": {**self.timing.to_dict(), "compile_seconds": self.compile_seconds}},
            )
            for position, (quantity, estimate) in enumerate(self.values().items())
        ]

    def _how(self) -> dict[str, object]:
        return {
            **self.conditions.to_dict(),
            "compile_seconds": self.compile_seconds,
            "timing": self.timing.to_dict(),
            "samples": list(self.samples),
        }


@dataclass(frozen=True)
class Throughput(Timed):
    """A run whose figure is the rate; on CUDA, calls are queued without waiting.

    Attributes:
        best: whether no other batch size of the same sweep was faster.
    """

    best: bool = False

    def __str__(self) -> str:
        rate, low, high = (_clips(value) for value in (self.rate.value, self.rate.low, self.rate.high))
        return f"{rate} clips/s [{low}, {high}], batch {self.batch_size}, {self.conditions}"

    @property
    def audio_seconds_per_second(self) -> float:
        """How many times faster than real time."""
        return self.rate.value * self.conditions.clip_seconds

    def values(self) -> dict[str, Estimate]:
        return {"throughput": self.rate}

    def to_dict(self) -> dict[str, object]:
        return {
            "quantity": "throughput",
            "unit": "clips/s",
            "median": self.rate.value,
            "low": self.rate.low,
            "high": self.rate.high,
            "batch_size": self.batch_size,
            "best": self.best,
            **self._how(),
        }


@dataclass(frozen=True)
class Latency(Timed):
    """A run whose figures are percentiles; every call is waited for."""

    def __str__(self) -> str:
        median, p90, p99 = map(self.percentile, PERCENTILES)
        interval = f"[{_milliseconds(median.low)}, {_milliseconds(median.high)}]"
        tails = f"p90 {_milliseconds(p90.value)}, p99 {_milliseconds(p99.value)}"
        return f"{_milliseconds(median.value)} ms {interval}, {tails}, {self.conditions}"

    def values(self) -> dict[str, Estimate]:
        return {f"latency_p{percent}": self.percentile(percent) for percent in PERCENTILES}

    def to_dict(self) -> dict[str, object]:
        percentiles: dict[str, object] = {}
        for percent in PERCENTILES:
            seconds = self.percentile(percent)
            ends = {f"p{percent}_low": seconds.low, f"p{percent}_high": seconds.high}
            percentiles |= {f"p{percent}": seconds.value, **ends}
        return {
            "quantity": "latency",
            "unit": "s",
            **percentiles,
            "batch_size": self.batch_size,
            **self._how(),
        }


def _clips(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"
