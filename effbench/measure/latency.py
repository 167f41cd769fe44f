"""Single-stream latency: how long one clip takes, alone, from call to result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS
from effbench.machine.description import Environment
from effbench.measure.conditions import Setting, is_out_of_memory, make_call, prepared
from effbench.measure.throughput import Progress, timing_record
from effbench.measure.timing import Budget, Timing, time_calls
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement

if TYPE_CHECKING:
    import torch

    from effbench.models.detector import SoundEventDetector

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Latency:
    """Seconds that one clip takes at batch size 1, waited for each time.

    Attributes:
        p50: the median, with its bootstrap 95 % interval.
        p90: nine in ten are faster.
        p99: ninety-nine in a hundred are faster.
        setting: device, precision, part, threads, …
        timing: every sample, seconds, and how they were taken.
        compile_seconds: the first run, compilation included; None where nothing was compiled.
    """

    p50: Estimate
    p90: Estimate
    p99: Estimate
    setting: Setting
    timing: Timing
    compile_seconds: float | None = None

    def __str__(self) -> str:
        low, high = _milliseconds(self.p50.low), _milliseconds(self.p50.high)
        tails = f"p90 {_milliseconds(self.p90.value)}, p99 {_milliseconds(self.p99.value)}"
        return f"{_milliseconds(self.p50.value)} ms [{low}, {high}], {tails}, {self.setting}"

    @property
    def samples(self) -> tuple[float, ...]:
        """Seconds of every call."""
        return self.timing.samples

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON: ``p50``, ``p50_low``, ``p50_high``, … in seconds."""
        return {
            "quantity": "latency",
            "unit": "s",
            **{
                f"p{percent}{end}": value
                for percent in PERCENTILES
                for end, value in zip(("", "_low", "_high"), asdict(self._at(percent)).values(), strict=True)
            },
            "batch_size": 1,
            **asdict(self.setting),
            "compile_seconds": self.compile_seconds,
            "timing": self.timing.to_dict(),
            "samples": list(self.samples),
        }

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """The rows for the results store: one for each percentile; the samples are kept with the median."""
        return [
            Measurement.here(
                spec,
                f"latency_p{percent}",
                self._at(percent),
                device=self.setting.device_name,
                conditions=self.setting.conditions(1),
                samples=self.samples if percent == 50 else (),
                environment=environment,
                details={"timing": timing_record(self.timing, self.compile_seconds)},
            )
            for percent in PERCENTILES
        ]

    def _at(self, percent: int) -> Estimate:
        return {50: self.p50, 90: self.p90, 99: self.p99}[percent]


def measure_latency(
    detector: SoundEventDetector,
    *,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    part: str = "network",
    compiled: bool = False,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Latency:
    """Latency of single clips, one after the other, each waited for.

    Arguments, and what is restored after, are those of ``measure_throughput``.

    Raises:
        DeviceError: no such device or precision here.
        UsageError: an impossible part, number of threads or clip length.
        EffbenchError: one clip does not fit into memory, or ``torch.compile`` failed.
    """
    setting = Setting.resolve(
        device=device,
        precision=precision,
        part=part,
        compiled=compiled,
        threads=threads,
        clip_seconds=clip_seconds,
    )
    budget = budget or Budget()
    with prepared(detector, setting):
        try:
            call, compile_seconds = make_call(detector, setting, 1)
            timing = time_calls(
                call,
                setting.torch_device,
                budget,
                iterations=budget.min_latency_iterations,
                one_by_one=True,
            )
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise EffbenchError("not even one clip fits into the device's memory") from error
            raise
    p50, p90, p99 = (bootstrap(timing.samples, percent) for percent in PERCENTILES)
    result = Latency(p50, p90, p99, setting, timing, compile_seconds)
    if progress is not None:
        progress(str(result))
    return result


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"
