"""Energy of a clip, by counters of the hardware, without what the device takes while it does nothing."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import asdict, dataclass

import torch

from effbench.errors import EffbenchError
from effbench.machine.cpu import LoadWatch
from effbench.machine.description import Environment
from effbench.machine.energy_counters import EnergyMeter
from effbench.measure.conditions import Conditions
from effbench.measure.timing import Budget, Call, Progress, no_garbage_collection, synchronise, timed
from effbench.measure.workload import Timeable, make_call, prepared
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table, significant

_WINDOWS = 5
_STEPS_OF_A_WINDOW = 100  # a reading may be a step too old, so that a window is exact to 1 %
_SETTLING = 0.5  # of the idle time, before it is looked at: fans and clocks come down
_CHUNK_SECONDS = 0.2  # of GPU work that is queued before the clock is looked at


@dataclass(frozen=True)
class EnergyWindow:
    """A stretch of calls, one after the other.

    Attributes:
        joules: what the device took, idle or not.
        seconds: how long it lasted.
        clips: how many were computed.
    """

    joules: float
    seconds: float
    clips: int

    @property
    def watts(self) -> float:
        """What the device took, idle or not."""
        return self.joules / self.seconds

    def per_clip(self, idle_watts: float) -> float:
        """Joules for a clip, above what the device takes while it does nothing."""
        return (self.joules - idle_watts * self.seconds) / self.clips


@dataclass(frozen=True, repr=False)
class Energy(Shown):
    """Joules for a clip above idle, of a part of a model.

    Attributes:
        windows: one after the other.
        idle_watts: what the device took asleep, before and after.
        counter: the hardware's counters that were read.
        step_seconds: the time between two of their steps.
        other_busy_cores: cores that other processes kept busy during the windows, where known.
    """

    windows: tuple[EnergyWindow, ...]
    idle_watts: tuple[float, float]
    counter: str
    step_seconds: float
    batch_size: int
    conditions: Conditions
    other_busy_cores: float | None = None

    @property
    def idle(self) -> float:
        """Watts that are subtracted: the mean of those before and after."""
        return statistics.fmean(self.idle_watts)

    @property
    def joules(self) -> Estimate:
        """For a clip: the median window, and its bootstrap interval with what idle and the counter add.

        They add half the difference of both idle powers, and what is taken in a step of the counter.
        """
        found = bootstrap([window.per_clip(self.idle) for window in self.windows])
        drift = abs(self.idle_watts[0] - self.idle_watts[1]) / 2
        unsure = statistics.median(
            (drift * window.seconds + self.step_seconds * window.watts) / window.clips
            for window in self.windows
        )
        return Estimate(found.value, found.low - unsure, found.high + unsure)

    def __str__(self) -> str:
        value, low, high = (significant(x, 3) for x in asdict(self.joules).values())
        idle = f"above {significant(self.idle, 3)} W idle, by {self.counter}"
        return f"{value} J/clip [{low}, {high}], batch {self.batch_size}, {self.conditions} ({idle})"

    def sections(self) -> list[Table | str]:
        return [str(self)]

    def rows(self) -> list[Row]:
        conditions = {**self.conditions.stored(self.batch_size), "device": self.conditions.device_name}
        return [{"quantity": "energy", **asdict(self.joules), "unit": "J/clip", **conditions}]

    def to_dict(self) -> dict[str, object]:
        return {
            "quantity": "energy",
            "unit": "J/clip",
            **asdict(self.joules),
            "batch_size": self.batch_size,
            **self.conditions.to_dict(),
            **self._details(),
        }

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """The row for the results store, with the windows and idle watts among its details."""
        return [
            Measurement.here(
                spec,
                "energy",
                self.joules,
                device=self.conditions.device_name,
                conditions=self.conditions.stored(self.batch_size),
                environment={**environment.to_dict(), "energy": self._details()},
            )
        ]

    def _details(self) -> dict[str, object]:
        return {
            "counter": self.counter,
            "step_seconds": self.step_seconds,
            "idle_watts": self.idle,
            "idle_watts_before": self.idle_watts[0],
            "idle_watts_after": self.idle_watts[1],
            "windows": [asdict(window) for window in self.windows],
            "other_busy_cores": self.other_busy_cores,
        }


def measure_energy(
    detector: Timeable,
    conditions: Conditions,
    meter: EnergyMeter,
    *,
    batch_size: int,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Energy:
    """Energy of a clip in batches of one size; inputs and calls are those of ``measure_throughput``.

    The device sleeps, then runs five windows of the budget's shortest time or a hundred steps of the
    counter, then sleeps again. What sleeping takes, the mean of before and after, is subtracted.

    Raises:
        EffbenchError: the model takes no more than the device did while idle.
    """
    budget, device = budget or Budget(), conditions.torch_device
    resolved = _STEPS_OF_A_WINDOW * meter.step_seconds
    with prepared(detector, conditions), no_garbage_collection():
        call, _ = make_call(detector, conditions, batch_size)
        timed(call, device)
        idle = max(budget.idle_seconds, resolved)
        before = _idle_watts(meter, idle)
        chunk = _warm_up(call, device, budget.max_warmup_seconds)
        watch = LoadWatch()
        windows = _run(call, device, meter, max(budget.min_seconds, resolved), chunk, batch_size)
        others, _ = watch.read()
        after = _idle_watts(meter, idle)
    name, step = meter.name, meter.step_seconds
    energy = Energy(windows, (before, after), name, step, batch_size, conditions, others)
    if not energy.joules.low > 0:
        raise EffbenchError(
            f"the energy of the {conditions.part} can't be told from what else the machine does: idle took"
            f" {before:.3g} W before and {after:.3g} W after. Measure on a machine with no other work"
        )
    if progress is not None:
        progress(str(energy))
    return energy


def _idle_watts(meter: EnergyMeter, seconds: float) -> float:
    time.sleep(_SETTLING * seconds)
    start, before = time.perf_counter(), meter.read()
    time.sleep(seconds)
    after = meter.read()
    return meter.between(before, after) / (time.perf_counter() - start)


def _warm_up(call: Call, device: torch.device, seconds: float) -> int:
    """Runs for so long, and says how many calls to queue at once."""
    start = time.perf_counter()
    last = timed(call, device)
    while time.perf_counter() - start < seconds:
        last = timed(call, device)
    return 1 if device.type == "cpu" else math.ceil(_CHUNK_SECONDS / max(last, 1e-6))


def _run(
    call: Call, device: torch.device, meter: EnergyMeter, seconds: float, chunk: int, batch_size: int
) -> tuple[EnergyWindow, ...]:
    """Windows of at least so many seconds, without a gap between them."""
    windows: list[EnergyWindow] = []
    calls, start, before = 0, time.perf_counter(), meter.read()
    while len(windows) < _WINDOWS:
        for _ in range(chunk):
            call()
        synchronise(device)
        calls += chunk
        now = time.perf_counter()
        if now - start >= seconds:
            after = meter.read()
            windows.append(EnergyWindow(meter.between(before, after), now - start, calls * batch_size))
            calls, start, before = 0, now, after
    return tuple(windows)
